//! CRC-32 (ISO-HDLC, the polynomial of zlib), for records on disk. It finds accidents, not attackers.
//!
//! Eight bytes at a time ("slicing by 8": Kounavis and Berry, A Systematic Approach to Building High Performance Software-based
//! CRC Generators, 2005). The tables are made when they are first used: in a module they would be bytes that don't compress.

use std::sync::OnceLock;

/// Table k tells what a byte does to the checksum when k more bytes follow it.
type Tables = [[u32; 256]; 8];

static TABLES: OnceLock<Tables> = OnceLock::new();

fn tables() -> Tables {
    let mut tables = [[0; 256]; 8];
    for (byte, crc) in (0u32..).zip(&mut tables[0]) {
        *crc = (0..8).fold(byte, |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 });
    }
    for follow in 1..8 {
        for byte in 0..256 {
            let before: u32 = tables[follow - 1][byte];
            tables[follow][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
        }
    }
    tables
}

/// The checksum of `bytes`.
///
/// ```
/// assert_eq!(joinery_codec::crc32(b"123456789"), 0xcbf4_3926);
/// ```
pub fn crc32(bytes: &[u8]) -> u32 {
    let tables = TABLES.get_or_init(tables);
    let (words, rest) = bytes.as_chunks::<8>();
    let mut crc = !0u32;
    for word in words {
        let mixed = u64::from_le_bytes(*word) ^ u64::from(crc);
        let at = |byte: usize| tables[7 - byte][(mixed >> (8 * byte) & 0xff) as usize];
        crc = (at(0) ^ at(1)) ^ (at(2) ^ at(3)) ^ (at(4) ^ at(5)) ^ (at(6) ^ at(7));
    }
    for &byte in rest {
        crc = (crc >> 8) ^ tables[0][((crc ^ u32::from(byte)) & 0xff) as usize];
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::crc32;

    /// Bit by bit.
    fn naive(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                if crc & 1 == 1 {
                    crc >> 1 ^ 0xedb8_8320
                } else {
                    crc >> 1
                }
            })
        })
    }

    #[test]
    fn it_is_the_same_at_every_length() {
        let bytes: Vec<u8> = (0..100u32).map(|at| (at * at * 31 / 8) as u8).collect();
        for from in 0..9 {
            for to in from..bytes.len() {
                assert_eq!(crc32(&bytes[from..to]), naive(&bytes[from..to]), "{from}..{to}");
            }
        }
    }
}
