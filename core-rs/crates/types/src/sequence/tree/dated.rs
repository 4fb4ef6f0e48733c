//! When leaves changed, so that who looks for what is new needn't go through the others. A time is a number that never falls: how
//! many operations the replica knows.

use super::{Leaf, Place, Tree};

impl<U: Copy> Tree<U> {
    /// Every leaf in order in which something changed after `after`; every one where there is none.
    pub fn leaves_changed(&self, after: Option<u64>) -> impl Iterator<Item = &Leaf<U>> + '_ {
        self.leaves()
            .filter(move |leaf| after.is_none_or(|after| leaf.changed > after))
    }

    /// Sets the time of what changes from now on.
    #[inline]
    pub fn date(&mut self, time: u64) {
        self.time = time;
    }

    /// Everything in it changes now.
    pub fn touch_all(&mut self) {
        for leaf in &mut self.leaves {
            leaf.changed = self.time;
        }
    }

    /// What a unit stands for changes now.
    pub fn touch(&mut self, place: Place) {
        self.leaves[place.leaf as usize].changed = self.time;
    }
}
