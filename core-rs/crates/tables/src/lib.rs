//! Ordered tables that compile to little code. The module that a browser loads has dozens of kinds of tables, and the standard
//! library's B-tree and hash table are compiled anew for each: seven and five kilobytes a kind. These take a fraction of that.
//!
//! They are ordered by key and by nothing else: what walks through one meets the same order on every machine. [`HashedList`] is so
//! too, and is found by a hash besides.

mod hashed;
mod map;
mod set;

pub use hashed::{Hashed, HashedList};
pub use map::{IntoIter, Iter, OrderedMap};
pub use set::OrderedSet;
