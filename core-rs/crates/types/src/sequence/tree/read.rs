//! Reading in order, and units by index without noting where they were found: for who only looks.

use super::{Leaf, Place, Tree, NIL};
use joinery_history::Dot;

impl<U: Copy> Tree<U> {
    /// Every leaf in order. It goes by the nodes: where leaves link to each other, none can be fetched from memory before the one
    /// in front of it has come.
    pub fn leaves(&self) -> impl Iterator<Item = &Leaf<U>> + '_ {
        let mut node = Some(self.leaves[self.first as usize].parent);
        let mut children = [].iter();
        std::iter::from_fn(move || loop {
            if let Some(&leaf) = children.next() {
                return self.leaves.get(leaf as usize);
            }
            children = self.nodes[node? as usize].children.iter();
            node = self.next_above_leaves(node?);
        })
    }

    /// The node above leaves that comes behind one.
    fn next_above_leaves(&self, node: u32) -> Option<u32> {
        let mut child = node;
        loop {
            let parent = self.nodes.get(self.nodes[child as usize].parent as usize)?;
            let behind = parent.children.iter().skip_while(|&&id| id != child).nth(1);
            if let Some(&next) = behind {
                child = next;
                break;
            }
            child = self.nodes[child as usize].parent;
        }
        while !self.nodes[child as usize].of_leaves {
            child = self.nodes[child as usize].children[0];
        }
        Some(child)
    }

    /// The leaf with the visible unit at `index`, and how many units stand before it.
    #[inline(never)]
    pub(super) fn leaf_at(&self, index: u32) -> (u32, u32) {
        let (mut at, mut left) = (self.root, index);
        loop {
            let node = &self.nodes[at as usize];
            let mut child = 0;
            while child + 1 < node.lens.len() && left >= node.lens[child] {
                left -= node.lens[child];
                child += 1;
            }
            at = node.children[child];
            if node.of_leaves {
                return (at, index - left);
            }
        }
    }

    /// Appends the visible units from `from` on, `len` of them or as many as there are.
    #[inline(never)]
    pub fn read(&self, from: u32, len: u32, out: &mut Vec<U>) {
        if from >= self.len || len == 0 {
            return;
        }
        let (mut at, start) = self.leaf_at(from);
        let (mut skipped, mut left) = ((from - start) as usize, len as usize);
        while at != NIL && left > 0 {
            let leaf = &self.leaves[at as usize];
            let units = &leaf.content[skipped.min(leaf.content.len())..];
            let taken = units.len().min(left);
            out.extend_from_slice(&units[..taken]);
            left -= taken;
            skipped = 0;
            at = leaf.next;
        }
    }

    /// The dot of the visible unit at `index`.
    #[inline(never)]
    pub fn dot_of_index(&self, index: u32) -> Option<Dot> {
        if index >= self.len {
            return None;
        }
        let (leaf, start) = self.leaf_at(index);
        let mut left = index - start;
        let runs = self.leaves[leaf as usize].runs.iter();
        for (run, at) in runs.zip(0..) {
            let visible = run.visible();
            if left < visible {
                let place = Place {
                    leaf,
                    run: at,
                    offset: left,
                };
                return Some(self.run(place).dot.plus(left));
            }
            left -= visible;
        }
        None
    }
}
