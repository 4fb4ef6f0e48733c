//! Bytes in, bytes out: varints, a checked reader, a writer, packed values and checksums.
//!
//! What it is not: it knows no document, no dot and no merge rule. Every decoder here is total: any input gives a value
//! or a [`DecodeError`], and no decoder allocates more than a small multiple of its input's length.

mod checksum;
mod error;
mod reader;
mod value;
mod writer;
mod wtf8;

pub use checksum::crc32;
pub use error::{decimal, digits, sentence, DecodeError};
pub use reader::Reader;
pub use value::{check_value, compare_values, skip_value, write_texts, MAX_VALUE_BYTES, MAX_VALUE_DEPTH};
pub use writer::{write_varint, write_zigzag, Writer};
pub use wtf8::{decode_utf8_to_units, decode_wtf8_to_units, encode_units_as_wtf8, well_formed_units};
