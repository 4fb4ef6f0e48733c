//! Which text an envelope is about whose first operation names a unit: it gives a byte, the text's tag, instead of all that a
//! container's name takes. Of the texts with that tag it is the one that has the unit.
//!
//! A tag follows from the path: the same everywhere, by chance that of one in 256 other texts too.

use crate::container::{Container, Containers, Key, Kind};
use joinery_history::Dot;

/// FNV-1a, 32 bits (Fowler, Noll and Vo), of what is the same on every replica: agents' numbers are not.
pub(crate) fn hash_of(above: &Container, key: &Key, kind: Kind, generation: Dot) -> u32 {
    let element;
    let name: &[u8] = match key {
        Key::Name(name) => name.as_bytes(),
        Key::Element(dot) => {
            element = dot.seq.to_le_bytes();
            &element
        }
    };
    let bytes = above.hash.to_le_bytes().into_iter().chain([kind as u8]);
    let bytes = bytes.chain(generation.seq.to_le_bytes()).chain(name.iter().copied());
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

impl Container {
    /// The byte that stands for it.
    pub(crate) fn tag(&self) -> u8 {
        (self.hash >> 24) as u8
    }
}

impl Containers {
    /// The texts with this tag, gone ones included, by what is the same everywhere.
    fn tagged(&self, tag: u8) -> impl Iterator<Item = u32> + '_ {
        let from = (u32::from(tag) << 24, 0);
        let texts = self.texts.range_from(&from);
        let texts = texts.take_while(move |(hash, _)| (hash >> 24) as u8 == tag);
        texts.map(|&(_, text)| text)
    }

    /// The text with this tag that has the unit; none where it is gone, or where that isn't a unit.
    #[inline(never)]
    pub(crate) fn text_with(&self, tag: u8, unit: Dot) -> Option<u32> {
        let has = |text: &u32| self.text(*text).is_ok_and(|text| text.sequence.contains(unit));
        self.tagged(tag).find(has)
    }

    /// The same where the unit may be unknown: its text has gone since, or the record is lost that brought it. Then it is the only
    /// one with this tag, of those that are gone or else of all.
    #[inline(never)]
    pub(crate) fn text_meant(&self, tag: u8, unit: Dot) -> Option<u32> {
        let only = |is_meant: &dyn Fn(u32) -> bool| {
            let mut meant = self.tagged(tag).filter(|&text| is_meant(text));
            meant.next().filter(|_| meant.next().is_none())
        };
        let gone = || only(&|text| self.live(text).is_err());
        self.text_with(tag, unit).or_else(gone).or_else(|| only(&|_| true))
    }
}
