//! The generator behind every random test: one number seeds a whole run.

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}"))
    })
}

/// How many times as much as usual is to be done.
pub fn rounds() -> u64 {
    number("JOINERY_ROUNDS").unwrap_or(1)
}

/// Runs a property under `count` seeds (times `JOINERY_ROUNDS`, from `JOINERY_SEED` on); says which seed failed.
pub fn for_seeds(count: u64, property: impl Fn(&mut Random)) {
    let first = number("JOINERY_SEED").unwrap_or(0);
    for_these(first..first + count * rounds(), property);
}

/// Runs a property under these seeds; says which one failed.
pub fn for_these(seeds: impl IntoIterator<Item = u64>, property: impl Fn(&mut Random)) {
    struct Say(u64);
    impl Drop for Say {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with JOINERY_SEED={}", self.0);
            }
        }
    }
    for seed in seeds {
        let say = Say(seed);
        // Neighbouring seeds give unrelated runs.
        property(&mut Random(seed.wrapping_mul(0x9e6c_63d0_876a_46ad)));
        drop(say);
    }
}
