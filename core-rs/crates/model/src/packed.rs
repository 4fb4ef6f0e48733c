//! Packed values, as `joinery-codec` describes them, written here a second time: what the oracle reads has to be compared
//! with what the core writes, and the core's own writer would prove nothing. It writes only; nothing is parsed.

use joinery_oracle::{Attributes, Value};

/// A one-letter string.
pub fn letter(mark: u8) -> [u8; 3] {
    [5, 1, mark]
}

/// The capital letters in a packed document: the marks that a reader sees. (Tags, lengths and keys are none, for scopes are
/// small; counters have no marks.)
pub fn marks(packed: &[u8]) -> u32 {
    let capitals = packed.iter().filter(|byte| byte.is_ascii_uppercase());
    capitals.fold(0, |marks, byte| marks | 1 << (byte - b'A'))
}

fn varint(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What is still to be written of a value.
enum Step<'a> {
    Value(&'a Value),
    Key(&'a str),
}

/// The packed form of what the oracle reads.
pub fn pack(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let mut stack = vec![Step::Value(value)];
    while let Some(step) = stack.pop() {
        match step {
            Step::Key(key) => {
                varint(&mut out, key.len() as u128);
                out.extend_from_slice(key.as_bytes());
            }
            Step::Value(Value::Nothing) => out.push(0),
            Step::Value(Value::Plain(bytes)) => out.extend_from_slice(bytes),
            Step::Value(Value::Text(units)) => {
                let text = String::from_utf16_lossy(units);
                out.push(5);
                varint(&mut out, text.len() as u128);
                out.extend_from_slice(text.as_bytes());
            }
            Step::Value(Value::Counter(sum)) => {
                out.push(3);
                varint(&mut out, ((sum << 1) ^ (sum >> 127)) as u128);
            }
            Step::Value(Value::Set(values)) => {
                out.push(7);
                varint(&mut out, values.len() as u128);
                values.iter().for_each(|value| out.extend_from_slice(value));
            }
            Step::Value(Value::List(values)) => {
                out.push(7);
                varint(&mut out, values.len() as u128);
                stack.extend(values.iter().rev().map(Step::Value));
            }
            Step::Value(Value::Map(entries)) => {
                out.push(8);
                varint(&mut out, entries.len() as u128);
                for (key, value) in entries.iter().rev() {
                    stack.push(Step::Value(value));
                    stack.push(Step::Key(key));
                }
            }
        }
    }
    out
}

/// The delta of a text as the oracle reads it: per stretch with the same marks what it says, and its letters.
pub fn pack_rich(units: &[(u16, Attributes)]) -> Vec<u8> {
    let stretches: Vec<_> = units.chunk_by(|one, next| one.1 == next.1).collect();
    let mut out = vec![7];
    varint(&mut out, stretches.len() as u128);
    for stretch in stretches {
        let (letters, attributes): (Vec<u16>, Vec<&Attributes>) =
            stretch.iter().map(|(unit, said)| (unit, said)).unzip();
        let text = pack(&Value::Text(letters));
        let said = attributes[0]
            .iter()
            .map(|(key, value)| (key.clone(), Value::Plain(value.clone())));
        let said = Value::Map(said.collect());
        let insert = ("insert".to_string(), Value::Plain(text));
        let members = match said {
            Value::Map(said) if said.is_empty() => [insert].into(),
            said => [("attributes".to_string(), said), insert].into(),
        };
        out.extend(pack(&Value::Map(members)));
    }
    out
}
