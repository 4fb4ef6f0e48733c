/** The public names of `joinery/files`: hashing and content-defined chunking alone, without documents, storage or network. */

export { JoineryError } from '@joinery/protocol';
export type { CoreSource } from '../core/compile.ts';
export {
  type ByteSource,
  type Chunk,
  Chunker,
  type ChunkOptions,
  chunkBytes,
  chunkStream,
  cutPoints,
} from './chunker.ts';
export { deriveKey, Hasher, type HasherOptions, hash, keyedHash } from './hash.ts';
export { init } from './load.ts';
