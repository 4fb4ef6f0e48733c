//! One replica within a state of the exploration. It holds no [`Document`] (which is of one thread) but what was done to it,
//! from which its document is built whenever it is needed, and what a reader saw then.

use crate::edit::{text_of, Author, Edit};
use joinery_history::Version as CoreVersion;
use joinery_oracle::Version;
use joinery_types::{Document, Error, ROOT};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The name of an envelope: its agent and the seq before its first operation.
pub type EnvelopeName = (u64, u32);

/// Bytes on their way.
pub type Bytes = Arc<[u8]>;

/// Something that happened to a replica.
#[derive(Debug, Clone)]
pub enum Step {
    /// It wrote.
    Edit(Edit, Author),
    /// An envelope or a state came.
    Join(Bytes),
}

/// See the top of this file.
#[derive(Debug, Clone)]
pub struct Replica {
    /// Its agent.
    pub agent: u64,
    /// How many edits it has made.
    pub edits: u8,
    /// Its version.
    pub version: Version,
    /// Its whole state's bytes.
    pub snapshot: Bytes,
    /// Its content, packed.
    pub content: Bytes,
    /// Envelopes that came and wait, in order.
    pub waiting: Vec<EnvelopeName>,
    /// The agents that it has heard of, in the order in which it did: the document numbers them so.
    met: Vec<u64>,
    steps: Vec<Step>,
}

/// Two replicas are one state of the exploration when everything that can tell their documents apart is equal; by which steps
/// they came there is not a part of it.
impl Hash for Replica {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.edits, &self.snapshot, &self.waiting, &self.met).hash(hasher);
    }
}

impl PartialEq for Replica {
    fn eq(&self, other: &Replica) -> bool {
        (self.agent, self.edits) == (other.agent, other.edits)
            && (&self.snapshot, &self.waiting, &self.met) == (&other.snapshot, &other.waiting, &other.met)
    }
}

/// What a document shows, and what its text says of itself.
pub fn content(document: &Document) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    document.to_plain(ROOT, &mut out)?;
    if let Some(text) = text_of(document) {
        document.text_delta(text, &mut out)?;
    }
    Ok(out.into())
}

fn version(document: &Document) -> Result<Version, Error> {
    let entries = CoreVersion::decode(&document.version_bytes()).map_err(Error::InvalidVersion)?;
    Ok(entries.into_iter().collect())
}

impl Replica {
    /// One that has written and heard nothing.
    pub fn new(agent: u64) -> Result<Replica, Error> {
        let empty = Replica {
            agent,
            edits: 0,
            version: Version::new(),
            snapshot: Bytes::from([]),
            content: Bytes::from([]),
            waiting: Vec::new(),
            met: vec![agent],
            steps: Vec::new(),
        };
        let document = empty.build()?;
        empty.after(None, &document)
    }

    /// Its document, built from its steps.
    pub fn build(&self) -> Result<Document, Error> {
        let mut document = Document::default();
        document.set_agent(self.agent);
        for step in &self.steps {
            match step {
                Step::Edit(edit, author) => {
                    edit.write(&mut document, *author)?;
                    while document.take_update().is_some() {}
                }
                Step::Join(bytes) => {
                    document.apply(bytes, 0)?;
                }
            }
        }
        Ok(document)
    }

    /// This replica after one more step, which has been done to `document`.
    pub fn after(&self, step: Option<Step>, document: &Document) -> Result<Replica, Error> {
        let mut next = self.clone();
        next.edits += u8::from(matches!(step, Some(Step::Edit(..))));
        next.steps.extend(step);
        next.version = version(document)?;
        next.snapshot = document.encode_snapshot().into();
        next.content = content(document)?;
        let heard = next.version.keys().filter(|agent| !self.met.contains(agent));
        next.met.extend(heard);
        next.waiting
            .retain(|&(agent, from)| next.version.get(&agent).copied().unwrap_or(0) <= from);
        Ok(next)
    }

    /// Has it seen the agent's operations up to this one?
    pub fn covers(&self, agent: u64, seq: u32) -> bool {
        seq == 0 || self.version.get(&agent).is_some_and(|&have| have >= seq)
    }
}
