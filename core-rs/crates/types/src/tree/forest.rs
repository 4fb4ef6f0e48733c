//! The ways up a tree, by links that are hung and taken off one by one: where a way of ten thousand steps ends, and whether it
//! leads past a node, is found in some dozens of steps. After Sleator and Tarjan, "A Data Structure for Dynamic Trees" (1983), with
//! the splay trees of their "Self-Adjusting Binary Search Trees" (1985): a way is a binary tree in the order of its nodes, the
//! highest first, and each question splays what it has passed. So questions change links, and cost no more than that on average.
//!
//! It knows of no circles: who hangs a node below itself breaks it.

use crate::dots::DotMap;
use joinery_history::Dot;

/// No link.
const NONE: u32 = 0;
/// The link of the top, [`Dot::NONE`].
const TOP: u32 = 1;

#[derive(Debug, Clone)]
struct Link {
    node: Dot,
    /// The link above in the binary tree; for its root the link that the way goes on from there.
    parent: u32,
    /// Those of nodes further up and further down the same way.
    children: [u32; 2],
}

impl Link {
    fn of(node: Dot) -> Link {
        Link {
            node,
            parent: NONE,
            children: [NONE; 2],
        }
    }
}

/// See the top of this file.
#[derive(Debug, Clone)]
pub struct Forest {
    slots: DotMap<u32>,
    links: Vec<Link>,
    free: Vec<u32>,
}

impl Default for Forest {
    fn default() -> Self {
        Forest {
            slots: DotMap::default(),
            links: vec![Link::of(Dot::NONE); 2],
            free: Vec::new(),
        }
    }
}

impl Forest {
    /// Hangs a node that hangs on nothing below another one, which isn't below it.
    pub fn hang(&mut self, node: Dot, parent: Dot) {
        let (link, above) = (self.enter(node), self.enter(parent));
        self.access(link);
        self.links[link as usize].parent = above;
    }

    /// Hangs many nodes at once, of which this forest has none, each below its parent. Where their ways lead round in a circle one of
    /// it is left hanging on nothing: these. It costs a step for each of them.
    pub fn hang_all(&mut self, all: impl ExactSizeIterator<Item = (Dot, Dot)>) -> Vec<Dot> {
        self.slots.reserve(all.len());
        self.links.reserve(all.len());
        for (node, parent) in all {
            let (link, above) = (self.enter(node), self.enter(parent));
            self.links[link as usize].parent = above;
        }
        let mut circling = Vec::new();
        // The walk that came past a link.
        let mut walks: Vec<u32> = vec![NONE; self.links.len()];
        for walk in TOP + 1..self.links.len() as u32 {
            let (mut at, mut below) = (walk, NONE);
            while at > TOP && walks[at as usize] == NONE {
                walks[at as usize] = walk;
                below = at;
                at = self.links[at as usize].parent;
            }
            if at > TOP && walks[at as usize] == walk {
                self.links[below as usize].parent = NONE;
                circling.push(self.links[below as usize].node);
            }
        }
        circling
    }

    /// Takes a node off, with what is below it.
    pub fn take_off(&mut self, node: Dot) {
        let Some(link) = self.find(node) else { return };
        self.access(link);
        let above = std::mem::replace(&mut self.links[link as usize].children[0], NONE);
        self.links[above as usize].parent = NONE;
    }

    /// Forgets a node that hangs on nothing, and nothing on it.
    pub fn forget(&mut self, node: Dot) {
        self.free.extend(self.slots.remove(&node));
    }

    /// Where the way up from a node ends: [`Dot::NONE`] for the top.
    #[inline(never)]
    pub fn end(&mut self, node: Dot) -> Dot {
        let Some(mut link) = self.find(node) else { return node };
        self.access(link);
        while self.links[link as usize].children[0] != NONE {
            link = self.links[link as usize].children[0];
        }
        self.splay(link);
        self.links[link as usize].node
    }

    /// Does the way up from a node lead to another one? (It does to itself.)
    pub fn is_below(&mut self, node: Dot, above: Dot) -> bool {
        match (self.find(node), self.find(above)) {
            (Some(link), Some(above)) => {
                self.access(above);
                self.access(link) == above
            }
            _ => node == above,
        }
    }

    fn find(&self, node: Dot) -> Option<u32> {
        if node.is_some() {
            self.slots.get(&node).copied()
        } else {
            Some(TOP)
        }
    }

    #[inline(never)]
    fn enter(&mut self, node: Dot) -> u32 {
        if let Some(link) = self.find(node) {
            return link;
        }
        let link = self.free.pop().unwrap_or(self.links.len() as u32);
        if link as usize == self.links.len() {
            self.links.push(Link::of(node));
        } else {
            self.links[link as usize] = Link::of(node);
        }
        self.slots.insert(node, link);
        link
    }

    /// Makes the way from the top down to a node one binary tree, with that node's link as its root. The link where the way from the
    /// top leaves the one that was made so before.
    #[inline(never)]
    fn access(&mut self, link: u32) -> u32 {
        let (mut at, mut below) = (link, NONE);
        while at != NONE {
            self.splay(at);
            self.links[at as usize].children[1] = below;
            below = at;
            at = self.links[at as usize].parent;
        }
        self.splay(link);
        below
    }

    /// Makes a link the root of its binary tree.
    #[inline(never)]
    fn splay(&mut self, link: u32) {
        while let Some(side) = self.side(link) {
            let parent = self.links[link as usize].parent;
            if let Some(above) = self.side(parent) {
                self.rotate(if above == side { parent } else { link });
            }
            self.rotate(link);
        }
    }

    /// Which child of its parent a link is; none for a root.
    fn side(&self, link: u32) -> Option<usize> {
        let parent = self.links[link as usize].parent;
        let children = &self.links[parent as usize].children;
        children.iter().position(|&child| parent != NONE && child == link)
    }

    /// Puts a link in its parent's place.
    #[inline(never)]
    fn rotate(&mut self, link: u32) {
        let Some(side) = self.side(link) else { return };
        let parent = self.links[link as usize].parent;
        let above = self.links[parent as usize].parent;
        if let Some(side) = self.side(parent) {
            self.links[above as usize].children[side] = link;
        }
        let inner = std::mem::replace(&mut self.links[link as usize].children[1 - side], parent);
        self.links[parent as usize].children[side] = inner;
        // The parent of no link is never looked at.
        self.links[inner as usize].parent = parent;
        self.links[parent as usize].parent = link;
        self.links[link as usize].parent = above;
    }
}
