//! A cursor over bytes that checks every step. It copies nothing and never looks past the end.

use crate::DecodeError;

/// Reads numbers and slices from the front of a byte slice.
///
/// ```
/// let mut r = joinery_codec::Reader::new(&[0xac, 0x02]);
/// assert_eq!(r.varint("a count"), Ok(300));
/// assert!(r.finish().is_ok());
/// ```
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, offset: 0 }
    }

    /// Offset of the next byte.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// True when nothing is left.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// An error at the current offset.
    pub fn error(&self, expected: &'static str, found: &'static str) -> DecodeError {
        DecodeError::new(self.offset, expected, found)
    }

    /// One byte.
    pub fn u8(&mut self, expected: &'static str) -> Result<u8, DecodeError> {
        let byte = *self
            .bytes
            .get(self.offset)
            .ok_or_else(|| self.error(expected, "the end"))?;
        self.offset += 1;
        Ok(byte)
    }

    /// The next `len` bytes.
    pub fn bytes(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8], DecodeError> {
        if len > self.remaining() {
            return Err(self.error(expected, "the end"));
        }
        let slice = &self.bytes[self.offset..self.offset + len];
        self.offset += len;
        Ok(slice)
    }

    /// Eight bytes, little endian.
    pub fn u64_le(&mut self, expected: &'static str) -> Result<u64, DecodeError> {
        let slice = self.bytes(8, expected)?;
        let mut word = [0; 8];
        word.copy_from_slice(slice);
        Ok(u64::from_le_bytes(word))
    }

    /// An unsigned LEB128 number in its shortest form, so that equal values have equal bytes.
    #[inline]
    pub fn varint(&mut self, expected: &'static str) -> Result<u64, DecodeError> {
        if let Some(&byte) = self.bytes.get(self.offset) {
            if byte < 0x80 {
                self.offset += 1;
                return Ok(u64::from(byte));
            }
        }
        self.varint_long(expected)
    }

    fn varint_long(&mut self, expected: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        let mut shift = 0;
        loop {
            let byte = self.u8(expected)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.error(expected, "a number over 64 bits"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    return Err(self.error(expected, "a number not in its shortest form"));
                }
                return Ok(value);
            }
            shift += 7;
            if shift > 63 {
                return Err(self.error(expected, "a number over 64 bits"));
            }
        }
    }

    /// A varint that fits 32 bits.
    #[inline]
    pub fn u32(&mut self, expected: &'static str) -> Result<u32, DecodeError> {
        u32::try_from(self.varint(expected)?).map_err(|_| self.error(expected, "a number over 32 bits"))
    }

    /// A signed number, zigzag coded.
    pub fn zigzag(&mut self, expected: &'static str) -> Result<i64, DecodeError> {
        let raw = self.varint(expected)?;
        Ok(((raw >> 1) as i64) ^ -((raw & 1) as i64))
    }

    /// A count of things that take at least one byte each, so it can't exceed what is left.
    pub fn count(&mut self, expected: &'static str) -> Result<usize, DecodeError> {
        let n = self.varint(expected)?;
        if n > self.remaining() as u64 {
            return Err(self.error(expected, "a count larger than the input"));
        }
        Ok(n as usize)
    }

    /// A length and that many bytes.
    pub fn blob(&mut self, expected: &'static str) -> Result<&'a [u8], DecodeError> {
        let len = self.count(expected)?;
        self.bytes(len, expected)
    }

    /// A length and that many bytes of UTF-8.
    pub fn str(&mut self, expected: &'static str) -> Result<&'a str, DecodeError> {
        let at = self.offset;
        std::str::from_utf8(self.blob(expected)?)
            .map_err(|_| DecodeError::new(at, expected, "bytes that are not UTF-8"))
    }

    /// Succeeds only when everything was read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.error("the end", "more bytes"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write_varint;

    #[test]
    fn varints_at_their_boundaries_round_trip() {
        for bits in 0..64 {
            for value in [(1u64 << bits) - 1, 1 << bits, (1 << bits) + 1] {
                let mut out = Vec::new();
                write_varint(&mut out, value);
                let mut r = Reader::new(&out);
                assert_eq!(r.varint("n"), Ok(value));
                assert!(r.is_empty());
            }
        }
    }

    #[test]
    fn overlong_and_oversized_varints_are_refused() {
        assert!(Reader::new(&[0x80, 0x00]).varint("n").is_err());
        assert!(Reader::new(&[0xff; 10]).varint("n").is_err());
        assert!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02])
                .varint("n")
                .is_err()
        );
        assert!(Reader::new(&[0x80]).varint("n").is_err());
    }

    #[test]
    fn a_count_larger_than_the_input_is_refused() {
        assert!(Reader::new(&[5, 1, 2, 3, 4]).blob("b").is_err());
        assert_eq!(Reader::new(&[4, 1, 2, 3, 4]).blob("b"), Ok(&[1, 2, 3, 4][..]));
    }
}
