//! Who did what and when: agents, dots, version vectors, the frontier, the hybrid logical clock, envelope headers.
//!
//! What it is not: it merges nothing and holds no content. It has no clock and no entropy either; both come in as numbers.

mod agent;
mod arrivals;
mod clock;
mod dot;
mod envelope;
mod frontier;
mod version;

pub use agent::{AgentIndex, Agents};
pub use arrivals::Arrivals;
pub use clock::{Clock, ClockOverflow, Stamp, MAX_AHEAD_MS};
pub use dot::Dot;
pub use envelope::{Dependency, EnvelopeHeader, KIND_PLAIN, MAX_ENVELOPE_BYTES};
pub use frontier::Frontier;
pub use version::{Version, MAX_SEQ};
