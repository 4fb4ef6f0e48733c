//! What has happened to a list, as steps that are done one after the other: elements are removed, then moved, then inserted, each in
//! the indices of its moment.

use super::hunks::Finished;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `count` elements go, the first of them at `index`.
    Remove { index: u32, count: u32 },
    /// An element is taken out and put back in, at an index of the list without it.
    Move { from: u32, to: u32 },
    /// `count` elements come, the first of them to stand at `index`.
    Insert { index: u32, count: u32 },
}

/// An element that stands elsewhere than before.
struct Moved<K> {
    element: K,
    /// How many elements that stay stand before its old place.
    from: u32,
}

/// The steps of a list. What is gone and is new as well was moved.
pub fn steps<K: Ord + Copy>(finished: &Finished<K>, new: &[K]) -> Vec<Step> {
    let arrived = numbered(new.iter().copied());
    let mut steps = Vec::new();
    // First what is gone for good, from the start on.
    let mut moved: Vec<Moved<K>> = Vec::new();
    let mut gone = finished.gone.iter();
    let (mut index, mut kept) = (0, 0);
    for hunk in &finished.hunks {
        index += hunk.keep;
        kept += hunk.keep;
        if finished.is_whole && hunk.gone > 0 {
            let count = hunk.gone;
            steps.push(Step::Remove { index, count });
        }
        for &element in gone.by_ref().take(hunk.gone as usize) {
            if number_of(&arrived, element).is_some() {
                moved.push(Moved { element, from: kept });
                index += 1;
                continue;
            }
            match steps.last_mut() {
                Some(Step::Remove { index: last, count }) if *last == index => *count += 1,
                _ => steps.push(Step::Remove { index, count: 1 }),
            }
        }
    }
    moves(finished, new, &moved, &mut steps);
    inserts(finished, new, &moved, &mut steps);
    steps
}

/// Moves in the order in which the elements stand at the end: each goes right behind what is there already.
fn moves<K: Ord + Copy>(finished: &Finished<K>, new: &[K], moved: &[Moved<K>], steps: &mut Vec<Step>) {
    let numbers = numbered(moved.iter().map(|moved| moved.element));
    let mut waiting = Counts::ones(moved.len());
    // Before how many of those that stay each was put; ascending.
    let mut done: Vec<u32> = Vec::new();
    let (mut kept, mut new) = (0, new.iter());
    for hunk in &finished.hunks {
        kept += hunk.keep;
        for element in new.by_ref().take(hunk.new as usize) {
            let Some(number) = number_of(&numbers, *element) else {
                continue;
            };
            let old = moved[number].from;
            let from = old + waiting.below(number) + done.partition_point(|&place| place <= old) as u32;
            waiting.take(number);
            let before = moved.partition_point(|other| other.from < kept);
            let to = kept + waiting.below(before) + done.len() as u32;
            done.push(kept);
            if from != to {
                steps.push(Step::Move { from, to });
            }
        }
    }
}

fn inserts<K: Ord + Copy>(finished: &Finished<K>, new: &[K], moved: &[Moved<K>], steps: &mut Vec<Step>) {
    let known = numbered(moved.iter().map(|moved| moved.element));
    let mut new = new.iter();
    for (start, end) in finished.new_ranges() {
        for index in start..end {
            if new.next().is_some_and(|&element| number_of(&known, element).is_some()) {
                continue;
            }
            match steps.last_mut() {
                Some(Step::Insert { index: first, count }) if *first + *count == index => *count += 1,
                _ => steps.push(Step::Insert { index, count: 1 }),
            }
        }
    }
}

/// Elements with their numbers, to be looked up.
#[inline(never)]
fn numbered<K: Ord + Copy>(elements: impl Iterator<Item = K>) -> Vec<(K, usize)> {
    let mut numbered: Vec<(K, usize)> = elements.zip(0..).collect();
    numbered.sort_unstable();
    numbered
}

fn number_of<K: Ord + Copy>(numbered: &[(K, usize)], element: K) -> Option<usize> {
    let at = numbered.binary_search_by_key(&element, |&(element, _)| element);
    at.ok().map(|at| numbered[at].1)
}

/// How many of a row are left below a place: Fenwick, "A New Data Structure for Cumulative Frequency Tables" (1994).
struct Counts(Vec<u32>);

impl Counts {
    fn ones(len: usize) -> Counts {
        Counts((0..=len).map(|at| (at & at.wrapping_neg()) as u32).collect())
    }

    fn take(&mut self, at: usize) {
        let mut at = at + 1;
        while let Some(count) = self.0.get_mut(at) {
            *count -= 1;
            at += at & at.wrapping_neg();
        }
    }

    fn below(&self, at: usize) -> u32 {
        let (mut at, mut sum) = (at, 0);
        while at > 0 {
            sum += self.0[at];
            at &= at - 1;
        }
        sum
    }
}
