//! The merge rules, naive and obvious: a plain log of operations, each with its dot, its stamp and what its author had seen,
//! from which the visible document is computed from scratch, every time.
//!
//! What it is not: fast, or shipped. It shares no code with the core, encodes nothing and keeps no state but the log; tests
//! hold the core against it.

mod fugue;
mod log;
mod marks;
mod nodes;
mod read;

pub use fugue::Side;
pub use log::{covers, join, Action, ContainerId, Dot, Entry, Kind, Log, Place, Step, Version, Written};
pub use marks::{Attributes, DeltaStep, Gap, EMBED};
pub use nodes::Hanging;
pub use read::{Seen, Value, View, Winner};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrent_runs_stand_one_after_the_other() {
        let mut log = Log::default();
        let (mut one, mut two) = (Version::new(), Version::new());
        let text = log.ensure_child((1, 0), &mut one, &ContainerId::ROOT, "t", Kind::Text);
        two.clone_from(&one);
        for (i, unit) in "abc".encode_utf16().enumerate() {
            log.text_insert(1, &mut one, &text, i, &[unit]);
        }
        for unit in "zyx".encode_utf16() {
            log.text_insert(2, &mut two, &text, 0, &[unit]);
        }
        join(&mut one, &two);
        assert_eq!(String::from_utf16_lossy(&log.view(&one).text(&text)), "abcxyz");
    }

    #[test]
    fn a_write_ends_only_what_its_author_had_seen() {
        let mut log = Log::default();
        let (mut one, mut two) = (Version::new(), Version::new());
        let root = ContainerId::ROOT;
        log.ensure_child((1, 5), &mut one, &root, "k", Kind::Text);
        let kept = log.ensure_child((2, 3), &mut two, &root, "k", Kind::Map);
        join(&mut two, &one);
        assert_eq!(
            log.view(&two).get(&root, "k"),
            Seen::Child(root.child(Place::Key("k".into()), Kind::Text, None))
        );
        log.map_set((1, 9), &mut one, &root, "k", &[1]);
        let kept_by = log.view(&one);
        assert_eq!(kept_by.get(&root, "k"), Seen::Plain(vec![1]));
        join(&mut two, &one);
        assert!(log.map_delete((2, 10), &mut two, &root, "k"));
        assert_eq!(log.view(&two).get(&root, "k"), Seen::Nothing);
        assert_eq!(kept.kind(), Kind::Map);
    }
}
