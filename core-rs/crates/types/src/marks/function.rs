//! Which mark wins where, for one key: a function that is constant between boundaries. The boundaries stand in the order of
//! their gaps, in chunks, so that a mark in the middle of a hundred thousand moves few of them.
//!
//! A mark that is not the highest may win here and lose there all along a text. Of the chunks that it covers whole it touches none:
//! it is put on a tree over them, and wins there wherever it beats what the chunk says. After as many such marks as there are
//! chunks, the chunks are written anew.

use super::Mark;
use crate::sequence::{Gap, Sequence, Spot};
use joinery_history::Dot;
use std::cmp::Ordering;
use std::rc::Rc;

/// How many boundaries a chunk has at most.
const MAX_CHUNK: usize = 256;

/// From a gap on, up to the next boundary, this mark wins, or one that is put on its chunk; or there is none.
#[derive(Debug, Clone)]
struct Boundary {
    gap: Gap,
    mark: Option<Rc<Mark>>,
}

/// A range, and the mark that wins there.
pub type Stretch<'m> = ((Gap, Gap), Option<&'m Rc<Mark>>);

/// See the top of this file. Before the first boundary there is no mark.
#[derive(Debug, Default, Clone)]
pub struct Function {
    /// None is empty.
    chunks: Vec<Vec<Boundary>>,
    /// The marks that are put on whole chunks: a tree of which the last half are the chunks and the one at `i` is above those at
    /// `2 * i` and `2 * i + 1`. What holds for a chunk is the highest of those above it. Empty where there is none.
    over: Vec<Option<Rc<Mark>>>,
    /// How many marks were put there since the chunks were written anew.
    put_over: usize,
    /// The highest mark that was ever joined.
    highest: Option<Rc<Mark>>,
    /// How many boundaries have a mark that doesn't take off.
    shown: usize,
}

/// A boundary's chunk and where in it; behind the last one: (chunks, 0).
type Position = (usize, usize);

/// Of two marks the one that wins.
fn higher<'m>(a: Option<&'m Rc<Mark>>, b: Option<&'m Rc<Mark>>) -> Option<&'m Rc<Mark>> {
    match (a, b) {
        (Some(one), Some(other)) if other.beats(one) => b,
        (None, _) => b,
        _ => a,
    }
}

/// The first of each stretch of places with the same mark, but for those with the mark `last` at the beginning.
fn changes<'m, P>(
    places: impl Iterator<Item = (P, Option<&'m Rc<Mark>>)>,
    mut last: Option<&'m Rc<Mark>>,
) -> impl Iterator<Item = (P, Option<&'m Rc<Mark>>)> {
    places.filter(move |&(_, mark)| mark != std::mem::replace(&mut last, mark))
}

impl Function {
    /// Was nothing ever joined?
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Does it show anything, if only on removed units? (Or it did before a mark that takes off was put over it.)
    pub fn shows(&self) -> bool {
        self.shown > 0 || self.over.iter().flatten().any(|mark| mark.shown().is_some())
    }

    /// Does a reader see anything of it?
    pub fn is_visible<U: Copy>(&self, sequence: &Sequence<U>) -> bool {
        let ends = self.boundaries().skip(1).map(|(gap, _)| gap);
        let mut ranges = self.boundaries().zip(ends.chain([Gap::End]));
        ranges.any(|((gap, mark), end)| {
            mark.is_some_and(|mark| mark.shown().is_some()) && sequence.index_of_gap(gap) < sequence.index_of_gap(end)
        })
    }

    /// The gaps in order from which on another mark wins, or none.
    pub fn boundaries(&self) -> impl Iterator<Item = (Gap, Option<&Rc<Mark>>)> {
        changes(self.from((0, 0)).map(|(_, gap, mark)| (gap, mark)), None)
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
        let inner = self.from(from).take_while(move |&(at, ..)| at < to);
        let first = self.mark_before(from);
        std::iter::once(first).chain(changes(inner.map(|(_, gap, mark)| (gap, mark)), first).map(|(_, mark)| mark))
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
        let inner = self.from(first).take_while(|&(at, ..)| at < to);
        for (gap, next) in changes(inner.map(|(_, gap, mark)| (gap, mark)), mark) {
            stretches.push(((from, gap), mark));
            (from, mark) = (gap, next);
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
            let (gap, mark) = self.boundary(at)?;
            let ending = self.mark_before(at).filter(|&before| mark != Some(before));
            if let (Gap::After(unit), Some(_)) = (gap, ending.and_then(|mark| mark.shown())) {
                return Some(unit);
            }
        }
        None
    }

    /// Joins a mark: it wins wherever it beats what is there. A range that ends before it begins covers nothing.
    pub fn join<U: Copy>(&mut self, sequence: &Sequence<U>, (start, end): (Gap, Gap), mark: &Rc<Mark>) {
        let (from, to) = (sequence.spot(start), sequence.spot(end));
        if sequence.compare(from, to) != Ordering::Less {
            return;
        }
        let first = self.find(sequence, from, false).0 + 1;
        let behind = match self.find(sequence, to, false) {
            (chunk, 0) => chunk.saturating_sub(1),
            (chunk, _) => chunk,
        };
        if self.highest.as_ref().is_none_or(|highest| mark.beats(highest)) {
            // It leaves nothing of what it covers.
            self.highest = Some(mark.clone());
        } else if first < behind {
            let inner = (self.chunks[first][0].gap, self.chunks[behind][0].gap);
            self.write(sequence, (inner.1, end), mark);
            self.put_over(first, behind, mark);
            self.write(sequence, (start, inner.0), mark);
            if self.put_over > self.chunks.len() {
                self.write_anew();
            }
            return;
        }
        self.write(sequence, (start, end), mark);
    }

    /// Joins a mark boundary by boundary.
    #[inline(never)]
    fn write<U: Copy>(&mut self, sequence: &Sequence<U>, (start, end): (Gap, Gap), mark: &Rc<Mark>) {
        let (from, to) = (sequence.spot(start), sequence.spot(end));
        if sequence.compare(from, to) != Ordering::Less {
            return;
        }
        let first = self.find(sequence, from, false);
        let mut behind = self.find(sequence, to, false);
        let before = self.mark_before(first);
        let mut old = before;
        let mut new: Vec<(Gap, Option<&Rc<Mark>>)> = Vec::new();
        let mut inner = self.from(first).take_while(|&(at, ..)| at < behind).peekable();
        if inner.peek().is_none_or(|&(_, gap, _)| gap != start) {
            new.push((start, higher(old, Some(mark))));
        }
        for (_, gap, there) in inner {
            old = there;
            new.push((gap, higher(old, Some(mark))));
        }
        match self.boundary(behind).filter(|&(gap, _)| gap == end) {
            Some(boundary) => {
                behind.1 += 1;
                new.push(boundary);
            }
            None if end == Gap::End => {}
            None => new.push((end, old)),
        }
        let own = |(gap, mark): (Gap, Option<&Rc<Mark>>)| Boundary {
            gap,
            mark: mark.cloned(),
        };
        let new = changes(new.into_iter(), before).map(own).collect();
        self.replace(first, behind, new);
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

    fn boundary(&self, at: Position) -> Option<(Gap, Option<&Rc<Mark>>)> {
        let boundary = self.chunks.get(at.0)?.get(at.1)?;
        Some((boundary.gap, higher(boundary.mark.as_ref(), self.over(at.0))))
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
        self.boundary(self.before(at)?)?.1
    }

    /// The boundaries from one on; neighbours may have the same mark.
    fn from(&self, (chunk, at): Position) -> impl Iterator<Item = (Position, Gap, Option<&Rc<Mark>>)> {
        let chunks = self.chunks.iter().enumerate().skip(chunk);
        chunks.flat_map(move |(number, boundaries)| {
            let over = self.over(number);
            let skipped = if number == chunk { at } else { 0 };
            let rest = boundaries.iter().enumerate().skip(skipped);
            rest.map(move |(at, boundary)| ((number, at), boundary.gap, higher(boundary.mark.as_ref(), over)))
        })
    }

    /// The highest mark that is put on a chunk.
    fn over(&self, chunk: usize) -> Option<&Rc<Mark>> {
        let mut at = chunk + self.chunks.len();
        let mut highest = None;
        while at > 0 && !self.over.is_empty() {
            highest = higher(highest, self.over[at].as_ref());
            at /= 2;
        }
        highest
    }

    /// Puts a mark on the chunks from `from` to `to` (not with it).
    fn put_over(&mut self, from: usize, to: usize, mark: &Rc<Mark>) {
        let chunks = self.chunks.len();
        self.over.resize(2 * chunks, None);
        let (mut from, mut to) = (from + chunks, to + chunks);
        while from < to {
            // Those at the ends that are no child of one that is wholly within.
            for at in [(from % 2 == 1).then_some(from), (to % 2 == 1).then_some(to - 1)] {
                let Some(over) = at.map(|at| &mut self.over[at]) else {
                    continue;
                };
                if over.as_ref().is_none_or(|over| mark.beats(over)) {
                    *over = Some(mark.clone());
                }
            }
            (from, to) = (from.div_ceil(2), to / 2);
        }
        self.put_over += 1;
    }

    /// Brings what is put on chunks into them.
    fn write_anew(&mut self) {
        let own = |(gap, mark): (Gap, Option<&Rc<Mark>>)| Boundary {
            gap,
            mark: mark.cloned(),
        };
        let all: Vec<Boundary> = self.boundaries().map(own).collect();
        self.shown = shown(&all);
        self.chunks = all.chunks(MAX_CHUNK / 2).map(<[Boundary]>::to_vec).collect();
        self.over = Vec::new();
        self.put_over = 0;
    }

    /// Puts boundaries in the place of others, from one position to another.
    fn replace(&mut self, first: Position, behind: Position, new: Vec<Boundary>) {
        let chunks = self.chunks.len();
        // Behind the last boundary its chunk grows.
        let start = first.0.min(chunks.saturating_sub(1));
        let end = (behind.0 + usize::from(behind.1 > 0)).max(start + 1).min(chunks);
        let mut new = Some(new);
        let mut whole: Vec<Boundary> = Vec::new();
        for number in start..end {
            let old = std::mem::take(&mut self.chunks[number]);
            self.shown -= shown(&old);
            let over = self.over(number);
            for (at, mut boundary) in old.into_iter().enumerate() {
                let at = (number, at);
                if at >= first {
                    whole.extend(new.take().into_iter().flatten());
                }
                if at < first || at >= behind {
                    boundary.mark = higher(boundary.mark.as_ref(), over).cloned();
                    whole.push(boundary);
                }
            }
        }
        whole.extend(new.into_iter().flatten());
        self.shown += shown(&whole);
        let written: Vec<Vec<Boundary>> = if whole.len() > MAX_CHUNK {
            whole.chunks(MAX_CHUNK / 2).map(<[Boundary]>::to_vec).collect()
        } else {
            Some(whole).into_iter().filter(|whole| !whole.is_empty()).collect()
        };
        // What is put on a chunk that stays one is not above what is written there.
        if !self.over.is_empty() && (end - start, written.len()) != (1, 1) {
            let mut over: Vec<Option<Rc<Mark>>> = (0..chunks).map(|chunk| self.over(chunk).cloned()).collect();
            over.splice(start..end, vec![None; written.len()]);
            self.over = vec![None; over.len()];
            self.over.append(&mut over);
        }
        self.chunks.splice(start..end, written);
    }
}

/// How many have a mark that doesn't take off.
fn shown(boundaries: &[Boundary]) -> usize {
    let marks = boundaries.iter().filter_map(|boundary| boundary.mark.as_ref());
    marks.filter(|mark| mark.shown().is_some()).count()
}

#[cfg(test)]
impl Function {
    /// Deep invariants, for tests: chunks within their bounds, boundaries in order, neighbours that differ where nothing was put on
    /// chunks, the count of those that show.
    pub fn check<U: Copy>(&self, sequence: &Sequence<U>) {
        assert!(self.chunks.iter().all(|chunk| (1..=MAX_CHUNK).contains(&chunk.len())));
        assert!(self.over.is_empty() || self.over.len() == 2 * self.chunks.len());
        for pair in self.chunks.concat().windows(2) {
            let (a, b) = (sequence.spot(pair[0].gap), sequence.spot(pair[1].gap));
            assert_eq!(sequence.compare(a, b), Ordering::Less);
            assert!(pair[0].mark != pair[1].mark || self.put_over > 0);
        }
        let mut last = None;
        for (_, mark) in self.boundaries() {
            assert_ne!(mark, last);
            last = mark;
        }
        assert_eq!(shown(&self.chunks.concat()), self.shown);
        assert!(
            self.shows()
                || self
                    .boundaries()
                    .all(|(_, mark)| mark.is_none_or(|mark| mark.shown().is_none()))
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use joinery_history::Agents;

    /// A naive twin beside it: per place the highest of all marks that cover it.
    #[test]
    fn marks_win_at_each_gap_as_the_highest_that_covers_it() {
        let mut agents = Agents::default();
        let own = agents.intern(7);
        const UNITS: u32 = 2000;
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
        let mut put_over = 0;
        for round in 0..6000 {
            let start = random(gaps.len());
            let len = [1, 2, 3, 5, 40, 4000][random(6)];
            let end = (start + random(len)).min(gaps.len() - 1);
            let mark = Rc::new(Mark {
                dot: dot(UNITS + 1 + round),
                agent: 7,
                // Most of the long ones lie below most of the short ones.
                stamp: random(if len > 40 { 400 } else { 4000 }) as u64,
                value: Box::from([random(3) as u8]),
            });
            let before = function.put_over;
            function.join(&sequence, (gaps[start], gaps[end]), &mark);
            put_over += usize::from(function.put_over != before);
            for have in &mut highest[start..end.max(start)] {
                if have.as_ref().is_none_or(|have| mark.beats(have)) {
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
        assert!(put_over > 500, "{put_over} marks were put on chunks");
        // One mark above all others leaves nothing of them.
        let mark = Rc::new(Mark {
            dot: dot(9_999),
            agent: 7,
            stamp: 9_999,
            value: Box::from([2]),
        });
        function.join(&sequence, (Gap::Start, Gap::End), &mark);
        function.check(&sequence);
        assert_eq!(function.boundaries().count(), 1);
    }
}
