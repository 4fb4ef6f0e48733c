//! Reads the runs of a sequence: the mirror of `state/runs.rs`. What it gives is a tree in reading order, whatever the bytes are;
//! only that siblings stand in the order of their ids is left to check, and that no unit is told twice.

use super::{unzigzag, RemovedUnits, StateReader};
use crate::container::Kind;
use crate::sequence::{rank, Anchor, At, Builder, Removal, Run, Sequence, Side};
use crate::state::runs::{form, guess, removed, Expected, Seqs, KNOWN, REMOVAL_SHIFT, TAKES_ONE};
use joinery_codec::DecodeError;
use joinery_history::Dot;

/// How many runs one sequence of a state may tell of.
const MAX_RUNS: usize = 1 << 31;

/// The units that a state tells of.
#[derive(Debug)]
pub enum Told<U> {
    /// All that there are.
    All(Sequence<U>),
    /// Those that the receiver lacks, with the content of the visible ones.
    New { runs: Vec<Run>, units: Vec<U> },
}

impl<U: Copy> Told<U> {
    /// The runs in reading order.
    pub fn runs(&self) -> Vec<Run> {
        match self {
            Told::All(sequence) => sequence.runs().map(|(run, _)| run).collect(),
            Told::New { runs, .. } => runs.clone(),
        }
    }

    /// The runs in reading order, and the units of those that are visible.
    pub fn into_parts(self) -> (Vec<Run>, Vec<U>) {
        match self {
            Told::All(sequence) => {
                let units = sequence.chunks().flatten().copied().collect();
                (sequence.runs().map(|(run, _)| run).collect(), units)
            }
            Told::New { runs, units } => (runs, units),
        }
    }
}

/// Runs as they were read.
pub(super) struct ReadRuns {
    runs: Builder,
    /// Does every one hang on another one, or on the start?
    is_whole: bool,
    pub removals: Vec<RemovedUnits>,
    pub visible: u64,
}

impl ReadRuns {
    pub fn iter(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter()
    }
}

/// Runs that others may hang on.
#[derive(Default)]
struct Stack {
    /// Where the first and the last unit of each was put.
    runs: Vec<(At, At)>,
    /// Which of them wait for a later run.
    waiting: Vec<usize>,
    /// Those that the run at hand takes, the last one first.
    taken: Vec<At>,
    /// What hangs on the start, and was read last.
    at_start: Option<Dot>,
}

impl StateReader<'_> {
    /// A sequence's runs and its removals.
    pub(super) fn sequence(&mut self, kind: Kind) -> Result<ReadRuns, DecodeError> {
        let n = self.reader.count("a count of runs")?;
        if n > MAX_RUNS {
            return Err(self.error("at most 2^31 runs", "more"));
        }
        let mut read = ReadRuns {
            runs: Builder::default(),
            is_whole: true,
            removals: Vec::new(),
            visible: 0,
        };
        let mut stack = Stack::default();
        for _ in 0..n {
            self.run(kind, &mut read, &mut stack)?;
        }
        self.nothing_waits(&stack)?;
        Ok(read)
    }

    fn run(&mut self, kind: Kind, read: &mut ReadRuns, stack: &mut Stack) -> Result<(), DecodeError> {
        let head = self.reader.u8("a run")?;
        let mut removal = head >> REMOVAL_SHIFT;
        if head & ((1 << REMOVAL_SHIFT) - 1) == KNOWN {
            return self.known(removal, read);
        }
        let (form, takes) = match head & 3 {
            form::OTHER if removal >= removed::VISIBLE => {
                let form = std::mem::replace(&mut removal, removed::NO) - removed::VISIBLE;
                if form > form::RIGHT_BELOW {
                    return Err(self.error("a run's form", "another number"));
                }
                (form, 0)
            }
            form::OTHER => {
                let place = self.reader.varint("a run's place")?;
                ((place & 7) as u8, place >> 3)
            }
            form => (form, u64::from(head & TAKES_ONE != 0)),
        };
        stack.taken.clear();
        for _ in 0..takes {
            self.take(read, stack)?;
        }
        let mut elder = None;
        let mut parent = Dot::NONE;
        match form {
            form::LEFT | form::CONTINUES_UNTOLD => {}
            form::CONTINUES | form::RIGHT => parent = self.top(read, stack)?,
            form::RIGHT_BELOW => {
                let below = self.reader.varint("how many runs below")?;
                for _ in 0..below {
                    if stack.waiting.last().is_some_and(|&at| at + 1 == stack.runs.len()) {
                        return Err(self.error("a run that others hang on", "one that waits"));
                    }
                    elder = stack.runs.pop();
                    if elder.is_none() {
                        return Err(self.error("a run to hang on", "none"));
                    }
                }
                parent = self.top(read, stack)?;
            }
            form::START => {}
            // DOT_RIGHT, DOT_LEFT
            _ => {
                parent = self.seq(|expected| &expected.old)?;
                self.expected.old.note(parent.agent, parent.seq);
            }
        }
        if form == form::START {
            self.nothing_waits(stack)?;
            stack.runs.clear();
        }
        let is_told = matches!(form, form::CONTINUES | form::RIGHT | form::LEFT | form::RIGHT_BELOW);
        read.is_whole &= is_told || form == form::START;
        let len = self.reader.u32("a run's length")?;
        let dot = if form == form::CONTINUES {
            parent.plus(1)
        } else {
            self.seq(|expected| &expected.new)?
        };
        self.stretch(dot, len)?;
        if form == form::CONTINUES_UNTOLD {
            if dot.seq < 2 {
                return Err(self.error("a unit to continue", "none"));
            }
            parent = Dot {
                seq: dot.seq - 1,
                ..dot
            };
        }
        let elder = elder.map(|(first, _)| read.runs.run(first).dot);
        let elder = if form == form::START {
            stack.at_start.replace(dot)
        } else {
            elder
        };
        if elder.is_some_and(|elder| rank(&self.agents, elder) >= rank(&self.agents, dot)) {
            return Err(self.error("siblings in ascending order", "another order"));
        }
        for &taken in &stack.taken {
            read.runs.run_mut(taken).parent = dot;
        }
        let is_below = matches!(form, form::CONTINUES | form::RIGHT | form::RIGHT_BELOW);
        let side = match form {
            form::LEFT | form::DOT_LEFT => Side::Left,
            _ => Side::Right,
        };
        let mut run = Run::new(dot, len, Anchor { parent, side }, Removal::NONE);
        run.hanging.left = !stack.taken.is_empty();
        run.removal = self.run_removal(kind, removal, &run)?;
        if let (true, Some(&(_, above))) = (is_below, stack.runs.last()) {
            let above = read.runs.run_mut(above);
            above.hanging.note(Side::Right, run.is_continuation());
        }
        self.expected.note(&run);
        read.visible += u64::from(run.visible());
        if form == form::LEFT {
            stack.waiting.push(stack.runs.len());
        }
        stack.runs.push(read.runs.push(run));
        Ok(())
    }

    /// Units that the receiver has, and that were removed since.
    fn known(&mut self, code: u8, read: &mut ReadRuns) -> Result<(), DecodeError> {
        let len = self.reader.u32("a length")?;
        let dot = self.seq(|expected| &expected.old)?;
        self.stretch(dot, len)?;
        let mut run = Run::new(dot, len, Anchor::START, Removal::NONE);
        run.removal = self.run_removal(Kind::Text, code, &run)?;
        if !run.removal.has_dot() {
            return Err(self.error("a removal", "none"));
        }
        self.expected.note_known(&run);
        read.removals.push((dot, len, run.removal));
        Ok(())
    }

    /// Are there so many units, and all of them covered?
    fn stretch(&self, dot: Dot, len: u32) -> Result<(), DecodeError> {
        let end = dot.seq.checked_add(len).filter(|_| len > 0);
        let end = end.ok_or_else(|| self.error("a run", "nothing"))?;
        self.covered(dot)?;
        self.covered(Dot { seq: end - 1, ..dot })?;
        Ok(())
    }

    /// Takes the last subtree that waits off the stack.
    fn take(&self, read: &ReadRuns, stack: &mut Stack) -> Result<(), DecodeError> {
        let at = stack.waiting.pop();
        let at = at.ok_or_else(|| self.error("a run that waits", "none"))?;
        let (first, _) = stack.runs[at];
        stack.runs.truncate(at);
        if let Some(&younger) = stack.taken.last() {
            let [elder, younger] = [first, younger].map(|at| rank(&self.agents, read.runs.run(at).dot));
            if elder >= younger {
                return Err(self.error("siblings in ascending order", "another order"));
            }
        }
        stack.taken.push(first);
        Ok(())
    }

    /// The last unit of the run on top.
    fn top(&self, read: &ReadRuns, stack: &Stack) -> Result<Dot, DecodeError> {
        let top = stack.runs.last();
        let &(_, last) = top.ok_or_else(|| self.error("a run to hang on", "none"))?;
        Ok(read.runs.run(last).tail())
    }

    fn nothing_waits(&self, stack: &Stack) -> Result<(), DecodeError> {
        match stack.waiting.is_empty() {
            true => Ok(()),
            false => Err(self.error("a run that takes what waits", "none")),
        }
    }

    fn run_removal(&mut self, kind: Kind, code: u8, run: &Run) -> Result<Removal, DecodeError> {
        match code {
            removed::NO => return Ok(Removal::NONE),
            removed::ELSEWHERE if kind == Kind::List => return Ok(Removal::ELSEWHERE),
            removed::SUPERSEDED if kind == Kind::List => return Ok(Removal::SUPERSEDED),
            removed::ELSEWHERE | removed::SUPERSEDED => return Err(self.error("a removal", "a move")),
            _ => {}
        }
        let step = [0, 1, -1][usize::from((code - removed::BY) % 3)];
        let guess = (code - removed::BY) / 3;
        let more = if step == 0 { 0 } else { run.len - 1 };
        let lowest = match guess {
            guess::TOLD => Some(self.seq(|expected| &expected.removed)?),
            _ => self.expected.guessed(guess, run.tail(), more),
        };
        let lowest = lowest.ok_or_else(|| self.error("a removal that exists", "another one"))?;
        let first = lowest.seq.checked_add(if step < 0 { more } else { 0 });
        let first = first.ok_or_else(|| self.error("a removal that exists", "another one"))?;
        let dot = Dot { seq: first, ..lowest };
        self.removal(self.covered(dot)?, step, run.len)
    }

    /// A seq told from the expected one, and its agent.
    fn seq(&mut self, of: fn(&Expected) -> &Seqs) -> Result<Dot, DecodeError> {
        let mut code = self.reader.varint("a seq")?;
        let mut agent = of(&self.expected).agent;
        if self.numbers.len() != 1 {
            if code & 1 == 1 {
                agent = match self.numbers[..] {
                    [one, other] => {
                        if agent == one {
                            other
                        } else {
                            one
                        }
                    }
                    _ => {
                        let number = self.reader.varint("an agent's number")?;
                        self.agent(number)?
                    }
                };
            }
            code >>= 1;
        }
        let expected = of(&self.expected).seqs.get(agent as usize).copied();
        let seq = expected.and_then(|expected| i64::from(expected).checked_add(unzigzag(code)));
        let seq = seq.and_then(|seq| u32::try_from(seq).ok()).unwrap_or(0);
        self.covered(Dot { agent, seq })
    }

    fn removal(&self, by: Dot, step: i8, len: u32) -> Result<Removal, DecodeError> {
        let last = i64::from(by.seq) + i64::from(step) * i64::from(len - 1);
        let last = u32::try_from(last).map_err(|_| self.error("removals that exist", "others"))?;
        self.covered(Dot {
            agent: by.agent,
            seq: last,
        })?;
        Ok(Removal {
            dot: self.covered(by)?,
            step,
        })
    }

    /// The units that were read, with their content: `fill` appends that of so many visible ones, and `all` gives that of all.
    pub(super) fn told<U: Copy>(
        &self,
        read: ReadRuns,
        fill: &mut dyn FnMut(usize, &mut Vec<U>),
    ) -> Result<Told<U>, DecodeError> {
        // Only where nothing was told of before can what is told be all there is.
        if self.since.iter().next().is_some() || !read.is_whole {
            let mut units = Vec::new();
            fill(read.visible as usize, &mut units);
            let runs = read.runs.into_runs();
            return Ok(Told::New { runs, units });
        }
        let sequence = read.runs.finish(fill);
        Ok(Told::All(
            sequence.ok_or_else(|| self.error("each unit once", "one again"))?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::container::{Kind, ROOT};
    use crate::document::Document;

    /// SplitMix64, below a limit.
    fn random(seed: &mut u64, limit: u32) -> u32 {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*seed ^ *seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ mixed >> 27) >> 33) as u32 % limit
    }

    /// Types, goes elsewhere, takes back.
    fn edit(document: &mut Document, text: u32, seed: &mut u64) {
        let len = document.text_len(text).unwrap();
        let at = random(seed, len + 1);
        match random(seed, 4) {
            0 if at < len => {
                let count = 1 + random(seed, 5).min(len - at - 1);
                document.text_delete(text, at, count).unwrap();
            }
            1 if at > 2 => {
                for back in 1..3 {
                    document.text_delete(text, at - back, 1).unwrap();
                }
            }
            _ => {
                for step in 0..random(seed, 4) {
                    document.text_insert(text, at + step, &mut [97 + step as u16]).unwrap();
                }
            }
        }
    }

    #[test]
    fn what_is_read_is_sound_and_written_as_it_was() {
        for case in 0..30 {
            let mut seed = case;
            let mut documents = [Document::default(), Document::default(), Document::default()];
            // Two write, or three: then a seq tells its agent in another way.
            let writers = 2 + case as usize % 2;
            for (document, agent) in documents.iter_mut().zip([5, 3, 9]) {
                document.set_agent(agent);
            }
            for _ in 0..20 {
                let mut updates = Vec::new();
                for document in &mut documents[..writers] {
                    let text = document.ensure_child(ROOT, "t", Kind::Text, 1).unwrap();
                    for _ in 0..6 {
                        edit(document, text, &mut seed);
                    }
                    updates.extend(std::iter::from_fn(|| document.take_update()));
                }
                for update in &updates {
                    for document in &mut documents {
                        document.apply(update, 1).unwrap();
                    }
                }
                let snapshot = documents[0].encode_snapshot();
                let mut fresh = Document::default();
                fresh.apply(&snapshot, 1).unwrap();
                let text = fresh.child(ROOT, "t", Kind::Text).unwrap();
                fresh.containers.text(text).unwrap().sequence.check(&fresh.agents);
                assert!(fresh.encode_snapshot() == snapshot, "case {case}");
            }
        }
    }
}
