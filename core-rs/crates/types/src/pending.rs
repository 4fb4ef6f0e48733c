//! The pending area: updates that came before what they rest on, or that carry a stamp too far ahead. It is bounded, and
//! outside the version: nothing in it counts as seen.

use crate::Error;
use joinery_history::Stamp;

/// How many updates may wait.
pub const MAX_PENDING: usize = 4096;
/// How many bytes they may have together.
pub const MAX_PENDING_BYTES: usize = 16 << 20;

/// What an update was found to wait for; before that has come there is no use in reading it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// An agent's operation up to this seq.
    Operation(u64, u32),
    /// A time at which this stamp isn't ahead any more.
    Time(Stamp),
}

/// One that waits.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its bytes.
    pub update: Vec<u8>,
    /// The first thing that it needs.
    pub awaited: Awaited,
}

/// Updates that wait, oldest first.
#[derive(Debug, Default, Clone)]
pub struct Pending {
    updates: Vec<Waiting>,
    bytes: usize,
}

impl Pending {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.updates.len()
    }

    /// Keeps an update for later; the same bytes once.
    pub fn push(&mut self, update: &[u8], awaited: Awaited) -> Result<(), Error> {
        if self.updates.iter().any(|have| have.update == update) {
            return Ok(());
        }
        if self.updates.len() == MAX_PENDING || self.bytes + update.len() > MAX_PENDING_BYTES {
            return Err(Error::PendingFull);
        }
        self.bytes += update.len();
        self.updates.push(Waiting {
            update: update.to_vec(),
            awaited,
        });
        Ok(())
    }

    /// Takes everything out, to be tried again.
    pub fn take(&mut self) -> Vec<Waiting> {
        self.bytes = 0;
        std::mem::take(&mut self.updates)
    }

    /// Puts back what still has to wait. It fitted before.
    pub fn put_back(&mut self, updates: Vec<Waiting>) {
        self.bytes = updates.iter().map(|waiting| waiting.update.len()).sum();
        self.updates = updates;
    }
}
