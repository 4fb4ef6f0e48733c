//! A tree from leaves' runs, in passes: content, the nodes level by level, and the tables from dots to leaves.

use super::{Hints, Leaf, Node, Tree, MAX_CHILDREN, MAX_RUNS, NIL};
use crate::sequence::lookup::Lookup;
use crate::sequence::Run;

/// How many children nodes are given.
const CHILDREN: usize = MAX_CHILDREN * 3 / 4;

/// Where a run is: its leaf and its position there, in a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At(u32);

impl At {
    /// At a position in a leaf, of which there are fewer than 2^27.
    pub fn new(leaf: usize, run: usize) -> At {
        At((leaf * MAX_RUNS + run) as u32)
    }

    /// The leaf.
    pub fn leaf(self) -> usize {
        self.0 as usize / MAX_RUNS
    }

    /// The position in it.
    pub fn run(self) -> usize {
        self.0 as usize % MAX_RUNS
    }
}

impl<U: Copy> Tree<U> {
    /// Fills a tree with leaves that are in order already; `fill` appends the content of the next so many visible units. None
    /// where two runs have the same dots.
    pub fn build(runs: Vec<Vec<Run>>, fill: &mut dyn FnMut(usize, &mut Vec<U>)) -> Option<Self> {
        let lookup = look_up(&runs)?;
        if runs.is_empty() {
            return Some(Tree::new());
        }
        let last = runs.len() as u32 - 1;
        let leaves = runs.into_iter().zip(0..).map(|(runs, at)| {
            let visible = runs.iter().map(Run::visible).sum::<u32>() as usize;
            let mut content = Vec::with_capacity(visible);
            fill(visible, &mut content);
            Leaf {
                parent: NIL,
                prev: if at == 0 { NIL } else { at - 1 },
                next: if at == last { NIL } else { at + 1 },
                changed: 0,
                runs,
                content,
            }
        });
        let mut tree = Tree {
            leaves: leaves.collect(),
            nodes: Vec::new(),
            root: 0,
            first: 0,
            lookup,
            len: 0,
            recent: None,
            time: 0,
            hints: Hints::default(),
        };
        tree.put_nodes_above();
        Some(tree)
    }

    /// Level by level, until one node is above all.
    fn put_nodes_above(&mut self) {
        let mut lens: Vec<u32> = self.leaves.iter().map(|leaf| leaf.content.len() as u32).collect();
        let mut below = 0;
        let mut of_leaves = true;
        loop {
            let level = self.nodes.len() as u32;
            for (lens, from) in lens.chunks(CHILDREN).zip((below..).step_by(CHILDREN)) {
                let at = self.nodes.len() as u32;
                let children: Vec<u32> = (from..from + lens.len() as u32).collect();
                for &child in &children {
                    match of_leaves {
                        true => self.leaves[child as usize].parent = at,
                        false => self.nodes[child as usize].parent = at,
                    }
                }
                self.nodes.push(Node {
                    parent: NIL,
                    children,
                    lens: lens.to_vec(),
                    of_leaves,
                });
            }
            lens = lens.chunks(CHILDREN).map(|lens| lens.iter().sum()).collect();
            (below, of_leaves) = (level, false);
            if let [len] = lens[..] {
                (self.root, self.len) = (level, len);
                return;
            }
        }
    }
}

/// In which leaf each unit is; none where two runs overlap.
fn look_up(leaves: &[Vec<Run>]) -> Option<Lookup> {
    // First seq and place in one number each, so that they can be sorted as numbers.
    let mut by_agent: Vec<Vec<u64>> = Vec::new();
    for (runs, leaf) in leaves.iter().zip(0..) {
        for (run, position) in runs.iter().zip(0..) {
            let agent = run.dot.agent as usize;
            if agent >= by_agent.len() {
                by_agent.resize_with(agent + 1, Vec::new);
            }
            by_agent[agent].push(u64::from(run.dot.seq) << 32 | u64::from(At::new(leaf, position).0));
        }
    }
    let mut lookup = Lookup::default();
    for (mut runs, agent) in by_agent.into_iter().zip(0..) {
        runs.sort_unstable();
        let (mut end, mut last) = (0, NIL);
        let mut entries = Vec::new();
        for run in runs {
            let at = At(run as u32);
            let run = &leaves[at.leaf()][at.run()];
            if run.dot.seq < end {
                return None;
            }
            end = run.dot.seq + run.len;
            if at.leaf() as u32 != last {
                last = at.leaf() as u32;
                entries.push((run.dot.seq, last));
            }
        }
        lookup.fill(agent, &entries, end);
    }
    Some(lookup)
}
