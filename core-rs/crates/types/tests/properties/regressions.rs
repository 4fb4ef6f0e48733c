//! What once was wrong, each case by name and as small as it gets.

use crate::peer::{integer, plain, Peer, LATE};
use joinery_oracle::{Kind, Log};

#[test]
fn a_write_ends_a_hidden_empty_child_that_its_author_knows_from_a_state() {
    let mut log = Log::default();
    let root = crate::peer::Handle::root();
    let (mut one, mut two, mut away) = (Peer::new(1), Peer::new(2), Peer::new(9));
    one.ensure(&mut log, &root, "k", Kind::Text, 1);
    two.map_set(&mut log, &root, "k", &integer(1), 2);
    let update = two.document.take_update().unwrap();
    one.receive(&log, &update, LATE);
    // The text has lost, is hidden and empty. Whoever gets the state has seen it nevertheless.
    let snapshot = one.document.encode_snapshot();
    let mut three = Peer::new(3);
    three.receive(&log, &snapshot, LATE);
    three.map_set(&mut log, &root, "k", &integer(2), 3);
    // Somebody who was away creates the same text later and wins: but it was ended, for good.
    let text = away.ensure(&mut log, &root, "k", Kind::Text, 9);
    away.text_insert(&mut log, &text, 0, &[65]);
    let update = away.document.take_update().unwrap();
    three.receive(&log, &update, LATE);
    three.check(&log);
    assert_eq!(plain(&three.document), [8, 0]);
}
