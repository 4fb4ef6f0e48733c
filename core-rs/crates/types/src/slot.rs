//! A slot: what stands at a map key or in a list element. The write with the highest (stamp, agent) wins; a deletion is
//! such a write; of an overwritten value nothing is left.

use joinery_history::{Agents, Dot, Stamp};
use std::fmt;
use std::ops::Deref;

/// How long a packed value may be that needs no allocation: numbers and short strings are most of what there is.
const SHORT: usize = 14;

/// A packed plain value.
#[derive(Clone)]
pub struct Packed(Bytes);

#[derive(Clone)]
enum Bytes {
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

impl Packed {
    /// The value null.
    pub const NULL: Packed = Packed(Bytes::Short(1, [0; SHORT]));
}

impl Deref for Packed {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Short(len, bytes) => &bytes[..usize::from(*len)],
            Bytes::Long(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Packed {
    fn from(value: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        Packed(match bytes.get_mut(..value.len()) {
            Some(room) => {
                room.copy_from_slice(value);
                Bytes::Short(value.len() as u8, bytes)
            }
            None => Bytes::Long(value.into()),
        })
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Packed {}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// What a write put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotValue {
    /// Nothing: the key was deleted.
    Deleted,
    /// A packed plain value.
    Plain(Packed),
    /// A container, by its index in the document.
    Child(u32),
}

/// The winning write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The write's dot. (A list element's first value has the element's own dot.)
    pub dot: Dot,
    /// The write's stamp. (0 for a list element's first value: every later write has seen it.)
    pub stamp: Stamp,
    /// What it put there.
    pub value: SlotValue,
}

impl Slot {
    /// The merge rule: joins a write. Returns whether containers may be seen otherwise than before.
    pub fn join(&mut self, agents: &Agents, write: Slot) -> bool {
        if !write.beats(self, agents) {
            return false;
        }
        let had = self.has_child();
        *self = write;
        had || self.has_child()
    }

    /// Does it name a container?
    pub fn has_child(&self) -> bool {
        matches!(self.value, SlotValue::Child(_))
    }

    /// Does this write win over `other`?
    pub fn beats(&self, other: &Slot, agents: &Agents) -> bool {
        let rank = |slot: &Slot| (agents.id(slot.dot.agent), slot.dot.seq);
        self.stamp > other.stamp || (self.stamp == other.stamp && rank(self) > rank(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_value_is_its_bytes_however_long() {
        for len in [0, 1, SHORT - 1, SHORT, SHORT + 1, 1000] {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let packed = Packed::from(bytes.as_slice());
            assert_eq!(*packed, *bytes);
            assert_eq!(matches!(packed.0, Bytes::Short(..)), len <= SHORT);
        }
        assert_eq!(*Packed::NULL, [0]);
    }
}
