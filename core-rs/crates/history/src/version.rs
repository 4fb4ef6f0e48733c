//! A version vector: per agent, how many of its operations a replica has joined. Operations of one agent join in order and
//! after everything they were written on, so one number an agent says it all.

use crate::{Agents, Dot};
use joinery_codec::{DecodeError, Reader, Writer};

/// The highest seq an agent may reach. One below the top, so that `seq + 1` never overflows.
pub const MAX_SEQ: u32 = u32::MAX - 1;

/// A version vector over one document's agent table.
#[derive(Debug, Default, Clone)]
pub struct Version {
    seqs: Vec<u32>,
    /// Their sum.
    total: u64,
}

impl Version {
    /// The highest joined seq of `agent`, 0 for none.
    #[inline]
    pub fn get(&self, agent: u32) -> u32 {
        self.seqs.get(agent as usize).copied().unwrap_or(0)
    }

    /// Raises `agent` to `seq`; a lower seq changes nothing.
    #[inline]
    pub fn raise(&mut self, agent: u32, seq: u32) {
        let at = agent as usize;
        if at >= self.seqs.len() {
            if seq == 0 {
                return;
            }
            self.seqs.resize(at + 1, 0);
        }
        let have = &mut self.seqs[at];
        if *have < seq {
            self.total += u64::from(seq - *have);
            *have = seq;
        }
    }

    /// How many operations it has seen, of all agents.
    #[inline]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Has this version seen `dot`? Everybody has seen [`Dot::NONE`].
    #[inline]
    pub fn covers(&self, dot: Dot) -> bool {
        dot.seq <= self.get(dot.agent)
    }

    /// Has this version seen everything that `other` has?
    pub fn covers_all(&self, other: &Version) -> bool {
        other.iter().all(|dot| self.covers(dot))
    }

    /// Raises every agent to what `other` has seen.
    pub fn join(&mut self, other: &Version) {
        for dot in other.iter() {
            self.raise(dot.agent, dot.seq);
        }
    }

    /// The last dot of every agent that did anything.
    pub fn iter(&self) -> impl Iterator<Item = Dot> + '_ {
        self.seqs
            .iter()
            .enumerate()
            .filter(|(_, &seq)| seq > 0)
            .map(|(agent, &seq)| Dot {
                agent: agent as u32,
                seq,
            })
    }

    /// The bytes: a count, then (agent id, seq) by ascending id, so that equal versions have equal bytes.
    pub fn encode(&self, agents: &Agents) -> Vec<u8> {
        let mut entries: Vec<(u64, u32)> = self.iter().map(|dot| (agents.id(dot.agent), dot.seq)).collect();
        entries.sort_unstable();
        let mut out = Vec::with_capacity(2 + entries.len() * 12);
        out.varint(entries.len() as u64);
        for (id, seq) in entries {
            out.u64_le(id);
            out.varint(u64::from(seq));
        }
        out
    }

    /// Reads what [`Version::encode`] wrote, as (agent id, seq) pairs.
    pub fn decode(bytes: &[u8]) -> Result<Vec<(u64, u32)>, DecodeError> {
        let mut r = Reader::new(bytes);
        let n = r.count("a count of agents")?;
        let mut entries: Vec<(u64, u32)> = Vec::new();
        for _ in 0..n {
            let id = r.u64_le("an agent")?;
            let seq = r.u32("a seq")?;
            if seq == 0 || seq > MAX_SEQ {
                return Err(r.error("a seq from 1 to 2^32 − 2", "another number"));
            }
            if entries.last().is_some_and(|last| last.0 >= id) {
                return Err(r.error("agents in ascending order", "another order"));
            }
            entries.push((id, seq));
        }
        r.finish()?;
        Ok(entries)
    }
}
