//! The gear hash: a number for each byte, added to a sum that shifts left by one bit with every byte, so that the last 64
//! bytes decide. Here are the numbers, with a key or without; `scan.rs` adds them up.

use crate::gear_table::TABLE;
use blake3::Hasher;
use std::sync::atomic::{AtomicU64, Ordering};

/// A key's length.
pub const KEY_BYTES: usize = 32;

/// What is hashed under the key, so that no other use of the key gives these bytes.
const PURPOSE: &[u8] = b"joinery files 1: gear table";

static NEXT_ID: AtomicU64 = AtomicU64::new(Gear::UNKEYED_ID + 1);

/// The numbers of the gear hash.
#[derive(Clone)]
pub struct Gear {
    /// Equal ids have equal numbers; never 0.
    pub(crate) id: u64,
    pub(crate) numbers: [u64; 256],
}

impl Gear {
    const UNKEYED_ID: u64 = 1;

    /// The table of the crate `fastcdc`: everybody cuts the same bytes at the same places.
    pub fn unkeyed() -> Gear {
        Gear {
            id: Gear::UNKEYED_ID,
            numbers: TABLE,
        }
    }

    /// A table of one's own: the first 2 KiB of BLAKE3's extended output under this key, as little-endian numbers.
    ///
    /// Who lacks the key can't work out where a file that he knows would be cut, and so can't recognise it by the lengths of
    /// its chunks. It is no encryption: who gets to see the cuts of many files that he knows learns about the table.
    pub fn keyed(key: &[u8; KEY_BYTES]) -> Gear {
        let mut stream = Hasher::new_keyed(key).update(PURPOSE).finalize_xof();
        let mut number = [0; 8];
        let numbers = core::array::from_fn(|_| {
            stream.fill(&mut number);
            u64::from_le_bytes(number)
        });
        Gear {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            numbers,
        }
    }
}
