//! Plain values taken apart, and patches done to them in the plainest way: what a reader does who mirrors a document.

use crate::peer::varint;
use std::collections::BTreeMap;

/// A plain value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null, a boolean, a number or bytes, packed.
    Other(Vec<u8>),
    Text(String),
    Array(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

pub fn number(value: &Value) -> i64 {
    match value {
        Value::Other(bytes) if bytes[0] == 3 => {
            let raw = bytes[1..]
                .iter()
                .rev()
                .fold(0u64, |raw, &byte| raw << 7 | u64::from(byte & 0x7f));
            (raw >> 1) as i64 ^ -((raw & 1) as i64)
        }
        other => panic!("{other:?} is no whole number"),
    }
}

fn read_varint(bytes: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn read_text(bytes: &mut &[u8]) -> String {
    let len = read_varint(bytes);
    let text = String::from_utf8(bytes[..len].to_vec()).unwrap();
    *bytes = &bytes[len..];
    text
}

fn read_one(bytes: &mut &[u8]) -> Value {
    let start = *bytes;
    let tag = bytes[0];
    *bytes = &bytes[1..];
    match tag {
        0..=2 => {}
        3 => drop(read_varint(bytes)),
        4 => *bytes = &bytes[8..],
        5 => return Value::Text(read_text(bytes)),
        6 => {
            let len = read_varint(bytes);
            *bytes = &bytes[len..];
        }
        7 => {
            let count = read_varint(bytes);
            return Value::Array((0..count).map(|_| read_one(bytes)).collect());
        }
        _ => {
            let count = read_varint(bytes);
            let member = |_| (read_text(bytes), read_one(bytes));
            return Value::Object((0..count).map(member).collect());
        }
    }
    Value::Other(start[..start.len() - bytes.len()].to_vec())
}

pub fn read(mut bytes: &[u8]) -> Value {
    let value = read_one(&mut bytes);
    assert!(bytes.is_empty());
    value
}

pub fn write(value: &Value, out: &mut Vec<u8>) {
    let text = |out: &mut Vec<u8>, text: &str| {
        varint(out, text.len() as u64);
        out.extend(text.as_bytes());
    };
    match value {
        Value::Other(bytes) => out.extend(bytes),
        Value::Text(content) => {
            out.push(5);
            text(out, content);
        }
        Value::Array(values) => {
            out.push(7);
            varint(out, values.len() as u64);
            values.iter().for_each(|value| write(value, out));
        }
        Value::Object(members) => {
            out.push(8);
            varint(out, members.len() as u64);
            for (key, value) in members {
                text(out, key);
                write(value, out);
            }
        }
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

fn array(value: &mut Value) -> &mut Vec<Value> {
    match value {
        Value::Array(values) => values,
        other => panic!("{other:?} is no array"),
    }
}

pub fn object(value: &mut Value) -> &mut BTreeMap<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other:?} is no object"),
    }
}

fn member<'v>(value: &'v mut Value, key: &str) -> &'v mut Value {
    object(value)
        .get_mut(key)
        .unwrap_or_else(|| panic!("there is no {key}"))
}

/// The members of a patch.
pub struct Patch(pub BTreeMap<String, Value>);

impl Patch {
    pub fn container(&self) -> &str {
        text(&self.0["container"])
    }
    pub fn kind(&self) -> &str {
        text(&self.0["kind"])
    }
    pub fn path(&self) -> &[Value] {
        match &self.0["path"] {
            Value::Array(path) => path,
            other => panic!("{other:?} is no path"),
        }
    }
}

/// Takes a packed array of patches apart.
pub fn patches(bytes: &[u8]) -> Vec<Patch> {
    let mut all = read(bytes);
    let all = array(&mut all).drain(..);
    all.map(|mut patch| Patch(std::mem::take(object(&mut patch)))).collect()
}

/// The siblings among which a node is, and its index there.
fn find<'v>(siblings: &'v mut Vec<Value>, id: &str) -> Option<(&'v mut Vec<Value>, usize)> {
    let has = |node: &mut Value| text(member(node, "id")) == id;
    if let Some(at) = siblings.iter_mut().position(has) {
        return Some((siblings, at));
    }
    siblings
        .iter_mut()
        .find_map(|node| find(array(member(node, "children")), id))
}

fn at<'v>(value: &'v mut Value, path: &[Value]) -> &'v mut Value {
    let Some((step, rest)) = path.split_first() else {
        return value;
    };
    let next = match (value, step) {
        (Value::Object(members), Value::Text(key)) => {
            if members.contains_key(key) {
                members.get_mut(key).expect("the key")
            } else {
                let all = members.values_mut().flat_map(|items| array(items).iter_mut());
                let found = all
                    .into_iter()
                    .find_map(|item| (text(member(item, "id")) == key).then_some(item));
                member(found.expect("a node or an edge"), "data")
            }
        }
        (Value::Array(values), Value::Text(id)) => {
            let (siblings, index) = find(values, id).expect("a node");
            member(&mut siblings[index], "data")
        }
        (Value::Array(values), index) => &mut values[number(index) as usize],
        _ => panic!("{step:?} leads nowhere"),
    };
    at(next, rest)
}

fn id_order(id: &str) -> (u64, u32) {
    let (agent, seq) = id.split_once(':').unwrap();
    (u64::from_str_radix(agent, 16).unwrap(), seq.parse().unwrap())
}

/// What a delta makes of a text; an embedded object is U+FFFC.
fn edited(before: &str, delta: &[Value]) -> String {
    let units: Vec<u16> = before.encode_utf16().collect();
    let (mut at, mut after) = (0, Vec::new());
    for step in delta {
        let mut step = step.clone();
        let step = object(&mut step);
        if let Some(len) = step.get("retain") {
            let to = at + number(len) as usize;
            after.extend_from_slice(&units[at..to]);
            at = to;
        } else if let Some(len) = step.get("delete") {
            at += number(len) as usize;
            assert!(at <= units.len());
        } else {
            match &step["insert"] {
                Value::Text(text) => after.extend(text.encode_utf16()),
                _ => after.push(0xfffc),
            }
        }
    }
    after.extend_from_slice(&units[at..]);
    String::from_utf16(&after).unwrap()
}

/// Does a patch to a plain value.
pub fn apply(value: &mut Value, patch: &Patch) {
    let (path, said) = (patch.path(), |key: &str| patch.0[key].clone());
    let (last, above) = match path.split_last() {
        Some((last, above)) => (Some(last), above),
        None => (None, &[][..]),
    };
    let last = || last.expect("a step");
    match (patch.container(), patch.kind()) {
        ("map", "set") => drop(object(at(value, above)).insert(text(last()).to_owned(), said("value"))),
        ("map", "delete") => assert!(object(at(value, above)).remove(text(last())).is_some()),
        ("list", "set") => array(at(value, above))[number(last()) as usize] = said("value"),
        ("list", "insert") => {
            let index = number(last()) as usize;
            let mut values = said("values");
            array(at(value, above)).splice(index..index, array(&mut values).drain(..));
        }
        ("list", "remove") => {
            let index = number(last()) as usize;
            array(at(value, above)).drain(index..index + number(&said("count")) as usize);
        }
        ("list", "move") => {
            let list = array(at(value, above));
            let element = list.remove(number(last()) as usize);
            list.insert(number(&said("to")) as usize, element);
        }
        ("text", "edit") => {
            let found = at(value, path);
            let mut delta = said("delta");
            *found = Value::Text(edited(text(found), array(&mut delta)));
        }
        ("counter", "increment") => {
            let found = at(value, path);
            assert_eq!(number(found) + number(&said("by")), number(&said("value")));
            *found = said("value");
        }
        ("set", "change") => {
            let set = array(at(value, path));
            for value in array(&mut said("deleted")) {
                let before = set.len();
                set.retain(|have| have != value);
                assert_eq!(set.len() + 1, before);
            }
            for value in array(&mut said("added")) {
                assert!(!set.contains(value));
                set.push(value.clone());
            }
            // Whole numbers, all that random sets hold.
            set.sort_by_key(number);
        }
        ("tree", "delete") => {
            let (siblings, index) = find(array(at(value, above)), text(last())).expect("the node");
            siblings.remove(index);
        }
        ("tree", kind) => {
            let tree = array(at(value, above));
            let node = if kind == "create" {
                assert!(find(tree, text(last())).is_none());
                said("value")
            } else {
                let (siblings, index) = find(tree, text(last())).expect("the node");
                siblings.remove(index)
            };
            let index = number(&said("index")) as usize;
            match said("parent") {
                Value::Text(parent) => {
                    let (siblings, at) = find(tree, &parent).expect("the node above");
                    array(member(&mut siblings[at], "children")).insert(index, node);
                }
                _ => tree.insert(index, node),
            }
        }
        ("graph", "create") => {
            let mut new = said("value");
            let list = if object(&mut new).contains_key("from") {
                "edges"
            } else {
                "nodes"
            };
            let list = array(member(at(value, above), list));
            list.push(new);
            list.sort_by_key(|item| id_order(text(member(&mut item.clone(), "id"))));
        }
        ("graph", "delete") => {
            let graph = object(at(value, above));
            let mut gone = 0;
            for items in graph.values_mut() {
                let items = array(items);
                let before = items.len();
                items.retain(|item| text(member(&mut item.clone(), "id")) != text(last()));
                gone += before - items.len();
            }
            assert_eq!(gone, 1);
        }
        (container, kind) => panic!("an unknown patch: {container} {kind}"),
    }
}

/// A text's units, each with what is said of it and, where it is embedded, the object.
fn rich_units(delta: &Value) -> Vec<(Vec<u8>, BTreeMap<String, Value>)> {
    let mut delta = delta.clone();
    let mut units = Vec::new();
    for step in array(&mut delta) {
        let step = object(step);
        let attributes = step
            .get_mut("attributes")
            .map(|said| object(said).clone())
            .unwrap_or_default();
        match &step["insert"] {
            Value::Text(text) => units.extend(
                text.encode_utf16()
                    .map(|unit| (unit.to_le_bytes().to_vec(), attributes.clone())),
            ),
            embedded => {
                let mut packed = Vec::new();
                write(embedded, &mut packed);
                units.push((packed, attributes));
            }
        }
    }
    units
}

/// What a delta makes of a text told as a delta: unit by unit.
pub fn edited_rich(before: &Value, delta: &Value) -> Vec<(Vec<u8>, BTreeMap<String, Value>)> {
    let units = rich_units(before);
    let (mut at, mut after) = (0, Vec::new());
    let mut delta = delta.clone();
    for step in array(&mut delta) {
        let whole = Value::Array(vec![step.clone()]);
        let step = object(step);
        if let Some(len) = step.get("retain") {
            let len = number(len) as usize;
            for (unit, said) in &units[at..at + len] {
                let mut said = said.clone();
                if let Some(Value::Object(new)) = step.get("attributes") {
                    for (key, value) in new {
                        let was = said.remove(key);
                        assert_ne!(was.as_ref(), Some(value), "said before");
                        if *value != Value::Other(vec![0]) {
                            said.insert(key.clone(), value.clone());
                        } else {
                            assert!(was.is_some(), "not said before");
                        }
                    }
                }
                after.push((unit.clone(), said));
            }
            at += len;
        } else if let Some(len) = step.get("delete") {
            at += number(len) as usize;
        } else {
            after.extend(rich_units(&whole));
        }
    }
    after.extend_from_slice(&units[at..]);
    after
}

pub fn is_rich(delta: &Value, units: &[(Vec<u8>, BTreeMap<String, Value>)]) -> bool {
    rich_units(delta) == units
}
