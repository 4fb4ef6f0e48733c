//! Which operations became which, and which were rejected: what a replay knows at its end and a later one goes on with. Names
//! are agents' ids, not numbers, for they outlive the documents.

use crate::error::Error;
use joinery_codec::{DecodeError, Reader, Writer};
use joinery_history::MAX_SEQ;
use joinery_tables::OrderedMap;

/// How many ranges of operations a mapping names at most.
pub const MAX_MAPPED_RANGES: usize = 1 << 20;

/// The first byte of a mapping.
const FORMAT: u8 = 2;

/// An operation by its agent's id and its seq.
pub type Name = (u64, u32);

/// Why an operation did not come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// Its envelope was refused.
    Refused = 0,
    /// What it is about was made by an operation that did not come through.
    RestsOnRefused = 1,
    /// What it is about is not in the new state.
    ParentMissing = 2,
    /// The key was removed before the epoch began.
    KeyRemoved = 3,
}

const REASONS: [Reason; 4] = [
    Reason::Refused,
    Reason::RestsOnRefused,
    Reason::ParentMissing,
    Reason::KeyRemoved,
];

impl Reason {
    fn from_number(number: u64) -> Reason {
        REASONS.get(number as usize).copied().unwrap_or(Reason::Refused)
    }
}

/// What is said of a range of names: a name that runs along with them, or stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// The name.
    pub name: Name,
    /// Whether it runs along.
    pub runs: bool,
}

impl Said {
    /// These are the names that follow `name`.
    pub fn running(name: Name) -> Said {
        Said { name, runs: true }
    }

    /// The same of each.
    pub fn still(name: Name) -> Said {
        Said { name, runs: false }
    }

    /// As it reads from the `n`-th name on.
    pub fn skip(self, n: u32) -> Said {
        let seq = self.name.1.saturating_add(if self.runs { n } else { 0 });
        Said {
            name: (self.name.0, seq),
            ..self
        }
    }
}

/// Ranges of names, each with what is said of it. They don't overlap. One type for all that replay remembers of names, for
/// each further one costs the module some kilobytes.
#[derive(Debug, Clone, Default)]
pub struct Ranges {
    ranges: OrderedMap<Name, (u32, Said)>,
}

impl Ranges {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Adds what is said of `len` names from `first` on; what was said of one of them before stays.
    #[inline(never)]
    pub fn add(&mut self, first: Name, len: u32, said: Said) {
        let mut done = 0;
        while done < len {
            let at = (first.0, first.1 + done);
            let end = first.1 + len;
            if let Some((_, left)) = self.find(at) {
                done += left.min(len - done);
                continue;
            }
            let next = self.ranges.range_from(&at).next().map(|(&next, _)| next);
            let next = next.filter(|&next| next < (first.0, end)).map_or(end, |next| next.1);
            let (n, said) = (next - at.1, said.skip(done));
            done += n;
            if let Some((&start, (have, before))) = self.ranges.before_mut(&at) {
                if start.0 == at.0 && start.1 + *have == at.1 && before.skip(*have) == said {
                    *have += n;
                    continue;
                }
            }
            self.ranges.insert(at, (n, said));
        }
    }

    /// What is said of a name, and of how many names from it on that goes on.
    #[inline(never)]
    pub fn find(&self, name: Name) -> Option<(Said, u32)> {
        let (start, &(len, said)) = self.ranges.at_or_before(&name)?;
        let into = name.1 - start.1.min(name.1);
        (start.0 == name.0 && into < len).then(|| (said.skip(into), len - into))
    }

    /// What is said of a name.
    pub fn get(&self, name: Name) -> Option<Name> {
        self.find(name).map(|(said, _)| said.name)
    }

    /// The highest name of this agent from `from` to `to` of which something is said.
    #[inline(never)]
    pub fn highest(&self, agent: u64, from: u32, to: u32) -> Option<u32> {
        let (start, &(len, _)) = self.ranges.at_or_before(&(agent, to))?;
        let last = (start.1 + (len - 1)).min(to);
        (start.0 == agent && last >= from).then_some(last)
    }

    /// The lowest name of this agent from `from` on of which something is said.
    #[inline(never)]
    pub fn lowest(&self, agent: u64, from: u32) -> Option<u32> {
        if self.find((agent, from)).is_some() {
            return Some(from);
        }
        let (start, _) = self.ranges.range_from(&(agent, from)).next()?;
        (start.0 == agent).then_some(start.1)
    }

    /// The parts of `len` names from `first` on of which something is said: how far in, how many, and what.
    #[inline(never)]
    pub fn within(&self, first: Name, len: u32) -> Vec<(u32, u32, Name)> {
        let end = first.1.saturating_add(len);
        let mut parts = Vec::new();
        if let Some((said, left)) = self.find(first).filter(|_| len > 0) {
            parts.push((0, left.min(len), said.name));
        }
        let mut at = (first.0, first.1.saturating_add(1));
        // A part at a time: an iterator over a range would be one more thing to compile.
        while let Some((&start, &(n, said))) = self.ranges.range_from(&at).next() {
            if start.0 != first.0 || start.1 >= end {
                break;
            }
            parts.push((start.1 - first.1, n.min(end - start.1), said.name));
            at = (start.0, start.1 + n);
        }
        parts
    }

    /// Every range in order.
    pub fn iter(&self) -> impl Iterator<Item = (Name, u32, Said)> + '_ {
        self.ranges.iter().map(|(&name, &(len, said))| (name, len, said))
    }

    #[inline(never)]
    fn encode(&self, out: &mut Vec<u8>) {
        out.varint(self.ranges.len() as u64);
        for (name, len, said) in self.iter() {
            out.u64_le(name.0);
            out.varint(u64::from(name.1));
            out.varint(u64::from(len));
            out.u64_le(said.name.0);
            out.varint(u64::from(said.name.1));
        }
    }

    /// Reads ranges of which something `runs` along or not, with agents up to `highest`.
    #[inline(never)]
    fn decode(reader: &mut Reader<'_>, runs: bool, highest: u64) -> Result<Self, DecodeError> {
        let n = reader.count("a count of ranges")?;
        if n > MAX_MAPPED_RANGES {
            return Err(reader.error("at most 2^20 ranges", "more"));
        }
        let mut ranges = OrderedMap::new();
        let mut end = (0, 0);
        for _ in 0..n {
            let name = (reader.u64_le("an agent")?, reader.u32("a seq")?);
            let len = reader.u32("a length")?;
            check_range(reader, name.1, len)?;
            if name < end {
                return Err(reader.error("ranges in ascending order", "another order"));
            }
            end = (name.0, name.1 + len);
            let said = (reader.u64_le("an agent")?, reader.u32("a seq")?);
            if runs {
                check_range(reader, said.1, len)?;
            }
            if said.0 > highest || said.1 > MAX_SEQ {
                return Err(reader.error("something that can be said", "something else"));
            }
            ranges.insert(name, (len, Said { name: said, runs }));
        }
        Ok(Ranges { ranges })
    }
}

fn check_range(reader: &Reader<'_>, seq: u32, len: u32) -> Result<(), DecodeError> {
    match seq.checked_add(len) {
        Some(end) if seq > 0 && len > 0 && end - 1 <= MAX_SEQ => Ok(()),
        _ => Err(reader.error("a range of operations", "another range")),
    }
}

/// See the top of this file.
#[derive(Debug, Default, Clone)]
pub struct Mapping {
    /// What was given to a replay. (Nothing is said of it.)
    pub done: Ranges,
    /// What became of it: the new operation's name.
    pub made: Ranges,
    /// What did not come through: [`Reason`]s, as numbers in the place of an agent.
    pub lost: Ranges,
    /// Writes that were lost or overwritten, and on which a container was created: what stands for them in the new
    /// container's id; seq 0 for none.
    pub generations: Ranges,
    /// Elements of lists that a trim found elsewhere than where they were inserted: their names are no places any more.
    pub away: Ranges,
}

/// Nothing to say.
pub const NOTHING: Said = Said {
    name: (0, 0),
    runs: false,
};

impl Mapping {
    /// How many ranges it names.
    pub fn len(&self) -> usize {
        self.done.len() + self.made.len() + self.lost.len() + self.generations.len() + self.away.len()
    }

    /// Notes what did not come through.
    pub fn lose(&mut self, first: Name, len: u32, reason: Reason) {
        self.lost.add(first, len, Said::still((reason as u64, 0)));
    }

    /// Why operations did not come through: the parts of `len` names from `first` on.
    pub fn reasons(&self, first: Name, len: u32) -> impl Iterator<Item = (u32, u32, Reason)> {
        let parts = self.lost.within(first, len).into_iter();
        parts.map(|(skip, n, said)| (skip, n, Reason::from_number(said.0)))
    }

    /// The bytes: equal mappings have equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        for ranges in [&self.done, &self.made, &self.lost, &self.generations, &self.away] {
            ranges.encode(&mut out);
        }
        out
    }

    /// Reads what [`Mapping::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Mapping, Error> {
        Self::read(bytes).map_err(Error::InvalidUpdate)
    }

    fn read(bytes: &[u8]) -> Result<Mapping, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8("a mapping")? != FORMAT {
            return Err(reader.error("a mapping of format 2", "another format"));
        }
        let mapping = Mapping {
            done: Ranges::decode(&mut reader, false, 0)?,
            made: Ranges::decode(&mut reader, true, u64::MAX)?,
            lost: Ranges::decode(&mut reader, false, REASONS.len() as u64 - 1)?,
            generations: Ranges::decode(&mut reader, false, u64::MAX)?,
            away: Ranges::decode(&mut reader, false, 0)?,
        };
        reader.finish()?;
        Ok(mapping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_say_of_each_name_what_was_said_first() {
        // A plain table beside it, over every way to add three ranges.
        for case in 0..8u32.pow(3) * 27 {
            let mut ranges = Ranges::default();
            let mut table = OrderedMap::new();
            let mut rest = case;
            for round in 0..3 {
                let (start, len) = (1 + rest % 8, 1 + rest / 8 % 3);
                rest /= 24;
                let new = (9, 1 + (start + round) % 5 * 10);
                ranges.add((7, start), len, Said::running(new));
                for i in 0..len {
                    table.get_or_insert_with(start + i, || (9, new.1 + i));
                }
            }
            for seq in 0..14 {
                assert_eq!(ranges.get((7, seq)), table.get(&seq).copied(), "{ranges:?}");
                let highest = table
                    .at_or_before(&seq.max(3))
                    .map(|(&seq, _)| seq)
                    .filter(|&seq| seq >= 3);
                assert_eq!(ranges.highest(7, 3, seq.max(3)), highest);
                let lowest = table.range_from(&seq).next().map(|(&seq, _)| seq);
                assert_eq!(ranges.lowest(7, seq), lowest);
                for len in 1..5 {
                    let got: Vec<(u32, Name)> = ranges
                        .within((7, seq), len)
                        .into_iter()
                        .flat_map(|(skip, n, said)| (0..n).map(move |i| (seq + skip + i, (said.0, said.1 + i))))
                        .collect();
                    let expected: Vec<_> = table
                        .range_from(&seq)
                        .take_while(|(&at, _)| at < seq + len)
                        .map(|(&seq, &said)| (seq, said))
                        .collect();
                    assert_eq!(got, expected, "{ranges:?} {seq} {len}");
                }
            }
            let mapping = Mapping {
                made: ranges,
                ..Mapping::default()
            };
            let bytes = mapping.encode();
            assert_eq!(Mapping::decode(&bytes).map(|mapping| mapping.encode()), Ok(bytes));
        }
    }
}
