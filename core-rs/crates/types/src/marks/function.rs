//! Which mark wins where, for one key: a function that is constant between boundaries. The boundaries stand in the order of
//! their gaps, in chunks, so that a mark in the middle of a hundred thousand moves few of them.

use super::Mark;
use crate::sequence::{Gap, Sequence, Spot};
use joinery_history::{Agents, Dot};
use std::cmp::Ordering;
use std::rc::Rc;

/// How many boundaries a chunk has at most.
const MAX_CHUNK: usize = 256;

/// From a gap on, up to the next boundary, this mark wins; or there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// The gap.
    pub gap: Gap,
    /// The mark.
    pub mark: Option<Rc<Mark>>,
}

impl Boundary {
    fn shows(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.shown().is_some())
    }
}

/// A range, and the mark that wins there.
pub type Stretch<'m> = ((Gap, Gap), Option<&'m Rc<Mark>>);

/// See the top of this file. Before the first boundary there is no mark; neighbours differ.
#[derive(Debug, Default, Clone)]
pub struct Function {
    /// None is empty.
    chunks: Vec<Vec<Boundary>>,
    /// How many boundaries have a mark that doesn't take off.
    shown: usize,
}

/// A boundary's chunk and where in it; behind the last one: (chunks, 0).
type Position = (usize, usize);

impl Function {
    /// Was nothing ever joined?
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Does it show anything, if only on removed units?
    pub fn shows(&self) -> bool {
        self.shown > 0
    }

    /// Does a reader see anything of it?
    pub fn is_visible<U: Copy>(&self, sequence: &Sequence<U>) -> bool {
        let ends = self.boundaries().skip(1).map(|boundary| boundary.gap);
        let mut ranges = self.boundaries().zip(ends.chain([Gap::End]));
        ranges
            .any(|(boundary, end)| boundary.shows() && sequence.index_of_gap(boundary.gap) < sequence.index_of_gap(end))
    }

    /// The boundaries in order.
    pub fn boundaries(&self) -> impl Iterator<Item = &Boundary> {
        self.chunks.iter().flatten()
    }

    /// The mark that wins right behind a gap.
    pub fn at<U: Copy>(&self, sequence: &Sequence<U>, gap: Gap) -> Option<&Rc<Mark>> {
        self.mark_before(self.find(sequence, sequence.spot(gap), true))
    }

    /// The marks that win between two gaps, in order; none where there is none.
    pub fn within<U: Copy>(
        &self,
        sequence: &Sequence<U>,
        (start, end): (Gap, Gap),
    ) -> impl Iterator<Item = Option<&Rc<Mark>>> {
        let from = self.find(sequence, sequence.spot(start), true);
        let to = self.find(sequence, sequence.spot(end), false);
        let inner = self.from(from).take_while(move |&(at, _)| at < to);
        std::iter::once(self.mark_before(from)).chain(inner.map(|(_, boundary)| boundary.mark.as_ref()))
    }

    /// The same, each with where it wins.
    #[inline(never)]
    pub fn stretches<U: Copy>(&self, sequence: &Sequence<U>, (start, end): (Gap, Gap)) -> Vec<Stretch<'_>> {
        if sequence.compare(sequence.spot(start), sequence.spot(end)) != Ordering::Less {
            return Vec::new();
        }
        let first = self.find(sequence, sequence.spot(start), true);
        let to = self.find(sequence, sequence.spot(end), false);
        let mut stretches = Vec::new();
        let (mut from, mut mark) = (start, self.mark_before(first));
        for (_, boundary) in self.from(first).take_while(|&(at, _)| at < to) {
            stretches.push(((from, boundary.gap), mark));
            (from, mark) = (boundary.gap, boundary.mark.as_ref());
        }
        stretches.push(((from, end), mark));
        stretches
    }

    /// The last unit between two gaps behind which a mark ends that shows.
    pub fn last_end<U: Copy>(&self, sequence: &Sequence<U>, from: Gap, to: Gap) -> Option<Dot> {
        let low = self.find(sequence, sequence.spot(from), true);
        let mut at = self.find(sequence, sequence.spot(to), false);
        while at > low {
            at = self.before(at)?;
            let before = self.mark_before(at);
            if let (Gap::After(unit), Some(_)) = (self.boundary(at)?.gap, before.and_then(|mark| mark.shown())) {
                return Some(unit);
            }
        }
        None
    }

    /// Joins a mark: it wins wherever it beats what is there. A range that ends before it begins covers nothing.
    pub fn join<U: Copy>(
        &mut self,
        agents: &Agents,
        sequence: &Sequence<U>,
        (start, end): (Gap, Gap),
        mark: &Rc<Mark>,
    ) {
        let (from, to) = (sequence.spot(start), sequence.spot(end));
        if sequence.compare(from, to) != Ordering::Less {
            return;
        }
        let first = self.find(sequence, from, false);
        let behind = self.find(sequence, to, false);
        let mut old = self.mark_before(first).cloned();
        let mut last = old.clone();
        let mut new: Vec<Boundary> = Vec::new();
        let mut put = |gap: Gap, mark: Option<Rc<Mark>>| {
            if mark != last {
                last.clone_from(&mark);
                new.push(Boundary { gap, mark });
            }
        };
        let winner = |old: &Option<Rc<Mark>>| match old {
            Some(old) if !mark.beats(old, agents) => Some(old.clone()),
            _ => Some(mark.clone()),
        };
        let mut taken = 0;
        let mut inner = self.from(first).take_while(|&(at, _)| at < behind).peekable();
        if inner.peek().is_none_or(|(_, boundary)| boundary.gap != start) {
            put(start, winner(&old));
        }
        for (_, boundary) in inner {
            taken += 1;
            old.clone_from(&boundary.mark);
            put(boundary.gap, winner(&old));
        }
        match self.boundary(behind).filter(|boundary| boundary.gap == end) {
            Some(boundary) => {
                taken += 1;
                put(end, boundary.mark.clone());
            }
            None if end == Gap::End => {}
            None => put(end, old),
        }
        self.replace(first, taken, new);
    }

    /// The first boundary that is not before a spot, or (`passing`) that is behind it.
    fn find<U: Copy>(&self, sequence: &Sequence<U>, spot: Spot, passing: bool) -> Position {
        let is_before = |boundary: &Boundary| match sequence.compare(sequence.spot(boundary.gap), spot) {
            Ordering::Less => true,
            Ordering::Equal => passing,
            Ordering::Greater => false,
        };
        let chunk = self.chunks.partition_point(|chunk| is_before(&chunk[0]));
        match chunk.checked_sub(1) {
            None => (0, 0),
            Some(chunk) => {
                let at = self.chunks[chunk].partition_point(is_before);
                if at < self.chunks[chunk].len() {
                    (chunk, at)
                } else {
                    (chunk + 1, 0)
                }
            }
        }
    }

    fn boundary(&self, (chunk, at): Position) -> Option<&Boundary> {
        self.chunks.get(chunk)?.get(at)
    }

    fn before(&self, (chunk, at): Position) -> Option<Position> {
        match (chunk, at) {
            (0, 0) => None,
            (chunk, 0) => Some((chunk - 1, self.chunks[chunk - 1].len() - 1)),
            (chunk, at) => Some((chunk, at - 1)),
        }
    }

    /// The mark that wins right before a boundary.
    fn mark_before(&self, at: Position) -> Option<&Rc<Mark>> {
        self.boundary(self.before(at)?)?.mark.as_ref()
    }

    /// The boundaries from one on.
    fn from(&self, (chunk, at): Position) -> impl Iterator<Item = (Position, &Boundary)> {
        let chunks = self.chunks.iter().enumerate().skip(chunk);
        chunks.flat_map(move |(number, boundaries)| {
            let skipped = if number == chunk { at } else { 0 };
            let rest = boundaries.iter().enumerate().skip(skipped);
            rest.map(move |(at, boundary)| ((number, at), boundary))
        })
    }

    /// Puts boundaries in the place of `taken` others from a position on.
    fn replace(&mut self, (mut chunk, mut at): Position, taken: usize, new: Vec<Boundary>) {
        let count = |boundaries: &[Boundary]| boundaries.iter().filter(|boundary| boundary.shows()).count();
        if chunk == self.chunks.len() {
            // Behind the last boundary: its chunk grows.
            match chunk.checked_sub(1) {
                Some(last) => (chunk, at) = (last, self.chunks[last].len()),
                None => self.chunks.push(Vec::new()),
            }
        }
        self.shown += count(&new);
        let mut tail = self.chunks[chunk].split_off(at);
        let mut left = taken;
        let mut emptied = chunk + 1;
        loop {
            let n = left.min(tail.len());
            self.shown -= count(&tail[..n]);
            tail.drain(..n);
            left -= n;
            match self.chunks.get_mut(emptied).filter(|_| left > 0) {
                Some(next) => tail = std::mem::take(next),
                None => break,
            }
            emptied += 1;
        }
        let mut whole = std::mem::take(&mut self.chunks[chunk]);
        whole.extend(new);
        whole.extend(tail);
        let chunks: Vec<Vec<Boundary>> = if whole.len() > MAX_CHUNK {
            whole.chunks(MAX_CHUNK / 2).map(<[Boundary]>::to_vec).collect()
        } else {
            Some(whole).into_iter().filter(|whole| !whole.is_empty()).collect()
        };
        self.chunks.splice(chunk..emptied, chunks);
    }
}

#[cfg(test)]
impl Function {
    /// Deep invariants, for tests: chunks within their bounds, boundaries in order, neighbours that differ, the count of those
    /// that show.
    pub fn check<U: Copy>(&self, sequence: &Sequence<U>) {
        assert!(self.chunks.iter().all(|chunk| (1..=MAX_CHUNK).contains(&chunk.len())));
        let boundaries: Vec<&Boundary> = self.boundaries().collect();
        assert!(boundaries.first().is_none_or(|boundary| boundary.mark.is_some()));
        for pair in boundaries.windows(2) {
            let (a, b) = (sequence.spot(pair[0].gap), sequence.spot(pair[1].gap));
            assert_eq!(sequence.compare(a, b), Ordering::Less);
            assert_ne!(pair[0].mark, pair[1].mark);
        }
        let shown = boundaries.iter().filter(|boundary| boundary.shows()).count();
        assert_eq!(shown, self.shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A naive twin beside it: per place the highest of all marks that cover it.
    #[test]
    fn marks_win_at_each_gap_as_the_highest_that_covers_it() {
        let mut agents = Agents::default();
        let own = agents.intern(7);
        const UNITS: u32 = 600;
        let dot = |seq| Dot { agent: own, seq };
        let mut sequence: Sequence<u32> = Sequence::default();
        for seq in 1..=UNITS {
            sequence.insert(&agents, sequence.len() / 2, dot(seq), &[seq]);
        }
        let mut gaps = vec![Gap::Start];
        for index in 0..UNITS {
            let unit = sequence.dot_at(index).unwrap();
            gaps.extend([Gap::Before(unit), Gap::After(unit)]);
        }
        gaps.push(Gap::End);
        let mut highest: Vec<Option<Rc<Mark>>> = vec![None; gaps.len() - 1];
        let mut function = Function::default();
        let mut state = 5u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for round in 0..3000 {
            let start = random(gaps.len());
            let len = [1, 2, 5, 40, 2000][random(5)];
            let end = (start + random(len)).min(gaps.len() - 1);
            let mark = Rc::new(Mark {
                dot: dot(UNITS + 1 + round),
                stamp: random(4000) as u64,
                value: Box::from([random(3) as u8]),
            });
            function.join(&agents, &sequence, (gaps[start], gaps[end]), &mark);
            for have in &mut highest[start..end.max(start)] {
                if have.as_ref().is_none_or(|have| mark.beats(have, &agents)) {
                    *have = Some(mark.clone());
                }
            }
            if round % 50 == 0 {
                function.check(&sequence);
                for (gap, expected) in gaps.iter().zip(&highest) {
                    assert_eq!(function.at(&sequence, *gap), expected.as_ref(), "{gap:?} after {round}");
                }
            }
            let (from, to) = (start.min(end), start.max(end));
            if from < to {
                let mut expected: Vec<_> = highest[from..to].iter().map(Option::as_ref).collect();
                expected.dedup();
                let within: Vec<_> = function.within(&sequence, (gaps[from], gaps[to])).collect();
                assert_eq!(within, expected);
            }
        }
        // One mark above all others leaves nothing of them.
        let mark = Rc::new(Mark {
            dot: dot(9_999),
            stamp: 9_999,
            value: Box::from([2]),
        });
        function.join(&agents, &sequence, (Gap::Start, Gap::End), &mark);
        function.check(&sequence);
        assert_eq!(function.boundaries().count(), 1);
    }
}
