//! The clear header of an envelope: enough to store, order, deduplicate and acknowledge it without reading the payload.
//! Document and epoch stand outside these bytes, in the frame or the record that carries them.
//!
//! ```text
//! 0x10 | flags   agent (8, LE)   from   [count]   [deps   (agent (8, LE), seq)…]   [highest stamp]   payload…
//! ```
//!
//! Flags: 1 the payload is sealed, 2 a count follows (else it is 1), 4 dependencies follow, 8 a stamp follows. A keystroke
//! has none of them, so its header is one byte, the agent and a seq.

use crate::{Stamp, MAX_SEQ};
use joinery_codec::{DecodeError, Reader, Writer};

/// The payload is plain operations. (Sealed ones come with their own number.)
pub const KIND_PLAIN: u8 = 0;
/// An envelope's limit, in bytes.
pub const MAX_ENVELOPE_BYTES: usize = 1 << 20;

const KIND_SEALED: u8 = 1;
const FORMAT: u8 = 0x10;
const HAS_COUNT: u8 = 2;
const HAS_DEPS: u8 = 4;
const HAS_STAMP: u8 = 8;

/// Another agent's dot that an envelope was written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// The agent's id.
    pub agent: u64,
    /// Its seq.
    pub seq: u32,
}

/// What can be known of an envelope without reading its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeHeader {
    /// How the payload is to be read.
    pub kind: u8,
    /// Who wrote it.
    pub agent: u64,
    /// The agent's seq before the first operation: the envelope holds `(from, to]`.
    pub from: u32,
    /// The seq of the last operation.
    pub to: u32,
    /// Other agents' dots it was written on and that this agent's earlier envelopes don't state.
    pub deps: Vec<Dependency>,
    /// The highest stamp in the payload, if any operation has one.
    pub stamp: Option<Stamp>,
}

impl EnvelopeHeader {
    /// Appends the header's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let count = self.to - self.from;
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags =
            flag(count > 1, HAS_COUNT) | flag(!self.deps.is_empty(), HAS_DEPS) | flag(self.stamp.is_some(), HAS_STAMP);
        out.push(FORMAT | self.kind | flags);
        out.u64_le(self.agent);
        out.varint(u64::from(self.from));
        if count > 1 {
            out.varint(u64::from(count));
        }
        if !self.deps.is_empty() {
            out.varint(self.deps.len() as u64);
        }
        for dep in &self.deps {
            out.u64_le(dep.agent);
            out.varint(u64::from(dep.seq));
        }
        if let Some(stamp) = self.stamp {
            out.varint(stamp);
        }
    }

    /// Reads a header; `reader` then stands at the payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<EnvelopeHeader, DecodeError> {
        if reader.remaining() > MAX_ENVELOPE_BYTES {
            return Err(reader.error("an envelope of at most 1 MiB", "a longer one"));
        }
        let first = reader.u8("an envelope")?;
        if first & 0xf0 != FORMAT {
            return Err(reader.error("an envelope of format 1", "another format"));
        }
        let agent = reader.u64_le("an agent")?;
        let from = reader.u32("a seq")?;
        let count = if first & HAS_COUNT == 0 {
            1
        } else {
            reader.u32("a count of operations")?
        };
        let single = (count == 1) == (first & HAS_COUNT == 0);
        let to = from
            .checked_add(count)
            .filter(|&to| count > 0 && single && to <= MAX_SEQ);
        let to = to.ok_or_else(|| reader.error("at least one seq, at most 2^32 − 2", "another range"))?;
        let n = if first & HAS_DEPS == 0 {
            0
        } else {
            reader.count("a count of dependencies")?
        };
        if n == 0 && first & HAS_DEPS != 0 {
            return Err(reader.error("at least one dependency", "none"));
        }
        let mut deps: Vec<Dependency> = Vec::new();
        for _ in 0..n {
            let dep = Dependency {
                agent: reader.u64_le("an agent")?,
                seq: reader.u32("a seq")?,
            };
            if dep.seq == 0 || dep.seq > MAX_SEQ || dep.agent == agent {
                return Err(reader.error("another agent's dot", "something else"));
            }
            if deps.last().is_some_and(|last| last.agent >= dep.agent) {
                return Err(reader.error("dependencies in ascending order", "another order"));
            }
            deps.push(dep);
        }
        let stamp = if first & HAS_STAMP == 0 {
            None
        } else {
            Some(reader.varint("a stamp")?)
        };
        // Above the highest one no clock could write, and no state could say so.
        if stamp == Some(u64::MAX) {
            return Err(reader.error("a stamp below 2^64 − 1", "a higher one"));
        }
        Ok(EnvelopeHeader {
            kind: first & KIND_SEALED,
            agent,
            from,
            to,
            deps,
            stamp,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip() {
        let header = EnvelopeHeader {
            kind: KIND_PLAIN,
            agent: 7,
            from: 300,
            to: 301,
            deps: vec![
                Dependency { agent: 8, seq: 5 },
                Dependency {
                    agent: u64::MAX,
                    seq: MAX_SEQ,
                },
            ],
            stamp: Some(1 << 60),
        };
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        assert_eq!(EnvelopeHeader::decode(&mut Reader::new(&bytes)), Ok(header));
        for len in 0..bytes.len() {
            assert!(EnvelopeHeader::decode(&mut Reader::new(&bytes[..len])).is_err());
        }
    }
}
