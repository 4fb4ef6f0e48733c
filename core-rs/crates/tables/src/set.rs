//! A set in the form of a map without values.

use crate::OrderedMap;
use std::borrow::Borrow;

/// Values in their order, each once.
#[derive(Debug, Clone)]
pub struct OrderedSet<K: Ord + Clone> {
    map: OrderedMap<K, ()>,
}

impl<K: Ord + Clone> OrderedSet<K> {
    /// A set without values; it takes no memory.
    pub const fn new() -> Self {
        OrderedSet { map: OrderedMap::new() }
    }

    /// How many there are. It counts chunks.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// True without values.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Is it in?
    pub fn contains<Q: Ord + ?Sized>(&self, value: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.map.contains_key(value)
    }

    /// Puts a value in; tells whether it is new.
    pub fn insert(&mut self, value: K) -> bool {
        self.map.insert(value, ()).is_none()
    }

    /// Takes a value out; tells whether it was in.
    pub fn remove<Q: Ord + ?Sized>(&mut self, value: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.map.remove(value).is_some()
    }

    /// The lowest.
    pub fn first(&self) -> Option<&K> {
        self.map.first_key_value().map(|(value, ())| value)
    }

    /// The highest.
    pub fn last(&self) -> Option<&K> {
        self.map.last_key_value().map(|(value, ())| value)
    }

    /// The highest that is `value` at most.
    pub fn at_or_before<Q: Ord + ?Sized>(&self, value: &Q) -> Option<&K>
    where
        K: Borrow<Q>,
    {
        self.map.at_or_before(value).map(|(value, ())| value)
    }

    /// The highest that is lower than `value`.
    pub fn before<Q: Ord + ?Sized>(&self, value: &Q) -> Option<&K>
    where
        K: Borrow<Q>,
    {
        self.map.before(value).map(|(value, ())| value)
    }

    /// Those that are `value` at least, in order.
    pub fn range_from<Q: Ord + ?Sized>(&self, value: &Q) -> impl Iterator<Item = &K>
    where
        K: Borrow<Q>,
    {
        self.map.range_from(value).map(|(value, ())| value)
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &K> {
        self.map.keys()
    }
}

impl<K: Ord + Clone> Default for OrderedSet<K> {
    fn default() -> Self {
        OrderedSet::new()
    }
}

impl<K: Ord + Clone> FromIterator<K> for OrderedSet<K> {
    fn from_iter<T: IntoIterator<Item = K>>(values: T) -> Self {
        let mut set = OrderedSet::new();
        set.extend(values);
        set
    }
}

impl<K: Ord + Clone, const N: usize> From<[K; N]> for OrderedSet<K> {
    fn from(values: [K; N]) -> Self {
        values.into_iter().collect()
    }
}

impl<K: Ord + Clone> Extend<K> for OrderedSet<K> {
    fn extend<T: IntoIterator<Item = K>>(&mut self, values: T) {
        for value in values {
            self.insert(value);
        }
    }
}
