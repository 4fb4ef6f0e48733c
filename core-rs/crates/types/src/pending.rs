//! The pending area: updates that came before what they rest on, or that carry a stamp too far ahead. It is bounded, and
//! outside the version: nothing in it counts as seen.

use crate::Error;

/// How many updates may wait.
pub const MAX_PENDING: usize = 4096;
/// How many bytes they may have together.
pub const MAX_PENDING_BYTES: usize = 16 << 20;

/// Updates that wait, oldest first.
#[derive(Debug, Default, Clone)]
pub struct Pending {
    updates: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pending {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.updates.len()
    }

    /// Keeps an update for later; the same bytes once.
    pub fn push(&mut self, update: &[u8]) -> Result<(), Error> {
        if self.updates.iter().any(|have| have == update) {
            return Ok(());
        }
        if self.updates.len() == MAX_PENDING || self.bytes + update.len() > MAX_PENDING_BYTES {
            return Err(Error::PendingFull);
        }
        self.bytes += update.len();
        self.updates.push(update.to_vec());
        Ok(())
    }

    /// Takes everything out, to be tried again.
    pub fn take(&mut self) -> Vec<Vec<u8>> {
        self.bytes = 0;
        std::mem::take(&mut self.updates)
    }

    /// Puts back what still has to wait. It fitted before.
    pub fn put_back(&mut self, updates: Vec<Vec<u8>>) {
        self.bytes = updates.iter().map(Vec::len).sum();
        self.updates = updates;
    }
}
