//! A map as a sorted list of sorted chunks. A look-up halves twice; an insert moves at most a chunk, and, where a chunk is full, the
//! list of chunks. Chunks grow with the list's length, so that both stay short: below a microsecond at millions of entries.

use std::borrow::Borrow;
use std::fmt;

/// How many entries a chunk has at most, while there are few chunks.
const CHUNK: usize = 64;
/// How many times longer than a chunk the list of chunks may get, before chunks grow too: an entry moves at each insert, the list
/// only once for half a chunk.
const LIST_OF_CHUNK: usize = 64;

/// See the top of this file. No chunk is empty.
#[derive(Clone)]
pub struct OrderedMap<K, V> {
    chunks: Vec<Chunk<K, V>>,
}

#[derive(Debug, Clone)]
struct Chunk<K, V> {
    /// The first entry's key once more: a look-up among the chunks reads nothing but their list.
    first: K,
    entries: Vec<(K, V)>,
}

/// Where a key is, or where it belongs.
enum Place {
    At(usize, usize),
    Before(usize, usize),
}

impl<K, V> OrderedMap<K, V> {
    /// A map without entries; it takes no memory.
    pub const fn new() -> Self {
        OrderedMap { chunks: Vec::new() }
    }
}

impl<K: Ord + Clone, V> OrderedMap<K, V> {
    /// A map of entries whose keys ascend, each once. It keeps no more room than they need.
    pub fn from_ascending(entries: &[(K, V)]) -> Self
    where
        K: Copy,
        V: Copy,
    {
        let room = CHUNK.max((entries.len() / LIST_OF_CHUNK).isqrt());
        let chunk = |entries: &[(K, V)]| Chunk {
            first: entries[0].0,
            entries: entries.to_vec(),
        };
        OrderedMap {
            chunks: entries.chunks(room).map(chunk).collect(),
        }
    }

    /// How many entries there are. It counts chunks.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.entries.len()).sum()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Takes all entries out.
    pub fn clear(&mut self) {
        self.chunks = Vec::new();
    }

    #[inline(never)]
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Place
    where
        K: Borrow<Q>,
    {
        let after = self.chunks.partition_point(|chunk| chunk.first.borrow() <= key);
        let number = after.saturating_sub(1);
        match self.chunks.get(number) {
            None => Place::Before(0, 0),
            Some(chunk) => match chunk.entries.binary_search_by(|(have, _)| have.borrow().cmp(key)) {
                Ok(at) => Place::At(number, at),
                Err(at) => Place::Before(number, at),
            },
        }
    }

    /// The value at a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match self.place(key) {
            Place::At(chunk, at) => Some(&self.chunks[chunk].entries[at].1),
            Place::Before(..) => None,
        }
    }

    /// The value at a key, to change.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match self.place(key) {
            Place::At(chunk, at) => Some(&mut self.chunks[chunk].entries[at].1),
            Place::Before(..) => None,
        }
    }

    /// Is there an entry for a key?
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        matches!(self.place(key), Place::At(..))
    }

    /// Puts a value at a key; gives the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Place::At(chunk, at) => Some(std::mem::replace(&mut self.chunks[chunk].entries[at].1, value)),
            Place::Before(chunk, at) => {
                self.put(chunk, at, key, value);
                None
            }
        }
    }

    /// The same for a key above all others.
    pub fn insert_last(&mut self, key: K, value: V) {
        debug_assert!(self.last_key_value().is_none_or(|(last, _)| *last < key));
        let number = self.chunks.len().saturating_sub(1);
        let at = self.chunks.last().map_or(0, |chunk| chunk.entries.len());
        self.put(number, at, key, value);
    }

    /// Where a value holds from its key on, up to the next key: gives `value` to what lies from `from` on and below `to`, and leaves
    /// what lies from there on. One look-up does it where all of that, an entry before and one behind are in one chunk; elsewhere
    /// it changes nothing, and is false.
    pub fn set_stretch(&mut self, from: K, to: K, value: V) -> bool
    where
        K: Copy,
        V: Copy + PartialEq,
    {
        let room = CHUNK.max(self.chunks.len() / LIST_OF_CHUNK);
        let (Place::At(number, at) | Place::Before(number, at)) = self.place(&from);
        let entries = self.chunks.get_mut(number).map(|chunk| &mut chunk.entries);
        let Some(entries) = entries.filter(|entries| at > 0 && entries.len() + 2 <= room) else {
            return false;
        };
        let mut inside = entries[at..].iter().take_while(|(key, _)| *key < to).count();
        let Some(&(next, _)) = entries.get(at + inside) else {
            return false;
        };
        let (before, after) = (entries[at - 1].1, entries[at + inside - 1].1);
        let begins = (before != value).then_some((from, value));
        let goes_on = (next != to && after != value).then_some((to, after));
        let mut at = at;
        for entry in begins.into_iter().chain(goes_on) {
            if inside > 0 {
                entries[at] = entry;
                inside -= 1;
            } else {
                entries.insert(at, entry);
            }
            at += 1;
        }
        entries.drain(at..at + inside);
        true
    }

    /// The value at a key, which `make` makes where there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let (chunk, at) = match self.place(&key) {
            Place::At(chunk, at) => (chunk, at),
            Place::Before(chunk, at) => self.put(chunk, at, key, make()),
        };
        &mut self.chunks[chunk].entries[at].1
    }

    /// Puts an entry where it belongs, and gives its place.
    #[inline(never)]
    fn put(&mut self, number: usize, at: usize, key: K, value: V) -> (usize, usize) {
        let room = CHUNK.max(self.chunks.len() / LIST_OF_CHUNK);
        let Some(chunk) = self.chunks.get_mut(number) else {
            self.open(0, vec![(key, value)]);
            return (0, 0);
        };
        let entries = &mut chunk.entries;
        if entries.len() < room {
            // It comes before a chunk's first one only where nothing is lower.
            if at == 0 {
                chunk.first = key.clone();
            }
            entries.insert(at, (key, value));
            return (number, at);
        }
        // Keys often come in order: what goes on at the end leaves a full chunk behind.
        if at == entries.len() {
            self.open(number + 1, vec![(key, value)]);
            return (number + 1, 0);
        }
        let half = entries.len() / 2;
        let upper = entries.split_off(half);
        self.open(number + 1, upper);
        let (number, at) = if at < half {
            (number, at)
        } else {
            (number + 1, at - half)
        };
        self.put(number, at, key, value)
    }

    /// Puts a chunk of these entries among the others.
    #[inline(never)]
    fn open(&mut self, number: usize, entries: Vec<(K, V)>) {
        if let Some((first, _)) = entries.first() {
            let first = first.clone();
            self.chunks.insert(number, Chunk { first, entries });
        }
    }

    /// Takes an entry out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match self.place(key) {
            Place::At(chunk, at) => Some(self.take(chunk, at)),
            Place::Before(..) => None,
        }
    }

    #[inline(never)]
    fn take(&mut self, number: usize, at: usize) -> V {
        let chunk = &mut self.chunks[number];
        let (_, value) = chunk.entries.remove(at);
        match chunk.entries.first() {
            None => {
                self.chunks.remove(number);
            }
            Some((first, _)) if at == 0 => chunk.first = first.clone(),
            Some(_) => {}
        }
        // What is nearly empty is put together, or a map that shrinks would be all chunks.
        for number in [number, number.wrapping_sub(1)] {
            let Some([chunk, next]) = self.chunks.get_mut(number..).and_then(|chunks| chunks.get_mut(..2)) else {
                continue;
            };
            if chunk.entries.len() + next.entries.len() <= CHUNK / 2 {
                chunk.entries.append(&mut next.entries);
                self.chunks.remove(number + 1);
            }
        }
        value
    }

    /// Keeps the entries for which it is true.
    pub fn retain(&mut self, mut keeps: impl FnMut(&K, &mut V) -> bool) {
        self.chunks.retain_mut(|chunk| {
            chunk.entries.retain_mut(|(key, value)| keeps(key, value));
            let first = chunk.entries.first();
            if let Some((first, _)) = first {
                chunk.first = first.clone();
            }
            first.is_some()
        });
    }

    /// The entry with the lowest key.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// The entry with the highest key.
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        let (key, value) = self.chunks.last()?.entries.last()?;
        Some((key, value))
    }

    /// The entry with the highest key that is `key` at most.
    pub fn at_or_before<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let (chunk, at) = match self.place(key) {
            Place::At(chunk, at) => (chunk, at),
            // It is the first place of a chunk only where nothing is lower.
            Place::Before(chunk, at) => (chunk, at.checked_sub(1)?),
        };
        let (key, value) = &self.chunks[chunk].entries[at];
        Some((key, value))
    }

    /// The entry with the highest key that is lower than `key`.
    pub fn before<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let (Place::At(chunk, at) | Place::Before(chunk, at)) = self.place(key);
        let (key, value) = match at.checked_sub(1) {
            Some(at) => &self.chunks[chunk].entries[at],
            None => self.chunks[chunk.checked_sub(1)?].entries.last()?,
        };
        Some((key, value))
    }

    /// The entry with the highest key that is lower than `key`, to change its value.
    pub fn before_mut(&mut self, key: &K) -> Option<(&K, &mut V)> {
        let (Place::At(chunk, at) | Place::Before(chunk, at)) = self.place(key);
        let (key, value) = match at.checked_sub(1) {
            Some(at) => &mut self.chunks[chunk].entries[at],
            None => self.chunks[chunk.checked_sub(1)?].entries.last_mut()?,
        };
        Some((key, value))
    }

    /// The entries whose keys are `key` at least, in order.
    pub fn range_from<Q: Ord + ?Sized>(&self, key: &Q) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let (Place::At(chunk, at) | Place::Before(chunk, at)) = self.place(key);
        let mut later = self.chunks[chunk.min(self.chunks.len())..].iter();
        let chunk = later.next().map_or(&[][..], |chunk| &chunk.entries[at..]);
        Iter {
            chunk: chunk.iter(),
            later,
        }
    }

    /// All entries, in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter {
            chunk: [].iter(),
            later: self.chunks.iter(),
        }
    }

    /// All entries in order, their values to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        let entries = self.chunks.iter_mut().flat_map(|chunk| &mut chunk.entries);
        entries.map(|(key, value)| (&*key, value))
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// All values to change, in the order of their keys.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }
}

impl<K: Ord + Clone, V: Default> OrderedMap<K, V> {
    /// The value at a key, the default one where there is none.
    pub fn get_or_default(&mut self, key: K) -> &mut V {
        self.get_or_insert_with(key, V::default)
    }
}

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        OrderedMap { chunks: Vec::new() }
    }
}

impl<K: Ord + Clone + fmt::Debug, V: fmt::Debug> fmt::Debug for OrderedMap<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V> FromIterator<(K, V)> for OrderedMap<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        let mut map = OrderedMap::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord + Clone, V, const N: usize> From<[(K, V); N]> for OrderedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord + Clone, V> Extend<(K, V)> for OrderedMap<K, V> {
    fn extend<T: IntoIterator<Item = (K, V)>>(&mut self, entries: T) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

/// The entries of a map, in order.
#[derive(Debug)]
pub struct Iter<'m, K, V> {
    chunk: std::slice::Iter<'m, (K, V)>,
    later: std::slice::Iter<'m, Chunk<K, V>>,
}

impl<'m, K, V> Iterator for Iter<'m, K, V> {
    type Item = (&'m K, &'m V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.chunk.next() {
                return Some((key, value));
            }
            self.chunk = self.later.next()?.entries.iter();
        }
    }
}

impl<'m, K: Ord + Clone, V> IntoIterator for &'m OrderedMap<K, V> {
    type Item = (&'m K, &'m V);
    type IntoIter = Iter<'m, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The entries of a map that was taken apart, in order.
#[derive(Debug)]
pub struct IntoIter<K, V> {
    entries: std::vec::IntoIter<(K, V)>,
    later: std::vec::IntoIter<Chunk<K, V>>,
}

impl<K, V> Iterator for IntoIter<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(entry);
            }
            self.entries = self.later.next()?.entries.into_iter();
        }
    }
}

impl<K, V> IntoIterator for OrderedMap<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        IntoIter {
            entries: Vec::new().into_iter(),
            later: self.chunks.into_iter(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Numbers without an order (SplitMix64).
    fn random(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*seed ^ *seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 16
    }

    fn compare(map: &OrderedMap<u32, u64>, model: &BTreeMap<u32, u64>) {
        assert!(map.iter().eq(model.iter()));
        assert_eq!(map.len(), model.len());
        assert_eq!(map.is_empty(), model.is_empty());
        assert!((map.chunks.iter()).all(|chunk| chunk.entries.first().is_some_and(|(first, _)| *first == chunk.first)));
        assert_eq!(map.last_key_value(), model.last_key_value());
    }

    #[test]
    fn it_does_what_a_b_tree_does() {
        for (seed, keys, steps) in [(1, 40, 2_000), (2, 5_000, 20_000), (3, 1_000_000, 30_000)] {
            let mut seed: u64 = seed;
            let (mut map, mut model) = (OrderedMap::new(), BTreeMap::new());
            for step in 0..steps {
                let (key, value) = ((random(&mut seed) % keys) as u32, random(&mut seed));
                // It grows, then it shrinks.
                match random(&mut seed) % 10 {
                    0..=5 if step < steps / 2 => assert_eq!(map.insert(key, value), model.insert(key, value)),
                    0..=5 => {
                        let near = model.range(key..).next().map_or(key, |(&near, _)| near);
                        assert_eq!(map.remove(&near), model.remove(&near));
                    }
                    6 => *map.get_or_default(key) += 1,
                    7 => assert_eq!(map.at_or_before(&key), model.range(..=key).next_back()),
                    8 => assert_eq!(map.before(&key), model.range(..key).next_back()),
                    _ => assert!(map.range_from(&key).take(100).eq(model.range(key..).take(100))),
                }
                if let (true, Some(value)) = (map.contains_key(&key), map.get(&key)) {
                    model.insert(key, *value);
                }
                assert_eq!(map.get(&key), model.get(&key));
                if step % 500 == 0 {
                    compare(&map, &model);
                }
            }
            map.retain(|key, value| {
                *value += 1;
                key % 3 == 0
            });
            model.retain(|key, value| {
                *value += 1;
                key % 3 == 0
            });
            compare(&map, &model);
            assert!(map.into_iter().eq(model));
        }
    }

    #[test]
    fn stretches_are_set_as_if_each_key_were() {
        let mut seed = 5;
        let (mut map, mut model) = (OrderedMap::new(), vec![0; 3_000]);
        map.insert(0, 0);
        map.insert_last(3_000, 9);
        let mut set = 0;
        for step in 0..20_000 {
            let (from, len) = (1 + random(&mut seed) as u32 % 2_900, 1 + random(&mut seed) as u32 % 30);
            // First there are few entries, then many.
            let value = random(&mut seed) as u32 % if step < 2_000 { 2 } else { 9 };
            if map.set_stretch(from, from + len, value) {
                model[from as usize..(from + len) as usize].fill(value);
                set += 1;
            } else {
                for key in from..from + len {
                    map.insert(key, value);
                    model[key as usize] = value;
                }
                let after = model[(from + len) as usize];
                map.insert(from + len, after);
            }
            let mut at = map.iter().peekable();
            let mut have = None;
            for (key, expected) in (0..).zip(&model).skip_while(|(key, _)| step % 50 > 0 && *key < 2_990) {
                while let Some((_, value)) = at.next_if(|(at, _)| **at <= key) {
                    have = Some(*value);
                }
                assert_eq!(have, Some(*expected), "{key}");
            }
            assert!((map.chunks.iter()).all(|chunk| chunk.first == chunk.entries[0].0 && chunk.entries.len() <= CHUNK));
        }
        assert!(set > 10_000, "{set}");
    }

    #[test]
    fn keys_in_order_fill_their_chunks() {
        let map: OrderedMap<u32, ()> = (0..6_400).map(|key| (key, ())).collect();
        assert_eq!(map.chunks.len(), 100);
    }

    #[test]
    fn a_map_of_ascending_entries_goes_on_like_any_other() {
        for count in [0, 1, 63, 64, 65, 6_400, 1_000_000] {
            let entries: Vec<(u32, u64)> = (0..count).map(|key| (key * 2, u64::from(key))).collect();
            let mut map = OrderedMap::from_ascending(&entries);
            let mut model: BTreeMap<u32, u64> = entries.into_iter().collect();
            compare(&map, &model);
            for key in (0..count.min(1_000)).flat_map(|key| [key * 3, count + key]) {
                assert_eq!(map.insert(key, 7), model.insert(key, 7));
            }
            compare(&map, &model);
        }
    }

    #[test]
    fn a_map_that_shrinks_has_few_chunks() {
        let mut map: OrderedMap<u32, ()> = (0..64_000).map(|key| (key, ())).collect();
        for key in (0..64_000).filter(|key| key % 64 != 0) {
            map.remove(&key);
        }
        assert_eq!(map.len(), 1_000);
        assert!(map.chunks.len() <= 100, "{}", map.chunks.len());
    }
}
