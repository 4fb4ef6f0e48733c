//! Run-length columns: many small numbers that repeat, stored as (how often, which).
//!
//! A column's reader is lazy: a few bytes may stand for a billion repeats, so whoever reads a column must know from
//! elsewhere, from something that costs bytes, how many values to ask for.

use crate::{write_varint, DecodeError, Reader};

/// Collects values; [`RleWriter::finish`] gives the column.
#[derive(Debug, Default)]
pub struct RleWriter {
    out: Vec<u8>,
    value: u64,
    repeats: u64,
}

impl RleWriter {
    /// Appends one value.
    pub fn push(&mut self, value: u64) {
        if self.repeats > 0 && self.value == value {
            self.repeats += 1;
            return;
        }
        self.flush();
        self.value = value;
        self.repeats = 1;
    }

    fn flush(&mut self) {
        if self.repeats == 0 {
            return;
        }
        // One bit tells a lone value from a run, so that columns of changing values pay one bit for it, not a byte.
        if self.repeats == 1 && self.value < 1 << 63 {
            write_varint(&mut self.out, self.value << 1);
        } else {
            write_varint(&mut self.out, self.repeats << 1 | 1);
            write_varint(&mut self.out, self.value);
        }
        self.repeats = 0;
    }

    /// The column's bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.out
    }
}

/// Reads a column value by value.
#[derive(Debug, Clone)]
pub struct RleReader<'a> {
    reader: Reader<'a>,
    value: u64,
    repeats: u64,
}

impl<'a> RleReader<'a> {
    /// Starts at the first value of `column`.
    pub fn new(column: &'a [u8]) -> Self {
        RleReader {
            reader: Reader::new(column),
            value: 0,
            repeats: 0,
        }
    }

    /// The next value.
    pub fn next(&mut self, expected: &'static str) -> Result<u64, DecodeError> {
        if self.repeats == 0 {
            let head = self.reader.varint(expected)?;
            if head & 1 == 0 {
                return Ok(head >> 1);
            }
            self.repeats = head >> 1;
            if self.repeats == 0 {
                return Err(self.reader.error(expected, "a run of nothing"));
            }
            self.value = self.reader.varint(expected)?;
        }
        self.repeats -= 1;
        Ok(self.value)
    }

    /// Succeeds only when every value was read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.repeats > 0 {
            return Err(self.reader.error("the column's end", "more values"));
        }
        self.reader.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_round_trip() {
        let values = [0, 0, 0, 5, 6, 7, 7, u64::MAX, 1 << 63, 1 << 62, 0];
        let mut w = RleWriter::default();
        for v in values {
            w.push(v);
        }
        let bytes = w.finish();
        let mut r = RleReader::new(&bytes);
        for v in values {
            assert_eq!(r.next("v"), Ok(v));
        }
        assert!(r.finish().is_ok());
        assert!(r.next("v").is_err());
    }
}
