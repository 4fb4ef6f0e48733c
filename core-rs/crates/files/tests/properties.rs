//! What must hold of cutting for any bytes, sizes, keys and slices, against the crate `fastcdc` as the reference. Runs are seeded;
//! a failure names its seed. `JOINERY_ROUNDS=20` runs twenty times as many seeds, and `JOINERY_SEED=123` starts there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod inputs;

use fastcdc::v2020::FastCDC;
use inputs::{cut_whole, Random};
use joinery_files::{Chunker, Gear, Sizes};

fn seeds(count: u32) -> impl Iterator<Item = u32> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u32>().unwrap());
    let start = number("JOINERY_SEED").unwrap_or(1);
    start..start + count * number("JOINERY_ROUNDS").unwrap_or(1)
}

fn any_sizes(random: &mut Random) -> Sizes {
    let mut even = |least: u32, most: u32| (least + random.below(most - least + 1)) / 2 * 2;
    let min = even(64, 3000);
    let average = even(min.max(256), 2 * min + 4000);
    Sizes::new(min, average, even(average.max(1024), 4 * average + 2000)).unwrap()
}

fn any_bytes(random: &mut Random) -> Vec<u8> {
    let length = random.below(60_000) as usize;
    // From all alike to all different: what repeats is cut by size, and a small alphabet finds other paths in the table.
    let alphabet = *random.pick(&[1, 2, 4, 30, 256]);
    let longest = *random.pick(&[400, 60_000]);
    let period = 1 + random.below(longest) as usize;
    let start: Vec<u8> = (0..period.min(length)).map(|_| random.below(alphabet) as u8).collect();
    start.iter().copied().cycle().take(length).collect()
}

#[test]
fn cuts_where_the_reference_does() {
    for seed in seeds(400) {
        let mut random = Random::spread(seed);
        let (sizes, bytes) = (any_sizes(&mut random), any_bytes(&mut random));
        let [min, average, max] = [sizes.min(), sizes.average(), sizes.max()].map(|size| size as usize);
        let expected: Vec<u32> = FastCDC::new(&bytes, min, average, max)
            .map(|chunk| chunk.length as u32)
            .collect();
        let found: Vec<u32> = cut_whole(&bytes, sizes, Gear::unkeyed())
            .iter()
            .map(|chunk| chunk.length)
            .collect();
        assert_eq!(found, expected, "seed {seed}, {sizes:?}, {} bytes", bytes.len());
    }
}

#[test]
fn chunks_are_the_input_within_the_sizes_and_hashed() {
    for seed in seeds(100) {
        let mut random = Random::spread(seed);
        let (sizes, bytes, key) = (any_sizes(&mut random), any_bytes(&mut random), random.key());
        let chunks = cut_whole(&bytes, sizes, Gear::keyed(&key));
        let mut at = 0;
        for (index, chunk) in chunks.iter().enumerate() {
            let end = at + chunk.length as usize;
            assert!(chunk.length > 0 && chunk.length <= sizes.max(), "seed {seed}");
            assert!(index + 1 == chunks.len() || chunk.length >= sizes.min(), "seed {seed}");
            assert_eq!(chunk.hash, *blake3::hash(&bytes[at..end]).as_bytes(), "seed {seed}");
            at = end;
        }
        assert_eq!(at, bytes.len(), "seed {seed}");
    }
}

#[test]
fn slices_make_no_difference() {
    for seed in seeds(400) {
        let mut random = Random::spread(seed);
        let (sizes, bytes) = (any_sizes(&mut random), any_bytes(&mut random));
        let key = random.key();
        let whole = cut_whole(&bytes, sizes, Gear::keyed(&key));
        let mut chunker = Chunker::new(sizes, Gear::keyed(&key), true);
        let mut chunks = Vec::new();
        let longest = *random.pick(&[1, 3, 100, 5000]);
        let mut at = 0;
        while at < bytes.len() {
            // An empty slice now and then.
            let end = bytes.len().min(at + random.below(longest + 1) as usize);
            let mut slice = &bytes[at..end];
            loop {
                let (taken, chunk) = chunker.advance(slice);
                slice = &slice[taken..];
                chunks.extend(chunk);
                if slice.is_empty() && chunk.is_none() {
                    break;
                }
            }
            at = end;
        }
        chunks.extend(chunker.finish());
        assert_eq!(chunks, whole, "seed {seed}");
        assert_eq!(chunker.finish(), None, "seed {seed}");
    }
}

#[test]
fn an_edit_changes_few_chunks() {
    let mut random = Random::new(7);
    let mut bytes: Vec<u8> = (0..4_000_000).map(|_| random.below(256) as u8).collect();
    let before = cut_whole(&bytes, Sizes::DEFAULT, Gear::unkeyed());
    bytes.splice(1_000_000..1_000_000, *b"inserted");
    let after = cut_whole(&bytes, Sizes::DEFAULT, Gear::unkeyed());
    let kept = after
        .iter()
        .filter(|chunk| before.iter().any(|other| other.hash == chunk.hash))
        .count();
    assert!(
        before.len() > 30 && kept + 3 >= after.len(),
        "{kept} of {}",
        after.len()
    );
}

#[test]
fn another_key_cuts_elsewhere() {
    let mut random = Random::new(8);
    let bytes: Vec<u8> = (0..4_000_000).map(|_| random.below(256) as u8).collect();
    let ends = |gear: Gear| {
        let mut end = 0;
        let chunks = cut_whole(&bytes, Sizes::DEFAULT, gear);
        let ends: Vec<u32> = chunks
            .iter()
            .map(|chunk| {
                end += chunk.length;
                end
            })
            .collect();
        ends
    };
    let tables = [Gear::unkeyed(), Gear::keyed(&[0; 32]), Gear::keyed(&[1; 32])].map(ends);
    for (index, table) in tables.iter().enumerate() {
        assert!(table.len() > 30);
        for other in &tables[..index] {
            // The last end is the end of the input.
            assert!(table.iter().filter(|end| other.contains(end)).count() <= 2);
        }
    }
}
