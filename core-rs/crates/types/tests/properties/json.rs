//! Just enough JSON to read test vectors: no floats, no escapes but the usual ones.

use crate::peer::{integer, varint};
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(i64),
    String(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    pub fn parse(text: &str) -> Json {
        let mut chars = text.chars().peekable();
        let value = read(&mut chars);
        assert_eq!(next(&mut chars), None, "more than one value");
        value
    }

    pub fn get(&self, key: &str) -> &Json {
        match self {
            Json::Object(entries) => entries.get(key).unwrap_or_else(|| panic!("no {key:?} in {self:?}")),
            other => panic!("{other:?} is no object"),
        }
    }

    pub fn has(&self, key: &str) -> bool {
        matches!(self, Json::Object(entries) if entries.contains_key(key))
    }

    pub fn items(&self) -> &[Json] {
        match self {
            Json::Array(items) => items,
            other => panic!("{other:?} is no array"),
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Json::String(text) => text,
            other => panic!("{other:?} is no string"),
        }
    }

    pub fn number(&self) -> i64 {
        match self {
            Json::Number(number) => *number,
            other => panic!("{other:?} is no number"),
        }
    }

    /// The same as a packed value.
    pub fn pack(&self) -> Vec<u8> {
        let blob = |out: &mut Vec<u8>, text: &str| {
            varint(out, text.len() as u64);
            out.extend(text.as_bytes());
        };
        match self {
            Json::Null => vec![0],
            Json::Bool(is) => vec![1 + u8::from(*is)],
            Json::Number(number) => integer(*number),
            Json::String(text) => {
                let mut out = vec![5];
                blob(&mut out, text);
                out
            }
            Json::Array(items) => {
                let mut out = vec![7];
                varint(&mut out, items.len() as u64);
                items.iter().for_each(|item| out.extend(item.pack()));
                out
            }
            Json::Object(entries) => {
                let mut out = vec![8];
                varint(&mut out, entries.len() as u64);
                for (key, value) in entries {
                    blob(&mut out, key);
                    out.extend(value.pack());
                }
                out
            }
        }
    }
}

/// The next character that isn't white space.
fn next(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    chars.find(|c| !c.is_ascii_whitespace())
}

fn skip_space(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(char::is_ascii_whitespace).is_some() {}
}

fn read(chars: &mut Peekable<Chars<'_>>) -> Json {
    match next(chars).expect("a value") {
        '"' => Json::String(read_string(chars)),
        '[' => Json::Array(read_members(chars, ']', read)),
        '{' => {
            let member = |chars: &mut Peekable<Chars<'_>>| {
                assert_eq!(next(chars), Some('"'));
                let key = read_string(chars);
                assert_eq!(next(chars), Some(':'));
                (key, read(chars))
            };
            Json::Object(read_members(chars, '}', member).into_iter().collect())
        }
        first => {
            let mut word = String::from(first);
            while let Some(c) = chars.next_if(char::is_ascii_alphanumeric) {
                word.push(c);
            }
            match word.as_str() {
                "null" => Json::Null,
                "true" => Json::Bool(true),
                "false" => Json::Bool(false),
                number => Json::Number(number.parse().unwrap_or_else(|_| panic!("{number:?} is no value"))),
            }
        }
    }
}

fn read_members<T>(
    chars: &mut Peekable<Chars<'_>>,
    end: char,
    member: impl Fn(&mut Peekable<Chars<'_>>) -> T,
) -> Vec<T> {
    let mut members = Vec::new();
    skip_space(chars);
    if chars.next_if_eq(&end).is_some() {
        return members;
    }
    loop {
        members.push(member(chars));
        match next(chars) {
            Some(',') => {}
            Some(c) if c == end => return members,
            other => panic!("expected a comma or {end:?}, found {other:?}"),
        }
    }
}

fn read_string(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut text = String::new();
    loop {
        match chars.next().expect("the end of a string") {
            '"' => return text,
            '\\' => text.push(match chars.next() {
                Some('n') => '\n',
                Some(c @ ('"' | '\\' | '/')) => c,
                other => panic!("an escape that no vector needs: {other:?}"),
            }),
            c => text.push(c),
        }
    }
}
