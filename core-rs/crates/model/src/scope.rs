//! The scopes that are explored: how many replicas, how many edits each, and which. The bounded share belongs to
//! `cargo test`, the wider one to `npm run spec`.

use crate::edit::Edit;
use stateright::{Checker, HasDiscoveries, Model};

/// A planted error, by which a test shows that the exploration finds what it is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plant {
    /// None.
    Nothing,
    /// Envelopes come under another agent's name too: an effect twice.
    Twice,
    /// Who has written takes nothing in any more.
    Lost,
}

/// One exploration, exhaustive within it.
#[derive(Debug, Clone)]
pub struct Scope {
    /// What it is about.
    pub name: &'static str,
    /// Two or three.
    pub replicas: usize,
    /// How many edits each replica makes.
    pub edits_each: u8,
    /// Which ones: any replica may make any of them at any time.
    pub edits: &'static [Edit],
    /// Whether replicas also join each other's whole states.
    pub exchanges: bool,
    /// A planted error, in tests.
    pub plant: Plant,
}

/// What an exploration came to.
#[derive(Debug, Clone)]
pub struct Explored {
    /// How many different states there were.
    pub states: usize,
    /// For each property that didn't hold its name and the shortest way there.
    pub faults: Vec<(&'static str, String)>,
}

const fn scope(name: &'static str, replicas: usize, edits_each: u8, edits: &'static [Edit], exchanges: bool) -> Scope {
    Scope {
        name,
        replicas,
        edits_each,
        edits,
        exchanges,
        plant: Plant::Nothing,
    }
}

/// Some seconds of it.
pub const BOUNDED: &[Scope] = &[
    scope("key", 2, 2, &[Edit::Set, Edit::Delete, Edit::SetInside], true),
    scope("generations", 2, 2, &[Edit::Fresh, Edit::SetInside, Edit::Delete], true),
    scope("text", 2, 2, &[Edit::Type, Edit::Append, Edit::Erase], true),
    scope("list", 2, 2, &[Edit::Push, Edit::SetElement, Edit::Remove], true),
    scope(
        "moves",
        2,
        2,
        &[Edit::Push, Edit::ToEnd, Edit::ToFront, Edit::Remove],
        true,
    ),
    scope("counter", 2, 2, &[Edit::Up, Edit::Down, Edit::Delete], true),
    scope("set", 2, 2, &[Edit::Add, Edit::Discard], true),
    scope(
        "marks",
        2,
        2,
        &[Edit::Type, Edit::Mark, Edit::MarkFirst, Edit::Unmark],
        true,
    ),
    scope("tree", 2, 2, &[Edit::Plant, Edit::Sink, Edit::Rise, Edit::Fell], true),
    scope("three", 3, 1, &[Edit::Set, Edit::Type, Edit::Up], true),
];

/// A minute or so.
pub const WIDE: &[Scope] = &[
    scope("key", 2, 3, &[Edit::Set, Edit::Delete], true),
    scope(
        "generations",
        2,
        2,
        &[Edit::Fresh, Edit::SetInside, Edit::Delete, Edit::Set, Edit::Type],
        true,
    ),
    scope("text", 2, 3, &[Edit::Type, Edit::Erase], true),
    scope(
        "text deletion",
        2,
        2,
        &[
            Edit::Type,
            Edit::Append,
            Edit::Inside,
            Edit::Erase,
            Edit::EraseAll,
            Edit::Delete,
        ],
        true,
    ),
    scope("list", 2, 3, &[Edit::Push, Edit::Remove], true),
    scope(
        "list children",
        2,
        2,
        &[
            Edit::PushMap,
            Edit::ReplaceWithMap,
            Edit::SetElement,
            Edit::Remove,
            Edit::PushBack,
        ],
        true,
    ),
    scope("moves", 2, 3, &[Edit::Push, Edit::ToEnd, Edit::Remove], true),
    scope(
        "moved children",
        2,
        2,
        &[
            Edit::PushMap,
            Edit::ReplaceWithMap,
            Edit::ToEnd,
            Edit::Remove,
            Edit::PushBack,
        ],
        true,
    ),
    scope("counter", 2, 3, &[Edit::Up, Edit::Down], true),
    scope("set", 2, 3, &[Edit::Add, Edit::Discard], true),
    scope(
        "three on a key",
        3,
        1,
        &[Edit::Set, Edit::Fresh, Edit::SetInside, Edit::Type],
        false,
    ),
    scope("three texts", 3, 1, &[Edit::Type, Edit::Append, Edit::Erase], true),
];

impl Scope {
    /// Explores every state, with `threads` threads.
    pub fn explore(&self, threads: usize) -> Explored {
        let checker = self
            .clone()
            .checker()
            .threads(threads)
            .finish_when(HasDiscoveries::All)
            .spawn_bfs()
            .join();
        let discoveries = checker.discoveries();
        Explored {
            states: checker.unique_state_count(),
            faults: discoveries
                .into_iter()
                .map(|(name, path)| (name, format!("{:?}", path.into_actions())))
                .collect(),
        }
    }
}
