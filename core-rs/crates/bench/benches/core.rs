//! The core's own speed, natively, without JavaScript: `cargo bench` in this folder, or `npm run bench -- --row native`.
//! It counts the processor's time, which other work on the machine changes less than the time that goes by.

use cpu_time::ProcessTime;
use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{criterion_group, criterion_main, BatchSize, Criterion, Throughput};
use joinery_bench::{trace, type_trace};
use joinery_history::Version;
use joinery_types::{Document, Kind, ROOT};
use std::hint::black_box;
use std::time::Duration;

/// The processor's time of this process.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = ProcessTime;
    type Value = Duration;

    fn start(&self) -> ProcessTime {
        ProcessTime::now()
    }
    fn end(&self, start: ProcessTime) -> Duration {
        start.elapsed()
    }
    fn add(&self, first: &Duration, second: &Duration) -> Duration {
        *first + *second
    }
    fn zero(&self) -> Duration {
        Duration::ZERO
    }
    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        &Nanoseconds
    }
}

struct Nanoseconds;

impl ValueFormatter for Nanoseconds {
    fn scale_values(&self, _: f64, _: &mut [f64]) -> &'static str {
        "ns"
    }
    fn scale_throughputs(&self, _: f64, throughput: &Throughput, values: &mut [f64]) -> &'static str {
        if let Throughput::Elements(count) = throughput {
            for value in values {
                *value /= *count as f64;
            }
        }
        "ns/element"
    }
    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "ns"
    }
}

/// A packed integer (see `joinery_codec::value`), below 64.
fn value(number: u8) -> [u8; 2] {
    [3, number % 64 * 2]
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("field {index}")).collect()
}

fn document(agent: u64) -> Document {
    let mut document = Document::default();
    document.set_agent(agent);
    document
}

/// A document with these keys in its root map.
fn written(agent: u64, keys: &[String]) -> Document {
    let mut document = document(agent);
    for (number, key) in keys.iter().enumerate() {
        document.map_set(ROOT, key, &value(number as u8), 1).expect("a set");
    }
    document
}

fn maps(criterion: &mut Criterion<CpuTime>) {
    let hundred = keys(100);
    let thousand = keys(1_000);

    criterion.bench_function("single LWW set", |bencher| {
        let mut document = written(1, &hundred);
        let mut round = 0_u8;
        bencher.iter(|| {
            round = round.wrapping_add(1);
            document.map_set(ROOT, "field 50", &value(round), 2).expect("a set");
            // What is to be sent isn't to pile up.
            if round == 0 {
                black_box(document.take_update());
            }
        });
    });

    criterion.bench_function("single LWW set with its update", |bencher| {
        let mut document = written(1, &hundred);
        document.take_update();
        let mut round = 0_u8;
        bencher.iter(|| {
            round = round.wrapping_add(1);
            document.map_set(ROOT, "field 50", &value(round), 2).expect("a set");
            black_box(document.take_update())
        });
    });

    criterion.bench_function("merge of 100 fields", |bencher| {
        let ours = written(1, &hundred);
        let theirs = written(2, &hundred).take_update().expect("an update");
        bencher.iter_batched_ref(
            || ours.clone(),
            |document| document.apply(&theirs, u64::MAX).expect("a merge"),
            BatchSize::SmallInput,
        );
    });

    criterion.bench_function("batch of 1,000 sets", |bencher| {
        bencher.iter(|| written(1, &thousand).take_update());
    });

    criterion.bench_function("delta of 100 fields", |bencher| {
        let mut document = written(1, &thousand);
        let since = document.version_bytes();
        for key in &hundred {
            document.map_set(ROOT, key, &value(9), 2).expect("a set");
        }
        bencher.iter(|| document.export_update(Some(&since)).expect("a delta"));
    });

    criterion.bench_function("vector clock tick", |bencher| {
        let mut version = Version::default();
        for agent in 0..10 {
            version.raise(agent, 1);
        }
        let mut seq = 1;
        bencher.iter(|| {
            seq += 1;
            version.raise(black_box(5), seq);
        });
    });
}

fn texts(criterion: &mut Criterion<CpuTime>) {
    let edits = trace();
    let mut group = criterion.benchmark_group("text B4");
    group.sample_size(10);
    group.bench_function("type, an update per edit", |bencher| {
        bencher.iter_with_large_drop(|| type_trace(&edits).expect("the trace"));
    });
    let (typed, _) = type_trace(&edits).expect("the trace");
    let snapshot = typed.encode_snapshot();
    group.bench_function("encode", |bencher| {
        bencher.iter(|| typed.encode_snapshot());
    });
    group.bench_function("load to text", |bencher| {
        bencher.iter_with_large_drop(|| {
            let mut document = Document::default();
            document.apply(&snapshot, u64::MAX).expect("a snapshot");
            let text = document.child(ROOT, "text", Kind::Text).expect("the text");
            let read = document.text_string(text).expect("its content");
            (document, read)
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime).warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = maps, texts
}
criterion_main!(benches);
