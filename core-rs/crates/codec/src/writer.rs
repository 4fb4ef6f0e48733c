//! Appends numbers and slices to a growing buffer: the mirror of [`Reader`](crate::Reader).

/// Appends `value` as unsigned LEB128.
#[inline]
pub fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number, zigzag coded, so that small magnitudes of either sign stay short.
#[inline]
pub fn write_zigzag(out: &mut Vec<u8>, value: i64) {
    write_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// The appending operations that encoders of whole messages share.
pub trait Writer {
    /// A varint.
    fn varint(&mut self, value: u64);
    /// Eight bytes, little endian.
    fn u64_le(&mut self, value: u64);
    /// A length and the bytes.
    fn blob(&mut self, bytes: &[u8]);
}

impl Writer for Vec<u8> {
    #[inline]
    fn varint(&mut self, value: u64) {
        write_varint(self, value);
    }
    fn u64_le(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn blob(&mut self, bytes: &[u8]) {
        write_varint(self, bytes.len() as u64);
        self.extend_from_slice(bytes);
    }
}
