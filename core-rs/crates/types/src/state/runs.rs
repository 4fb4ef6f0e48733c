//! The runs of a sequence as a state tells them: in reading order, a head byte each, and what does not follow from the runs
//! before. It is no format of operations: which run came first is not told, and nothing here knows a merge rule.
//!
//! ```text
//! run        head · [place] · length · [seq] · [removal]
//! known      head · length · old seq · [removal]: units that the receiver has, and that were removed since
//! head       form (2 bits), takes one (1 bit), removal (5 bits); all ones but the removal: units that are known
//! place      form (3 bits), how many are taken: where the head's form is OTHER, and its removal isn't VISIBLE with a form in it;
//!            then a dot (old seq) or how many below, where the form needs that
//! seq        from where its agent's run before ended, or from what the receiver has of that agent; of all but CONTINUES
//! old seq    of what the receiver has: from where what was named before of that agent ended
//! removal    the lowest seq, from that agent's highest removal so far; of TOLD alone
//! ```
//!
//! Runs are an in-order walk of the Fugue tree, so a run's place in the tree takes no name of another run. Whoever reads keeps a
//! stack: a run first takes the subtrees off it that hang on its left, and then hangs on the right of what is on top, or waits on
//! the stack till a later run takes it. Any sequence of such steps is a tree in reading order: no forged one can be in another.
//! (Stack coding of trees: Knuth, The Art of Computer Programming 1, 2.3.3.)
//!
//! What is typed and what is removed next to it mostly happened one after the other, so four guesses ([`guess`]) tell most
//! removals without a number.

use super::{zigzag, Encoder};
use crate::sequence::{Removal, Run, Side};
use joinery_codec::Writer;
use joinery_history::{Dot, Version};

/// How a run's first unit hangs.
pub mod form {
    /// On the right of the run on top, and its dot is the next one.
    pub const CONTINUES: u8 = 0;
    /// On the right of the run on top.
    pub const RIGHT: u8 = 1;
    /// On the left of a run that comes later, and takes it.
    pub const LEFT: u8 = 2;
    /// In a head: the form is told in full.
    pub const OTHER: u8 = 3;
    /// On the right of the start.
    pub const START: u8 = 3;
    /// It continues its agent's unit before, which isn't told.
    pub const CONTINUES_UNTOLD: u8 = 4;
    /// On the right of a dot that isn't told.
    pub const DOT_RIGHT: u8 = 5;
    /// The same on its left.
    pub const DOT_LEFT: u8 = 6;
    /// On the right of a run on the stack, so many below the one on top, behind other runs that hang there.
    pub const RIGHT_BELOW: u8 = 7;
}

/// In a head: one subtree is taken.
pub const TAKES_ONE: u8 = 4;
/// A head without its removal: the receiver has the units, and learns who removed them.
pub const KNOWN: u8 = form::OTHER | TAKES_ONE;
/// In a head: where the removal starts.
pub const REMOVAL_SHIFT: u8 = 3;

/// What a head says of a run's removal.
pub mod removed {
    /// It is visible.
    pub const NO: u8 = 0;
    /// [`Removal::ELSEWHERE`](crate::sequence::Removal::ELSEWHERE).
    pub const ELSEWHERE: u8 = 1;
    /// [`Removal::SUPERSEDED`](crate::sequence::Removal::SUPERSEDED).
    pub const SUPERSEDED: u8 = 2;
    /// From here: 3 × how it is known, and the step: 0, +1 or −1.
    pub const BY: u8 = 3;
    /// From here: it is visible and takes nothing, and this is its form.
    pub const VISIBLE: u8 = BY + 3 * super::guess::COUNT;
}

/// How a removal is known.
pub mod guess {
    /// It is told.
    pub const TOLD: u8 = 0;
    /// Right after the run's last unit was written.
    pub const AT_ONCE: u8 = 1;
    /// Right before what removed the removed run before this one.
    pub const BEFORE: u8 = 2;
    /// Right after it.
    pub const AFTER: u8 = 3;
    /// Right before the run that was told before this one was written: that one replaced it.
    pub const REPLACED: u8 = 4;
    /// How many ways there are.
    pub const COUNT: u8 = 5;
}

/// What a writer and a reader expect next: both go through the same runs and slots of a state, and note the same.
#[derive(Debug)]
pub struct Expected {
    /// The seq behind the run before.
    pub new: Seqs,
    /// The seq behind what was named before of what the receiver has.
    pub old: Seqs,
    /// The highest removal of the removed run before.
    pub removed: Seqs,
    /// From which seq to which that one was removed.
    pub removal: (u32, u32),
    /// The run before.
    pub before: Dot,
    /// A slot's seq and stamp.
    pub slot: (u32, u64),
}

/// Per agent of the document a seq, and whose came last.
#[derive(Debug, Clone)]
pub struct Seqs {
    pub seqs: Vec<u32>,
    pub agent: u32,
}

impl Seqs {
    pub fn note(&mut self, agent: u32, seq: u32) {
        self.agent = agent;
        self.seqs[agent as usize] = seq;
    }
}

impl Expected {
    /// At a state's start. `first` is its first agent, and `since` what the receiver has.
    pub fn new(agents: usize, first: u32, since: &Version) -> Self {
        let seqs = |seqs| Seqs { seqs, agent: first };
        let new = seqs((0..agents as u32).map(|agent| since.get(agent) + 1).collect());
        Expected {
            removed: new.clone(),
            new,
            old: seqs(vec![1; agents]),
            removal: (1, 1),
            before: Dot::NONE,
            slot: (0, 0),
        }
    }

    /// Notes a run.
    pub fn note(&mut self, run: &Run) {
        self.new.note(run.dot.agent, run.tail().seq + 1);
        self.before = run.dot;
        self.note_removal(run);
    }

    /// Notes units that the receiver has.
    pub fn note_known(&mut self, run: &Run) {
        self.old.note(run.dot.agent, run.tail().seq + 1);
        self.note_removal(run);
    }

    fn note_removal(&mut self, run: &Run) {
        if run.removal.has_dot() {
            self.removal = span(run);
            self.removed.note(run.removal.dot.agent, self.removal.1);
        }
    }

    /// The lowest seq of a removal, guessed. `tail` is the run's last unit and `more` by how much the highest is above it.
    pub fn guessed(&self, guess: u8, tail: Dot, more: u32) -> Option<Dot> {
        let (agent, seq) = match guess {
            guess::AT_ONCE => (tail.agent, Some(tail.seq + 1)),
            guess::BEFORE => (self.removed.agent, self.removal.0.checked_sub(more + 1)),
            guess::AFTER => (self.removed.agent, Some(self.removal.1 + 1)),
            guess::REPLACED => (self.before.agent, self.before.seq.checked_sub(more + 1)),
            _ => return None,
        };
        seq.filter(|&seq| seq > 0).map(|seq| Dot { agent, seq })
    }
}

/// The lowest and the highest seq of what removed a run.
fn span(run: &Run) -> (u32, u32) {
    let (first, last) = (run.removal.dot.seq, run.removal.at(run.len - 1).seq);
    (first.min(last), first.max(last))
}

/// Writes runs one after the other. Fragments that a replica happens to have are joined into the longest runs first, so that
/// equal states give equal bytes.
pub(super) struct RunWriter<'e, 'd> {
    encoder: &'e Encoder<'d>,
    expected: &'e mut Expected,
    /// The run that may still be gone on with.
    last: Option<Run>,
    /// The same of units that the receiver has. Of the two there is one at most.
    last_known: Option<Run>,
    /// The tails of runs that others may hang on.
    stack: Vec<Dot>,
    /// Those of them that wait for a later run: where, and for which.
    waiting: Vec<(usize, Dot)>,
    count: u64,
    out: Vec<u8>,
}

impl<'e, 'd> RunWriter<'e, 'd> {
    pub fn new(encoder: &'e Encoder<'d>, expected: &'e mut Expected) -> Self {
        RunWriter {
            encoder,
            expected,
            last: None,
            last_known: None,
            stack: Vec::new(),
            waiting: Vec::new(),
            count: 0,
            out: Vec::new(),
        }
    }

    pub fn push(&mut self, run: Run) {
        self.flush_known();
        if let Some(done) = Self::lengthen(&mut self.last, run, Self::go_on) {
            self.write(done);
        }
    }

    /// Units that the receiver has, and that were removed since.
    pub fn push_known(&mut self, run: Run) {
        self.flush();
        if let Some(done) = Self::lengthen(&mut self.last_known, run, Self::go_on_known) {
            self.write_known(done);
        }
    }

    /// Adds a run behind the last one, which takes over what it can. What is left is the last one then, and the one before is done.
    fn lengthen(last: &mut Option<Run>, run: Run, go_on: fn(&mut Run, Run) -> Option<u32>) -> Option<Run> {
        let mut left = run;
        if let Some(before) = last {
            match go_on(before, run) {
                Some(taken) if taken == run.len => return None,
                Some(taken) => left = left.split(taken),
                None => {}
            }
        }
        last.replace(left)
    }

    /// How many units of `run` the run before takes over, if any: all, or the first one where the others were removed in
    /// another direction.
    fn go_on(last: &mut Run, run: Run) -> Option<u32> {
        if !run.is_continuation() || run.parent != last.tail() || !last.is_open() {
            return None;
        }
        Self::take_over(last, run)
    }

    /// The same of a run whose units are named by their dots alone: what hangs on them is not told.
    fn go_on_known(last: &mut Run, run: Run) -> Option<u32> {
        let goes_on = run.dot.agent == last.dot.agent && run.dot.seq == last.tail().seq + 1;
        goes_on.then(|| Self::take_over(last, run)).flatten()
    }

    fn take_over(last: &mut Run, run: Run) -> Option<u32> {
        for taken in [run.len, 1] {
            let Some(step) = last.removal.continues(last.len, run.removal, taken) else {
                continue;
            };
            let mut run = run;
            if taken < run.len {
                run.split(taken);
            }
            last.removal.step = step;
            last.append(run);
            return Some(taken);
        }
        None
    }

    fn write_known(&mut self, run: Run) {
        self.count += 1;
        let (removal, guess) = self.removal(&run);
        self.out.push(KNOWN | removal << REMOVAL_SHIFT);
        self.out.varint(u64::from(run.len));
        self.seq(run.dot, |expected| &expected.old);
        self.write_removal(&run, guess);
        self.expected.note_known(&run);
    }

    /// Appends how many there are, and them; tells whether there are any.
    pub fn finish(mut self, out: &mut Vec<u8>) -> bool {
        self.flush();
        self.flush_known();
        out.varint(self.count);
        out.extend_from_slice(&self.out);
        self.count > 0
    }

    fn flush(&mut self) {
        if let Some(last) = self.last.take() {
            self.write(last);
        }
    }

    fn flush_known(&mut self) {
        if let Some(last) = self.last_known.take() {
            self.write_known(last);
        }
    }

    fn write(&mut self, run: Run) {
        self.count += 1;
        let mut takes = 0;
        while let Some(&(at, _)) = self.waiting.last().filter(|(_, parent)| *parent == run.dot) {
            self.stack.truncate(at);
            self.waiting.pop();
            takes += 1;
        }
        let (form, below) = self.hang(&run);
        let (removal, guess) = self.removal(&run);
        let is_short = form < form::OTHER && takes < 2;
        if is_short {
            self.out
                .push(form | (TAKES_ONE * takes as u8) | removal << REMOVAL_SHIFT);
        } else if removal == removed::NO && takes == 0 {
            self.out.push(form::OTHER | (removed::VISIBLE + form) << REMOVAL_SHIFT);
        } else {
            self.out.push(form::OTHER | removal << REMOVAL_SHIFT);
            self.out.varint(u64::from(form) | takes << 3);
        }
        match form {
            form::RIGHT_BELOW => self.out.varint(below),
            form::DOT_LEFT | form::DOT_RIGHT => {
                self.seq(run.parent, |expected| &expected.old);
                self.expected.old.note(run.parent.agent, run.parent.seq);
            }
            _ => {}
        }
        self.out.varint(u64::from(run.len));
        if form != form::CONTINUES {
            self.seq(run.dot, |expected| &expected.new);
        }
        self.write_removal(&run, guess);
        self.expected.note(&run);
    }

    fn write_removal(&mut self, run: &Run, guess: Option<u8>) {
        if let Some(guess::TOLD) = guess {
            let agent = run.removal.dot.agent;
            let lowest = Dot {
                agent,
                seq: span(run).0,
            };
            self.seq(lowest, |expected| &expected.removed);
        }
    }

    /// How a run hangs, and puts it on the stack.
    fn hang(&mut self, run: &Run) -> (u8, u64) {
        let (parent, mut below) = (run.parent, 0);
        let is_told = parent.is_some() && self.encoder.is_new(parent);
        if is_told && run.side == Side::Right {
            while self.stack.last().is_some_and(|&tail| tail != parent) {
                self.stack.pop();
                below += 1;
            }
        }
        let form = match run.side {
            Side::Left if is_told => {
                self.waiting.push((self.stack.len(), parent));
                form::LEFT
            }
            _ if is_told && below > 0 => form::RIGHT_BELOW,
            _ if is_told && run.is_continuation() => form::CONTINUES,
            _ if is_told => form::RIGHT,
            _ if !parent.is_some() => {
                self.stack.clear();
                form::START
            }
            _ if run.is_continuation() => form::CONTINUES_UNTOLD,
            Side::Right => form::DOT_RIGHT,
            Side::Left => form::DOT_LEFT,
        };
        self.stack.push(run.tail());
        (form, below)
    }

    /// A head's removal, and where there is a removal's dot, how it is known.
    fn removal(&self, run: &Run) -> (u8, Option<u8>) {
        match run.removal {
            Removal::NONE => return (removed::NO, None),
            Removal::ELSEWHERE => return (removed::ELSEWHERE, None),
            Removal::SUPERSEDED => return (removed::SUPERSEDED, None),
            _ => {}
        }
        let (lowest, highest) = span(run);
        let lowest = Some(Dot {
            agent: run.removal.dot.agent,
            seq: lowest,
        });
        let more = highest - lowest.map_or(0, |lowest| lowest.seq);
        let is_right = |&guess: &u8| self.expected.guessed(guess, run.tail(), more) == lowest;
        let guess = (guess::TOLD + 1..guess::COUNT).find(is_right).unwrap_or(guess::TOLD);
        // A lone unit has no direction, whatever run it was cut from.
        let step = match run.removal.step {
            _ if run.len == 1 => 0,
            -1 => 2,
            step => step as u8,
        };
        (removed::BY + 3 * guess + step, Some(guess))
    }

    /// A seq, from the expected one; and whose it is, where the state has several agents.
    fn seq(&mut self, dot: Dot, of: fn(&Expected) -> &Seqs) {
        let Seqs { seqs, agent } = of(self.expected);
        let code = zigzag(i64::from(dot.seq) - i64::from(seqs[dot.agent as usize]));
        if self.encoder.agents.len() == 1 {
            self.out.varint(code);
        } else if dot.agent == *agent {
            self.out.varint(code << 1);
        } else {
            self.out.varint(code << 1 | 1);
            // Of two it is the other one.
            if self.encoder.agents.len() > 2 {
                self.out.varint(self.encoder.number(dot));
            }
        }
    }
}
