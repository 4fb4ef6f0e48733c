//! Fractional indices: the vectors, which the built module passes too, and what must hold of any.

use crate::json::Json;
use crate::random::Random;
use joinery_types::{fractional_index, FractionalIndexError, MAX_FRACTIONAL_INDEX_BYTES};

fn each(list: &Json, mut check: impl FnMut(Option<&str>, Option<&str>, &Json)) {
    let index = |json: &Json| match json {
        Json::Null => None,
        other => Some(other.text().to_owned()),
    };
    assert!(!list.items().is_empty());
    for case in list.items() {
        let case = case.items();
        check(
            index(&case[0]).as_deref(),
            index(&case[1]).as_deref(),
            case.get(2).unwrap_or(&Json::Null),
        );
    }
}

#[test]
fn is_what_the_vectors_say() {
    let text = include_str!("../../../../../tests/vectors/fractional-index.json");
    let vectors = Json::parse(text);
    each(vectors.get("cases"), |low, high, expected| {
        let index = fractional_index(low, high, 0, 0).unwrap();
        assert_eq!(index, expected.text(), "between {low:?} and {high:?}");
    });
    each(vectors.get("invalid"), |low, high, _| {
        let refused = fractional_index(low, high, 0, 0);
        assert_eq!(
            refused,
            Err(FractionalIndexError::Invalid),
            "between {low:?} and {high:?}"
        );
    });
    each(vectors.get("disordered"), |low, high, _| {
        let refused = fractional_index(low, high, 0, 0);
        assert_eq!(
            refused,
            Err(FractionalIndexError::Order),
            "between {low:?} and {high:?}"
        );
    });
}

#[test]
fn stays_between_its_neighbours_whatever_the_jitter() {
    for bits in [0, 1, 7, 16, 32] {
        let mut random = Random(u64::from(bits));
        let mut indices: Vec<String> = Vec::new();
        for _ in 0..3000 {
            // Mostly at one place, else at the ends and anywhere.
            let at = match random.below(4) {
                0 => 0,
                1 => indices.len(),
                2 => indices.len() / 2,
                _ => random.below(indices.len() + 1),
            };
            let low = at.checked_sub(1).map(|before| indices[before].as_str());
            let high = indices.get(at).map(String::as_str);
            let index = fractional_index(low, high, random.next() as u32, bits).unwrap();
            assert!(low.is_none_or(|low| low < index.as_str()), "{low:?} {index}");
            assert!(high.is_none_or(|high| index.as_str() < high), "{index} {high:?}");
            indices.insert(at, index);
        }
    }
}

#[test]
fn jitter_tells_writers_at_one_place_apart() {
    for (low, high) in [
        (None, None),
        (Some("a0"), None),
        (None, Some("a0")),
        (Some("a0"), Some("a0V")),
    ] {
        let mut all: Vec<String> = (0..1 << 12)
            .map(|jitter| fractional_index(low, high, jitter, 12).unwrap())
            .collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 1 << 12, "between {low:?} and {high:?}");
        assert!(
            all.iter().all(|index| index.len() <= 8),
            "{:?}",
            all.iter().max_by_key(|it| it.len())
        );
    }
}

#[test]
fn appending_costs_a_character_at_a_power_only() {
    let mut last = fractional_index(None, None, 0, 0).unwrap();
    for _ in 0..100_000 {
        last = fractional_index(Some(&last), None, 0, 0).unwrap();
    }
    assert_eq!(last.len(), 4);
}

#[test]
fn jitter_lets_neither_appending_nor_prepending_cost_more() {
    let mut random = Random(1);
    let first = fractional_index(None, None, 0, 16).unwrap();
    let mut ends = [first.clone(), first];
    for _ in 0..100_000 {
        ends[0] = fractional_index(None, Some(&ends[0]), random.next() as u32, 16).unwrap();
        ends[1] = fractional_index(Some(&ends[1]), None, random.next() as u32, 16).unwrap();
        assert!(ends.iter().all(|end| end.len() <= 10), "{ends:?}");
    }
}

#[test]
fn a_gap_that_was_halved_too_often_is_refused() {
    let (mut low, high) = ("a0".to_owned(), "a1".to_owned());
    let refused = loop {
        match fractional_index(Some(&low), Some(&high), 0, 0) {
            Ok(index) => low = index,
            Err(error) => break error,
        }
    };
    assert_eq!(
        (refused, low.len()),
        (FractionalIndexError::Exhausted, MAX_FRACTIONAL_INDEX_BYTES)
    );
}
