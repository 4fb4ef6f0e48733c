//! What is behind the module's exports: hashers and chunkers by number, and two buffers of a fixed size, so that linear memory
//! (which never shrinks) grows with the number of hashers and not with what is hashed. It names nothing of WebAssembly, so that
//! it is tested natively.

use crate::{Chunk, Chunker, Error, Gear, Sizes, HASH_BYTES, KEY_BYTES};
use blake3::Hasher;

/// How many bytes a call can take or give: small enough to stay in a processor's cache between being written and being hashed.
pub const STAGING_BYTES: usize = 256 << 10;
/// What a chunk takes in the output: its length (little-endian), then its hash.
pub const OUTPUT_BYTES: usize = 4 + HASH_BYTES;
/// About 2 KiB each for hashers, 6 for chunkers.
const SLOTS_MAX: usize = 4096;

enum Slot {
    Hasher(Box<Hasher>),
    Chunker(Box<Chunker>),
}

/// Hashers and chunkers by number.
pub struct Door {
    /// What is passed in, and long answers.
    pub staging: Vec<u8>,
    /// Short answers.
    pub output: [u8; OUTPUT_BYTES],
    /// Why the last call was refused.
    pub error: Option<Error>,
    slots: Vec<Option<Slot>>,
    /// Numbers below `slots.len()` that are free again.
    freed: Vec<u32>,
}

impl Door {
    /// Nothing yet, without the room that the first call takes.
    pub const fn new() -> Door {
        Door {
            staging: Vec::new(),
            output: [0; OUTPUT_BYTES],
            error: None,
            slots: Vec::new(),
            freed: Vec::new(),
        }
    }

    /// Makes the staging buffer. It stays where it is from then on.
    pub fn open(&mut self) {
        self.staging.resize(STAGING_BYTES, 0);
    }

    /// Hashes what is staged, into the output.
    pub fn hash(&mut self, length: usize) -> Result<(), Error> {
        let hash = blake3::hash(self.staged(0, length)?);
        self.output[4..].copy_from_slice(hash.as_bytes());
        Ok(())
    }

    /// A hasher without a key.
    pub fn create_hasher(&mut self) -> Result<u32, Error> {
        self.put(|_| Ok(Slot::Hasher(Box::new(Hasher::new()))))
    }

    /// A hasher under the staged key.
    pub fn create_keyed_hasher(&mut self) -> Result<u32, Error> {
        self.put(|door| Ok(Slot::Hasher(Box::new(Hasher::new_keyed(&door.take_key())))))
    }

    /// A hasher that derives keys for the staged context.
    pub fn create_deriving_hasher(&mut self, length: usize) -> Result<u32, Error> {
        self.put(|door| {
            let context = core::str::from_utf8(door.staged(0, length)?).map_err(|_| Error::InvalidContext)?;
            Ok(Slot::Hasher(Box::new(Hasher::new_derive_key(context))))
        })
    }

    /// Hashes what is staged.
    pub fn update(&mut self, handle: u32, length: usize) -> Result<(), Error> {
        let Door { staging, slots, .. } = self;
        let bytes = staging.get(..length).ok_or(BEYOND_STAGING)?;
        hasher(slots, handle)?.update(bytes);
        Ok(())
    }

    /// Writes the first bytes of the hash, or of the extended output, to the staging buffer. The hasher goes on.
    pub fn digest(&mut self, handle: u32, length: usize) -> Result<(), Error> {
        let Door { staging, slots, .. } = self;
        let target = staging.get_mut(..length).ok_or(BEYOND_STAGING)?;
        hasher(slots, handle)?.finalize_xof().fill(target);
        Ok(())
    }

    /// As if nothing had been hashed; key and context stay.
    pub fn reset(&mut self, handle: u32) -> Result<(), Error> {
        hasher(&mut self.slots, handle)?.reset();
        Ok(())
    }

    /// A chunker; `keyed` takes the staged key for its table.
    pub fn create_chunker(&mut self, sizes: [u32; 3], keyed: bool, hashes: bool) -> Result<u32, Error> {
        let [min, average, max] = sizes;
        let sizes = Sizes::new(min, average, max)?;
        self.put(|door| {
            let gear = if keyed {
                Gear::keyed(&door.take_key())
            } else {
                Gear::unkeyed()
            };
            Ok(Slot::Chunker(Box::new(Chunker::new(sizes, gear, hashes))))
        })
    }

    /// Goes on with the staged bytes from `start` to `end` until a chunk ends; gives where it stands then. The output has the
    /// chunk, or the length 0.
    pub fn advance(&mut self, handle: u32, start: usize, end: usize) -> Result<u32, Error> {
        let Door { staging, slots, .. } = self;
        let bytes = staging.get(start..end).ok_or(BEYOND_STAGING)?;
        let (taken, chunk) = chunker(slots, handle)?.advance(bytes);
        self.write_chunk(chunk);
        Ok((start + taken) as u32)
    }

    /// Ends the input; the output has the last chunk, or the length 0.
    pub fn finish(&mut self, handle: u32) -> Result<(), Error> {
        let chunk = chunker(&mut self.slots, handle)?.finish();
        self.write_chunk(chunk);
        Ok(())
    }

    /// Gives a hasher or chunker back.
    pub fn free(&mut self, handle: u32) -> Result<(), Error> {
        let slot = self.slots.get_mut(handle as usize).ok_or(Error::Freed)?;
        slot.take().ok_or(Error::Freed)?;
        self.freed.push(handle);
        Ok(())
    }

    /// Writes what was refused to the staging buffer: the code, a line feed, the message. Gives the length.
    pub fn explain(&mut self) -> usize {
        let text = self
            .error
            .take()
            .map_or(String::new(), |error| format!("{}\n{error}", error.code()));
        let length = text.len().min(self.staging.len());
        self.staging[..length].copy_from_slice(&text.as_bytes()[..length]);
        length
    }

    fn put(&mut self, create: impl FnOnce(&mut Door) -> Result<Slot, Error>) -> Result<u32, Error> {
        if self.freed.is_empty() && self.slots.len() == SLOTS_MAX {
            return Err(Error::LimitExceeded(
                "Expected at most 4,096 hashers and chunkers at a time, got more. Free those that are done.",
            ));
        }
        let slot = Some(create(self)?);
        if let Some(handle) = self.freed.pop() {
            self.slots[handle as usize] = slot;
            return Ok(handle);
        }
        self.slots.push(slot);
        Ok((self.slots.len() - 1) as u32)
    }

    /// The staged key, which doesn't stay there.
    fn take_key(&mut self) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        key.swap_with_slice(&mut self.staging[..KEY_BYTES]);
        key
    }

    fn staged(&self, start: usize, end: usize) -> Result<&[u8], Error> {
        self.staging.get(start..end).ok_or(BEYOND_STAGING)
    }

    fn write_chunk(&mut self, chunk: Option<Chunk>) {
        let (length, hash) = chunk.map_or((0, [0; HASH_BYTES]), |chunk| (chunk.length, chunk.hash));
        self.output[..4].copy_from_slice(&length.to_le_bytes());
        self.output[4..].copy_from_slice(&hash);
    }
}

impl Default for Door {
    fn default() -> Door {
        Door::new()
    }
}

const BEYOND_STAGING: Error = Error::LimitExceeded("Expected at most 256 KiB in a call, got more. Pass it in pieces.");

fn hasher(slots: &mut [Option<Slot>], handle: u32) -> Result<&mut Hasher, Error> {
    match slots.get_mut(handle as usize).and_then(Option::as_mut) {
        Some(Slot::Hasher(hasher)) => Ok(hasher),
        _ => Err(Error::Freed),
    }
}

fn chunker(slots: &mut [Option<Slot>], handle: u32) -> Result<&mut Chunker, Error> {
    match slots.get_mut(handle as usize).and_then(Option::as_mut) {
        Some(Slot::Chunker(chunker)) => Ok(chunker),
        _ => Err(Error::Freed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Door {
        let mut door = Door::new();
        door.open();
        door
    }

    #[test]
    fn a_handle_is_good_until_it_is_freed_and_for_its_own_kind() {
        let mut door = opened();
        let hasher = door.create_hasher().unwrap();
        let chunker = door.create_chunker([64, 256, 1024], false, true).unwrap();
        assert_eq!(door.update(chunker, 0), Err(Error::Freed));
        assert_eq!(door.advance(hasher, 0, 0), Err(Error::Freed));
        assert_eq!(door.finish(hasher), Err(Error::Freed));
        door.free(hasher).unwrap();
        for refused in [
            door.update(hasher, 0),
            door.digest(hasher, 32),
            door.reset(hasher),
            door.free(hasher),
        ] {
            assert_eq!(refused, Err(Error::Freed));
        }
        for never in [2, 99, u32::MAX] {
            assert_eq!(door.free(never), Err(Error::Freed));
        }
        assert_eq!(door.create_hasher(), Ok(hasher), "its number is used again");
    }

    #[test]
    fn what_is_beyond_the_staging_buffer_is_refused() {
        let mut door = opened();
        let hasher = door.create_hasher().unwrap();
        let chunker = door.create_chunker([64, 256, 1024], false, true).unwrap();
        let beyond = STAGING_BYTES + 1;
        assert_eq!(door.hash(beyond), Err(BEYOND_STAGING));
        assert_eq!(door.update(hasher, beyond), Err(BEYOND_STAGING));
        assert_eq!(door.digest(hasher, beyond), Err(BEYOND_STAGING));
        assert_eq!(door.create_deriving_hasher(beyond), Err(BEYOND_STAGING));
        assert_eq!(door.advance(chunker, 0, beyond), Err(BEYOND_STAGING));
        assert_eq!(door.advance(chunker, 2, 1), Err(BEYOND_STAGING));
        assert_eq!(door.update(hasher, STAGING_BYTES), Ok(()));
    }

    #[test]
    fn bad_sizes_and_contexts_take_no_slot() {
        let mut door = opened();
        assert_eq!(
            door.create_chunker([256, 64, 1024], false, true),
            Err(Error::InvalidSize {
                name: "average",
                least: 256,
                most: 4 << 20,
                got: 64
            })
        );
        door.staging[0] = 0xff;
        assert_eq!(door.create_deriving_hasher(1), Err(Error::InvalidContext));
        assert_eq!(door.create_hasher(), Ok(0));
    }

    #[test]
    fn there_is_an_end_to_how_many_there_can_be() {
        let mut door = opened();
        for expected in 0..SLOTS_MAX as u32 {
            assert_eq!(door.create_hasher(), Ok(expected));
        }
        assert!(matches!(door.create_hasher(), Err(Error::LimitExceeded(_))));
        assert!(matches!(
            door.create_chunker([64, 256, 1024], false, true),
            Err(Error::LimitExceeded(_))
        ));
        door.free(77).unwrap();
        assert_eq!(door.create_hasher(), Ok(77));
    }

    #[test]
    fn a_refusal_is_explained_once() {
        let mut door = opened();
        door.error = door.create_chunker([63, 256, 1024], false, true).err();
        let length = door.explain();
        let text = core::str::from_utf8(&door.staging[..length]).unwrap();
        assert_eq!(text, "invalid-option\nExpected min to be an even number of bytes from 64 to 1048576, got 63. Choose one in that range.");
        assert_eq!(door.explain(), 0);
    }

    #[test]
    fn a_key_does_not_stay_staged() {
        let mut door = opened();
        for create in [Door::create_keyed_hasher, |door: &mut Door| {
            door.create_chunker([64, 256, 1024], true, true)
        }] {
            door.staging[..KEY_BYTES].fill(7);
            create(&mut door).unwrap();
            assert_eq!(door.staging[..KEY_BYTES], [0; KEY_BYTES]);
        }
    }
}
