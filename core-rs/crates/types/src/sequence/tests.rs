//! Sequences under random edits, with every invariant checked on the way. That they agree with the oracle's tree is held in
//! `tests/properties`; here it is the structure that counts: long runs, many leaves, every cut and every join of runs.

use super::*;

/// SplitMix64; unit tests can't reach the generator of `tests/properties`.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % u64::from(n)) as u32
    }
}

/// An edit as it travels.
enum Edit {
    Insert(Dot, Anchor, Vec<u16>),
    Remove(Dot, Dot, u32),
}

/// A sequence with a plain list of (id, unit) beside it.
struct Replica {
    agents: Agents,
    own: u32,
    seq: u32,
    sequence: Sequence<u16>,
    model: Vec<(Dot, u16)>,
}

impl Replica {
    /// All replicas number the agents alike here; `ids` is what orders siblings.
    fn new(own: u32, ids: &[u64]) -> Replica {
        let mut agents = Agents::default();
        ids.iter().for_each(|&id| {
            agents.intern(id);
        });
        Replica {
            agents,
            own,
            seq: 0,
            sequence: Sequence::default(),
            model: Vec::new(),
        }
    }

    fn next_dot(&mut self, len: u32) -> Dot {
        let dot = Dot {
            agent: self.own,
            seq: self.seq + 1,
        };
        self.seq += len;
        dot
    }

    fn insert(&mut self, index: u32, units: Vec<u16>) -> Edit {
        let dot = self.next_dot(units.len() as u32);
        let anchor = self.sequence.insert(&self.agents, index, dot, &units);
        let new = (0..).zip(&units).map(|(i, &unit)| (dot.plus(i), unit));
        self.model.splice(index as usize..index as usize, new);
        Edit::Insert(dot, anchor, units)
    }

    fn delete(&mut self, index: u32, len: u32, edits: &mut Vec<Edit>) {
        let by = self.next_dot(1);
        let mut told = Vec::new();
        let mut dropped = Vec::new();
        self.sequence
            .delete(index, len, by, &mut |dot, n| told.push((dot, n)), &mut |unit| {
                dropped.push(unit)
            });
        let gone: Vec<(Dot, u16)> = self.model.drain(index as usize..(index + len) as usize).collect();
        assert_eq!(dropped, gone.iter().map(|&(_, unit)| unit).collect::<Vec<_>>());
        let ids = told.iter().flat_map(|&(dot, n)| (0..n).map(move |i| dot.plus(i)));
        assert_eq!(
            ids.collect::<Vec<_>>(),
            gone.iter().map(|&(dot, _)| dot).collect::<Vec<_>>()
        );
        edits.extend(told.into_iter().map(|(dot, n)| Edit::Remove(by, dot, n)));
    }

    /// Takes an edit from elsewhere; the model follows.
    fn take(&mut self, edit: &Edit) {
        match edit {
            Edit::Insert(dot, anchor, units) => {
                let len = units.len() as u32;
                self.sequence
                    .integrate(&self.agents, *dot, *anchor, Removal::NONE, len, units);
                let at = self.sequence.index_of(*dot).unwrap() as usize;
                let new = (0..).zip(units).map(|(i, &unit)| (dot.plus(i), unit));
                self.model.splice(at..at, new);
            }
            Edit::Remove(by, dot, n) => {
                let removal = Removal { dot: *by, step: 0 };
                self.sequence.remove(&self.agents, *dot, *n, removal, &mut |_| {});
                let within = |at: Dot| at.agent == dot.agent && at.seq >= dot.seq && at.seq < dot.seq + n;
                self.model.retain(|&(at, _)| !within(at));
            }
        }
    }

    fn check(&mut self) {
        self.sequence.check(&self.agents);
        let units: Vec<u16> = self.sequence.chunks().flatten().copied().collect();
        assert_eq!(units, self.model.iter().map(|&(_, unit)| unit).collect::<Vec<_>>());
        assert_eq!(self.sequence.len() as usize, units.len());
    }

    /// Every unit is found by its index and by its id.
    fn check_places(&mut self) {
        for (index, (dot, unit)) in (0..).zip(self.model.clone()) {
            assert_eq!(self.sequence.dot_at(index), Some(dot));
            assert_eq!(self.sequence.get(index), Some(unit));
            assert_eq!(self.sequence.unit(dot), Some(unit));
            assert_eq!(self.sequence.index_of(dot), Some(index));
        }
        assert_eq!(self.sequence.get(self.sequence.len()), None);
        assert_eq!(self.sequence.dot_at(u32::MAX), None);
    }
}

/// Random edits of one replica, near each other, so that runs are cut and joined again and again.
fn edit(replica: &mut Replica, random: &mut Random, longest: u32, edits: &mut Vec<Edit>) {
    let len = replica.sequence.len();
    let near = |random: &mut Random| match random.below(4) {
        0 => random.below(len + 1),
        1 => len,
        _ => (len / 2 + random.below(20)).min(len),
    };
    let at = near(random);
    match random.below(5) {
        0 if at < len => {
            let n = 1 + random.below((len - at).min(longest));
            replica.delete(at, n, edits);
        }
        // The delete key, then the backspace key, held down.
        1 if at < len => {
            for _ in 0..(len - at).min(4) {
                replica.delete(at, 1, edits);
            }
        }
        2 if at > 0 => {
            for back in 1..=at.min(4) {
                replica.delete(at - back, 1, edits);
            }
        }
        3 => {
            for i in 0..5 {
                edits.push(replica.insert(at + i, vec![at as u16]));
            }
        }
        _ => {
            let units = (0..1 + random.below(longest)).map(|i| i as u16).collect();
            edits.push(replica.insert(at, units));
        }
    }
}

#[test]
fn two_sequences_that_exchange_edits_stay_sound_and_alike() {
    for seed in 0..24 {
        let mut random = Random(seed);
        let ids = if seed % 2 == 0 { [3, 9] } else { [9, 3] };
        let mut replicas = [Replica::new(0, &ids), Replica::new(1, &ids)];
        let longest = [3, 40, 1500][seed as usize % 3];
        for _ in 0..15 {
            let mut edits = [Vec::new(), Vec::new()];
            for (replica, edits) in replicas.iter_mut().zip(&mut edits) {
                for _ in 0..random.below(12) {
                    edit(replica, &mut random, longest, edits);
                    if longest < 1000 {
                        replica.sequence.check(&replica.agents);
                    }
                }
                replica.check();
            }
            let [from_one, from_two] = &edits;
            let [one, two] = &mut replicas;
            from_two.iter().for_each(|edit| one.take(edit));
            from_one.iter().for_each(|edit| two.take(edit));
            one.check();
            two.check();
            assert_eq!(one.model, two.model, "seed {seed}");
        }
        replicas[0].check_places();
    }
}

#[test]
fn a_sequence_built_from_its_own_runs_is_the_same() {
    for seed in 100..130 {
        let mut random = Random(seed);
        let mut replica = Replica::new(0, &[5]);
        for _ in 0..200 {
            edit(&mut replica, &mut random, 30, &mut Vec::new());
        }
        let runs: Vec<Run> = replica.sequence.runs().map(|(run, _)| run).collect();
        replica.sequence = built(&replica, &runs).unwrap();
        replica.check();
        replica.check_places();
        assert_eq!(replica.sequence.runs().map(|(run, _)| run).collect::<Vec<_>>(), runs);
        // It goes on like any other.
        for _ in 0..50 {
            edit(&mut replica, &mut random, 30, &mut Vec::new());
            replica.check();
        }
    }
}

#[test]
fn runs_that_are_there_twice_are_not_built() {
    let mut replica = Replica::new(0, &[5]);
    let mut random = Random(1);
    for _ in 0..30 {
        edit(&mut replica, &mut random, 5, &mut Vec::new());
    }
    let runs: Vec<Run> = replica.sequence.runs().map(|(run, _)| run).collect();
    for at in 0..runs.len() {
        let mut last = runs[at];
        if last.len > 1 {
            last = last.split(last.len - 1);
        }
        last.removal = Removal::SUPERSEDED;
        assert!(built(&replica, &[&runs[..], &[last]].concat()).is_none());
    }
}

#[test]
fn only_what_changed_is_gone_through() {
    let mut replica = Replica::new(0, &[5, 6]);
    replica.sequence.date(1);
    for _ in 0..100 {
        replica.insert(0, vec![7; 1_000]);
    }
    let count = |replica: &Replica, after| replica.sequence.pieces(after).count();
    assert!(count(&replica, None) >= 100);
    assert_eq!(count(&replica, Some(0)), count(&replica, None));
    assert_eq!(count(&replica, Some(1)), 0);
    replica.sequence.date(2);
    replica.delete(50_000, 1, &mut Vec::new());
    assert_eq!(count(&replica, Some(1)), 1);
    replica.sequence.date(3);
    // What others insert, remove, and removed before.
    let (dot, by) = (replica.model[10].0, Dot { agent: 1, seq: 2 });
    let anchor = Anchor {
        parent: dot,
        side: Side::Right,
    };
    let new = Dot { agent: 1, seq: 1 };
    replica.take(&Edit::Insert(new, anchor, vec![8]));
    assert_eq!(count(&replica, Some(2)), 1);
    replica.sequence.date(4);
    replica.take(&Edit::Remove(by, dot, 1));
    assert_eq!(count(&replica, Some(3)), 1);
    replica.sequence.date(5);
    // The lower of two removals counts.
    let lower = Dot { agent: 0, seq: 1 };
    replica.take(&Edit::Remove(lower, dot, 1));
    assert_eq!(count(&replica, Some(4)), 1);
    replica.sequence.date(6);
    // A leaf that is cut in two stays as new as it was.
    replica.insert(20_000, vec![9; 2_000]);
    assert!((2..6).contains(&count(&replica, Some(5))));
    replica.check();
}

fn built(replica: &Replica, runs: &[Run]) -> Option<Sequence<u16>> {
    let mut units = replica.model.iter().map(|&(_, unit)| unit);
    let mut builder = Builder::default();
    for &run in runs {
        builder.push(run);
    }
    builder.finish(&mut |len, content| content.extend(units.by_ref().take(len)))
}
