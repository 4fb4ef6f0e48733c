//! Fractional indices: strings in base 62 between any two of which there is another, so that a sibling is put between two others
//! by one write. An index says an order and nothing else; whose it is, and what happens where two are equal, is the caller's.
//!
//! An index is an integer and a fraction. The first character says how long the integer is (`a` to `z`: two to 27 characters, from
//! 0 upwards; `Z` to `A`: the same downwards), so that appending and prepending cost a character only at each power of 62. After
//! David Greenspan, "Implementing Fractional Indexing" (2020); without jitter the same strings as the package `fractional-indexing`.
//!
//! Two people who put something at one place at once would take the same index, and nothing fits between equal ones. So jitter, bits
//! that the caller draws, picks one of many indices in the gap.

use std::cmp::Ordering;
use std::fmt;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const TOP: u8 = 61;
/// The longest index. It takes some 12,000 halvings of one gap to get there.
pub const MAX_FRACTIONAL_INDEX_BYTES: usize = 1024;
/// How many characters an integer has at most, with the one that says so.
const MAX_INTEGER: usize = 27;

/// There is no index as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FractionalIndexError {
    /// What was given isn't an index.
    Invalid,
    /// The low one isn't below the high one.
    Order,
    /// The index would be longer than [`MAX_FRACTIONAL_INDEX_BYTES`], or is beyond the last integer.
    Exhausted,
}

impl FractionalIndexError {
    /// What was expected, what came and what to do.
    pub fn message(&self) -> &'static str {
        match self {
            FractionalIndexError::Invalid => {
                "fractional indices, got another string; take them from where they were made"
            }
            FractionalIndexError::Order => {
                "a low index below the high one, got another order; sort the siblings by index first"
            }
            FractionalIndexError::Exhausted => {
                "room for an index of at most 1024 characters, got none; write the siblings' indices anew"
            }
        }
    }
}

impl fmt::Display for FractionalIndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

/// An index between two: above `low` (from the start where there is none) and below `high` (to the end). With `jitter_bits` above 0
/// that many of the lowest bits of `jitter` pick one of 2^`jitter_bits` indices in the gap (32 at most); a bit costs a sixth of a character.
///
/// ```
/// # use joinery_types::fractional_index;
/// assert_eq!(fractional_index(None, None, 0, 0).unwrap(), "a0");
/// assert_eq!(fractional_index(Some("a0"), Some("a1"), 0, 0).unwrap(), "a0V");
/// ```
pub fn fractional_index(
    low: Option<&str>,
    high: Option<&str>,
    jitter: u32,
    jitter_bits: u32,
) -> Result<String, FractionalIndexError> {
    let low = low.map(parse).transpose()?;
    let high = high.map(parse).transpose()?;
    if let (Some(low), Some(high)) = (&low, &high) {
        if low >= high {
            return Err(FractionalIndexError::Order);
        }
    }
    let mut index = between(low.as_deref(), high.as_deref())?;
    if jitter_bits > 0 {
        // Before all others it is a whole integer lower, or each would halve what the last one has left above the same one.
        if let (None, Some((integer, [_, ..]))) = (&low, high.as_deref().map(split)) {
            if !is_lowest(integer) {
                index = between(None, Some(integer))?;
            }
        }
        // From the index without jitter up to the next one.
        let mut floor = index.clone();
        let mut ceiling = between(Some(&floor), high.as_deref())?;
        index = between(Some(&floor), Some(&ceiling))?;
        for bit in 0..jitter_bits.min(u32::BITS) {
            *(if jitter >> bit & 1 == 1 {
                &mut floor
            } else {
                &mut ceiling
            }) = index;
            index = between(Some(&floor), Some(&ceiling))?;
        }
    }
    if index.len() > MAX_FRACTIONAL_INDEX_BYTES {
        return Err(FractionalIndexError::Exhausted);
    }
    Ok(index.iter().map(|&digit| DIGITS[digit as usize] as char).collect())
}

/// An index as digits, whose order is the strings' order.
fn parse(index: &str) -> Result<Vec<u8>, FractionalIndexError> {
    let digits: Option<Vec<u8>> = index.bytes().map(digit).collect();
    let digits = digits.filter(|digits| digits.len() <= MAX_FRACTIONAL_INDEX_BYTES);
    let digits = digits.ok_or(FractionalIndexError::Invalid)?;
    let length = digits.first().and_then(|&head| integer_length(head));
    match length {
        Some(length) if digits.len() >= length => {
            let ends_in_zero = digits.len() > length && digits.last() == Some(&0);
            let is_floor = length == MAX_INTEGER && digits.len() == length && is_lowest(&digits);
            if ends_in_zero || is_floor {
                Err(FractionalIndexError::Invalid)
            } else {
                Ok(digits)
            }
        }
        _ => Err(FractionalIndexError::Invalid),
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'Z' => Some(byte - b'A' + 10),
        b'a'..=b'z' => Some(byte - b'a' + 36),
        _ => None,
    }
}

/// How long the integer is that begins with this digit.
fn integer_length(head: u8) -> Option<usize> {
    match head {
        36..=TOP => Some(usize::from(head - 36) + 2),
        10..=35 => Some(usize::from(35 - head) + 2),
        _ => None,
    }
}

/// The digit that an integer of this length begins with, or none where there is no such integer.
fn head(length: usize, is_negative: bool) -> Option<u8> {
    let step = u8::try_from(length.checked_sub(2)?).ok().filter(|&step| step < 26)?;
    Some(if is_negative { 35 - step } else { 36 + step })
}

/// The lowest integer there is: nothing is below it.
fn is_lowest(integer: &[u8]) -> bool {
    integer.first() == Some(&10) && integer[1..].iter().all(|&digit| digit == 0)
}

fn split(index: &[u8]) -> (&[u8], &[u8]) {
    let length = index.first().and_then(|&head| integer_length(head)).unwrap_or(0);
    index.split_at(length.min(index.len()))
}

fn between(low: Option<&[u8]>, high: Option<&[u8]>) -> Result<Vec<u8>, FractionalIndexError> {
    let joined = |integer: &[u8], fraction: Vec<u8>| [integer, &fraction].concat();
    Ok(match (low.map(split), high.map(split)) {
        (None, None) => vec![36, 0],
        (None, Some((integer, fraction))) => {
            if is_lowest(integer) {
                joined(integer, midpoint(&[], Some(fraction)))
            } else if !fraction.is_empty() {
                integer.to_vec()
            } else {
                match stepped(integer, Ordering::Less) {
                    // Below the last but one there is no integer that is an index by itself.
                    Some(below) if is_lowest(&below) => joined(&below, midpoint(&[], None)),
                    Some(below) => below,
                    None => return Err(FractionalIndexError::Exhausted),
                }
            }
        }
        (Some((integer, fraction)), None) => match stepped(integer, Ordering::Greater) {
            Some(above) => above,
            None => joined(integer, midpoint(fraction, None)),
        },
        (Some((low, low_fraction)), Some((high, high_fraction))) => {
            if low == high {
                joined(low, midpoint(low_fraction, Some(high_fraction)))
            } else {
                match stepped(low, Ordering::Greater) {
                    Some(above) if above.as_slice() < high || !high_fraction.is_empty() => above,
                    _ => joined(low, midpoint(low_fraction, None)),
                }
            }
        }
    })
}

/// The next integer up or down; none beyond the last.
fn stepped(integer: &[u8], way: Ordering) -> Option<Vec<u8>> {
    let is_up = way == Ordering::Greater;
    let (full, empty) = if is_up { (TOP, 0) } else { (0, TOP) };
    let mut next = integer.to_vec();
    for digit in next.iter_mut().skip(1).rev() {
        if *digit != full {
            *digit = if is_up { *digit + 1 } else { *digit - 1 };
            return Some(next);
        }
        *digit = empty;
    }
    // It carries into the length: up from `Zz` to `a0`, down from `a0` to `Zz`.
    let is_negative = *integer.first()? < 36;
    let length = integer.len();
    if is_negative == is_up && length == 2 {
        return Some(vec![head(2, !is_up)?, empty]);
    }
    let length = if is_negative == is_up { length - 1 } else { length + 1 };
    let mut next = vec![empty; length];
    next[0] = head(length, is_negative)?;
    Some(next)
}

/// A fraction between two (`high` none: below 1), as short as there is, without a zero at its end. `low` is below `high`.
fn midpoint(low: &[u8], high: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut high = high;
    let mut at = 0;
    loop {
        let from = low.get(at).copied().unwrap_or(0);
        let to = match high {
            Some(high) => high.get(at).copied().unwrap_or(0),
            None => TOP + 1,
        };
        if to <= from {
            // Equal: what both begin with. (`high` can't be lower here.)
            out.push(from);
        } else if to - from > 1 {
            // The middle, rounded up.
            out.push(from + (to - from).div_ceil(2));
            return out;
        } else if high.is_some_and(|high| high.len() > at + 1) {
            // The first digit of the high one alone is between.
            out.push(to);
            return out;
        } else {
            out.push(from);
            high = None;
        }
        at += 1;
    }
}
