//! New names: what an undo brings back has new dots, and the steps that name the old ones are told.

use super::copy::Copied;
use super::step::{Cut, Edit, Entry, Seat, Step, THEIRS};
use crate::container::Key;
use crate::sequence::Gap;
use joinery_history::Dot;
use std::collections::{BTreeMap, HashMap};

/// Ranges of old names, each with the new ones. No name comes back to itself: new names are fresh.
#[derive(Debug, Default, Clone)]
pub struct Table(BTreeMap<Dot, (u32, Dot)>);

impl Table {
    /// `len` names from `old` on are those from `new` on now.
    #[inline(never)]
    pub fn add(&mut self, old: Dot, len: u32, new: Dot) {
        // An operation without a name is named by nobody.
        if !old.is_some() || old.agent >= THEIRS.agent || len == 0 {
            return;
        }
        let mut len = len;
        if let Some(&(more, Dot::NONE)) = self.0.get(&old.plus(len)).filter(|_| !new.is_some()) {
            self.0.remove(&old.plus(len));
            len += more;
        }
        if let Some((&start, (have, before))) = self.0.range_mut(..old).next_back() {
            let goes_on = start.agent == old.agent && start.seq + *have == old.seq;
            let follows = before.is_some() && before.agent == new.agent && before.seq + *have == new.seq;
            if goes_on && (follows || !before.is_some() && !new.is_some()) {
                *have += len;
                return;
            }
        }
        self.0.insert(old, (len, new));
    }

    /// Takes note of `len` names from `first` on, as far as they aren't there.
    pub fn note(&mut self, first: Dot, len: u32) {
        for (first, len) in self.missing(first, len) {
            self.add(first, len, Dot::NONE);
        }
    }

    /// What of these isn't there.
    pub fn missing(&self, first: Dot, len: u32) -> Vec<(Dot, u32)> {
        let pieces = self.pieces(first, len).into_iter();
        let missing = pieces.filter(|(.., known)| known.is_none());
        missing.map(|(at, n, _)| (first.plus(at), n)).collect()
    }

    /// These names, without new ones.
    pub fn of(ranges: impl IntoIterator<Item = (Dot, u32)>) -> Table {
        let mut table = Table::default();
        table.note_all(ranges);
        table
    }

    /// Takes note of all of these.
    pub fn note_all(&mut self, ranges: impl IntoIterator<Item = (Dot, u32)>) {
        ranges.into_iter().for_each(|(first, len)| self.note(first, len));
    }

    /// The new name, and of how many names from this one on that goes on. What has got a new name may have got another one since.
    #[inline(never)]
    fn find(&self, name: Dot) -> Option<(Dot, u32)> {
        let (mut new, mut left) = self.step(name)?;
        while new.is_some() {
            match self.step(new) {
                Some((next, n)) => (new, left) = (next, left.min(n)),
                None => {
                    let next = self.0.range(new..new.plus(left)).next();
                    left = next.map_or(left, |(next, _)| next.seq - new.seq);
                    break;
                }
            }
        }
        Some((new, left))
    }

    fn step(&self, name: Dot) -> Option<(Dot, u32)> {
        let (start, &(len, new)) = self.0.range(..=name).next_back()?;
        let into = name.seq.checked_sub(start.seq).filter(|_| start.agent == name.agent)?;
        (into < len).then(|| (if new.is_some() { new.plus(into) } else { new }, len - into))
    }

    /// What a name is now.
    pub fn get(&self, name: Dot) -> Dot {
        self.find(name).map_or(name, |(new, _)| new)
    }

    /// Is there a new name for it?
    pub fn has(&self, name: Dot) -> bool {
        self.find(name).is_some()
    }

    /// Is there one for each of `len` names from `first` on?
    pub fn has_all(&self, first: Dot, len: u32) -> bool {
        self.missing(first, len).is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The last name up to this one that is there.
    pub fn last_before(&self, name: Dot) -> Option<Dot> {
        let (first, (len, _)) = self.0.range(..=name).next_back()?;
        Some(first.plus(len - 1))
    }

    /// The ranges of old names.
    pub fn stretches(&self) -> impl Iterator<Item = (Dot, u32)> + '_ {
        self.0.iter().map(|(&first, &(len, _))| (first, len))
    }

    /// Every old name.
    pub fn names(&self) -> impl Iterator<Item = Dot> + '_ {
        self.0
            .iter()
            .flat_map(|(&first, &(len, _))| (0..len).map(move |i| first.plus(i)))
    }

    /// `len` names from `first` on, by pieces: how far in, how many, and what they are now (none: as they were).
    #[inline(never)]
    pub fn pieces(&self, first: Dot, len: u32) -> Vec<(u32, u32, Option<Dot>)> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < len {
            let name = first.plus(at);
            let (n, new) = match self.find(name) {
                Some((new, left)) => (left.min(len - at), Some(new)),
                None => {
                    let next = self.0.range(name..first.plus(len)).next();
                    (next.map_or(len - at, |(next, _)| next.seq - name.seq), None)
                }
            };
            pieces.push((at, n, new));
            at += n;
        }
        pieces
    }

    /// The same as ranges of what they are now.
    pub fn ranges(&self, ranges: &[(Dot, u32)]) -> Vec<(Dot, u32)> {
        let mut out: Vec<(Dot, u32)> = Vec::with_capacity(ranges.len());
        for &(first, len) in ranges {
            for (at, n, new) in self.pieces(first, len) {
                let from = new.unwrap_or(first.plus(at));
                match out.last_mut() {
                    Some(last) if last.0.agent == from.agent && last.0.seq + last.1 == from.seq => last.1 += n,
                    _ => out.push((from, n)),
                }
            }
        }
        out
    }
}

/// All new names that one undo gave.
#[derive(Debug, Default, Clone)]
pub struct Renames {
    /// Characters, elements, nodes and edges.
    pub units: Table,
    /// Writes to slots, and edges of a tree's nodes.
    pub writes: Table,
    /// Units as places in a sequence, removed ones and those that moves made included.
    pub places: Table,
    /// Keys that nobody had written, and copies' keys whose deletion was left out: the write that shows nothing there now.
    pub absent: HashMap<(u32, Key), Dot>,
    /// Containers by number.
    pub containers: BTreeMap<u32, u32>,
}

impl Renames {
    pub fn is_empty(&self) -> bool {
        let tables = [&self.units, &self.writes, &self.places];
        tables.iter().all(|table| table.is_empty()) && self.absent.is_empty() && self.containers.is_empty()
    }

    pub fn container(&self, number: u32) -> u32 {
        // What came back may have come back once more since: numbers are fresh too, so there is an end.
        let mut number = number;
        while let Some(&new) = self.containers.get(&number) {
            number = new;
        }
        number
    }

    pub fn key(&self, key: &Key) -> Key {
        match key {
            Key::Element(element) => Key::Element(self.units.get(*element)),
            name => name.clone(),
        }
    }

    pub fn gap(&self, gap: Gap) -> Gap {
        let unit = |unit: Dot| {
            if self.units.has(unit) {
                self.units.get(unit)
            } else {
                self.places.get(unit)
            }
        };
        match gap {
            Gap::Before(at) => Gap::Before(unit(at)),
            Gap::After(at) => Gap::After(unit(at)),
            edge => edge,
        }
    }

    pub fn seat(&self, seat: Seat) -> Seat {
        match seat {
            Seat::On(unit) => Seat::On(self.places.get(unit)),
            Seat::Behind(unit) => Seat::Behind(self.places.get(unit)),
        }
    }

    pub fn step(&self, step: &mut Step) {
        step.entries.iter_mut().for_each(|entry| self.entry(entry));
        step.weigh();
    }

    /// Calls everything in an entry by its new name.
    pub fn entry(&self, entry: &mut Entry) {
        entry.container = self.container(entry.container);
        match &mut entry.edit {
            Edit::Inserted(ranges) => *ranges = self.units.ranges(ranges),
            Edit::CutText(cuts) => *cuts = cuts.drain(..).flat_map(|cut| self.cut(cut)).collect(),
            Edit::CutElements(cuts, copies) => {
                cuts.iter_mut().for_each(|cut| cut.seat = self.seat(cut.seat));
                self.copies(copies);
            }
            Edit::Wrote {
                key, mine, was, copies, ..
            } => {
                *key = self.key(key);
                *mine = self.writes.get(*mine);
                if !mine.is_some() && !self.absent.is_empty() {
                    let at = (entry.container, key.clone());
                    *mine = self.absent.get(&at).copied().unwrap_or(Dot::NONE);
                }
                *was = self.writes.get(*was);
                self.copies(copies);
            }
            Edit::Moved { element, mine, was } => {
                *element = self.units.get(*element);
                *mine = self.places.get(*mine);
                *was = self.places.get(*was);
            }
            Edit::Marked { pieces, .. } => {
                for ((start, end), ..) in pieces {
                    (*start, *end) = (self.gap(*start), self.gap(*end));
                }
            }
            Edit::Hung {
                node,
                mine,
                was,
                parent,
                ..
            } => {
                *node = self.units.get(*node);
                *mine = self.writes.get(*mine);
                *was = self.writes.get(*was);
                *parent = self.units.get(*parent);
            }
            Edit::Created { id, .. } => *id = self.units.get(*id),
            Edit::CutNode { node, parent, data, .. } => {
                *node = self.units.get(*node);
                *parent = self.units.get(*parent);
                self.copies(data);
            }
            Edit::CutItem { id, ends, edges, data } => {
                *id = self.units.get(*id);
                let unit = |dot: &mut Dot| *dot = self.units.get(*dot);
                if let Some((from, to)) = ends {
                    unit(from);
                    unit(to);
                }
                for (edge, from, to) in edges {
                    unit(edge);
                    unit(from);
                    unit(to);
                }
                self.copies(data);
            }
            Edit::Counted(_) | Edit::Added(_) | Edit::Taken(..) => {}
        }
    }

    /// What was removed keeps its name until it comes back; the place may be another, or several.
    fn cut(&self, mut cut: Cut) -> Vec<Cut> {
        let Seat::On(seat) = cut.seat else {
            cut.seat = self.seat(cut.seat);
            return vec![cut];
        };
        let len = cut.units.len() as u32;
        let pieces = self.places.pieces(seat, len);
        let mut cuts = Vec::with_capacity(pieces.len());
        for (at, n, new) in pieces {
            cuts.push(Cut {
                first: cut.first.plus(at),
                seat: Seat::On(new.unwrap_or(seat.plus(at))),
                units: cut.units.drain(..n as usize).collect(),
            });
        }
        cuts
    }

    /// Copies name what they are copies of.
    fn copies(&self, copies: &mut Copied) {
        for part in &mut copies.parts {
            part.of = self.container(part.of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_where_their_names_part_and_joined_where_they_meet() {
        let dot = |seq| Dot { agent: 0, seq };
        let mut table = Table::default();
        table.add(dot(3), 2, dot(20));
        table.add(dot(5), 1, dot(22));
        table.add(dot(8), 1, Dot::NONE);
        assert_eq!(table.ranges(&[(dot(1), 6)]), [(dot(1), 2), (dot(20), 3), (dot(6), 1)]);
        assert_eq!(table.pieces(dot(4), 3), [(0, 2, Some(dot(21))), (2, 1, None)]);
        assert_eq!(table.get(dot(8)), Dot::NONE);
        assert_eq!(table.get(dot(9)), dot(9));
        table.add(dot(21), 1, dot(40));
        assert_eq!(table.ranges(&[(dot(3), 3)]), [(dot(20), 1), (dot(40), 1), (dot(22), 1)]);
        // What there is of a table without new names doesn't depend on the order in which it was noted.
        let noted = Table::of([(dot(9), 2), (dot(5), 2), (dot(6), 3)]);
        assert_eq!(noted.stretches().collect::<Vec<_>>(), [(dot(5), 6)]);
        let back = [(dot(20), 3), (dot(1), 2)];
        let mut again = Table::default();
        again.add(dot(20), 3, dot(3));
        assert_eq!(again.ranges(&back), [(dot(3), 3), (dot(1), 2)]);
    }
}
