//! Damage: turns good bytes into bad ones, the way accidents and attackers do.

use crate::peer::varint;
use crate::random::Random;

/// Numbers at which something could overflow.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0x3fff,
    (1 << 31) - 1,
    (1 << 32) - 2,
    (1 << 32) - 1,
    1 << 32,
    1 << 53,
    u64::MAX - 1,
    u64::MAX,
];

/// One to three damages to one of `corpus`.
pub fn damaged(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = random.pick(corpus).clone();
    for _ in 0..1 + random.below(3) {
        damage(&mut bytes, corpus, random);
    }
    bytes
}

fn span(len: usize, random: &mut Random) -> std::ops::Range<usize> {
    let from = random.below(len + 1);
    let most = (len - from).min(if random.once_in(4) { len } else { 8 });
    from..from + random.below(most + 1)
}

fn damage(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let len = bytes.len();
    match random.below(11) {
        0 => bytes.truncate(random.below(len + 1)),
        1..=3 if len > 0 => bytes[random.below(len)] ^= 1 << random.below(8),
        4 if len > 0 => {
            let at = random.below(len);
            bytes[at] = bytes[at].wrapping_add(if random.once_in(2) { 1 } else { 255 });
        }
        5 if len > 0 => {
            let at = random.below(len);
            bytes[at] = random.next() as u8;
        }
        6 => {
            let mut number = Vec::new();
            varint(&mut number, *random.pick(&EDGES));
            let at = random.below(len + 1);
            let until = (at + random.below(3)).min(len);
            bytes.splice(at..until, number);
        }
        7 => {
            bytes.drain(span(len, random));
        }
        8 => {
            let piece = bytes[span(len, random)].to_vec();
            let at = random.below(len + 1);
            bytes.splice(at..at, piece);
        }
        9 => {
            let other = random.pick(corpus);
            let piece = other[span(other.len(), random)].to_vec();
            bytes.splice(span(len, random), piece);
        }
        _ => {
            // Noise behind a good beginning.
            bytes.truncate(random.below(len.min(16) + 1));
            bytes.extend((0..random.below(40)).map(|_| random.next() as u8));
        }
    }
}

/// CRC-32 of zlib, bit by bit.
pub fn checksum(bytes: &[u8]) -> u32 {
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

/// A snapshot around a body, with a length and a checksum that fit.
pub fn snapshot_of(body: &[u8]) -> Vec<u8> {
    let mut out = b"JNRY\x03".to_vec();
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(checksum(body).to_le_bytes());
    out.extend(body);
    out
}

pub const SNAPSHOT_HEADER: usize = 13;
