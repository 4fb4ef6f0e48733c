//! What has changed in a text while changes were noted, as a delta: what was typed with what is said of it, what was deleted, and of
//! what was kept the attributes that are others now.

use super::delta::Delta;
use super::{Mark, EMBED_KEY, EMBED_UNIT};
use crate::patches::{Finished, Hunks, MAX_HUNKS};
use crate::sequence::Gap;
use crate::text::Text;
use joinery_codec::Writer;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A stretch on which a mark came, with what won there before.
#[derive(Debug, Clone)]
pub struct OldMark {
    key: Rc<str>,
    range: (Gap, Gap),
    mark: Option<Rc<Mark>>,
}

/// By index: from, to (not with it), and the mark that won there.
type Stretches = Vec<(u32, u32, Option<Rc<Mark>>)>;

/// By index: from, to (not with it), and what a key says there now that it didn't before.
struct NewAttribute<'t> {
    range: (u32, u32),
    key: &'t str,
    /// None: it was taken off.
    value: Option<&'t [u8]>,
}

impl Text {
    /// Notes what is said between two gaps, on which a mark comes; unless all is told anew anyhow.
    #[inline(never)]
    pub(super) fn record_mark(&mut self, key: &str, range: (Gap, Gap)) {
        if self
            .sequence
            .changes
            .as_ref()
            .is_some_and(|changes| changes.is_given_up())
        {
            return;
        }
        let function = self.marks.as_ref().and_then(|marks| marks.function(key));
        let stretches = match function {
            Some(function) => function.stretches(&self.sequence, range),
            None => vec![(range, None)],
        };
        let key: Rc<str> = key.into();
        let old = stretches.into_iter().map(|(range, mark)| OldMark {
            key: key.clone(),
            range,
            mark: mark.cloned(),
        });
        self.old_marks.extend(old);
        if self.old_marks.len() > MAX_HUNKS {
            self.old_marks = Vec::new();
            if let Some(changes) = &mut self.sequence.changes {
                changes.give_up();
            }
        }
    }

    /// Appends what `hunks` and marks have changed, as a packed delta. False, and nothing is appended, where that is nothing.
    pub(crate) fn changes_delta(&self, mut hunks: Hunks<u16>, old_marks: &[OldMark], out: &mut Vec<u8>) -> bool {
        let before = self.stretches_before(old_marks);
        let mut attributes = self.new_attributes(&before);
        // Another object in the place of an embedded one is another unit to who reads deltas.
        for attribute in attributes.iter().filter(|attribute| attribute.key == EMBED_KEY) {
            for index in attribute.range.0..attribute.range.1 {
                let mut unit = Vec::new();
                self.sequence.read(index, 1, &mut unit);
                if unit == [EMBED_UNIT] {
                    hunks.replace(index, &unit);
                }
            }
        }
        attributes.retain(|attribute| attribute.key != EMBED_KEY);
        let finished = hunks.finish(self.len());
        if finished.hunks.is_empty() && attributes.is_empty() {
            return false;
        }
        let delta = self.write_delta(&finished, &attributes);
        let is_some = !delta.is_empty();
        if is_some {
            delta.finish(out);
        }
        is_some
    }

    /// Appends the delta that leads to this text from one with other units (`hunks`) and, where it kept them, these attributes.
    fn write_delta(&self, finished: &Finished<u16>, attributes: &[NewAttribute<'_>]) -> Delta {
        let said = pack_stretches(attributes);
        let mut said = said.iter().peekable();
        let mut delta = Delta::default();
        let mut at = 0;
        // Units that are kept, up to an index.
        let mut retain = |delta: &mut Delta, at: u32, to: u32| {
            let mut at = at;
            while let Some((from, until, attributes)) = said.peek().filter(|(from, ..)| *from < to) {
                if *until <= at {
                    said.next();
                    continue;
                }
                let from = (*from).max(at);
                delta.retain(from - at, &[]);
                at = (*until).min(to);
                delta.retain(at - from, attributes);
                if *until > to {
                    break;
                }
                said.next();
            }
            delta.retain(to - at, &[]);
        };
        for hunk in &finished.hunks {
            retain(&mut delta, at, at + hunk.keep);
            at += hunk.keep;
            self.stretches_of((at, at + hunk.new), &mut |units, said| delta.insert(units, said));
            delta.delete(hunk.gone);
            at += hunk.new;
        }
        retain(&mut delta, at, self.len());
        delta
    }

    /// Per key, where which mark won before.
    fn stretches_before(&self, old_marks: &[OldMark]) -> BTreeMap<Rc<str>, Stretches> {
        let mut before: BTreeMap<Rc<str>, Stretches> = BTreeMap::new();
        for OldMark { key, range, mark } in old_marks {
            let (from, to) = (self.index_of_end(range.0), self.index_of_end(range.1));
            if from < to {
                // What was noted first was there before all.
                cover(before.entry(key.clone()).or_default(), (from, to), mark);
            }
        }
        before
    }

    /// Where keys say what they didn't say before.
    fn new_attributes<'t>(&'t self, before: &'t BTreeMap<Rc<str>, Stretches>) -> Vec<NewAttribute<'t>> {
        let mut new = Vec::new();
        for (key, stretches) in before {
            let function = self.marks.as_ref().and_then(|marks| marks.function(key));
            for (from, to, mark) in stretches {
                let ends = (self.sequence.dot_of_index(*from), self.sequence.dot_of_index(to - 1));
                let (Some(function), (Some(first), Some(last))) = (function, ends) else {
                    continue;
                };
                let was = mark.as_ref().and_then(|mark| mark.shown());
                for ((start, end), mark) in function.stretches(&self.sequence, (Gap::Before(first), Gap::After(last))) {
                    let value = mark.and_then(|mark| mark.shown());
                    let range = (self.index_of_end(start).max(*from), self.index_of_end(end).min(*to));
                    if value != was && range.0 < range.1 {
                        new.push(NewAttribute { range, key, value });
                    }
                }
            }
        }
        new
    }
}

/// Adds a stretch where none is yet.
#[inline(never)]
fn cover(stretches: &mut Stretches, (from, to): (u32, u32), mark: &Option<Rc<Mark>>) {
    let mut at = stretches.partition_point(|&(_, end, _)| end <= from);
    let mut from = from;
    while from < to {
        let next = stretches.get(at).map_or((to, to), |&(start, end, _)| (start, end));
        let until = next.0.min(to);
        if from < until {
            stretches.insert(at, (from, until, mark.clone()));
            at += 1;
        }
        from = next.1.max(until);
        at += 1;
    }
}

/// Stretches that don't overlap, in order, each with its attributes as members of a packed object.
#[inline(never)]
fn pack_stretches(attributes: &[NewAttribute<'_>]) -> Vec<(u32, u32, Vec<u8>)> {
    let mut changes: Vec<(u32, bool, usize)> = Vec::new();
    for (number, NewAttribute { range, .. }) in attributes.iter().enumerate() {
        changes.extend([(range.0, true, number), (range.1, false, number)]);
    }
    changes.sort_unstable();
    let mut open: BTreeMap<&str, Option<&[u8]>> = BTreeMap::new();
    let mut stretches = Vec::new();
    let mut at = 0;
    for (index, is_start, number) in changes {
        if index > at && !open.is_empty() {
            let mut packed = Vec::new();
            packed.varint(open.len() as u64);
            for (key, value) in &open {
                packed.blob(key.as_bytes());
                packed.extend_from_slice(value.unwrap_or(&[0]));
            }
            stretches.push((at, index, packed));
        }
        at = index;
        let NewAttribute { key, value, .. } = attributes[number];
        if is_start {
            open.insert(key, value);
        } else {
            open.remove(key);
        }
    }
    stretches
}
