//! Replicas that edit at random and exchange envelopes, updates and snapshots in any order agree in the end.

use joinery_types::{Document, Kind, ROOT};

/// SplitMix64 (Steele, Lea and Flood, 2014): one number seeds a whole run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn integer(n: u64) -> Vec<u8> {
    vec![3, (n % 60) as u8 * 2]
}

fn edit(document: &mut Document, random: &mut Random, now: u64) {
    let mut parent = ROOT;
    if random.below(3) == 0 {
        if let Ok(list) = document.ensure_child(ROOT, "list", Kind::List, now) {
            let len = document.list_len(list).unwrap();
            if len > 0 {
                let index = random.below(u64::from(len)) as u32;
                match document.list_get(list, index) {
                    Ok(Some(joinery_types::Entry::Child(child, Kind::Map))) => parent = child,
                    _ => {
                        parent = document.list_set_child(list, index, Kind::Map, now).unwrap();
                    }
                }
            }
        }
    }
    let key = ["a", "b", "body", "n"][random.below(4) as usize];
    match random.below(16) {
        0..=5 => {
            let text = document.ensure_child(parent, "body", Kind::Text, now).unwrap();
            let len = u64::from(document.text_len(text).unwrap());
            if len > 0 && random.below(3) == 0 {
                let at = random.below(len);
                let n = 1 + random.below((len - at).min(6));
                document.text_delete(text, at as u32, n as u32).unwrap();
            } else {
                let what = ["x", "hello", "é", "😀", "ab😀c", "\u{7}q"][random.below(6) as usize];
                let at = if random.below(2) == 0 {
                    len
                } else {
                    random.below(len + 1)
                };
                document.text_insert(text, at as u32, &mut units(what)).unwrap();
            }
        }
        6 | 7 => document.map_set(parent, key, &integer(random.next()), now).unwrap(),
        8 => {
            document.map_delete(parent, key, now).unwrap();
        }
        9..=11 => {
            let list = document.ensure_child(parent, "list", Kind::List, now).unwrap();
            let len = u64::from(document.list_len(list).unwrap());
            match random.below(4) {
                0 if len > 0 => {
                    let at = random.below(len);
                    let n = 1 + random.below((len - at).min(3));
                    document.list_delete(list, at as u32, n as u32).unwrap();
                }
                1 if len > 0 => document
                    .list_set(list, random.below(len) as u32, &integer(random.next()), now)
                    .unwrap(),
                2 => {
                    document
                        .list_insert_child(list, random.below(len + 1) as u32, Kind::Map)
                        .unwrap();
                }
                _ => {
                    let (a, b) = (integer(random.next()), integer(random.next()));
                    document
                        .list_insert(list, random.below(len + 1) as u32, &[&a, &b])
                        .unwrap();
                }
            }
        }
        12 => {
            let counter = document.ensure_child(parent, "n", Kind::Counter, now).unwrap();
            document.counter_add(counter, random.below(9) as i64 - 4).unwrap();
        }
        13 => {
            let kind = [Kind::Map, Kind::Text, Kind::Set][random.below(3) as usize];
            document.create_child(parent, key, kind, now).unwrap();
        }
        _ => {
            let set = document.ensure_child(parent, "set", Kind::Set, now).unwrap();
            let value = integer(random.below(5));
            if random.below(3) == 0 {
                document.set_delete(set, &value).unwrap();
            } else {
                document.set_add(set, &value).unwrap();
            }
        }
    }
}

fn plain(document: &Document) -> Vec<u8> {
    let mut out = Vec::new();
    document.to_plain(ROOT, &mut out).unwrap();
    out
}

#[test]
fn replicas_agree_whatever_the_order() {
    for seed in 0..2000u64 {
        let mut random = Random(seed);
        let n = 2 + random.below(3) as usize;
        let mut replicas: Vec<Document> = Vec::new();
        let mut envelopes: Vec<Vec<u8>> = Vec::new();
        for i in 0..n {
            let mut document = Document::default();
            document.set_agent(random.next() ^ i as u64);
            replicas.push(document);
        }
        for _ in 0..random.below(60) + 5 {
            let at = random.below(n as u64) as usize;
            let now = random.below(50);
            match random.below(10) {
                0..=5 => edit(&mut replicas[at], &mut random, now),
                6 => {
                    while let Some(update) = replicas[at].take_update() {
                        envelopes.push(update);
                    }
                }
                7 if !envelopes.is_empty() => {
                    let update = &envelopes[random.below(envelopes.len() as u64) as usize];
                    replicas[at]
                        .apply(update, 0)
                        .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                }
                8 => {
                    let from = random.below(n as u64) as usize;
                    let since = (random.below(2) == 0).then(|| replicas[at].version_bytes());
                    let update = replicas[from].export_update(since.as_deref()).unwrap();
                    replicas[at]
                        .apply(&update, 0)
                        .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                }
                9 => {
                    let from = random.below(n as u64) as usize;
                    let snapshot = replicas[from].encode_snapshot();
                    replicas[at]
                        .apply(&snapshot, 0)
                        .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                }
                _ => {}
            }
        }
        for replica in &mut replicas {
            while let Some(update) = replica.take_update() {
                envelopes.push(update);
            }
        }
        let mut shuffled = envelopes.clone();
        for i in (1..shuffled.len()).rev() {
            shuffled.swap(i, random.below(i as u64 + 1) as usize);
        }
        let mut fresh = Document::default();
        for update in &shuffled {
            fresh.apply(update, 0).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        }
        replicas.push(fresh);
        for replica in &mut replicas {
            for update in &envelopes {
                replica.apply(update, 0).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            }
            assert_eq!(replica.pending_count(), 0, "seed {seed}");
        }
        let mut loaded = Document::default();
        loaded
            .apply(&replicas[0].encode_snapshot(), 0)
            .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        replicas.push(loaded);
        for (i, replica) in replicas.iter().enumerate() {
            assert_eq!(
                replica.version_bytes(),
                replicas[0].version_bytes(),
                "seed {seed}, replica {i}"
            );
            assert_eq!(plain(replica), plain(&replicas[0]), "seed {seed}, replica {i}");
        }
        let first = replicas[0].encode_snapshot();
        for (i, replica) in replicas.iter().enumerate() {
            assert_eq!(replica.encode_snapshot(), first, "seed {seed}, snapshot of replica {i}");
        }
    }
}
