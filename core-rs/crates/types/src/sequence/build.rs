//! A sequence from runs that stand in reading order and know what they hang on. That they do is for who reads them to see to
//! (`state_reader/runs.rs`); what is checked here is that no unit is there twice.

use super::run::Run;
use super::tree::{At, Tree, MAX_CONTENT, MAX_RUNS};
use super::Sequence;

/// How full leaves are made: there is room for what is typed next.
const RUNS: usize = MAX_RUNS * 3 / 4;
const CONTENT: u32 = (MAX_CONTENT * 3 / 4) as u32;

/// Runs, cut into what becomes the tree's leaves.
#[derive(Debug, Default)]
pub struct Builder {
    leaves: Vec<Vec<Run>>,
    /// The last leaf, while there is room in it, and how many visible units it has.
    open: Vec<Run>,
    visible: u32,
}

impl Builder {
    /// Puts a run behind the others. Where its first and its last unit are: a long run goes over several leaves.
    pub fn push(&mut self, run: Run) -> (At, At) {
        let (mut run, mut first) = (run, None);
        loop {
            if self.open.len() >= RUNS || self.visible >= CONTENT {
                self.close();
            }
            let space = CONTENT - self.visible;
            let rest = (run.visible() > space).then(|| run.split(space));
            let at = At::new(self.leaves.len(), self.open.len());
            self.visible += run.visible();
            self.open.push(run);
            match rest {
                Some(rest) => run = rest,
                None => return (first.unwrap_or(at), at),
            }
            first.get_or_insert(at);
        }
    }

    fn close(&mut self) {
        self.leaves.push(self.open.as_slice().into());
        self.open.clear();
        self.visible = 0;
    }

    /// A run.
    pub fn run(&self, at: At) -> &Run {
        &self.leaves.get(at.leaf()).unwrap_or(&self.open)[at.run()]
    }

    /// A run, to change what is neither its dot nor its length nor its visibility.
    pub fn run_mut(&mut self, at: At) -> &mut Run {
        let leaf = self.leaves.get_mut(at.leaf()).unwrap_or(&mut self.open);
        &mut leaf[at.run()]
    }

    /// Every run in order.
    pub fn iter(&self) -> impl Iterator<Item = &Run> {
        self.leaves.iter().flatten().chain(&self.open)
    }

    /// Every run in order; long ones in pieces that go on.
    pub fn into_runs(self) -> Vec<Run> {
        let mut runs = self.leaves.concat();
        runs.extend(self.open);
        runs
    }

    /// The sequence; `fill` appends the content of the next so many visible units. None where a unit is there twice.
    pub fn finish<U: Copy>(mut self, fill: &mut dyn FnMut(usize, &mut Vec<U>)) -> Option<Sequence<U>> {
        if !self.open.is_empty() {
            self.close();
        }
        Some(Sequence {
            tree: Tree::build(self.leaves, fill)?,
            children: None,
            changes: None,
        })
    }
}
