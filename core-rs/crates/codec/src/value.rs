//! Packed plain values: what a map key, a list element or a set member holds, as bytes.
//!
//! The core never takes a value apart: it checks it once and then compares and stores the bytes. So each value has exactly
//! one form, and equal bytes mean equal values.
//!
//! | tag | value | then |
//! |---|---|---|
//! | 0, 1, 2 | null, false, true | |
//! | 3 | integer, at most 2^53 − 1 in magnitude | zigzag varint |
//! | 4 | any other finite number | 8 bytes, IEEE 754 little endian |
//! | 5 | string | length in bytes, UTF-8 |
//! | 6 | bytes | length, bytes |
//! | 7 | array | count, values |
//! | 8 | object | count, (key as string body, value)… with keys in ascending byte order |

use crate::{DecodeError, Reader, Writer};
use std::cmp::Ordering;

/// How deep arrays and objects may nest.
pub const MAX_VALUE_DEPTH: usize = 32;
/// How long one packed value may be, in bytes: an envelope holds it whole, and the names of what it hangs in beside it.
pub const MAX_VALUE_BYTES: usize = 768 << 10;

const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Checks that `bytes` is exactly one packed value.
pub fn check_value(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    skip_value(&mut reader)?;
    reader.finish()
}

/// The order in which a set's values are shown: null, booleans, numbers by size, strings by code points, bytes, arrays,
/// objects (these by their packed bytes). Both values are checked ones.
pub fn compare_values(a: &[u8], b: &[u8]) -> Ordering {
    let class = |value: &[u8]| match value.first() {
        Some(4) => 3,
        Some(&tag) => tag,
        None => 0,
    };
    class(a).cmp(&class(b)).then_with(|| match class(a) {
        3 => number(a).total_cmp(&number(b)),
        5 | 6 => body(a).cmp(body(b)),
        _ => a.cmp(b),
    })
}

/// The content of a string or of bytes.
fn body(value: &[u8]) -> &[u8] {
    Reader::new(value.get(1..).unwrap_or(&[])).blob("bytes").unwrap_or(&[])
}

fn number(value: &[u8]) -> f64 {
    let mut reader = Reader::new(value);
    match reader.u8("a tag") {
        Ok(3) => reader.zigzag("an integer").map_or(0.0, |n| n as f64),
        _ => reader.u64_le("a number").map_or(0.0, f64::from_bits),
    }
}

/// One array or object whose members are still being read.
struct Open<'a> {
    left: usize,
    /// The key before, where this is an object: keys must ascend.
    last_key: Option<&'a [u8]>,
    is_object: bool,
}

/// Appends a packed array of texts.
pub fn write_texts<T: AsRef<str>>(texts: impl Iterator<Item = T>, out: &mut Vec<u8>) {
    let mut count = 0u64;
    let mut bytes = Vec::new();
    for text in texts {
        bytes.push(5);
        bytes.blob(text.as_ref().as_bytes());
        count += 1;
    }
    out.push(7);
    out.varint(count);
    out.extend_from_slice(&bytes);
}

/// Reads past one packed value and returns its bytes.
pub fn skip_value<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let whole = reader.clone();
    let start = reader.offset();
    let mut open: Vec<Open<'a>> = Vec::new();
    loop {
        match reader.u8("a value's tag")? {
            0..=2 => {}
            3 => {
                let n = reader.zigzag("an integer")?;
                if n.unsigned_abs() as f64 > MAX_SAFE_INTEGER {
                    return Err(reader.error("an integer below 2^53", "a larger one"));
                }
            }
            4 => {
                let n = f64::from_bits(reader.u64_le("a number")?);
                let is_integer = n.trunc() == n && n.abs() <= MAX_SAFE_INTEGER;
                if !n.is_finite() || is_integer {
                    return Err(reader.error("a finite number that is no integer", "another number"));
                }
            }
            5 => {
                reader.str("a string")?;
            }
            6 => {
                reader.blob("bytes")?;
            }
            tag @ (7 | 8) => {
                if open.len() == MAX_VALUE_DEPTH {
                    return Err(reader.error("at most 32 levels", "a deeper value"));
                }
                let left = reader.count("a count of members")?;
                open.push(Open {
                    left,
                    last_key: None,
                    is_object: tag == 8,
                });
            }
            _ => return Err(reader.error("a value's tag", "an unknown tag")),
        }
        while let Some(top) = open.last_mut() {
            if top.left == 0 {
                open.pop();
                continue;
            }
            top.left -= 1;
            if top.is_object {
                let key = reader.str("a key")?.as_bytes();
                if top.last_key.is_some_and(|last| last >= key) {
                    return Err(reader.error("keys in ascending order", "another order"));
                }
                top.last_key = Some(key);
            }
            break;
        }
        if open.is_empty() {
            break;
        }
    }
    let len = reader.offset() - start;
    if len > MAX_VALUE_BYTES {
        return Err(reader.error("a value of at most 768 KiB", "a longer one"));
    }
    whole.clone().bytes(len, "a value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_are_read_to_their_end() {
        let value = [7, 2, 8, 1, 1, b'a', 3, 2, 5, 1, b'x'];
        assert_eq!(check_value(&value), Ok(()));
        assert!(check_value(&value[..value.len() - 1]).is_err());
        assert_eq!(check_value(&[7, 0]), Ok(()));
        assert_eq!(check_value(&[7, 1, 7, 0]), Ok(()));
    }

    #[test]
    fn other_forms_of_the_same_value_are_refused() {
        let mut one = vec![4];
        one.extend(1f64.to_le_bytes());
        assert!(check_value(&one).is_err());
        assert!(check_value(&[8, 2, 1, b'b', 0, 1, b'a', 0]).is_err());
        assert!(check_value(&[8, 2, 1, b'a', 0, 1, b'a', 0]).is_err());
        assert!(check_value(&[9]).is_err());
    }

    #[test]
    fn values_are_shown_in_the_order_that_a_reader_expects() {
        let text = |s: &str| [&[5, s.len() as u8], s.as_bytes()].concat();
        let float = |n: f64| [&[4][..], &n.to_le_bytes()].concat();
        let ascending = [
            vec![0],
            vec![1],
            vec![2],
            vec![3, 3],
            vec![3, 0],
            float(0.5),
            vec![3, 2],
            text("aa"),
            text("b"),
            vec![7, 0],
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare_values(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |n: usize| {
            let mut v = [7, 1].repeat(n);
            v.push(0);
            v
        };
        assert!(check_value(&nested(MAX_VALUE_DEPTH)).is_ok());
        assert!(check_value(&nested(MAX_VALUE_DEPTH + 1)).is_err());
        assert!(check_value(&nested(100_000)).is_err());
    }
}
