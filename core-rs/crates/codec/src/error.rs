//! The one error of all decoders: where it happened, what was expected and what came instead.

use std::fmt;

/// Why some bytes are not what they claim to be. The input is left untouched and nothing was built from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// Offset in bytes, from the start of the input, at which decoding stopped.
    pub offset: usize,
    /// What the decoder needed to find there.
    pub expected: &'static str,
    /// What it found.
    pub found: &'static str,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected {} at byte {}, found {}",
            self.expected, self.offset, self.found
        )
    }
}

impl std::error::Error for DecodeError {}
