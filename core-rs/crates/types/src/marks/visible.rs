//! A text's marks told by its visible units alone: what a trim keeps of them. Where removed units stand between two visible
//! ones, several gaps become one; it has the marks of what would be typed there.

use super::{Function, Mark};
use crate::sequence::{Gap, Run};
use crate::text::Text;
use std::rc::Rc;

/// A gap beside visible units, by how many of them stand before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisibleGap {
    /// Right behind the last of them.
    Behind(u32),
    /// Right before the next one.
    Before(u32),
}

/// From a gap on, up to the next, this mark wins; or there is none.
pub type Stretches = Vec<(VisibleGap, Option<Rc<Mark>>)>;

impl Text {
    /// Per key, where which mark wins. Neighbours differ.
    pub fn visible_marks(&self) -> Vec<(&Rc<str>, Stretches)> {
        let Some(marks) = &self.marks else {
            return Vec::new();
        };
        // The visible runs, each with how many units come before it.
        let mut runs: Vec<(u32, Run)> = Vec::new();
        let mut index = 0;
        for (run, _) in self.sequence.runs().filter(|(run, _)| run.visible() > 0) {
            runs.push((index, run));
            index += run.len;
        }
        let unit = |index: u32| {
            let (first, run) = runs[runs.partition_point(|&(first, _)| first <= index).checked_sub(1)?];
            (index - first < run.len).then(|| run.dot.plus(index - first))
        };
        // Where something goes that is typed at an index.
        let typed = |index: u32| {
            let left = index.checked_sub(1).and_then(unit);
            let left = left.and_then(|left| self.sequence.place_of(left));
            let behind = marks.behind(&self.sequence, left, unit(index));
            behind.map_or(Gap::Start, |place| Gap::After(self.sequence.dot_of(place)))
        };
        let stretches = |function: &Function| {
            let mut stretches: Stretches = Vec::new();
            let mut put = |at: VisibleGap, mark: Option<Rc<Mark>>| {
                let last = stretches.last().and_then(|(_, mark)| mark.as_ref());
                if last != mark.as_ref() {
                    stretches.push((at, mark));
                }
            };
            let mut boundaries = function.boundaries().peekable();
            while let Some((gap, mark)) = boundaries.next() {
                let index = self.sequence.index_of_gap(gap);
                let next = boundaries.peek().map(|next| self.sequence.index_of_gap(next.0));
                if next == Some(index) {
                    continue;
                }
                // The last boundary before this visible unit.
                put(
                    VisibleGap::Behind(index),
                    function.at(&self.sequence, typed(index)).cloned(),
                );
                if unit(index).is_some() {
                    put(VisibleGap::Before(index), mark.cloned());
                }
            }
            stretches
        };
        marks
            .functions()
            .map(|(key, function)| (key, stretches(function)))
            .collect()
    }
}
