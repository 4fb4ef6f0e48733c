//! What is behind the module's exports: replicas by number, and one input and one output for all of them. It names nothing of
//! WebAssembly, so that it is tested natively.

use joinery_codec::{skip_value, write_texts, Reader};
use joinery_types::{Applied, Document, Entry, Error, Kind};

/// There is nothing there.
pub const ABSENT: i32 = -1;
/// The call was refused and changed nothing; [`Door::explain`] tells why.
pub const FAILED: i32 = -2;
/// A packed value is in the output.
pub const PLAIN: i32 = -3;
/// Buffers that grew beyond this are given back.
const KEPT_BYTES: usize = 1 << 20;

/// What a call answers: a number that isn't below zero, or one of those above.
pub type Answer = Result<i32, Error>;

/// What is done with a replica, what is passed in and what is told.
pub type Action<'a> = dyn FnMut(&mut Document, &[u8], &mut Vec<u8>) -> Answer + 'a;

/// Replicas by number.
#[derive(Default)]
pub struct Door {
    documents: Vec<Option<Box<Document>>>,
    /// What is passed in: a key, a value or both, an update, a version.
    pub input: Vec<u8>,
    /// What an answer says that is longer than a number.
    pub output: Vec<u8>,
    error: Option<Error>,
}

impl Door {
    /// Nothing yet.
    pub const fn new() -> Door {
        Door {
            documents: Vec::new(),
            input: Vec::new(),
            output: Vec::new(),
            error: None,
        }
    }

    /// An empty replica without an agent; its number.
    pub fn create(&mut self) -> u32 {
        let document = Some(Box::default());
        match self.documents.iter().position(Option::is_none) {
            Some(free) => {
                self.documents[free] = document;
                free as u32
            }
            None => {
                self.documents.push(document);
                self.documents.len() as u32 - 1
            }
        }
    }

    /// Gives a replica's memory back.
    pub fn release(&mut self, number: u32) {
        if let Some(document) = self.documents.get_mut(number as usize) {
            *document = None;
        }
    }

    /// Room for `length` bytes of input; its address.
    pub fn room(&mut self, length: usize) -> usize {
        if self.input.capacity().max(length) > KEPT_BYTES {
            self.input = Vec::new();
        }
        self.input.resize(length, 0);
        self.input.as_ptr() as usize
    }

    /// Does something with a replica. What it refuses is kept, to be told.
    #[inline(never)]
    pub fn call(&mut self, number: u32, action: &mut Action<'_>) -> i32 {
        let document = self.documents.get_mut(number as usize).and_then(Option::as_mut);
        let done = match document {
            Some(document) => action(document, &self.input, &mut self.output),
            None => Err(Error::ContainerGone),
        };
        done.unwrap_or_else(|error| {
            self.error = Some(error);
            FAILED
        })
    }

    /// Puts why the last call was refused into the output: the code, a line feed, the message.
    pub fn explain(&mut self) {
        self.output.clear();
        if let Some(error) = &self.error {
            self.output.extend_from_slice(error.code().as_bytes());
            self.output.push(b'\n');
            self.output.extend_from_slice(error.message().as_bytes());
        }
    }
}

/// The key that is the first `length` bytes of the input, and what is behind it.
pub fn key_in(input: &[u8], length: usize) -> Result<(&str, &[u8]), Error> {
    let (key, rest) = input
        .split_at_checked(length)
        .ok_or(Error::LimitExceeded("a key is within the input"))?;
    let key = std::str::from_utf8(key).map_err(|_| Error::LimitExceeded("a key is UTF-8"))?;
    Ok((key, rest))
}

/// The whole input as a key.
pub fn key(input: &[u8]) -> Result<&str, Error> {
    Ok(key_in(input, input.len())?.0)
}

/// The kind with this number.
pub fn kind(number: u32) -> Result<Kind, Error> {
    let kind = u8::try_from(number).ok().and_then(Kind::from_number);
    kind.ok_or(Error::LimitExceeded("a kind of container is one that the build has"))
}

/// Tells an entry: a container's number, or [`PLAIN`] with a value in the output.
pub fn show(entry: Option<Entry<'_>>, output: &mut Vec<u8>) -> i32 {
    match entry {
        None => ABSENT,
        Some(Entry::Child(child, _)) => child as i32,
        Some(Entry::Plain(bytes)) => {
            output.clear();
            output.extend_from_slice(bytes);
            PLAIN
        }
    }
}

/// Puts a map's keys into the output, as a packed array of strings.
pub fn show_keys(document: &Document, map: u32, output: &mut Vec<u8>) -> Answer {
    let keys = document.map_keys(map)?;
    output.clear();
    write_texts(keys, output);
    Ok(0)
}

/// Inserts the values in the input, one behind the other.
pub fn insert(document: &mut Document, list: u32, index: u32, input: &[u8]) -> Answer {
    let mut reader = Reader::new(input);
    let mut values = Vec::new();
    while !reader.is_empty() {
        values.push(skip_value(&mut reader).map_err(Error::InvalidValue)?);
    }
    document.list_insert(list, index, &values).map(|()| 0)
}

/// Joins an update: 0 it joined, 1 it was known, 2 it waits; 4 more if containers may be seen otherwise than before.
pub fn apply(document: &mut Document, update: &[u8], now_ms: f64) -> Answer {
    let structure = document.containers().structure();
    let applied = match document.apply(update, now_ms as u64)? {
        Applied::Joined => 0,
        Applied::Duplicate => 1,
        Applied::Waiting => 2,
    };
    Ok(i32::from(document.containers().structure() != structure) << 2 | applied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use joinery_types::ROOT;

    /// An envelope in which agent 1 makes a container of this kind at a root key. The kinds of the full core are told by number, for
    /// they have no other name here.
    fn creation(kind: u8) -> Vec<u8> {
        let mut writer = Document::default();
        writer.set_agent(1);
        writer.create_child(ROOT, "k", Kind::Set, 1000).unwrap();
        let mut envelope = writer.take_update().unwrap();
        let at = envelope.iter().rposition(|&byte| byte == Kind::Set as u8).unwrap();
        envelope[at] = kind;
        envelope
    }

    #[test]
    fn what_is_left_out_is_refused_and_changes_nothing() {
        let mut reader = Document::default();
        let before = reader.encode_snapshot();
        for kind in [Kind::Text, Kind::Tree, Kind::Graph] {
            let refused = reader.apply(&creation(kind as u8), 2000).unwrap_err();
            assert_eq!(refused.code(), "unsupported-container");
            assert!(Kind::from_number(kind as u8).is_none());
        }
        assert_eq!(reader.apply(&creation(7), 2000).unwrap_err().code(), "invalid-update");
        assert_eq!((reader.encode_snapshot(), reader.pending_count()), (before, 0));
        assert_eq!(reader.apply(&creation(Kind::Set as u8), 2000), Ok(Applied::Joined));
    }

    #[test]
    fn replicas_are_kept_apart_and_a_freed_one_is_none() {
        let mut door = Door::new();
        let numbers = [door.create(), door.create(), door.create()];
        for number in numbers {
            door.call(number, &mut |document, _, _| {
                document.set_agent(u64::from(number) + 1);
                Ok(0)
            });
        }
        door.release(numbers[1]);
        let seq = &mut |document: &mut Document, _: &[u8], _: &mut Vec<u8>| {
            document.map_set(ROOT, "k", &[0], 1000)?;
            Ok(document.own_seq() as i32)
        };
        assert_eq!(numbers.map(|number| door.call(number, seq)), [1, FAILED, 1]);
        door.explain();
        assert!(door.output.starts_with(b"container-gone\n"));
        assert_eq!(door.create(), numbers[1]);
        assert_eq!(door.call(numbers[0], seq), 2);
    }

    #[test]
    fn keys_and_kinds_are_checked() {
        assert_eq!(key_in(b"keyvalue", 3).unwrap(), ("key", b"value".as_slice()));
        assert!(key_in(b"key", 4).is_err());
        assert!(key(&[0xff]).is_err());
        assert_eq!(kind(0).unwrap(), Kind::Map);
        assert!(kind(256).is_err());
    }
}
