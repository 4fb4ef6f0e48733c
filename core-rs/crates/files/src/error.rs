//! What a call can refuse, each with a stable code. A refused call has changed nothing.

use std::fmt;

/// Why a call was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A chunk size outside of its range, or odd.
    InvalidSize {
        /// Which one.
        name: &'static str,
        /// The least it may be.
        least: u32,
        /// The most.
        most: u32,
        /// What came.
        got: u32,
    },
    /// Sizes of which a smaller one is above a larger one.
    UnorderedSizes,
    /// More than a bound that is stated beside its constant.
    LimitExceeded(&'static str),
    /// A context that isn't UTF-8.
    InvalidContext,
    /// A handle that was given back, or never out, or is of the other kind.
    Freed,
}

impl Error {
    /// The stable code that TypeScript errors carry.
    pub fn code(&self) -> &'static str {
        match self {
            Error::InvalidSize { .. } | Error::UnorderedSizes => "invalid-option",
            Error::LimitExceeded(_) => "limit-exceeded",
            Error::InvalidContext => "invalid-value",
            Error::Freed => "freed",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidSize { name, least, most, got } => write!(
                f,
                "Expected {name} to be an even number of bytes from {least} to {most}, got {got}. Choose one in that range."
            ),
            Error::UnorderedSizes => {
                f.write_str("Expected min ≤ average ≤ max, got another order. Name all three, the smallest first.")
            }
            Error::LimitExceeded(what) => f.write_str(what),
            Error::InvalidContext => f.write_str("Expected a context of UTF-8, got other bytes. Use a constant text."),
            Error::Freed => {
                f.write_str("Expected a hasher or chunker, got one that was freed. Make a new one.")
            }
        }
    }
}

impl std::error::Error for Error {}
