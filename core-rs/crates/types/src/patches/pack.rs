//! The form of patches: packed objects, of which an array goes to whoever listens. It writes and decides nothing.

use crate::container::Kind;
use joinery_codec::{write_zigzag, Writer};

/// Where something is: packed keys, indices and ids, and how many.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Path {
    /// The steps, packed, one behind the other.
    pub steps: Vec<u8>,
    /// How many.
    pub count: u32,
    /// How many of them are nodes of trees.
    pub nodes: u32,
}

/// A step of a path, and what a patch says beside its path.
pub enum Value<'a> {
    /// A packed value.
    Packed(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// A whole number.
    Number(i64),
    /// A packed array of so many packed values.
    Values(u64, &'a [u8]),
}

impl Value<'_> {
    #[inline(never)]
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Packed(bytes) => out.extend_from_slice(bytes),
            Value::Text(text) => {
                out.push(5);
                out.blob(text.as_bytes());
            }
            Value::Number(number) => {
                out.push(3);
                write_zigzag(out, *number);
            }
            Value::Values(count, bytes) => {
                out.push(7);
                out.varint(*count);
                out.extend_from_slice(bytes);
            }
        }
    }
}

impl Path {
    /// The path of something in what is at this one.
    #[inline(never)]
    pub fn below(&self, step: Value<'_>, is_node: bool) -> Path {
        let mut path = self.clone();
        step.write(&mut path.steps);
        path.count += 1;
        path.nodes += u32::from(is_node);
        path
    }
}

/// Patches, packed one behind the other.
#[derive(Debug, Default)]
pub struct Patches {
    bytes: Vec<u8>,
    count: u64,
}

impl Patches {
    /// One patch; `members` in ascending order of their names.
    #[inline(never)]
    pub fn push(&mut self, container: Kind, kind: &str, path: &Path, members: &[(&str, Value<'_>)]) {
        let path = Value::Values(u64::from(path.count), &path.steps);
        let always = [
            ("container", Value::Text(container.name())),
            ("kind", Value::Text(kind)),
            ("path", path),
        ];
        let mut all: Vec<&(&str, Value<'_>)> = always.iter().chain(members).collect();
        all.sort_unstable_by_key(|member| member.0);
        let out = &mut self.bytes;
        out.push(8);
        out.varint(all.len() as u64);
        for (name, value) in all {
            out.blob(name.as_bytes());
            value.write(out);
        }
        self.count += 1;
    }

    /// Appends them as a packed array; how many there are.
    pub fn finish(self, out: &mut Vec<u8>) -> u64 {
        Value::Values(self.count, &self.bytes).write(out);
        self.count
    }
}
