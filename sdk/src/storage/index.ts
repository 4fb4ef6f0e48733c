// The public names of `joinery/storage`, for those who write a storage: its contract, and a document store for all that can
// keep records by name. Whoever uses one needs none of them.

export { type Cancel, type Environment, systemEnvironment } from '../environment.ts';
export { fileError } from './log-file.ts';
export { migrateStorage } from './migrate.ts';
export { hasFolder, namespaceHash, noOriginFiles, withOriginFiles } from './opfs.ts';
export { looksRemote } from './record.ts';
export { openRecordStore } from './record-store.ts';
export type { RecordArea, RecordFile, RecordName, RecordReader, RecordWriter } from './records.ts';
export type {
  Acknowledgement,
  Compaction,
  DamagedRecord,
  DocumentStore,
  DocumentWrite,
  EnvelopeKey,
  EpochEnd,
  IncarnationMark,
  MoveMark,
  Namespace,
  PendingDocument,
  RawChange,
  RawRecord,
  RawRecords,
  RejectedPart,
  RejectedRange,
  RejectedWrite,
  Replacement,
  ResumeMark,
  Storage,
  StoredDocument,
  StoredEnvelope,
  StoredRejection,
  StoredSnapshot,
  StoreEvents,
  Survey,
  Swap,
} from './storage.ts';
export { StaleIncarnation } from './storage.ts';
export { type Held, patiently, Turns } from './turns.ts';
