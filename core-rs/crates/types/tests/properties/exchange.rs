//! Replicas that edit at random and exchange envelopes, updates and snapshots in any order, each held against the oracle
//! all the way: what a replica shows is a function of its version alone.

use crate::edits::{edit, Scope};
use crate::peer::{encode_version, integer, shown, take_all, units, Peer, LATE};
use crate::random::{for_seeds, Random};
use joinery_oracle::{Kind as OracleKind, Log, Version};
use joinery_types::{Applied, Document, Kind, ROOT};

/// Replicas, what they have sent, and where they have been.
pub struct World {
    pub log: Log,
    pub peers: Vec<Peer>,
    pub envelopes: Vec<Vec<u8>>,
    /// Versions that some replica had at some time.
    pub versions: Vec<Version>,
    /// States that some replica gave at some time.
    pub states: Vec<Vec<u8>>,
}

impl World {
    pub fn new(random: &mut Random) -> World {
        let small = random.once_in(2);
        let n = 2 + random.below(3);
        World::with(n, small, random)
    }

    /// With so many replicas.
    pub fn of(n: usize, random: &mut Random) -> World {
        let small = random.once_in(2);
        World::with(n, small, random)
    }

    fn with(n: usize, small: bool, random: &mut Random) -> World {
        let n = n as u64;
        let agent = |i: u64, random: &mut Random| if small { 10 - i } else { random.next() };
        World {
            log: Log::default(),
            peers: (0..n).map(|i| Peer::new(agent(i, random))).collect(),
            envelopes: Vec::new(),
            versions: vec![Version::new()],
            states: Vec::new(),
        }
    }

    pub fn collect(&mut self, at: usize) {
        self.envelopes.extend(take_all(&mut self.peers[at].document));
    }

    pub fn collect_all(&mut self) {
        (0..self.peers.len()).for_each(|at| self.collect(at));
    }

    /// One random step.
    pub fn step(&mut self, random: &mut Random, scope: Scope) {
        let at = random.below(self.peers.len());
        let from = random.below(self.peers.len());
        match random.below(12) {
            0..=5 => edit(&mut self.peers[at], &mut self.log, random, scope),
            6 => self.collect(at),
            7 | 8 if !self.envelopes.is_empty() => {
                let envelope = random.pick(&self.envelopes);
                self.peers[at].receive(&self.log, envelope, LATE);
                self.peers[at].check(&self.log);
            }
            9 => {
                // What the receiver lacks, or what somebody lacked at some time.
                let since = if random.once_in(2) {
                    self.peers[at].version.clone()
                } else {
                    random.pick(&self.versions).clone()
                };
                let update = self.peers[from].document.export_update(Some(&encode_version(&since)));
                let update = update.unwrap();
                self.states.push(update.clone());
                let applied = self.peers[at].receive(&self.log, &update, LATE);
                let reached = since.iter().all(|(agent, seq)| {
                    let stated = self.peers[from].version.get(agent).map_or(0, |have| *have.min(seq));
                    self.peers[at].version.get(agent).copied().unwrap_or(0) >= stated
                });
                assert!(reached || applied == Applied::Waiting || applied == Applied::Duplicate);
                self.peers[at].check(&self.log);
            }
            10 => {
                let snapshot = self.peers[from].document.encode_snapshot();
                self.states.push(snapshot.clone());
                self.peers[at].receive(&self.log, &snapshot, LATE);
                self.peers[at].check(&self.log);
            }
            _ => {
                self.versions.push(self.peers[at].version.clone());
                if !self.states.is_empty() {
                    let state = random.pick(&self.states);
                    self.peers[at].receive(&self.log, state, LATE);
                    self.peers[at].check(&self.log);
                }
            }
        }
    }

    /// Everybody gets everything, by different ways; then all must be one.
    pub fn settle(&mut self, random: &mut Random) {
        self.collect_all();
        let mut late = self.envelopes.clone();
        late.extend(self.envelopes.iter().filter(|_| random.once_in(4)).cloned());
        late.extend(self.states.iter().filter(|_| random.once_in(4)).cloned());
        random.shuffle(&mut late);
        let mut fresh = Peer::new(3);
        for update in &late {
            fresh.receive(&self.log, update, LATE);
        }
        assert_eq!(fresh.document.pending_count(), 0);
        self.peers.push(fresh);
        for peer in &mut self.peers {
            random.shuffle(&mut late);
            for update in &late {
                peer.receive(&self.log, update, LATE);
            }
            assert_eq!(peer.document.pending_count(), 0);
        }
        let snapshot = self.peers[0].document.encode_snapshot();
        let mut loaded = Peer::new(4);
        loaded.receive(&self.log, &snapshot, LATE);
        self.peers.push(loaded);
        // By pieces: an update from each version to the whole, the way a client that was away resumes.
        let whole = self.peers[0].document.export_update(None).unwrap();
        let mut resumed = Peer::new(5);
        if let Some(state) = self.states.first() {
            resumed.receive(&self.log, state, LATE);
        }
        resumed.receive(&self.log, &whole, LATE);
        self.peers.push(resumed);
        self.peers[0].check(&self.log);
        let content = shown(&self.peers[0].document);
        for peer in &self.peers {
            assert_eq!(peer.version, self.peers[0].version);
            assert_eq!(shown(&peer.document), content);
            assert!(peer.document.encode_snapshot() == snapshot, "equal states, other bytes");
        }
        let mut all = Version::new();
        for entry in &self.log.entries {
            let seq = all.entry(entry.dot.agent).or_insert(0);
            *seq = (*seq).max(entry.dot.seq);
        }
        assert_eq!(self.peers[0].version, all, "something is missing");
    }
}

fn run(random: &mut Random, scope: Scope) {
    let mut world = World::new(random);
    for _ in 0..10 + random.below(80) {
        world.step(random, scope);
    }
    world.settle(random);
}

#[test]
fn maps_agree_with_the_oracle() {
    for_seeds(300, |random| run(random, Scope::Only(OracleKind::Map)));
}

#[test]
fn lists_agree_with_the_oracle() {
    for_seeds(300, |random| run(random, Scope::Only(OracleKind::List)));
}

#[test]
fn texts_agree_with_the_oracle() {
    for_seeds(300, |random| run(random, Scope::Only(OracleKind::Text)));
}

#[test]
fn counters_agree_with_the_oracle() {
    for_seeds(300, |random| run(random, Scope::Only(OracleKind::Counter)));
}

#[test]
fn sets_agree_with_the_oracle() {
    for_seeds(300, |random| run(random, Scope::Only(OracleKind::Set)));
}

#[test]
fn trees_agree_with_the_oracle() {
    for_seeds(500, |random| run(random, Scope::Only(OracleKind::Tree)));
}

#[test]
fn graphs_agree_with_the_oracle() {
    for_seeds(300, |random| run(random, Scope::Only(OracleKind::Graph)));
}

#[test]
fn mixed_documents_agree_with_the_oracle() {
    for_seeds(1500, |random| run(random, Scope::Mixed));
}

/// Long texts and lists, in many leaves and runs: too much for the oracle, so the replicas are held against each other.
#[test]
fn long_documents_agree_with_each_other() {
    for_seeds(12, |random| {
        let mut first = Document::default();
        first.set_agent(random.next());
        let text = first.ensure_child(ROOT, "t", Kind::Text, 1).unwrap();
        let list = first.ensure_child(ROOT, "l", Kind::List, 1).unwrap();
        for _ in 0..400 {
            write_much(&mut first, text, list, random);
        }
        let snapshot = first.encode_snapshot();
        let mut documents = vec![first];
        for _ in 0..3 {
            let mut document = Document::default();
            document.apply(&snapshot, LATE).unwrap();
            document.set_agent(random.next());
            documents.push(document);
        }
        let mut envelopes = Vec::new();
        for _ in 0..120 {
            let (at, from) = (random.below(4), random.below(4));
            match random.below(6) {
                0..=2 => {
                    let document = &mut documents[at];
                    let text = document.child(ROOT, "t", Kind::Text).unwrap();
                    let list = document.child(ROOT, "l", Kind::List).unwrap();
                    for _ in 0..1 + random.below(8) {
                        write_much(document, text, list, random);
                    }
                }
                3 => envelopes.extend(take_all(&mut documents[at])),
                4 if !envelopes.is_empty() => {
                    let envelope = random.pick(&envelopes);
                    documents[at].apply(envelope, LATE).unwrap();
                }
                _ => {
                    let since = documents[at].version_bytes();
                    let update = documents[from].export_update(Some(&since)).unwrap();
                    documents[at].apply(&update, LATE).unwrap();
                }
            }
        }
        documents
            .iter_mut()
            .for_each(|document| envelopes.extend(take_all(document)));
        for document in &mut documents {
            random.shuffle(&mut envelopes);
            for envelope in &envelopes {
                document.apply(envelope, LATE).unwrap();
            }
            assert_eq!(document.pending_count(), 0);
        }
        let mut loaded = Document::default();
        loaded.apply(&documents[0].encode_snapshot(), LATE).unwrap();
        documents.push(loaded);
        for document in &documents {
            assert!(shown(document) == shown(&documents[0]));
            assert!(document.encode_snapshot() == documents[0].encode_snapshot());
        }
    });
}

pub fn write_much(document: &mut Document, text: u32, list: u32, random: &mut Random) {
    let len = document.text_len(text).unwrap() as usize;
    let at = random.below(len + 1);
    match random.below(7) {
        6 => {
            let range = (at as u32, (at + random.below((len - at).min(90) + 1)) as u32);
            let (key, value) = (*random.pick(&["bold", "link"]), random.below(3) as u8);
            let expand = crate::peer::expand(key);
            document.text_mark(text, range, key, &[value], expand, 1).unwrap();
        }
        0 => {
            let n = random.below((len - at).min(60) + 1);
            document.text_delete(text, at as u32, n as u32).unwrap();
        }
        1 => {
            let what = "long piece of text 😀 ".repeat(1 + random.below(60));
            document.text_insert(text, at as u32, &mut units(&what)).unwrap();
        }
        2 | 3 => {
            for typed in 0..random.below(30) as u32 {
                let at = document.text_len(text).unwrap().min(at as u32 + typed);
                document.text_insert(text, at, &mut units("k")).unwrap();
            }
        }
        4 => {
            let len = document.list_len(list).unwrap() as usize;
            let at = random.below(len + 1);
            let n = random.below((len - at).min(6) + 1);
            document.list_delete(list, at as u32, n as u32).unwrap();
        }
        _ => {
            let len = document.list_len(list).unwrap() as usize;
            let at = random.below(len + 1);
            let values: Vec<Vec<u8>> = (0..random.below(12) as i64).map(integer).collect();
            let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            document.list_insert(list, at as u32, &values).unwrap();
            if len > 0 {
                let now = random.below(5) as u64;
                document
                    .list_set(list, random.below(len) as u32, &integer(-1), now)
                    .unwrap();
                let len = len + 1;
                for _ in 0..random.below(3) {
                    let (from, to) = (random.below(len) as u32, random.below(len) as u32);
                    if from.max(to) < document.list_len(list).unwrap() {
                        document.list_move(list, from, to, now).unwrap();
                    }
                }
            }
        }
    }
}
