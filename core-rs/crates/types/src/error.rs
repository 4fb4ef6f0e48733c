//! What a call into the core can refuse, each with a stable code. A refused call has changed nothing.

use crate::container::LEFT_OUT;
use crate::fractional_index::FractionalIndexError;
use joinery_codec::DecodeError;
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
        match error.found {
            LEFT_OUT => Error::Unsupported(error),
            _ => Error::InvalidUpdate(error),
        }
    }

    /// The same of a snapshot.
    pub(crate) fn of_snapshot(error: DecodeError) -> Error {
        match error.found {
            LEFT_OUT => Error::Unsupported(error),
            _ => Error::InvalidSnapshot(error),
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::IndexOutOfRange { index, len } => {
                write!(
                    f,
                    "expected an index within {len}, got {index}; read the length again before you write"
                )
            }
            Error::InvalidValue(e) => write!(f, "not a value: {e}"),
            Error::InvalidUpdate(e) => write!(f, "not an update: {e}; fetch it again from where it came"),
            Error::Contradiction(what) => {
                write!(
                    f,
                    "an update that contradicts itself or the document: {what}; it was not joined"
                )
            }
            Error::InvalidSnapshot(e) => write!(f, "not a snapshot: {e}; fetch it again from where it came"),
            Error::Unsupported(e) => write!(f, "{e}; open it with the full core"),
            Error::InvalidVersion(e) => write!(f, "not a version: {e}"),
            Error::InvalidPosition(e) => write!(f, "not a relative position: {e}"),
            Error::WrongType { expected, found } => write!(f, "expected a {expected}, found a {found}"),
            Error::NoFractionalIndex(why) => write!(f, "expected {why}"),
            Error::NoSuchNode => write!(
                f,
                "expected the id of a node or an edge that is there, got another; read them again before you write"
            ),
            Error::MoveIntoItself => write!(
                f,
                "expected a parent elsewhere, got the node itself or one below it; move that one out first"
            ),
            Error::LimitExceeded(what) => write!(f, "limit exceeded: {what}"),
            Error::PendingFull => {
                write!(
                    f,
                    "too many updates wait for ones that never came; ask the peer for what is missing"
                )
            }
            Error::ContainerGone => write!(
                f,
                "this container was deleted or replaced; get it again from its parent"
            ),
            Error::NoSuchUndoStack => write!(f, "expected an undo stack, got one that was ended; begin another one"),
            Error::InvalidUndo(e) => write!(f, "not an undo stack: {e}; go on without it"),
            Error::NoAgent => write!(f, "expected an agent before the first write, got none"),
        }
    }
}

impl std::error::Error for Error {}
