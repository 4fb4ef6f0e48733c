//! The world that stateright explores: replicas, and every envelope that was ever written, on its way to everybody for ever.
//! So an envelope may come late, after those that rest on it, or again. A replica may also take another's whole state, or the
//! difference to it. There is no clock: time stands still.

use crate::edit::{seen, Author, Edit};
use crate::packed::{marks, pack, pack_rich};
use crate::replica::{content, Bytes, EnvelopeName, Replica, Step};
use crate::scope::{Plant, Scope};
use joinery_history::EnvelopeHeader;
use joinery_oracle::{ContainerId, Kind as LogKind, Log};
use joinery_types::{Applied, Document, Error};
use stateright::{Model, Property};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A replica writes.
    Edit(usize, Edit),
    /// An envelope comes to a replica.
    Deliver(usize, EnvelopeName),
    /// A replica joins all that another has.
    Exchange {
        /// Who joins.
        to: usize,
        /// Whose state it is.
        from: usize,
    },
}

/// What may not happen. The names are those of the simulator's checkers (docs/spec/README.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Two replicas with one version differ, or a state isn't what it was once it is loaded.
    SameVersionSameState,
    /// A reader sees something else than the oracle, or what came a second time changed something.
    EffectExactlyOnce,
    /// A version covers an operation and not what it rests on.
    CauseBeforeEffect,
    /// What somebody deleted is seen by one who has heard of it.
    DeletedStaysDeleted,
    /// Everything came everywhere, and something still waits or differs.
    QuietAfterHealing,
    /// The core refused something that it wrote itself.
    NothingRefused,
}

/// An envelope on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Envelope {
    bytes: Bytes,
    to: u32,
    /// The marks that its author saw before it and not after it: deleted, or written over.
    deleted: u32,
}

/// A state of the exploration.
#[derive(Debug, Clone)]
pub struct World {
    replicas: Vec<Arc<Replica>>,
    envelopes: Arc<BTreeMap<EnvelopeName, Envelope>>,
    /// What was written, for the oracle. Its order says nothing.
    log: Arc<Log>,
    fault: Option<Fault>,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (&self.replicas, &self.envelopes, self.fault).hash(hasher);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &World) -> bool {
        (&self.replicas, &self.envelopes, self.fault) == (&other.replicas, &other.envelopes, other.fault)
    }
}

/// Not the usual order of sizes, so that an index can't pass for an agent.
const AGENTS: [u64; 3] = [20, 10, 30];
/// The last replica's clock is ahead of the others'.
const CLOCKS_MS: [u64; 3] = [0, 0, 1];

/// A step failed: the core refused, or a check found something.
enum Stop {
    Fault(Fault),
    NotPossible,
}

impl From<Error> for Stop {
    fn from(_: Error) -> Stop {
        Stop::Fault(Fault::NothingRefused)
    }
}

fn expect(holds: bool, fault: Fault) -> Result<(), Stop> {
    if holds {
        Ok(())
    } else {
        Err(Stop::Fault(fault))
    }
}

impl World {
    fn start(scope: &Scope) -> Result<World, Error> {
        let replicas = AGENTS[..scope.replicas]
            .iter()
            .map(|&agent| Replica::new(agent).map(Arc::new));
        Ok(World {
            replicas: replicas.collect::<Result<_, _>>()?,
            envelopes: Arc::default(),
            log: Arc::default(),
            fault: None,
        })
    }

    fn act(&self, scope: &Scope, act: &Act) -> Result<World, Stop> {
        match *act {
            Act::Edit(at, edit) => self.edit(scope, at, edit),
            Act::Deliver(to, name) => self.deliver(scope, to, name),
            Act::Exchange { to, from } => self.exchange(to, from),
        }
    }

    fn edit(&self, scope: &Scope, at: usize, edit: Edit) -> Result<World, Stop> {
        let replica = &self.replicas[at];
        let author = Author {
            agent: replica.agent,
            now_ms: CLOCKS_MS[at],
            mark: b'A' + at as u8 * 8 + replica.edits,
        };
        let mut document = replica.build()?;
        if !edit.write(&mut document, author)? {
            return Err(Stop::NotPossible);
        }
        let (mut log, mut version) = (Log::clone(&self.log), replica.version.clone());
        edit.enter(&mut log, &mut version, author);
        let mut next = self.clone();
        let mut envelopes = BTreeMap::clone(&self.envelopes);
        let deleted = marks(&replica.content) & !marks(&content(&document)?);
        while let Some(bytes) = document.take_update() {
            let header =
                EnvelopeHeader::decode(&mut joinery_codec::Reader::new(&bytes)).map_err(Error::InvalidUpdate)?;
            if scope.plant == Plant::Twice {
                // The same operations once more, under an agent that nobody has: its id stands behind the first byte.
                let mut copy = bytes.clone();
                copy[1..9].copy_from_slice(&(header.agent + 1).to_le_bytes());
                let name = (header.agent + 1, header.from);
                envelopes.insert(
                    name,
                    Envelope {
                        bytes: copy.into(),
                        to: header.to,
                        deleted,
                    },
                );
            }
            let name = (header.agent, header.from);
            envelopes.insert(
                name,
                Envelope {
                    bytes: bytes.into(),
                    to: header.to,
                    deleted,
                },
            );
        }
        next.log = Arc::new(log);
        next.envelopes = Arc::new(envelopes);
        next.replace(at, Some(Step::Edit(edit, author)), &document)?;
        expect(next.replicas[at].version == version, Fault::EffectExactlyOnce)?;
        next.check(at)?;
        Ok(next)
    }

    fn deliver(&self, scope: &Scope, to: usize, name: EnvelopeName) -> Result<World, Stop> {
        let Some(envelope) = self.envelopes.get(&name) else {
            return Err(Stop::NotPossible);
        };
        let replica = &self.replicas[to];
        // What comes again is tried in every state, in `check`.
        if replica.covers(name.0, envelope.to) || replica.waiting.contains(&name) {
            return Err(Stop::NotPossible);
        }
        let mut document = replica.build()?;
        let mut next = self.clone();
        let applied = if scope.plant == Plant::Lost && replica.edits > 0 {
            Applied::Waiting
        } else {
            document.apply(&envelope.bytes, 0)?
        };
        next.replace(to, Some(Step::Join(envelope.bytes.clone())), &document)?;
        if applied == Applied::Waiting {
            let joined = Arc::make_mut(&mut next.replicas[to]);
            joined.waiting.push(name);
            joined.waiting.sort_unstable();
        }
        expect(applied != Applied::Duplicate, Fault::EffectExactlyOnce)?;
        next.check(to)?;
        Ok(next)
    }

    /// The whole state and the difference have to come to the same.
    fn exchange(&self, to: usize, from: usize) -> Result<World, Stop> {
        let (receiver, sender) = (&self.replicas[to], &self.replicas[from]);
        if to == from || sender.version.iter().all(|(&agent, &seq)| receiver.covers(agent, seq)) {
            return Err(Stop::NotPossible);
        }
        let mut document = receiver.build()?;
        let mut other = document.clone();
        let update = sender.build()?.export_update(Some(&document.version_bytes()))?;
        let joined = (document.apply(&sender.snapshot, 0)?, other.apply(&update, 0)?);
        expect(joined == (Applied::Joined, Applied::Joined), Fault::EffectExactlyOnce)?;
        expect(
            document.encode_snapshot() == other.encode_snapshot(),
            Fault::SameVersionSameState,
        )?;
        let mut next = self.clone();
        next.replace(to, Some(Step::Join(sender.snapshot.clone())), &document)?;
        next.check(to)?;
        Ok(next)
    }

    fn replace(&mut self, at: usize, step: Option<Step>, document: &Document) -> Result<(), Error> {
        self.replicas[at] = Arc::new(self.replicas[at].after(step, document)?);
        Ok(())
    }

    /// Holds the one replica that has changed against the oracle, and against the others.
    fn check(&self, at: usize) -> Result<(), Stop> {
        let replica = &self.replicas[at];
        expect(self.log.is_causal(&replica.version), Fault::CauseBeforeEffect)?;
        let view = self.log.view(&replica.version);
        let mut expected = pack(&view.read(&ContainerId::ROOT));
        let text = seen(&self.log, &replica.version);
        if text.kind() == LogKind::Text {
            expected.extend(pack_rich(&view.rich(&text)));
        }
        expect(*replica.content == *expected, Fault::EffectExactlyOnce)?;
        let heard = self
            .envelopes
            .iter()
            .filter(|((agent, _), envelope)| replica.covers(*agent, envelope.to));
        let deleted = heard.fold(0, |deleted, (_, envelope)| deleted | envelope.deleted);
        expect(marks(&replica.content) & deleted == 0, Fault::DeletedStaysDeleted)?;
        for other in &self.replicas {
            let same = other.version != replica.version || other.snapshot == replica.snapshot;
            expect(same, Fault::SameVersionSameState)?;
        }
        self.check_loading(replica)?;
        self.check_repetition(replica)?;
        self.check_end()
    }

    fn check_loading(&self, replica: &Replica) -> Result<(), Stop> {
        let mut loaded = Document::default();
        if !replica.version.is_empty() {
            loaded.apply(&replica.snapshot, 0)?;
        }
        expect(
            loaded.encode_snapshot() == *replica.snapshot,
            Fault::SameVersionSameState,
        )
    }

    /// Everything that came before comes once more, and nothing may come of it.
    fn check_repetition(&self, replica: &Replica) -> Result<(), Stop> {
        let mut document = replica.build()?;
        let waiting = document.pending_count();
        for (name, envelope) in self.envelopes.iter() {
            let again = if replica.covers(name.0, envelope.to) {
                Applied::Duplicate
            } else if replica.waiting.contains(name) {
                Applied::Waiting
            } else {
                continue;
            };
            expect(document.apply(&envelope.bytes, 0)? == again, Fault::EffectExactlyOnce)?;
        }
        let unchanged = document.encode_snapshot() == *replica.snapshot && document.pending_count() == waiting;
        expect(unchanged, Fault::EffectExactlyOnce)
    }

    /// Where everything came everywhere, nothing waits and all are equal.
    fn check_end(&self) -> Result<(), Stop> {
        let came = |replica: &Replica, name: &EnvelopeName, to: u32| {
            replica.covers(name.0, to) || replica.waiting.contains(name)
        };
        let everywhere = self.replicas.iter().all(|replica| {
            let mut envelopes = self.envelopes.iter();
            envelopes.all(|(name, envelope)| came(replica, name, envelope.to))
        });
        let quiet = self.replicas.iter().all(|replica| replica.waiting.is_empty());
        let equal = self
            .replicas
            .windows(2)
            .all(|pair| pair[0].snapshot == pair[1].snapshot);
        expect(!everywhere || (quiet && equal), Fault::QuietAfterHealing)
    }
}

impl Model for Scope {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        World::start(self).into_iter().collect()
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        // What follows a fault says nothing.
        if world.fault.is_some() {
            return;
        }
        for (at, replica) in world.replicas.iter().enumerate() {
            if replica.edits < self.edits_each {
                acts.extend(self.edits.iter().map(|&edit| Act::Edit(at, edit)));
            }
            acts.extend(world.envelopes.keys().map(|&name| Act::Deliver(at, name)));
            if self.exchanges {
                acts.extend((0..self.replicas).map(|from| Act::Exchange { to: at, from }));
            }
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        match world.act(self, &act) {
            Ok(next) => Some(next),
            Err(Stop::NotPossible) => None,
            Err(Stop::Fault(fault)) => Some(World {
                fault: Some(fault),
                ..world.clone()
            }),
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("sameVersionSameState", |_, world: &World| {
                world.fault != Some(Fault::SameVersionSameState)
            }),
            Property::always("effectExactlyOnce", |_, world: &World| {
                world.fault != Some(Fault::EffectExactlyOnce)
            }),
            Property::always("causeBeforeEffect", |_, world: &World| {
                world.fault != Some(Fault::CauseBeforeEffect)
            }),
            Property::always("deletedStaysDeleted", |_, world: &World| {
                world.fault != Some(Fault::DeletedStaysDeleted)
            }),
            Property::always("quietAfterHealing", |_, world: &World| {
                world.fault != Some(Fault::QuietAfterHealing)
            }),
            Property::always("nothingRefused", |_, world: &World| {
                world.fault != Some(Fault::NothingRefused)
            }),
        ]
    }
}
