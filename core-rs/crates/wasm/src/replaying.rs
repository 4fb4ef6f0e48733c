//! Replay behind numbers and bytes. The replica that is replayed into takes the input and gives the output; the one that is
//! replayed from is only read.

use crate::{give_back, Core, ABSENT};
use joinery_codec::{DecodeError, Reader};
use joinery_types::{Bridge, ClockRule, Error, Replay, ReplayOptions};
use wasm_bindgen::prelude::wasm_bindgen;

/// A replay under way.
#[wasm_bindgen]
pub struct Replaying(Replay);

#[wasm_bindgen]
impl Core {
    /// Begins a replay into this replica. The input: the mapping's length (8 bytes, LE; 0 for none) and bytes, then per bridge
    /// the trim's agent, the snapshot's length (8 bytes each) and bytes. Absent when it was refused.
    pub fn begin_replay(
        &mut self,
        from: &Core,
        epoch: bool,
        clock: bool,
        server_time_ms: f64,
        correction_ms: f64,
    ) -> Option<Replaying> {
        let clock = clock.then_some(ClockRule {
            server_time_ms: server_time_ms as u64,
            correction_ms: correction_ms as i64,
        });
        let replay = parts(&self.input)
            .map_err(Error::InvalidUpdate)
            .and_then(|(mapping, bridges)| {
                let options = ReplayOptions {
                    mapping: (!mapping.is_empty()).then_some(mapping),
                    bridges: &bridges,
                    clock,
                    epoch,
                };
                Replay::new(&from.document, &self.document, &options)
            });
        self.input.clear();
        give_back(&mut self.input);
        match replay {
            Ok(replay) => Some(Replaying(replay)),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// Puts the stamps of what comes next right in another way.
    pub fn replay_correct(&mut self, replaying: &mut Replaying, server_time_ms: f64, correction_ms: f64) {
        replaying.0.correct(ClockRule {
            server_time_ms: server_time_ms as u64,
            correction_ms: correction_ms as i64,
        });
    }

    /// Replays the envelope in the input, or takes note that it was refused. The output: words of 4 bytes, LE: how many
    /// operations came through, then per rejected range the seqs before its first and of its last, and the reason.
    pub fn replay(&mut self, replaying: &mut Replaying, from: &Core, refused: bool) -> i32 {
        let replay = &mut replaying.0;
        let done = if refused {
            replay.refuse(&from.document, &mut self.document, &self.input)
        } else {
            replay.add(&from.document, &mut self.document, &self.input)
        };
        self.input.clear();
        give_back(&mut self.input);
        self.output.clear();
        let done = done.map(|outcome| {
            let ranges = outcome.rejected.iter();
            let words = ranges.flat_map(|range| [range.from, range.to, range.reason as u32]);
            for word in [outcome.applied].into_iter().chain(words) {
                self.output.extend_from_slice(&word.to_le_bytes());
            }
        });
        self.nothing(done)
    }

    /// The seq of the last new operation that one became, its agent (8 bytes, LE) in the output; absent where there is none.
    pub fn replay_translate(&mut self, replaying: &Replaying, agent: u64, seq: u32) -> f64 {
        let Some((agent, seq)) = replaying.0.translate(agent, seq) else {
            return f64::from(ABSENT);
        };
        self.output.clear();
        self.output.extend_from_slice(&agent.to_le_bytes());
        f64::from(seq)
    }

    /// Takes an undo stack of the other replica along; its number here.
    pub fn replay_carry_undo(&mut self, replaying: &Replaying, from: &Core, stack: u32) -> i32 {
        let done = self.document.undo_carry(&replaying.0, &from.document, stack);
        self.number(done)
    }

    /// Puts the mapping into the output.
    pub fn replay_mapping(&mut self, replaying: &Replaying) {
        self.output = replaying.0.mapping();
    }
}

/// The mapping and the bridges in the input.
fn parts(input: &[u8]) -> Result<(&[u8], Vec<Bridge<'_>>), DecodeError> {
    let mut reader = Reader::new(input);
    let blob = |reader: &mut Reader<'_>| -> Result<usize, DecodeError> {
        let len = reader.u64_le("a length")?;
        usize::try_from(len).map_err(|_| reader.error("a length within the input", "a longer one"))
    };
    let len = blob(&mut reader)?;
    let mapping = reader.bytes(len, "a mapping")?;
    let mut bridges = Vec::new();
    while !reader.is_empty() {
        let agent = reader.u64_le("an agent")?;
        let len = blob(&mut reader)?;
        let snapshot = reader.bytes(len, "a snapshot")?;
        bridges.push(Bridge { agent, snapshot });
    }
    Ok((mapping, bridges))
}
