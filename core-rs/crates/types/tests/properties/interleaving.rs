//! What one person types in one place stays together, in whatever direction it was typed and whatever others type there:
//! the property that Fugue is named for.

use crate::peer::{integer, take_all, units, Handle, Peer, LATE};
use crate::random::{for_seeds, Random};
use joinery_oracle::{Kind, Log};

#[derive(Debug, Clone, Copy)]
enum Way {
    Forwards,
    Backwards,
    /// Anywhere within what this person has typed so far.
    Anywhere,
}

const WAYS: [Way; 3] = [Way::Forwards, Way::Backwards, Way::Anywhere];

impl Way {
    /// Where in a run of `typed` units the next one goes.
    fn offset(self, typed: usize, random: &mut Random) -> usize {
        match self {
            Way::Forwards => typed,
            Way::Backwards => 0,
            Way::Anywhere => random.below(typed + 1),
        }
    }
}

/// Is each person's part one piece? `owners` tells per unit whose it is.
fn assert_together<T: PartialEq + Copy + std::fmt::Debug>(owners: &[T], people: &[T]) {
    for person in people {
        let first = owners.iter().position(|owner| owner == person).unwrap();
        let last = owners.iter().rposition(|owner| owner == person).unwrap();
        assert!(owners[first..=last].iter().all(|owner| owner == person), "{owners:?}");
    }
}

#[test]
fn concurrent_runs_of_text_never_interleave() {
    for_seeds(400, |random| {
        let mut log = Log::default();
        let root = Handle::root();
        let mut base = Peer::new(random.next());
        let text = base.ensure(&mut log, &root, "body", Kind::Text, 1);
        // Some text, with some of it deleted, so that tombstones stand around the place.
        for _ in 0..random.below(8) {
            let len = base.text_len(&text);
            base.text_insert(&mut log, &text, random.below(len + 1), &units("...."));
            let len = base.text_len(&text);
            let from = random.below(len);
            base.text_delete(&mut log, &text, from, random.below((len - from).min(4) + 1));
        }
        let place = random.below(base.text_len(&text) + 1);
        let snapshot = base.document.encode_snapshot();
        let mut people = Vec::new();
        let mut envelopes = Vec::new();
        for letter in (b'a'..).take(2 + random.below(3)).map(u16::from) {
            let mut person = Peer::new(random.next());
            person.receive(&log, &snapshot, LATE);
            let text = person.at_key(&log, &root, "body").unwrap();
            let way = *random.pick(&WAYS);
            for typed in 0..1 + random.below(9) {
                let at = place + way.offset(typed, random);
                person.text_insert(&mut log, &text, at, &[letter]);
                if random.once_in(4) {
                    envelopes.extend(take_all(&mut person.document));
                }
            }
            envelopes.extend(take_all(&mut person.document));
            people.push(letter);
        }
        random.shuffle(&mut envelopes);
        for envelope in &envelopes {
            base.receive(&log, envelope, LATE);
        }
        base.check(&log);
        let content = units(&base.document.text_string(text.number).unwrap());
        let owners: Vec<u16> = content.into_iter().filter(|&unit| unit != u16::from(b'.')).collect();
        assert_together(&owners, &people);
    });
}

#[test]
fn concurrent_runs_of_elements_never_interleave() {
    for_seeds(200, |random| {
        let mut log = Log::default();
        let root = Handle::root();
        let mut base = Peer::new(random.next());
        let list = base.ensure(&mut log, &root, "list", Kind::List, 1);
        let mut envelopes = take_all(&mut base.document);
        let snapshot = base.document.encode_snapshot();
        let mut people = Vec::new();
        for person in 0..2 + random.below(3) as i64 {
            let mut peer = Peer::new(random.next());
            peer.receive(&log, &snapshot, LATE);
            let list = peer.at_key(&log, &root, "list").unwrap();
            let way = *random.pick(&WAYS);
            for typed in 0..1 + random.below(9) {
                let at = way.offset(typed, random);
                peer.list_insert(&mut log, &list, at, &[&integer(person)]);
            }
            envelopes.extend(take_all(&mut peer.document));
            people.push(integer(person)[1]);
        }
        random.shuffle(&mut envelopes);
        let mut reader = Peer::new(1);
        for envelope in &envelopes {
            reader.receive(&log, envelope, LATE);
            base.receive(&log, envelope, LATE);
        }
        base.check(&log);
        let mut content = Vec::new();
        base.document.to_plain(list.number, &mut content).unwrap();
        let owners: Vec<u8> = content[2..].chunks(2).map(|value| value[1]).collect();
        assert_together(&owners, &people);
        assert_eq!(reader.document.encode_snapshot(), base.document.encode_snapshot());
    });
}
