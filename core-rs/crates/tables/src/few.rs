//! A list whose first entries need no allocation: for what nearly always has one or two.

use std::ops::{Index, IndexMut};

/// A list of which the first `N` entries stand in the value itself.
#[derive(Debug, Clone)]
pub struct Few<T, const N: usize> {
    first: [T; N],
    /// How many of them are in use.
    used: usize,
    rest: Vec<T>,
}

impl<T: Default, const N: usize> Few<T, N> {
    /// A list with one entry; `N` is at least 1.
    pub fn of(entry: T) -> Self {
        let mut few = Few {
            first: std::array::from_fn(|_| T::default()),
            used: 0,
            rest: Vec::new(),
        };
        few.push(entry);
        few
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: T) {
        match self.first.get_mut(self.used) {
            Some(place) => {
                *place = entry;
                self.used += 1;
            }
            None => self.rest.push(entry),
        }
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.used + self.rest.len()
    }

    /// The entry at `at`, counted from 0.
    pub fn get(&self, at: usize) -> Option<&T> {
        match at.checked_sub(N) {
            None => self.first[..self.used].get(at),
            Some(at) => self.rest.get(at),
        }
    }
}

impl<T: Default, const N: usize> Index<usize> for Few<T, N> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        match at.checked_sub(N) {
            None => &self.first[..self.used][at],
            Some(at) => &self.rest[at],
        }
    }
}

impl<T: Default, const N: usize> IndexMut<usize> for Few<T, N> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        match at.checked_sub(N) {
            None => &mut self.first[..self.used][at],
            Some(at) => &mut self.rest[at],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_on_both_sides_of_the_limit() {
        let mut few: Few<u32, 2> = Few::of(0);
        assert_eq!((few.count(), few.get(1)), (1, None));
        (1..5).for_each(|entry| few.push(entry));
        few[4] += 10;
        few[1] += 10;
        let all: Vec<u32> = (0..few.count()).map(|at| few[at]).collect();
        assert_eq!(all, [0, 11, 2, 3, 14]);
        assert_eq!((few.get(4), few.get(5)), (Some(&14), None));
    }
}
