//! What the native benchmark writes with: an editing trace as flat edits, typed into a text. It measures nothing.
//!
//! `JOINERY_TRACE` names a file of edits as `tests/bench/native-rows.mjs` writes it: varints, for each edit its position, how many
//! units are deleted, how many inserted, and the inserted UTF-16 units. Without it there is a short synthetic one.

use joinery_codec::Reader;
use joinery_types::{Document, Error, Kind, ROOT};

/// How many edits the synthetic trace has.
const SYNTHETIC_EDITS: u32 = 20_000;

/// Deletes, then inserts, in UTF-16 units.
pub struct Edit {
    /// Where.
    pub position: u32,
    /// How many units are deleted there first.
    pub deleted: u32,
    /// What is inserted there then.
    pub inserted: Vec<u16>,
}

/// The trace that `JOINERY_TRACE` names, or the synthetic one.
///
/// # Panics
/// Where the file can't be read or isn't one.
pub fn trace() -> Vec<Edit> {
    let Some(path) = std::env::var_os("JOINERY_TRACE") else {
        return synthetic();
    };
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = Reader::new(&bytes);
    let mut edits = Vec::new();
    while reader.remaining() > 0 {
        let mut number = || {
            reader
                .u32("a number of an edit")
                .unwrap_or_else(|error| panic!("{error}"))
        };
        let (position, deleted, length) = (number(), number(), number());
        let inserted = (0..length).map(|_| number() as u16).collect();
        edits.push(Edit {
            position,
            deleted,
            inserted,
        });
    }
    edits
}

/// Runs of letters, each a little further on, some taken back.
fn synthetic() -> Vec<Edit> {
    let mut length = 0;
    (0..SYNTHETIC_EDITS)
        .map(|index| {
            let position = (index / 40 * 7919) % (length + 1);
            let takes_back = index % 8 == 7 && position < length;
            length = if takes_back { length - 1 } else { length + 1 };
            let inserted = if takes_back {
                Vec::new()
            } else {
                vec![97 + (index % 26) as u16]
            };
            Edit {
                position,
                deleted: takes_back.into(),
                inserted,
            }
        })
        .collect()
}

/// Types a trace, an update for each edit; gives the document and how many bytes the updates have.
///
/// # Errors
/// Where an edit is out of range.
pub fn type_trace(edits: &[Edit]) -> Result<(Document, usize), Error> {
    let mut document = Document::default();
    document.set_agent(0x9e37_79b9_7f4a_7c15);
    let text = document.ensure_child(ROOT, "text", Kind::Text, 1)?;
    let mut units = Vec::new();
    let mut bytes = 0;
    for edit in edits {
        if edit.deleted > 0 {
            document.text_delete(text, edit.position, edit.deleted)?;
        }
        if !edit.inserted.is_empty() {
            units.clear();
            units.extend_from_slice(&edit.inserted);
            document.text_insert(text, edit.position, &mut units)?;
        }
        bytes += document.take_update().map_or(0, |update| update.len());
    }
    Ok((document, bytes))
}
