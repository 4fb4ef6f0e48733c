//! A list of entries that are found by a hash of their key, and told in the order of their keys. For tables that are asked far more
//! often than they are walked through, and that nothing leaves: a look-up costs one comparison of keys, a new entry moves no other.
//!
//! The hash needs no secret. A key stands within [`WINDOW`] places of where its hash points to, or in an ordered map: whoever makes up
//! keys that meet there gets the ordered map's speed, and nothing grows by it. Up to [`FEW`] entries are looked through as they stand.

use crate::OrderedMap;
use std::borrow::Borrow;
use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;

/// Up to so many entries need no hash.
const FEW: usize = 8;
/// How many places from where its hash points to a key may stand. At half full, next to none is crowded out.
const WINDOW: usize = 32;

/// What can be hashed: equal keys have equal hashes, on every machine, and so has what a key is borrowed as.
pub trait Hashed {
    /// The hash; all its bits depend on all of the key.
    fn hash(&self) -> u32;
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(MULTIPLIER)
}

fn finish(hash: u64) -> u32 {
    ((hash ^ hash >> 29).wrapping_mul(MULTIPLIER) >> 32) as u32
}

impl Hashed for u64 {
    fn hash(&self) -> u32 {
        finish(mix(0, *self))
    }
}

impl Hashed for str {
    fn hash(&self) -> u32 {
        let mut hash = self.len() as u64;
        let mut chunks = self.as_bytes().chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            hash = mix(hash, u64::from_le_bytes(word));
        }
        let rest = chunks.remainder().iter();
        finish(mix(hash, rest.fold(0, |word, &byte| word << 8 | u64::from(byte))))
    }
}

impl Hashed for Rc<str> {
    fn hash(&self) -> u32 {
        (**self).hash()
    }
}

/// See the top of this file. An entry's number is its place in the list, for good.
#[derive(Clone)]
pub struct HashedList<K: Ord, V> {
    entries: Vec<(K, V)>,
    /// A power of two, at most half full: the hash, and the entry's number + 1.
    places: Vec<(u32, u32)>,
    /// Entries without a place.
    crowded: OrderedMap<K, u32>,
    /// Do the entries stand in the order of their keys?
    is_ascending: bool,
    /// Numbers in the order of their keys, since somebody asked for it and until a new entry comes.
    order: OnceCell<Vec<u32>>,
    /// The same of the first entries: what was in order stays so.
    earlier: Vec<u32>,
}

impl<K: Ord, V> Default for HashedList<K, V> {
    fn default() -> Self {
        HashedList {
            entries: Vec::new(),
            places: Vec::new(),
            crowded: OrderedMap::new(),
            is_ascending: true,
            order: OnceCell::new(),
            earlier: Vec::new(),
        }
    }
}

impl<K: Hashed + Ord + Clone, V> HashedList<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry with a number.
    pub fn at(&self, number: u32) -> (&K, &V) {
        let (key, value) = &self.entries[number as usize];
        (key, value)
    }

    /// The number of the entry with this key.
    pub fn find<Q: Hashed + Ord + ?Sized>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
    {
        let is = |number: u32| self.entries[number as usize].0.borrow() == key;
        if self.places.is_empty() {
            return (0..self.entries.len() as u32).find(|&number| is(number));
        }
        let hash = key.hash();
        for at in window(hash, self.places.len()) {
            match self.places[at] {
                (_, 0) => return None,
                (have, number) if have == hash && is(number - 1) => return Some(number - 1),
                _ => {}
            }
        }
        self.crowded.get(key).copied()
    }

    /// The value at a key.
    pub fn get<Q: Hashed + Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).map(|number| &self.entries[number as usize].1)
    }

    /// The value at a key, to change.
    pub fn get_mut<Q: Hashed + Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.find(key).map(|number| &mut self.entries[number as usize].1)
    }

    /// Puts in a new entry. The key isn't there yet, and no number was given to anybody: it goes to its place in the order of keys while
    /// there are few.
    pub fn insert(&mut self, key: K, value: V) {
        if !self.is_ascending || self.entries.len() >= FEW {
            self.push(key, value);
            return;
        }
        let at = self.entries.partition_point(|(have, _)| *have < key);
        self.entries.insert(at, (key, value));
    }

    /// Puts a new entry behind the others and gives its number. The key isn't there yet.
    pub fn push(&mut self, key: K, value: V) -> u32 {
        let number = self.entries.len() as u32;
        self.is_ascending &= self.entries.last().is_none_or(|(last, _)| *last < key);
        if let Some(order) = self.order.take() {
            self.earlier = order;
        }
        self.entries.push((key, value));
        if self.entries.len() > FEW && self.entries.len() * 2 > self.places.len() {
            self.places = vec![(0, 0); self.entries.len().next_power_of_two() * 2];
            self.crowded = OrderedMap::new();
            (0..=number).for_each(|number| self.place(number));
        } else if !self.places.is_empty() {
            self.place(number);
        }
        number
    }

    fn place(&mut self, number: u32) {
        let key = &self.entries[number as usize].0;
        let hash = key.hash();
        match window(hash, self.places.len()).find(|&at| self.places[at].1 == 0) {
            Some(at) => self.places[at] = (hash, number + 1),
            None => {
                self.crowded.insert(key.clone(), number);
            }
        }
    }

    /// All entries, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let order = (!self.is_ascending).then(|| self.order.get_or_init(|| self.sorted()));
        (0..self.entries.len()).map(move |at| self.at(order.map_or(at as u32, |order| order[at])))
    }

    /// Sorts what has come since and puts it in between.
    #[inline(never)]
    fn sorted(&self) -> Vec<u32> {
        let key = |number: u32| &self.entries[number as usize].0;
        let mut new: Vec<u32> = (self.earlier.len() as u32..self.entries.len() as u32).collect();
        new.sort_unstable_by(|&one, &other| key(one).cmp(key(other)));
        let mut order = Vec::with_capacity(self.entries.len());
        let mut earlier = self.earlier.as_slice();
        for number in new {
            let (before, after) = earlier.split_at(earlier.partition_point(|&have| key(have) < key(number)));
            order.extend_from_slice(before);
            order.push(number);
            earlier = after;
        }
        order.extend_from_slice(earlier);
        order
    }
}

impl<K: Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for HashedList<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.entries.iter().map(|(key, value)| (key, value)))
            .finish()
    }
}

/// The places at which a key with this hash may stand.
fn window(hash: u32, places: usize) -> impl Iterator<Item = usize> {
    let mask = places - 1;
    (hash as usize..hash as usize + WINDOW.min(places)).map(move |at| at & mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// One that all keys of a bucket share.
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
    struct Bucketed(u32, u32);

    impl Hashed for Bucketed {
        fn hash(&self) -> u32 {
            self.0
        }
    }

    fn random(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_add(MULTIPLIER);
        let mixed = (*seed ^ *seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 27
    }

    #[test]
    fn it_does_what_a_b_tree_does_however_keys_meet() {
        for (buckets, keys) in [(1, 3_000), (7, 3_000), (u32::MAX, 3_000), (u32::MAX, 12)] {
            let mut seed = u64::from(buckets);
            let (mut list, mut model) = (HashedList::default(), BTreeMap::new());
            let mut unnumbered = HashedList::default();
            for step in 0..4_000_u64 {
                let key = random(&mut seed) % keys;
                let key = Bucketed((key as u32).wrapping_mul(0x9e37_79b9) % buckets, key as u32);
                assert_eq!(list.get(&key), model.get(&key));
                match list.get_mut(&key) {
                    Some(value) => *value = step,
                    None => {
                        let number = list.push(key.clone(), step);
                        assert_eq!(list.at(number), (&key, &step));
                        unnumbered.insert(key.clone(), key.1);
                    }
                }
                model.insert(key, step);
                if step % 400 == 0 || step < 20 {
                    assert!(list.iter().eq(model.iter()), "at {step}");
                    assert!(unnumbered.iter().map(|(key, _)| key).eq(model.keys()), "at {step}");
                    assert!(model.keys().all(|key| unnumbered.get(key) == Some(&key.1)), "at {step}");
                }
            }
            assert!(list.iter().eq(model.iter()));
            assert_eq!(list.len(), model.len());
        }
    }

    #[test]
    fn keys_in_order_need_no_order_of_their_own() {
        let mut list = HashedList::default();
        (0..100_u64).for_each(|key| {
            list.push(key, ());
        });
        assert!(list.iter().map(|(key, ())| *key).eq(0..100));
        assert!(list.order.get().is_none());
    }

    #[test]
    fn like_keys_have_places_of_their_own() {
        let mut list: HashedList<Rc<str>, ()> = HashedList::default();
        for number in 0..50_000 {
            list.push(Rc::from(format!("field {number}")), ());
        }
        assert!(list.crowded.is_empty());
        let mut ids = HashedList::default();
        for number in 0..50_000_u64 {
            ids.push(number << 48 | 0x5a17_c0ff_ee00, ());
        }
        assert!(ids.crowded.is_empty());
    }
}
