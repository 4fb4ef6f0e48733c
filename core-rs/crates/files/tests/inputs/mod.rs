//! Bytes to cut, the same for the same seed everywhere (xorshift32 by 13, 17, 5, as the vectors have it), and cutting them in one go.

use joinery_files::{Chunk, Chunker, Gear, Sizes};

/// Numbers from a seed. Seed 0 gives zeros.
pub struct Random(u32);

impl Random {
    pub fn new(seed: u32) -> Random {
        Random(seed)
    }

    /// The same from a seed with few bits in it: the first numbers of a small seed are small.
    #[allow(dead_code)] // each test file uses what it needs
    pub fn spread(seed: u32) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9) | 1)
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// Below a bound above 0.
    #[allow(dead_code)]
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(bound)) >> 32) as u32
    }

    #[allow(dead_code)]
    pub fn key(&mut self) -> [u8; 32] {
        core::array::from_fn(|_| self.next() as u8)
    }

    #[allow(dead_code)]
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u32) as usize]
    }
}

/// The chunks of bytes that come in one piece.
#[allow(dead_code)]
pub fn cut_whole(bytes: &[u8], sizes: Sizes, gear: Gear) -> Vec<Chunk> {
    let mut chunker = Chunker::new(sizes, gear, true);
    let mut chunks = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (taken, chunk) = chunker.advance(&bytes[at..]);
        at += taken;
        chunks.extend(chunk);
    }
    chunks.extend(chunker.finish());
    chunks
}
