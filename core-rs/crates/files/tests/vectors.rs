//! The vectors of `tests/vectors`, which the built WebAssembly modules pass too: BLAKE3's official ones, and cuts that stay as
//! they are, for whoever cuts elsewhere finds nothing again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod inputs;

use inputs::{cut_whole, Random};
use joinery_files::{Door, Gear, Sizes, KEY_BYTES, STAGING_BYTES};
use serde_json::Value;

fn read(name: &str) -> Value {
    let path = format!("{}/../../../tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes through the door, in staged pieces, as TypeScript does.
fn hash(door: &mut Door, handle: u32, bytes: &[u8], digest_bytes: usize) -> String {
    for piece in bytes.chunks(STAGING_BYTES) {
        door.staging[..piece.len()].copy_from_slice(piece);
        door.update(handle, piece.len()).unwrap();
    }
    door.digest(handle, digest_bytes).unwrap();
    hex(&door.staging[..digest_bytes])
}

#[test]
fn hashes_as_the_official_vectors_of_blake3_say() {
    let file = read("blake3");
    let stage = |door: &mut Door, bytes: &[u8]| door.staging[..bytes.len()].copy_from_slice(bytes);
    let key = file["key"].as_str().unwrap().as_bytes();
    let context = file["context_string"].as_str().unwrap().as_bytes();
    let mut door = Door::new();
    door.open();
    let plain = door.create_hasher().unwrap();
    stage(&mut door, key);
    let keyed = door.create_keyed_hasher().unwrap();
    stage(&mut door, context);
    let deriving = door.create_deriving_hasher(context.len()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 35);
    for case in cases {
        let length = case["input_len"].as_u64().unwrap() as usize;
        let input: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        for (handle, mode) in [(plain, "hash"), (keyed, "keyed_hash"), (deriving, "derive_key")] {
            let expected = case[mode].as_str().unwrap();
            assert_eq!(
                hash(&mut door, handle, &input, expected.len() / 2),
                expected,
                "{mode} of {length}"
            );
            assert_eq!(
                hash(&mut door, handle, &[], 32),
                expected[..64],
                "{mode} of {length}, 32 bytes"
            );
            door.reset(handle).unwrap();
        }
        stage(&mut door, &input);
        door.hash(length).unwrap();
        assert_eq!(
            hex(&door.output[4..]),
            case["hash"].as_str().unwrap()[..64],
            "{length} at once"
        );
    }
}

#[test]
fn cuts_as_the_vectors_say() {
    let file = read("chunking");
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 15);
    for case in cases {
        let number = |name: &str| case[name].as_u64().unwrap();
        let [min, average, max] = [0, 1, 2].map(|index| case["sizes"][index].as_u64().unwrap() as u32);
        let gear = case["key"].as_str().map_or(Gear::unkeyed(), |key| {
            Gear::keyed(&core::array::from_fn::<u8, KEY_BYTES, _>(|index| {
                u8::from_str_radix(&key[2 * index..2 * index + 2], 16).unwrap()
            }))
        });
        let mut random = Random::new(number("seed") as u32);
        let period: Vec<u8> = (0..number("period")).map(|_| random.next() as u8).collect();
        let bytes: Vec<u8> = period.iter().copied().cycle().take(number("length") as usize).collect();

        let chunks = cut_whole(&bytes, Sizes::new(min, average, max).unwrap(), gear);
        let lengths: Vec<u64> = chunks.iter().map(|chunk| u64::from(chunk.length)).collect();
        let expected: Vec<u64> = case["lengths"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_u64().unwrap())
            .collect();
        assert_eq!(lengths, expected, "{}", case["name"]);
        let hashes: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.hash).collect();
        assert_eq!(
            blake3::hash(&hashes).to_hex().as_str(),
            case["hashes"],
            "{}",
            case["name"]
        );
    }
}
