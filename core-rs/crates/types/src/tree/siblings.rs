//! What hangs on one node, in order: by place in that order, and by what the order goes by. In chunks, so that among a hundred
//! thousand the how-manieth one is found in a look over some hundred lengths.

use joinery_history::Dot;
use std::cmp::Ordering;
use std::rc::Rc;

/// Siblings are ordered by index, then by id: the agent's, then the seq (a dot's own order within an agent).
pub type Sibling = (Rc<str>, u64, Dot);

/// How many siblings a chunk has at most.
const MAX_CHUNK: usize = 128;

/// See the top of this file.
#[derive(Debug, Default, Clone)]
pub struct Siblings {
    /// None is empty.
    chunks: Vec<Vec<Sibling>>,
    len: usize,
}

impl Siblings {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = &Sibling> {
        self.chunks.iter().flatten()
    }

    /// Puts one in that isn't there.
    pub fn insert(&mut self, sibling: Sibling) {
        self.len += 1;
        let (chunk, at) = self.find(&sibling);
        // One behind all others goes into the last chunk.
        let Some(chunk) = (if chunk < self.chunks.len() {
            Some(chunk)
        } else {
            chunk.checked_sub(1)
        }) else {
            self.chunks.push(vec![sibling]);
            return;
        };
        let siblings = &mut self.chunks[chunk];
        let at = if siblings.last().is_some_and(|last| *last < sibling) {
            siblings.len()
        } else {
            at
        };
        siblings.insert(at, sibling);
        if siblings.len() > MAX_CHUNK {
            // Most are put behind the last one: then a full chunk stays behind.
            let cut = if at + 1 == siblings.len() {
                MAX_CHUNK
            } else {
                MAX_CHUNK / 2
            };
            let rest = siblings.split_off(cut);
            self.chunks.insert(chunk + 1, rest);
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, sibling: &Sibling) {
        let (chunk, at) = self.find(sibling);
        if self.get(chunk, at) != Some(sibling) {
            return;
        }
        self.len -= 1;
        self.chunks[chunk].remove(at);
        if self.chunks[chunk].is_empty() {
            self.chunks.remove(chunk);
        }
    }

    /// The `at`-th, counted without `other` where that is one of them.
    pub fn nth(&self, at: usize, other: Option<&Sibling>) -> Option<&Sibling> {
        let other = other.map(|other| (other, self.find(other)));
        let other = other.filter(|&(other, (chunk, at))| self.get(chunk, at) == Some(other));
        let before = other.map(|(_, (chunk, at))| self.chunks[..chunk].iter().map(Vec::len).sum::<usize>() + at);
        let mut left = at + usize::from(before.is_some_and(|before| before <= at));
        for chunk in &self.chunks {
            match chunk.get(left) {
                Some(found) => return Some(found),
                None => left -= chunk.len(),
            }
        }
        None
    }

    /// Those behind one that is there, or would be.
    pub fn behind(&self, sibling: &Sibling) -> impl Iterator<Item = &Sibling> {
        let (chunk, at) = self.find(sibling);
        let at = at + usize::from(self.get(chunk, at) == Some(sibling));
        let first = self.chunks.get(chunk).into_iter().flat_map(move |chunk| &chunk[at..]);
        first.chain(self.chunks.iter().skip(chunk + 1).flatten())
    }

    /// The one before one that is there, or would be.
    pub fn before(&self, sibling: &Sibling) -> Option<&Sibling> {
        match self.find(sibling) {
            (chunk, 0) => self.chunks.get(chunk.checked_sub(1)?)?.last(),
            (chunk, at) => self.get(chunk, at - 1),
        }
    }

    fn get(&self, chunk: usize, at: usize) -> Option<&Sibling> {
        self.chunks.get(chunk)?.get(at)
    }

    /// The chunk of the first one that isn't before this one, and where in it; (chunks, 0) where all are.
    fn find(&self, sibling: &Sibling) -> (usize, usize) {
        let is_before = |last: Option<&Sibling>| last.is_some_and(|last| last.cmp(sibling) == Ordering::Less);
        let chunk = self.chunks.partition_point(|chunk| is_before(chunk.last()));
        let at = self.chunks.get(chunk);
        (
            chunk,
            at.map_or(0, |chunk| chunk.partition_point(|have| have < sibling)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sorted vector beside it.
    #[test]
    fn siblings_are_found_by_place_and_by_order() {
        let sibling = |n: u32| -> Sibling { (format!("{:04}", n % 700).into(), 7, Dot { agent: 0, seq: n }) };
        let (mut siblings, mut sorted) = (Siblings::default(), Vec::new());
        let mut state = 3u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for round in 0..6000 {
            let one = sibling(random(1200));
            match sorted.binary_search(&one) {
                // More come than go, until there are many chunks.
                Ok(at) if random(2) == 0 => {
                    sorted.remove(at);
                    siblings.remove(&one);
                }
                Ok(_) => {}
                Err(at) => {
                    sorted.insert(at, one.clone());
                    siblings.insert(one.clone());
                }
            }
            assert_eq!(siblings.len(), sorted.len());
            assert!(siblings
                .chunks
                .iter()
                .all(|chunk| (1..=MAX_CHUNK).contains(&chunk.len())));
            let from = sorted.partition_point(|have| *have < one);
            assert_eq!(siblings.before(&one), from.checked_sub(1).map(|at| &sorted[at]));
            let is_in = sorted.get(from) == Some(&one);
            assert_eq!(siblings.behind(&one).next(), sorted.get(from + usize::from(is_in)));
            let at = random(sorted.len() as u32 + 2) as usize;
            assert_eq!(siblings.nth(at, None), sorted.get(at));
            let without = sorted.iter().filter(|have| **have != one).nth(at);
            assert_eq!(siblings.nth(at, Some(&one)), without);
            if round % 100 == 0 {
                assert!(siblings.iter().eq(&sorted));
                assert!(siblings.behind(&one).eq(&sorted[from + usize::from(is_in)..]));
            }
        }
        assert!(siblings.chunks.len() > 4);
        while let Some(last) = sorted.pop() {
            siblings.remove(&last);
        }
        assert_eq!((siblings.len(), siblings.chunks.len()), (0, 0));
    }
}
