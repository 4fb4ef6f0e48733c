//! Marks: what is said of ranges of a text (bold, a link, a comment), with the semantics of Litt, Lim, Kleppmann and van
//! Hardenberg, "Peritext: A CRDT for Collaborative Rich Text Editing" (2022). A mark's range lies between two gaps; which gaps,
//! and so whether it grows, its writer decides. Of two marks with one key the one with the higher stamp shows, unit by unit; a
//! mark with the value null takes off what is below it.
//!
//! Deviation: no mark is kept where another one covers it. Per key there is the function from gaps to the mark that wins there
//! ([`Function`]), and joining is the maximum at each gap. So a range that was marked a thousand times costs as much as once,
//! and what was written in which order can't be told any more.
//!
//! What it is not: it doesn't know what a key means. Whether bold grows and a link doesn't is for the caller to say.

mod delta;
mod edit;
mod function;
mod recorded;
mod visible;

pub use edit::Expand;
pub use function::Function;
pub use recorded::OldMark;
pub use visible::VisibleGap;

use crate::sequence::{Gap, Place, Sequence};
use joinery_history::{Dot, Stamp};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// On how many keys a text may have marks that show before a local mark with a new key is refused. Joining refuses none of
/// them, or replicas would differ; what others bring is bounded by the bytes in which it comes.
pub const MAX_MARK_KEYS: usize = 1000;

/// The unit that an embedded object stands on.
pub const EMBED_UNIT: u16 = 0xfffc;
/// The key of the mark that holds the object. No attribute can have it.
pub const EMBED_KEY: &str = "\u{fffc}";

/// One mark.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The operation's dot.
    pub dot: Dot,
    /// The id of its agent.
    pub agent: u64,
    /// Its stamp.
    pub stamp: Stamp,
    /// A packed plain value; null takes off.
    pub value: Box<[u8]>,
}

impl Mark {
    /// Does it win over another one?
    pub fn beats(&self, other: &Mark) -> bool {
        let rank = |mark: &Mark| (mark.stamp, mark.agent, mark.dot.seq);
        rank(self) > rank(other)
    }

    /// What it says, unless it takes off.
    pub fn shown(&self) -> Option<&[u8]> {
        Some(&*self.value).filter(|value| !is_off(value))
    }
}

/// Does a mark with this value take off?
pub fn is_off(value: &[u8]) -> bool {
    value == [0]
}

/// Numbers marks by their first use, from 1 on.
#[derive(Default)]
pub struct Numbers<'m>(HashMap<&'m Mark, u64>);

impl<'m> Numbers<'m> {
    /// How many have one.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// A mark's number.
    #[inline(never)]
    pub fn of(&mut self, mark: &'m Mark) -> u64 {
        let next = self.count() + 1;
        *self.0.entry(mark).or_insert(next)
    }
}

/// A text's marks by key.
#[derive(Debug, Default, Clone)]
pub struct Marks {
    functions: BTreeMap<Rc<str>, Function>,
}

impl Marks {
    /// The keys in ascending order, each with where its marks are.
    pub fn functions(&self) -> impl Iterator<Item = (&Rc<str>, &Function)> {
        self.functions.iter()
    }

    /// Where the marks with this key are.
    pub fn function(&self, key: &str) -> Option<&Function> {
        self.functions.get(key)
    }

    /// Joins a mark.
    pub fn join<U: Copy>(&mut self, sequence: &Sequence<U>, key: &str, range: (Gap, Gap), mark: &Rc<Mark>) {
        if let Some(function) = self.functions.get_mut(key) {
            function.join(sequence, range, mark);
            return;
        }
        let mut function = Function::default();
        function.join(sequence, range, mark);
        // A range that ends before it begins covers nothing.
        if !function.is_empty() {
            self.functions.insert(Rc::from(key), function);
        }
    }

    /// How many keys show somewhere, if only on removed units.
    pub fn shown_keys(&self) -> usize {
        self.functions.values().filter(|function| function.shows()).count()
    }

    /// How many keys a reader sees.
    pub fn visible_keys<U: Copy>(&self, sequence: &Sequence<U>) -> usize {
        let functions = self.functions.values();
        functions.filter(|function| function.is_visible(sequence)).count()
    }

    /// Behind which of the units between two visible neighbours something new goes: behind the last removed one on which a mark
    /// ends that doesn't grow, or it would grow into that mark. `left` and `right` are the neighbours, if any.
    pub fn behind<U: Copy>(&self, sequence: &Sequence<U>, left: Option<Place>, right: Option<Dot>) -> Option<Place> {
        if !sequence.is_removed_behind(left) {
            return left;
        }
        let from = left.map_or(Gap::Start, |left| Gap::After(sequence.dot_of(left)));
        let to = right.map_or(Gap::End, Gap::Before);
        let ends = self
            .functions
            .values()
            .filter_map(|function| function.last_end(sequence, from, to));
        let last = ends
            .map(|unit| sequence.spot(Gap::After(unit)))
            .max_by(|&a, &b| sequence.compare(a, b));
        match last {
            Some(crate::sequence::Spot::Beside(place, _)) => Some(place),
            _ => left,
        }
    }
}
