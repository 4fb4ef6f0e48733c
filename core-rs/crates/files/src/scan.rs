//! The loop over every byte above `min`: it looks for a cut and knows nothing of chunks. Its form is for speed alone, and was
//! measured: the paper's two bytes a step come out at four fifths of it in WebAssembly.

use crate::Gear;
use std::cell::RefCell;

thread_local! {
    // At an address that the compiler knows, so that a look-up takes one instruction less.
    static TABLES: RefCell<Tables> = const { RefCell::new(Tables { id: 0, shifted: [[0; 256]; 4] }) };
}

/// The numbers of the gear used last.
struct Tables {
    id: u64,
    /// Shifted left by 0, 1, 2 and 3 bits.
    shifted: [[u64; 256]; 4],
}

impl Tables {
    fn hold(&mut self, gear: &Gear) {
        if self.id == gear.id {
            return;
        }
        self.id = gear.id;
        for (shift, table) in self.shifted.iter_mut().enumerate() {
            *table = gear.numbers.map(|number| number << shift);
        }
    }
}

/// Adds pairs of bytes to the sum until it passes the mask; gives the index of the byte after which it did. The mask's three
/// highest bits are 0.
///
/// The sum after the first of four bytes, shifted by three bits, is the old one shifted by four and this byte's number shifted
/// by three; masked by the mask shifted by three, it is 0 where the sum itself would pass. The other three follow in the same
/// way, so that a step of four bytes waits for one shift and one addition.
pub(crate) fn find_cut(gear: &Gear, sum: &mut u64, pairs: &[u8], mask: u64) -> Option<usize> {
    TABLES.with_borrow_mut(|tables| {
        tables.hold(gear);
        let [by_0, by_1, by_2, by_3] = &tables.shifted;
        let number = |table: &[u64; 256], byte: u32| table[usize::from(byte as u8)];
        let (mask_1, mask_2, mask_3) = (mask << 1, mask << 2, mask << 3);
        let mut hash = *sum;
        let quads = pairs.chunks_exact(4);
        let last = quads.remainder();
        for (index, quad) in quads.enumerate() {
            let bytes = u32::from_le_bytes([quad[0], quad[1], quad[2], quad[3]]);
            let old = hash << 4;
            let first = number(by_3, bytes);
            let second = first.wrapping_add(number(by_2, bytes >> 8));
            let third = second.wrapping_add(number(by_1, bytes >> 16));
            let fourth = third.wrapping_add(number(by_0, bytes >> 24));
            if old.wrapping_add(first) & mask_3 == 0 {
                return Some(4 * index);
            }
            if old.wrapping_add(second) & mask_2 == 0 {
                return Some(4 * index + 1);
            }
            if old.wrapping_add(third) & mask_1 == 0 {
                return Some(4 * index + 2);
            }
            hash = old.wrapping_add(fourth);
            if hash & mask == 0 {
                return Some(4 * index + 3);
            }
        }
        for (index, &byte) in last.iter().enumerate() {
            hash = (hash << 1).wrapping_add(number(by_0, u32::from(byte)));
            if hash & mask == 0 {
                return Some(pairs.len() - last.len() + index);
            }
        }
        *sum = hash;
        None
    })
}
