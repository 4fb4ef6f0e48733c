//! How large chunks are: the least, the aimed-at and the most, and the masks that make it so. It cuts nothing.

use crate::Error;

/// Sizes of chunks in bytes: even numbers in order. The last chunk of an input may be smaller than `min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    min: u32,
    average: u32,
    max: u32,
}

impl Sizes {
    /// 16, 64 and 256 KiB.
    pub const DEFAULT: Sizes = Sizes {
        min: 16 << 10,
        average: 64 << 10,
        max: 256 << 10,
    };

    /// Sizes within the ranges that the masks are made for: `min` from 64 bytes to 1 MiB, `average` from 256 bytes to 4 MiB,
    /// `max` from 1 KiB to 16 MiB.
    pub fn new(min: u32, average: u32, max: u32) -> Result<Sizes, Error> {
        for (name, got, least, most) in [
            ("min", min, 64, 1 << 20),
            ("average", average, 256, 4 << 20),
            ("max", max, 1024, 16 << 20),
        ] {
            // Odd ones would split the pairs in which bytes are looked at.
            if got < least || got > most || got % 2 != 0 {
                return Err(Error::InvalidSize { name, least, most, got });
            }
        }
        if min > average || average > max {
            return Err(Error::UnorderedSizes);
        }
        Ok(Sizes { min, average, max })
    }

    /// Below this nothing is cut.
    pub fn min(self) -> u32 {
        self.min
    }

    /// From here on cutting is four times as likely.
    pub fn average(self) -> u32 {
        self.average
    }

    /// Here it is cut, whatever the bytes.
    pub fn max(self) -> u32 {
        self.max
    }

    /// The masks below and above the average: normalisation level 1 of the paper, one bit more and one bit less.
    pub(crate) fn masks(self) -> (u64, u64) {
        let bits = rounded_log2(self.average) as usize - LEAST_BITS;
        (MASKS[bits + 1], MASKS[bits - 1])
    }
}

/// The nearest whole logarithm, without floats: a size rounds up from the square root of two times a power of two.
fn rounded_log2(size: u32) -> u32 {
    let floor = size.ilog2();
    let squared = u64::from(size) * u64::from(size);
    floor + u32::from(squared >= 1 << (2 * floor + 1))
}

const LEAST_BITS: usize = 7;

/// A gear hash passes a mask if none of its bits are set in it: as many as there are doublings in the size aimed at (from 2^7
/// to 2^23), spread over the 48 or fewer bytes before a cut. The first are those of the paper's authors
/// (the repository `destor`), the rest those of `restic-FastCDC`; `fastcdc` has the same.
const MASKS: [u64; 17] = [
    0x0000_0000_1803_5100,
    0x0000_0018_0003_5300,
    0x0000_0190_0035_3000,
    0x0000_5900_0353_0000,
    0x0000_d900_0353_0000,
    0x0000_d901_0353_0000,
    0x0000_d903_0353_0000,
    0x0000_d903_1353_0000,
    0x0000_d90f_0353_0000,
    0x0000_d903_0353_7000,
    0x0000_d907_0353_7000,
    0x0000_d907_0753_7000,
    0x0000_d917_0753_7000,
    0x0000_d917_4753_7000,
    0x0000_d917_6753_7000,
    0x0000_d937_6753_7000,
    0x0000_d937_7753_7000,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_ends_of_each_range_and_refuses_what_is_beyond() {
        for (min, average, max) in [(64, 256, 1024), (1 << 20, 4 << 20, 16 << 20), (256, 256, 1024)] {
            assert!(Sizes::new(min, average, max).is_ok(), "{min} {average} {max}");
        }
        for (min, average, max, name) in [
            (62, 256, 1024, "min"),
            (65, 256, 1024, "min"),
            ((1 << 20) + 2, 4 << 20, 16 << 20, "min"),
            (64, 254, 1024, "average"),
            (64, 257, 1024, "average"),
            (64, (4 << 20) + 2, 16 << 20, "average"),
            (64, 256, 1022, "max"),
            (64, 256, 1025, "max"),
            (64, 256, (16 << 20) + 2, "max"),
            (0, 256, 1024, "min"),
            (64, 256, u32::MAX, "max"),
        ] {
            match Sizes::new(min, average, max) {
                Err(Error::InvalidSize { name: found, .. }) => assert_eq!(found, name),
                other => panic!("{min} {average} {max} gave {other:?}"),
            }
        }
        assert_eq!(Sizes::new(512, 256, 1024), Err(Error::UnorderedSizes));
        assert_eq!(Sizes::new(64, 2048, 1024), Err(Error::UnorderedSizes));
    }

    #[test]
    fn rounds_the_logarithm_as_floats_do() {
        for size in (256..70_000).chain((70_000..=4 << 20).step_by(77)) {
            assert_eq!(rounded_log2(size), f64::from(size).log2().round() as u32, "{size}");
        }
    }
}
