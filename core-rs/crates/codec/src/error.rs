//! The one error of all decoders: where it happened, what was expected and what came instead.

use std::fmt;

/// Why some bytes are not what they claim to be. The input is left untouched and nothing was built from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// Offset in bytes, from the start of the input, at which decoding stopped.
    pub offset: usize,
    why: Why,
}

/// What the decoder needed to find there, and what it found.
#[cfg(feature = "words")]
#[derive(Debug, Clone, PartialEq, Eq)]
struct Why {
    expected: &'static str,
    found: &'static str,
}

/// A build in which every byte counts says only where it was, and whether what it found is something that it leaves out.
#[cfg(not(feature = "words"))]
#[derive(Debug, Clone, PartialEq, Eq)]
struct Why {
    is_left_out: bool,
}

/// What a decoder finds that meets what its build leaves out.
#[cfg(feature = "words")]
const LEFT_OUT: &str = "one that this build leaves out";

#[cfg(feature = "words")]
impl DecodeError {
    /// At this offset this was expected and that was found.
    pub fn new(offset: usize, expected: &'static str, found: &'static str) -> DecodeError {
        let why = Why { expected, found };
        DecodeError { offset, why }
    }

    /// At this offset this was expected, and something was found that the build leaves out.
    pub fn left_out(offset: usize, expected: &'static str) -> DecodeError {
        DecodeError::new(offset, expected, LEFT_OUT)
    }

    /// Was it something that the build leaves out?
    pub fn is_left_out(&self) -> bool {
        self.why.found == LEFT_OUT
    }

    /// What its [`fmt::Display`] says. The standard library's formatting is more code than all of an error's own.
    #[inline(never)]
    pub fn message(&self) -> String {
        let at = decimal(self.offset as u64);
        sentence(&[
            "expected ",
            self.why.expected,
            " at byte ",
            &at,
            ", found ",
            self.why.found,
        ])
    }
}

#[cfg(not(feature = "words"))]
impl DecodeError {
    /// At this offset something else was expected.
    #[inline(always)]
    pub fn new(offset: usize, _: &'static str, _: &'static str) -> DecodeError {
        let why = Why { is_left_out: false };
        DecodeError { offset, why }
    }

    /// At this offset something was found that the build leaves out.
    pub fn left_out(offset: usize, _: &'static str) -> DecodeError {
        let why = Why { is_left_out: true };
        DecodeError { offset, why }
    }

    /// Was it something that the build leaves out?
    pub fn is_left_out(&self) -> bool {
        self.why.is_left_out
    }

    /// What its [`fmt::Display`] says.
    #[inline(never)]
    pub fn message(&self) -> String {
        let what = match self.why.is_left_out {
            true => "expected what this build has at byte ",
            false => "expected other bytes at byte ",
        };
        sentence(&[what, &decimal(self.offset as u64)])
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

/// A number in decimal digits.
pub fn decimal(number: u64) -> String {
    digits(number, 10)
}

/// A number in the digits of a base up to 16.
///
/// ```
/// assert_eq!(joinery_codec::digits(0, 10), "0");
/// assert_eq!(joinery_codec::digits(u64::MAX, 16), "ffffffffffffffff");
/// ```
#[inline(never)]
pub fn digits(number: u64, base: u64) -> String {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdef"[(rest % base) as usize & 15];
        rest /= base;
        if rest == 0 {
            return digits[at..].iter().map(|&digit| char::from(digit)).collect();
        }
    }
}

/// These put together: a sentence.
#[inline(never)]
pub fn sentence(parts: &[&str]) -> String {
    parts.concat()
}

impl std::error::Error for DecodeError {}
