//! Cuts a stream of bytes into chunks by their content, so that an edit changes the chunks around it and no others. It keeps no
//! bytes but one; what becomes of the chunks is the caller's.
//!
//! The algorithm is FastCDC with normalised chunking, and looks at bytes in pairs: Wen Xia et al., *The Design of Fast
//! Content-Defined Chunking for Data Deduplication Based Storage Systems*, IEEE TPDS 31(9), 2020. Each chunk starts its gear hash
//! at `min`; the byte after which the hash passes the mask is the first one of the next chunk. The cut points are those of the
//! crate `fastcdc` (v2020, level 1), which wants its input in one piece; here it comes in any pieces.

use crate::scan::find_cut;
use crate::{Gear, Sizes};
use blake3::Hasher;

/// A hash's length.
pub const HASH_BYTES: usize = 32;

/// A piece of the input, up to a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// In bytes, never 0.
    pub length: u32,
    /// BLAKE3 of its bytes; zeros where the chunker doesn't hash.
    pub hash: [u8; HASH_BYTES],
}

/// Cuts one stream of bytes.
pub struct Chunker {
    sizes: Sizes,
    below: u64,
    above: u64,
    gear: Gear,
    /// How many bytes the current chunk has, without the held one.
    position: u32,
    /// The gear hash at `position`.
    sum: u64,
    /// The first byte of a pair whose second one hasn't come yet. Whether it belongs to this chunk is open: the last byte of an
    /// input of odd length is never looked at, for it has no second one.
    held: Option<u8>,
    /// The bytes up to `position`, if the chunks are to be hashed.
    hasher: Option<Hasher>,
}

impl Chunker {
    /// A chunker at the start of its input; `hashes` says whether chunks are hashed as they are cut.
    pub fn new(sizes: Sizes, gear: Gear, hashes: bool) -> Chunker {
        let (below, above) = sizes.masks();
        Chunker {
            sizes,
            below,
            above,
            gear,
            position: 0,
            sum: 0,
            held: None,
            hasher: hashes.then(Hasher::new),
        }
    }

    /// Takes bytes up to the end of the current chunk, or all. Gives how many it took, and the chunk if it ended there; the rest
    /// is for the next call. In whichever slices an input comes, the chunks are the same.
    pub fn advance(&mut self, bytes: &[u8]) -> (usize, Option<Chunk>) {
        let Some(&next) = bytes.first() else {
            return (0, None);
        };
        let mut taken = 0;
        if let Some(first) = self.held.take() {
            let pair = [first, next];
            if let Some(cut) = self.scan(&pair, self.position) {
                self.keep(&pair[..cut]);
                let chunk = self.end();
                self.keep(&pair[cut..1]);
                return (0, Some(chunk));
            }
            self.keep(&pair);
            taken = 1;
        }
        let rest = &bytes[taken..];
        let window = &rest[..rest.len().min((self.sizes.max() - self.position) as usize)];
        let skipped = window
            .len()
            .min(self.sizes.min().saturating_sub(self.position) as usize);
        let pairs = &window[skipped..skipped + (window.len() - skipped) / 2 * 2];
        let cut = self.scan(pairs, self.position + skipped as u32);
        let end = skipped + cut.unwrap_or(pairs.len());
        self.keep(&window[..end]);
        if cut.is_some() || self.position == self.sizes.max() {
            return (taken + end, Some(self.end()));
        }
        self.held = window.get(end).copied();
        (bytes.len(), None)
    }

    /// The last chunk, if there is one; the chunker is then at the start of another input.
    pub fn finish(&mut self) -> Option<Chunk> {
        if let Some(last) = self.held.take() {
            self.keep(&[last]);
        }
        (self.position > 0).then(|| self.end())
    }

    /// Adds bytes to the current chunk.
    fn keep(&mut self, bytes: &[u8]) {
        self.position += bytes.len() as u32;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
    }

    /// Ends the current chunk.
    fn end(&mut self) -> Chunk {
        let mut chunk = Chunk {
            length: self.position,
            hash: [0; HASH_BYTES],
        };
        if let Some(hasher) = &mut self.hasher {
            chunk.hash = *hasher.finalize().as_bytes();
            hasher.reset();
        }
        self.position = 0;
        self.sum = 0;
        chunk
    }

    /// Looks at pairs that stand at `position` of the chunk, and gives the index of the first byte of the next chunk.
    fn scan(&mut self, pairs: &[u8], position: u32) -> Option<usize> {
        let below = pairs.len().min(self.sizes.average().saturating_sub(position) as usize);
        let (first, second) = pairs.split_at(below);
        find_cut(&self.gear, &mut self.sum, first, self.below)
            .or_else(|| find_cut(&self.gear, &mut self.sum, second, self.above).map(|cut| below + cut))
    }
}
