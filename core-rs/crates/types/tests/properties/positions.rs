//! Relative positions against a naive rule: a position is where the unit stands that it sticks to, or where that stood.

use crate::random::Random;
use joinery_types::{Document, Error, Kind, Stick, ROOT};

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Each replica's text with marks at the positions, by walking the letters: all letters are different.
fn expected(before: &[char], now: &[char], order: &[char], index: usize, stick: Stick) -> usize {
    let sticks_to = match stick {
        Stick::Left => index.checked_sub(1).map(|at| before[at]),
        Stick::Right => before.get(index).copied(),
    };
    let Some(letter) = sticks_to else {
        return if stick == Stick::Left { 0 } else { now.len() };
    };
    // `order` has every letter there ever was: so many visible ones stand before it.
    let at = order.iter().position(|&other| other == letter).unwrap();
    let ahead = order[..at].iter().filter(|other| now.contains(other)).count();
    ahead + usize::from(stick == Stick::Left && now.contains(&letter))
}

/// A position that was taken, and where.
struct Taken {
    before: Vec<char>,
    index: usize,
    stick: Stick,
    in_text: Vec<u8>,
    in_list: Vec<u8>,
}

#[test]
fn stay_where_they_are_meant() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut writer = Document::default();
        writer.set_agent(1);
        let text = writer.ensure_child(ROOT, "body", Kind::Text, 0).unwrap();
        let list = writer.ensure_child(ROOT, "items", Kind::List, 0).unwrap();
        let mut reader = Document::default();
        // The letters in order, removed ones included, and those that are visible.
        let (mut order, mut now): (Vec<char>, Vec<char>) = Default::default();
        let mut taken: Vec<Taken> = Vec::new();
        for step in 0..60 {
            if now.is_empty() || !random.once_in(3) {
                let index = random.below(now.len() + 1);
                let letter = char::from_u32(0x4e00 + step).unwrap();
                let behind = index
                    .checked_sub(1)
                    .map(|at| order.iter().position(|&it| it == now[at]).unwrap());
                order.insert(behind.map_or(0, |at| at + 1), letter);
                now.insert(index, letter);
                writer
                    .text_insert(text, index as u32, &mut units(&letter.to_string()))
                    .unwrap();
                writer.list_insert(list, index as u32, &[&[0]]).unwrap();
            } else {
                let index = random.below(now.len());
                now.remove(index);
                writer.text_delete(text, index as u32, 1).unwrap();
                writer.list_delete(list, index as u32, 1).unwrap();
            }
            let index = random.below(now.len() + 1);
            let stick = *random.pick(&[Stick::Left, Stick::Right]);
            let [in_text, in_list] =
                [text, list].map(|container| writer.position_at(container, index as u32, stick).unwrap());
            assert!(in_text.len() <= 14);
            let before = now.clone();
            taken.push(Taken {
                before,
                index,
                stick,
                in_text,
                in_list,
            });
        }
        while let Some(update) = writer.take_update() {
            reader.apply(&update, 0).unwrap();
        }
        let [body, items] =
            [("body", Kind::Text), ("items", Kind::List)].map(|(key, kind)| reader.child(ROOT, key, kind).unwrap());
        for Taken {
            before,
            index,
            stick,
            in_text,
            in_list,
        } in taken
        {
            let place = expected(&before, &now, &order, index, stick) as u32;
            assert_eq!(
                writer.index_at(text, &in_text),
                Ok(Some(place)),
                "seed {seed}, {stick:?}"
            );
            assert_eq!(
                reader.index_at(body, &in_text),
                Ok(Some(place)),
                "seed {seed}, {stick:?}"
            );
            assert_eq!(
                reader.index_at(items, &in_list),
                Ok(Some(place)),
                "seed {seed}, {stick:?}"
            );
        }
    }
}

#[test]
fn in_a_list_follow_the_element_that_they_stick_to() {
    let mut writer = Document::default();
    writer.set_agent(1);
    let list = writer.ensure_child(ROOT, "items", Kind::List, 0).unwrap();
    writer.list_insert(list, 0, &[&[0], &[1], &[2], &[0]]).unwrap();
    let fixed = writer.position_at(list, 1, Stick::Right).unwrap();
    writer.list_move(list, 1, 3, 0).unwrap();
    assert_eq!(writer.index_at(list, &fixed), Ok(Some(3)));
    let moved = writer.position_at(list, 4, Stick::Left).unwrap();
    assert!(moved.len() <= 27);
    assert_eq!(writer.index_at(list, &moved), Ok(Some(4)));
    writer.list_move(list, 3, 0, 0).unwrap();
    assert_eq!(
        [&fixed, &moved].map(|it| writer.index_at(list, it)),
        [Ok(Some(0)), Ok(Some(1))]
    );
    // Deleted, it is where it stood when each was taken.
    writer.list_delete(list, 0, 1).unwrap();
    assert_eq!(
        [&fixed, &moved].map(|it| writer.index_at(list, it)),
        [Ok(Some(1)), Ok(Some(3))]
    );
    for broken in [4u8, 5, 6, 7] {
        assert!(matches!(
            writer.index_at(list, &[broken]),
            Err(Error::InvalidPosition(_))
        ));
    }
    assert!(matches!(
        writer.index_at(list, &moved[..moved.len() / 2 + 1]),
        Err(Error::InvalidPosition(_))
    ));
}

#[test]
fn of_a_unit_that_is_not_here_are_nowhere() {
    let (mut writer, mut reader) = (Document::default(), Document::default());
    writer.set_agent(1);
    let text = writer.ensure_child(ROOT, "body", Kind::Text, 0).unwrap();
    reader.apply(&writer.take_update().unwrap(), 0).unwrap();
    writer.text_insert(text, 0, &mut units("a")).unwrap();
    let position = writer.position_at(text, 1, Stick::Left).unwrap();
    let body = reader.child(ROOT, "body", Kind::Text).unwrap();
    assert_eq!(reader.index_at(body, &position), Ok(None));
    reader.apply(&writer.take_update().unwrap(), 0).unwrap();
    assert_eq!(reader.index_at(body, &position), Ok(Some(1)));
    assert_eq!(
        Document::default().index_at(ROOT, &position).unwrap_err().code(),
        "wrong-type"
    );
}

#[test]
fn broken_ones_are_refused() {
    let mut document = Document::default();
    document.set_agent(1);
    let text = document.ensure_child(ROOT, "body", Kind::Text, 0).unwrap();
    document.text_insert(text, 0, &mut units("abc")).unwrap();
    let good = document.position_at(text, 2, Stick::Right).unwrap();
    let mut random = Random(1);
    for _ in 0..100_000 {
        let mut bytes = good.clone();
        match random.below(3) {
            0 => bytes.truncate(random.below(bytes.len())),
            1 => bytes.push(random.next() as u8),
            _ => {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
        }
        match document.index_at(text, &bytes) {
            Ok(Some(index)) => assert!(index <= 3),
            Ok(None) => {}
            Err(error) => assert!(matches!(error, Error::InvalidPosition(_))),
        }
    }
    let out = document.position_at(text, 4, Stick::Left);
    assert_eq!(out, Err(Error::IndexOutOfRange { index: 4, len: 3 }));
}
