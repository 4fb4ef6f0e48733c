//! A dot names one operation, or one character: the `seq`-th thing that its agent did in a document, counted from 1.

use crate::AgentIndex;
use joinery_tables::Hashed;

/// One operation's name within a document's own agent table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dot {
    /// Who.
    pub agent: AgentIndex,
    /// The how-manieth of that agent; 0 stands for "none".
    pub seq: u32,
}

impl Dot {
    /// No operation: the parent of a text's first character, the generation of a key that nobody had written.
    pub const NONE: Dot = Dot {
        agent: u32::MAX,
        seq: 0,
    };

    /// True for every dot but [`Dot::NONE`].
    pub fn is_some(self) -> bool {
        self.seq != 0
    }

    /// The dot `n` places later by the same agent.
    pub fn plus(self, n: u32) -> Dot {
        Dot {
            agent: self.agent,
            seq: self.seq + n,
        }
    }
}

impl Hashed for Dot {
    fn hash(&self) -> u32 {
        (u64::from(self.agent) << 32 | u64::from(self.seq)).hash()
    }
}
