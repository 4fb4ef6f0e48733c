//! Replicas that edit at random and exchange envelopes, updates and snapshots in any order, each held against the oracle
//! all the way: what a replica shows is a function of its version alone.

use crate::edits::{edit, Scope};
use crate::peer::{encode_version, plain, take_all, Peer, LATE};
use crate::random::{for_seeds, Random};
use joinery_oracle::{Kind, Log, Version};
use joinery_types::Applied;

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
        let n = 2 + random.below(3) as u64;
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
        let content = plain(&self.peers[0].document);
        for peer in &self.peers {
            assert_eq!(peer.version, self.peers[0].version);
            assert_eq!(plain(&peer.document), content);
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
    for_seeds(300, |random| run(random, Scope::Only(Kind::Map)));
}

#[test]
fn lists_agree_with_the_oracle() {
    for_seeds(300, |random| run(random, Scope::Only(Kind::List)));
}

#[test]
fn texts_agree_with_the_oracle() {
    for_seeds(300, |random| run(random, Scope::Only(Kind::Text)));
}

#[test]
fn counters_agree_with_the_oracle() {
    for_seeds(300, |random| run(random, Scope::Only(Kind::Counter)));
}

#[test]
fn sets_agree_with_the_oracle() {
    for_seeds(300, |random| run(random, Scope::Only(Kind::Set)));
}

#[test]
fn mixed_documents_agree_with_the_oracle() {
    for_seeds(1500, |random| run(random, Scope::Mixed));
}
