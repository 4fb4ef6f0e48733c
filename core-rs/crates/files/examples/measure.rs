//! Native speed, for the benchmark to hold WebAssembly against: it reads a number of repetitions a line, and answers with the
//! shortest time in nanoseconds and the hash. The input is its argument's count of bytes from xorshift32, seed 1.

#![allow(clippy::unwrap_used)]

#[path = "../tests/inputs/mod.rs"]
mod inputs;

use inputs::Random;
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let length: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let mut random = Random::new(1);
    let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
    for line in std::io::stdin().lines() {
        let repetitions: u32 = line.unwrap().trim().parse().unwrap();
        let hash = || {
            let start = Instant::now();
            black_box(blake3::hash(black_box(&bytes)));
            start.elapsed()
        };
        let shortest = (0..repetitions).map(|_| hash()).min().unwrap();
        println!("{} {}", shortest.as_nanos(), blake3::hash(&bytes));
    }
}
