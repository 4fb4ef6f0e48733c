//! What a call into the core can refuse, each with a stable code. A refused call has changed nothing.

use crate::fractional_index::FractionalIndexError;
use joinery_codec::{decimal, sentence, DecodeError};
use std::fmt;

/// Why a call was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// An index or a range beyond the end.
    IndexOutOfRange {
        /// The first index that is out.
        index: u32,
        /// How many there are.
        len: u32,
    },
    /// A packed value that isn't one.
    InvalidValue(DecodeError),
    /// An envelope or an exported update that can't be read.
    InvalidUpdate(DecodeError),
    /// Bytes that read well and contradict the document or themselves.
    Contradiction(&'static str),
    /// A snapshot that can't be read.
    InvalidSnapshot(DecodeError),
    /// An update or a state with something that this build of the core leaves out.
    Unsupported(DecodeError),
    /// A version that can't be read.
    InvalidVersion(DecodeError),
    /// A relative position that can't be read.
    InvalidPosition(DecodeError),
    /// An operation on a container of another kind.
    WrongType {
        /// What the operation is for.
        expected: &'static str,
        /// What the container is.
        found: &'static str,
    },
    /// Two fractional indices between which there is none.
    NoFractionalIndex(FractionalIndexError),
    /// A node or edge that was deleted, isn't shown or was never there.
    NoSuchNode,
    /// A node would hang below itself.
    MoveIntoItself,
    /// A bound that the design states.
    LimitExceeded(&'static str),
    /// Too many updates wait for what they rest on.
    PendingFull,
    /// The container was deleted or replaced.
    ContainerGone,
    /// An undo stack that was ended, or was never begun.
    NoSuchUndoStack,
    /// Undo stacks that can't be read.
    InvalidUndo(DecodeError),
    /// The replica has no agent yet.
    NoAgent,
}

impl Error {
    /// Why an update can't be read.
    pub(crate) fn of_update(error: DecodeError) -> Error {
        match error.is_left_out() {
            true => Error::Unsupported(error),
            false => Error::InvalidUpdate(error),
        }
    }

    /// The same of a snapshot.
    pub(crate) fn of_snapshot(error: DecodeError) -> Error {
        match error.is_left_out() {
            true => Error::Unsupported(error),
            false => Error::InvalidSnapshot(error),
        }
    }

    /// The stable code that TypeScript errors carry.
    pub fn code(&self) -> &'static str {
        match self {
            Error::IndexOutOfRange { .. } => "index-out-of-range",
            Error::InvalidValue(_) => "invalid-value",
            Error::InvalidUpdate(_) | Error::Contradiction(_) => "invalid-update",
            Error::InvalidSnapshot(_) => "invalid-snapshot",
            Error::Unsupported(_) => "unsupported-container",
            Error::InvalidVersion(_) => "invalid-version",
            Error::InvalidPosition(_) => "invalid-position",
            Error::WrongType { .. } => "wrong-type",
            Error::NoFractionalIndex(FractionalIndexError::Exhausted) => "limit-exceeded",
            Error::NoFractionalIndex(_) => "invalid-option",
            Error::NoSuchNode => "no-such-node",
            Error::MoveIntoItself => "move-into-itself",
            Error::LimitExceeded(_) => "limit-exceeded",
            Error::PendingFull => "pending-full",
            Error::ContainerGone => "container-gone",
            Error::NoSuchUndoStack => "no-such-undo-stack",
            Error::InvalidUndo(_) => "invalid-undo",
            Error::NoAgent => "no-agent",
        }
    }
}

impl Error {
    /// What was expected, what came, what to do.
    pub fn message(&self) -> String {
        let (numbers, text);
        let parts = match self {
            Error::IndexOutOfRange { index, len } => {
                numbers = [len, index].map(|&number| decimal(u64::from(number)));
                [
                    "expected an index within ",
                    &numbers[0],
                    ", got ",
                    &numbers[1],
                    "; read the length again before you write",
                ]
            }
            Error::InvalidValue(e)
            | Error::InvalidVersion(e)
            | Error::InvalidPosition(e)
            | Error::Unsupported(e)
            | Error::InvalidUpdate(e)
            | Error::InvalidSnapshot(e)
            | Error::InvalidUndo(e) => {
                text = e.message();
                let (what, remedy) = self.around();
                [what, &text, remedy, "", ""]
            }
            Error::Contradiction(what) => [
                "an update that contradicts itself or the document: ",
                what,
                "; it was not joined",
                "",
                "",
            ],
            Error::WrongType { expected, found } => ["expected a ", expected, ", found a ", found, ""],
            Error::NoFractionalIndex(why) => ["expected ", why.message(), "", "", ""],
            Error::LimitExceeded(what) => ["limit exceeded: ", what, "", "", ""],
            _ => [self.around().0, "", "", "", ""],
        };
        sentence(&parts)
    }

    /// What is said before and behind what a decoder says, or all that there is to say.
    fn around(&self) -> (&'static str, &'static str) {
        let fetch_again = "; fetch it again from where it came";
        match self {
            Error::InvalidValue(_) => ("not a value: ", ""),
            Error::InvalidUpdate(_) => ("not an update: ", fetch_again),
            Error::InvalidSnapshot(_) => ("not a snapshot: ", fetch_again),
            Error::InvalidVersion(_) => ("not a version: ", ""),
            Error::InvalidPosition(_) => ("not a relative position: ", ""),
            Error::InvalidUndo(_) => ("not an undo stack: ", "; go on without it"),
            Error::Unsupported(_) => ("", "; open it with the full core"),
            Error::NoSuchNode => (
                "expected the id of a node or an edge that is there, got another; read them again before you write",
                "",
            ),
            Error::MoveIntoItself => (
                "expected a parent elsewhere, got the node itself or one below it; move that one out first",
                "",
            ),
            Error::PendingFull => (
                "too many updates wait for ones that never came; ask the peer for what is missing",
                "",
            ),
            Error::ContainerGone => (
                "this container was deleted or replaced; get it again from its parent",
                "",
            ),
            Error::NoSuchUndoStack => ("expected an undo stack, got one that was ended; begin another one", ""),
            Error::NoAgent => ("expected an agent before the first write, got none", ""),
            Error::IndexOutOfRange { .. }
            | Error::Contradiction(_)
            | Error::WrongType { .. }
            | Error::NoFractionalIndex(_)
            | Error::LimitExceeded(_) => ("", ""),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Error {}
