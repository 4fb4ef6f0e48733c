//! Envelopes that begin with an operation about a unit of a text: they name the text by a byte alone.

use crate::nodes::Packed;
use crate::peer::units;
use joinery_codec::Reader;
use joinery_types::{Applied, Document, Error, Kind, ROOT};

const NOW: u64 = 1_000_000;

fn document(agent: u64) -> Document {
    let mut document = Document::default();
    document.set_agent(agent);
    document
}

/// A document with a text of two characters at each key, and what brings them.
fn with_texts(keys: &[&str]) -> (Document, Vec<Vec<u8>>) {
    let mut writer = document(1);
    for key in keys {
        let text = writer.ensure_child(ROOT, key, Kind::Text, NOW).unwrap();
        writer.text_insert(text, 0, &mut units("ab")).unwrap();
    }
    let envelopes = std::iter::from_fn(|| writer.take_update()).collect();
    (writer, envelopes)
}

fn shown(document: &Document, key: &str) -> String {
    let text = document.child(ROOT, key, Kind::Text).unwrap();
    document.text_string(text).unwrap()
}

/// What a keystroke at the end of the text at `key` is told by.
fn keystroke(writer: &mut Document, key: &str, letter: &str) -> Vec<u8> {
    let text = writer.child(ROOT, key, Kind::Text).unwrap();
    let end = writer.text_len(text).unwrap();
    writer.text_insert(text, end, &mut units(letter)).unwrap();
    writer.take_update().unwrap()
}

fn path(document: &Document, envelope: &[u8]) -> Packed {
    let mut described = Vec::new();
    document.describe(envelope, &mut described).unwrap();
    let described = Packed::read(&mut Reader::new(&described));
    described.items()[0].get("path").clone()
}

#[test]
fn a_keystroke_says_a_byte_of_its_text() {
    let (mut writer, envelopes) = with_texts(&["a key that is quite long"]);
    let mut reader = document(2);
    envelopes
        .iter()
        .for_each(|envelope| assert_eq!(reader.apply(envelope, NOW), Ok(Applied::Joined)));
    let key = "a key that is quite long";
    let typed = keystroke(&mut writer, key, "c");
    // Form, agent, seq; operation, tag, distance, length, letter.
    assert_eq!(typed.len(), 1 + 8 + 1 + 1 + 1 + 1 + 1 + 1);
    reader.apply(&typed, NOW).unwrap();
    let expected = [Packed::String(key.into()), Packed::Number(2)];
    assert_eq!(path(&reader, &typed).items(), expected);
    let text = writer.child(ROOT, key, Kind::Text).unwrap();
    writer.text_delete(text, 1, 1).unwrap();
    let deleted = writer.take_update().unwrap();
    assert_eq!(deleted.len(), 1 + 8 + 1 + 1 + 1 + 1);
    reader.apply(&deleted, NOW).unwrap();
    assert_eq!(shown(&reader, key), "ac");
    assert_eq!(reader.encode_snapshot(), writer.encode_snapshot());
}

#[test]
fn of_texts_with_the_same_tag_it_is_the_one_with_the_unit() {
    // More texts than there are tags.
    let keys: Vec<String> = (0..300).map(|number| format!("text {number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (mut writer, envelopes) = with_texts(&keys);
    let mut reader = document(2);
    envelopes
        .iter()
        .for_each(|envelope| assert_eq!(reader.apply(envelope, NOW), Ok(Applied::Joined)));
    // A replica that came by a state finds them as well.
    let mut loaded = document(3);
    loaded.apply(&reader.encode_snapshot(), NOW).unwrap();
    for (number, key) in keys.iter().enumerate() {
        let letter = char::from(b'c' + (number % 20) as u8).to_string();
        let typed = keystroke(&mut writer, key, &letter);
        for replica in [&mut reader, &mut loaded] {
            assert_eq!(replica.apply(&typed, NOW), Ok(Applied::Joined));
            assert_eq!(shown(replica, key), format!("ab{letter}"));
        }
    }
    assert_eq!(loaded.encode_snapshot(), writer.encode_snapshot());
}

#[test]
fn what_is_typed_in_a_text_that_is_gone_has_no_effect() {
    let (mut writer, envelopes) = with_texts(&["body", "title"]);
    let mut other = document(2);
    envelopes
        .iter()
        .for_each(|envelope| assert_eq!(other.apply(envelope, NOW), Ok(Applied::Joined)));
    let typed = keystroke(&mut writer, "body", "c");
    other.map_delete(ROOT, "body", NOW).unwrap();
    let deletion = other.take_update().unwrap();
    assert_eq!(other.apply(&typed, NOW), Ok(Applied::Joined));
    assert_eq!(writer.apply(&deletion, NOW), Ok(Applied::Joined));
    assert_eq!(other.encode_snapshot(), writer.encode_snapshot());
    assert!(other.child(ROOT, "body", Kind::Text).is_none());
    assert_eq!(path(&other, &typed).items()[0], Packed::String("body".into()));
    let mut loaded = document(3);
    loaded.apply(&deletion, NOW).unwrap();
    loaded.apply(&other.encode_snapshot(), NOW).unwrap();
    assert_eq!(loaded.apply(&typed, NOW), Ok(Applied::Duplicate));
}

#[test]
fn an_operation_about_no_unit_needs_a_name() {
    let (mut writer, envelopes) = with_texts(&["body"]);
    let mut reader = document(2);
    envelopes
        .iter()
        .for_each(|envelope| assert_eq!(reader.apply(envelope, NOW), Ok(Applied::Joined)));
    let typed = keystroke(&mut writer, "body", "c");
    let before = format!("{reader:?}");
    let at = typed.len() - 5;
    let mut at_start = typed.clone();
    // An insert at the start of nothing.
    at_start[at] &= 0x0f;
    at_start.remove(at + 2);
    assert!(matches!(reader.apply(&at_start, NOW), Err(Error::InvalidUpdate(_))));
    // A unit that nobody has inserted.
    let mut unknown = typed.clone();
    unknown[at] = unknown[at] & 0x0f | 0x30;
    unknown.splice(at + 2..at + 3, [2, 9, 9, 9, 9, 9, 9, 9, 9, 1]);
    assert!(matches!(reader.apply(&unknown, NOW), Err(Error::Contradiction(_))));
    // A later operation can't do without a name.
    let mut second = typed.clone();
    second[0] |= 2;
    second.insert(at, 2);
    second.extend_from_slice(&typed[at..]);
    second[at + 1] = 0;
    assert!(matches!(reader.apply(&second, NOW), Err(Error::InvalidUpdate(_))));
    assert!(before == format!("{reader:?}"));
    // Another tag is that of no text here: nothing is where it would take effect.
    let mut elsewhere = typed.clone();
    elsewhere[at + 1] ^= 1;
    assert_eq!(reader.apply(&elsewhere, NOW), Ok(Applied::Joined));
    assert_eq!(shown(&reader, "body"), "ab");
}
