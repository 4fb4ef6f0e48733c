//! Tables by dot. A dot is a small number and a counter, so a multiplication does for a hash, and takes a tenth of the code that the
//! standard one is at each look-up. A hostile peer can make a table slow, not wrong.

use joinery_history::Dot;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// See the top of this file.
#[derive(Debug, Default, Clone)]
pub struct DotHasher(u64);

impl Hasher for DotHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }
    fn write_u32(&mut self, part: u32) {
        self.0 = (self.0 ^ u64::from(part)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
    }
}

/// Something for each of some dots.
pub type DotMap<T> = HashMap<Dot, T, BuildHasherDefault<DotHasher>>;
