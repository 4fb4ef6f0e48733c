// Records in a file that only grows: each commit is a frame at its end, flushed before the commit is told of. An index in memory
// says where each record is. It knows of files what `SyncFile` says, and of other tabs that somebody keeps them out while one
// works (`LogFolder`); what they have written meanwhile is read first.
//
// A frame that a crash has cut short was durable for nobody: it is taken off, and so is a last one that was damaged later, for
// nothing tells these two apart. Damage before the last frame is gone around. Where only a record is damaged, its commit counts (a
// record's own checksum tells of it when it is read). Where it can't be known what a commit did, what it certainly added counts,
// and nothing else of it; and as nobody knows what else was there, every document's resume point is dropped, so that what the
// server has is fetched again.
//
// A file of which most is no longer needed is written anew into the other one of two, whose header, with a higher generation,
// comes last: of two files with a header the higher one counts.

import { JoineryError } from '@joinery/protocol';
import {
  bodyLength,
  decodeFrame,
  decodeHeader,
  encodeFrame,
  encodeHeader,
  type FoundOperation,
  firstByte,
  frameHead_bytes,
  type Header,
  header_bytes,
  isWhole,
  type Operation,
  onlyAdds,
  type Upgrade,
  upgrades,
  versionOf,
} from './log-format.ts';
import { decodeStateRecord, encodeStateRecord, looksRemote, type StateRecord } from './record.ts';
import type { RecordArea, RecordFile, RecordName, RecordReader, RecordWriter } from './records.ts';
import type { DamagedRecord } from './storage.ts';

/** A file that is read and written synchronously, at offsets: a sync access handle of the origin private file system. */
export interface SyncFile {
  size(): number;
  /** How many bytes it read; fewer than `into` has where the file ends before. */
  read(into: Uint8Array, at: number): number;
  /** How many bytes it wrote. */
  write(bytes: Uint8Array, at: number): number;
  truncate(size: number): void;
  /** Returns when everything written has reached the disk. */
  flush(): void;
}

/** The two files of a namespace. */
export interface LogFolder {
  /** Runs `body` while nobody else has the files. */
  exclusive<Result>(body: (files: readonly [SyncFile, SyncFile]) => Result): Promise<Result>;
  /** Waits for what is under way. */
  close(): Promise<void>;
}

/** A file is written anew when it is larger than so many times what is needed of it. */
const rewriteFactor = 3;
/** Of frames that are written anew; a larger record is a frame of its own. */
const rewriteFrame_bytes = 1024 * 1024;

/** See the top of this file. */
export class LogFile implements RecordFile {
  readonly #folder: LogFolder;
  #index = new Index();
  #which: 0 | 1 = 0;
  /** Of the file that was read; none before. */
  #header: Header = { version: 0, generation: 0, salt: 0 };
  /** Up to here the index knows the file. */
  #end = 0;
  /** What is to be written because of damage, where there was no room for it yet: it counts already. */
  #repairs: readonly Operation[] = [];
  /** The other file may have a header that was not to be: nothing is durable here until it has none. */
  #isOtherInDoubt = false;
  readonly #salt: () => number;
  readonly #rewriteLeast_bytes: number;
  readonly #upgrades: readonly Upgrade[];
  /** The file may grow to this size before it is written anew: where there was no room for that, it is put off. */
  #rewriteAt: number;

  /**
   * @param salt 32 bits that nobody can guess, for each new file
   * @param rewriteLeast_bytes a smaller file is never written anew
   * @param steps for tests of what a later version will do
   */
  constructor(folder: LogFolder, salt: () => number, rewriteLeast_bytes = 1024 * 1024, steps = upgrades) {
    this.#upgrades = steps;
    this.#folder = folder;
    this.#salt = salt;
    this.#rewriteLeast_bytes = rewriteLeast_bytes;
    this.#rewriteAt = rewriteLeast_bytes;
  }

  view<Result>(body: (records: RecordReader) => Result): Promise<Result> {
    return this.#exclusive((files) => body(this.#look(files)));
  }

  commit<Result>(body: (records: RecordWriter) => Result): Promise<Result> {
    return this.#exclusive((files) => {
      const commit = this.#look(files);
      const result = body(commit);
      if (!commit.hasWritten) return result;
      this.#append(files, commit.operations);
      this.#repairs = [];
      // What was removed for good is not to lie there any longer.
      this.#tidy(files, commit.isCleared);
      return result;
    });
  }

  #look(files: readonly [SyncFile, SyncFile]): Commit {
    return new Commit(this.#index, files[this.#which], this.#repairs);
  }

  close(): Promise<void> {
    return this.#folder.close();
  }

  #exclusive<Result>(body: (files: readonly [SyncFile, SyncFile]) => Result): Promise<Result> {
    return this.#folder.exclusive((files) => {
      typed(() => this.#catchUp(files));
      return body(files);
    });
  }

  /** Reads what others have written, or all of it. */
  #catchUp(files: readonly [SyncFile, SyncFile]): void {
    const known = versionOf(this.#upgrades);
    const [first, second] = [headerOf(files[0], known), headerOf(files[1], known)];
    if (first === undefined && second === undefined) {
      this.#begin(files);
      return;
    }
    const which = (second?.generation ?? 0) > (first?.generation ?? 0) ? 1 : 0;
    const header = (which === 1 ? second : first) as Header;
    const file = files[which];
    const size = file.size();
    const { generation, salt } = this.#header;
    if (which !== this.#which || header.generation !== generation || header.salt !== salt || size < this.#end) {
      this.#index = new Index();
      this.#which = which;
      this.#header = header;
      this.#end = header_bytes;
      this.#repairs = [];
      this.#isOtherInDoubt = false;
      this.#rewriteAt = this.#rewriteLeast_bytes;
    }
    if (size > this.#end) this.#scan(files, size);
    if (header.version < known) this.#upgrade(files, header.version);
  }

  /** Neither file has a header: there was none yet, or both copies of it are damaged. */
  #begin(files: readonly [SyncFile, SyncFile]): void {
    const sizes = files.map((file) => file.size()) as [number, number];
    // What can't be read stays where it lies, till the file is written anew.
    this.#which = sizes[1] < sizes[0] ? 1 : 0;
    this.#header = { version: versionOf(this.#upgrades), generation: 1, salt: this.#salt() };
    this.#index = new Index();
    this.#end = header_bytes;
    const file = files[this.#which];
    file.truncate(0);
    writeAll(file, encodeHeader(this.#header), 0);
    file.flush();
    const lost = Math.max(...sizes);
    if (lost <= header_bytes) return;
    const reason = `A file of ${lost} bytes could not be read: both copies of its header are damaged.`;
    this.#repair(files, [asideOperation({ document: '', area: 'log', bytes: new Uint8Array(0), reason })]);
  }

  #scan(files: readonly [SyncFile, SyncFile], size: number): void {
    const file = files[this.#which];
    const { salt } = this.#header;
    const lost: DamagedRecord[] = [];
    /** Where the last commit was of which it isn't known what it did. */
    let unknownAt = -1;
    let at = this.#end;
    while (at < size) {
      const frame = frameAt(file, salt, at, size);
      if (frame !== undefined && isWhole(frame)) {
        this.#take(decodeFrame(salt, frame).found, at);
        at += frame.length;
        continue;
      }
      const next = nextHead(file, salt, at + 1, size);
      if (next === undefined) break;
      const damaged = frame ?? readAt(file, at, next - at);
      const { found, isComplete } = frame === undefined ? { found: [], isComplete: false } : decodeFrame(salt, frame);
      if (isComplete) this.#take(found, at);
      else {
        // State records speak of what else the commit did.
        if (onlyAdds(damaged)) {
          this.#take(
            found.filter(({ operation }) => operation.kind === 'put' && operation.area === 'log'),
            at,
          );
        }
        unknownAt = at;
        lost.push({ document: '', area: 'log', bytes: damaged, reason: 'It is not known what this commit has done.' });
      }
      at += damaged.length;
    }
    if (at < size) {
      file.truncate(at);
      file.flush();
    }
    this.#end = at;
    if (lost.length > 0) this.#repair(files, [...lost.map(asideOperation), ...this.#afterLoss(file, unknownAt)]);
  }

  /** Writes down what follows from damage, now or with the next commit. */
  #repair(files: readonly [SyncFile, SyncFile], repairs: readonly Operation[]): void {
    this.#repairs = [...this.#repairs, ...repairs];
    try {
      this.#append(files, this.#repairs);
      this.#repairs = [];
    } catch {
      // Without room, or on a disk that fails, what is there can be read all the same.
    }
  }

  #take(found: readonly FoundOperation[], at: number): void {
    for (const { operation, at: within } of found) this.#index.apply(operation, at + within);
  }

  /**
   * What follows for each document from a commit at `lostAt` of which it isn't known what it did: its resume point stands for
   * nothing any more. And where it is in an incarnation whose beginning is lost, what lay before that is of the one before.
   */
  #afterLoss(file: SyncFile, lostAt: number): Operation[] {
    const operations: Operation[] = [];
    const setAside = (area: 'log' | 'snapshot', document: string, name: string, entry: Entry): void => {
      const reason = 'What replaced it could not be read.';
      operations.push(asideOperation({ document, area, bytes: recordAt(file, entry), reason }));
      operations.push({ kind: 'delete', area, document, name });
    };
    for (const [document, entries] of this.#index.groups('state')) {
      const entry = entries.get('');
      if (entry === undefined) continue;
      let state: StateRecord;
      try {
        state = decodeStateRecord(document, recordAt(file, entry));
      } catch {
        // The next load sets it aside.
        continue;
      }
      const known = [...(this.#index.group('replacement', document)?.keys() ?? [])].map(Number);
      if (state.incarnation > Math.max(0, ...known)) {
        for (const area of ['log', 'snapshot'] as const) {
          for (const [name, old] of this.#index.group(area, document) ?? []) {
            if (old.at < lostAt) setAside(area, document, name, old);
          }
        }
      }
      const record = encodeStateRecord(document, { ...state, repairs: state.repairs + 1, resume: undefined });
      operations.push({ kind: 'put', area: 'state', document, name: '', record });
    }
    return operations;
  }

  #append(files: readonly [SyncFile, SyncFile], operations: readonly Operation[]): void {
    const file = files[this.#which];
    const frame = encodeFrame(this.#header.salt, operations);
    const at = this.#end;
    typed(() => {
      if (this.#isOtherInDoubt) {
        const other = files[this.#which === 0 ? 1 : 0];
        other.truncate(0);
        other.flush();
        this.#isOtherInDoubt = false;
      }
      try {
        writeAll(file, frame, at);
        file.flush();
      } catch (error) {
        // Cut off again at the next look at the latest, if it is not whole.
        file.truncate(at);
        throw error;
      }
    });
    this.#end = at + frame.length;
    this.#take(decodeFrame(this.#header.salt, frame).found, at);
  }

  /** Writes the file anew where most of it isn't needed any more, or when it has to be. */
  #tidy(files: readonly [SyncFile, SyncFile], must: boolean): void {
    const { live_bytes } = this.#index;
    if (!must && this.#end < Math.max(this.#rewriteAt, rewriteFactor * live_bytes)) return;
    try {
      this.#rewrite(files, []);
    } catch {
      // Without room for both files the old one goes on, for twice as long.
      this.#rewriteAt = 2 * this.#end;
    }
  }

  /** All of an earlier version is written anew, or nothing: until the last write it is as it was. */
  #upgrade(files: readonly [SyncFile, SyncFile], from: number): void {
    // What is to be written because of damage comes first, so that it is made one of the new version too.
    if (this.#repairs.length > 0) {
      this.#append(files, this.#repairs);
      this.#repairs = [];
    }
    this.#rewrite(files, this.#upgrades.slice(from - 1));
  }

  /** Writes all that there is into the other file, which is used from then on. */
  #rewrite(files: readonly [SyncFile, SyncFile], steps: readonly Upgrade[]): void {
    const other = this.#which === 0 ? 1 : 0;
    const [from, to] = [files[this.#which], files[other]];
    const version = versionOf(this.#upgrades);
    const header = { version, generation: this.#header.generation + 1, salt: this.#salt() };
    const index = new Index();
    let end = header_bytes;
    try {
      to.truncate(0);
      for (const found of this.#index.frames((entry) => recordAt(from, entry))) {
        let operations: readonly Operation[] = found;
        for (const step of steps) operations = operations.flatMap(step);
        if (operations.length === 0) continue;
        const frame = encodeFrame(header.salt, operations);
        writeAll(to, frame, end);
        for (const { operation, at } of decodeFrame(header.salt, frame).found) index.apply(operation, end + at);
        end += frame.length;
      }
      to.flush();
      writeAll(to, encodeHeader(header), 0);
      to.flush();
    } catch (error) {
      try {
        to.truncate(0);
        to.flush();
      } catch {
        // Its header may be there, or come to be.
        this.#isOtherInDoubt = true;
      }
      throw error;
    }
    this.#index = index;
    this.#which = other;
    this.#header = header;
    this.#end = end;
    this.#rewriteAt = this.#rewriteLeast_bytes;
    try {
      from.truncate(0);
      from.flush();
    } catch {
      // Its generation is the lower one, whatever is left of it.
    }
  }
}

/** Where a record is. */
interface Entry {
  readonly at: number;
  readonly length: number;
  /** It is of the log and doesn't say that it came from the server. */
  readonly isLocal: boolean;
}

/** Which records there are, by area and document, and what was set aside. */
class Index {
  readonly #groups = new Map<string, Map<string, Entry>>();
  damaged: DamagedRecord[] = [];
  /** What a file with just these would have, about. */
  live_bytes = header_bytes;

  group(area: RecordArea, document: string): ReadonlyMap<string, Entry> | undefined {
    return this.#groups.get(groupName(area, document));
  }

  groupNames(): Iterable<string> {
    return this.#groups.keys();
  }

  *groups(only: RecordArea): Generator<readonly [document: string, ReadonlyMap<string, Entry>]> {
    const prefix = groupName(only, '');
    for (const [name, entries] of this.#groups) {
      if (name.startsWith(prefix)) yield [name.slice(prefix.length), entries];
    }
  }

  /** @param at where its record is in the file */
  apply(operation: Operation, at: number): void {
    if (operation.kind === 'clear') {
      this.#groups.clear();
      this.damaged = [];
      this.live_bytes = header_bytes;
      return;
    }
    if (operation.kind === 'set aside') {
      this.damaged.push(operation.damaged);
      this.live_bytes += operation.damaged.bytes.length;
      return;
    }
    const { area, document, name } = operation;
    const group = groupName(area, document);
    let entries = this.#groups.get(group);
    const before = entries?.get(name);
    if (before !== undefined) this.live_bytes -= before.length + overhead(group, name);
    if (operation.kind === 'delete') {
      entries?.delete(name);
      if (entries?.size === 0) this.#groups.delete(group);
      return;
    }
    if (entries === undefined) {
      entries = new Map();
      this.#groups.set(group, entries);
    }
    const { length } = operation.record;
    entries.set(name, { at, length, isLocal: area === 'log' && !looksRemote(operation.record) });
    this.live_bytes += length + overhead(group, name);
  }

  /** All there is, as operations, in frames of bounded size. */
  *frames(read: (entry: Entry) => Uint8Array): Generator<Operation[]> {
    let operations: Operation[] = this.damaged.map(asideOperation);
    let size = this.damaged.reduce((sum, { bytes }) => sum + bytes.length, 0);
    for (const [group, entries] of this.#groups) {
      const [area, document] = ofGroup(group);
      for (const [name, entry] of entries) {
        if (size + entry.length > rewriteFrame_bytes && operations.length > 0) {
          yield operations;
          operations = [];
          size = 0;
        }
        operations.push({ kind: 'put', area, document, name, record: read(entry) });
        size += entry.length;
      }
    }
    if (operations.length > 0) yield operations;
  }
}

/** A look at the records, with what one commit writes. */
class Commit implements RecordWriter {
  readonly #index: Index;
  readonly #file: SyncFile;
  readonly #written = new Map<string, Map<string, Uint8Array | undefined>>();
  #isCleared = false;
  /** What was to be written before, and what this commit writes. */
  readonly operations: Operation[];
  readonly #before: number;

  constructor(index: Index, file: SyncFile, before: readonly Operation[]) {
    this.#index = index;
    this.#file = file;
    this.operations = [...before];
    this.#before = before.length;
    for (const operation of before) {
      if (operation.kind === 'put') this.#write(operation.area, operation.document, operation.name, operation.record);
      if (operation.kind === 'delete') this.#write(operation.area, operation.document, operation.name, undefined);
    }
  }

  get hasWritten(): boolean {
    return this.#isCleared || this.operations.length > this.#before;
  }

  get isCleared(): boolean {
    return this.#isCleared;
  }

  get(area: RecordArea, document: string, name: string): Uint8Array | undefined {
    const written = this.#written.get(groupName(area, document));
    if (written?.has(name) === true) return written.get(name);
    const entry = this.#stored(area, document)?.get(name);
    return entry && recordAt(this.#file, entry);
  }

  *list(area: RecordArea, document: string): Generator<readonly [string, Uint8Array]> {
    for (const name of this.#names(area, document)) yield [name, this.get(area, document, name) as Uint8Array];
  }

  *names(): Generator<RecordName> {
    const groups = new Set([...(this.#isCleared ? [] : this.#index.groupNames()), ...this.#written.keys()]);
    for (const group of groups) {
      const [area, document] = ofGroup(group);
      for (const name of this.#names(area, document)) yield { area, document, name };
    }
  }

  documents(): Iterable<string> {
    return this.#documentsOf('state');
  }

  rejecting(): Iterable<string> {
    return this.#documentsOf('rejected');
  }

  *localLog(): Generator<readonly [string, Uint8Array]> {
    for (const document of this.#documentsOf('log')) {
      const written = this.#written.get(groupName('log', document));
      for (const name of this.#names('log', document)) {
        // What came from the server, which is most, is not read for it.
        if (written?.has(name) !== true && this.#stored('log', document)?.get(name)?.isLocal !== true) continue;
        const record = this.get('log', document, name) as Uint8Array;
        if (!looksRemote(record)) yield [document, record];
      }
    }
  }

  damaged(): DamagedRecord[] {
    const written = this.operations.flatMap((operation) => (operation.kind === 'set aside' ? operation.damaged : []));
    return [...(this.#isCleared ? [] : this.#index.damaged), ...written];
  }

  put(area: RecordArea, document: string, name: string, record: Uint8Array): void {
    this.operations.push({ kind: 'put', area, document, name, record });
    this.#write(area, document, name, record);
  }

  delete(area: RecordArea, document: string, name: string): void {
    const written = this.#written.get(groupName(area, document));
    const isThere = written?.has(name) ? written.get(name) !== undefined : this.#stored(area, document)?.has(name);
    if (isThere !== true) return;
    this.operations.push({ kind: 'delete', area, document, name });
    this.#write(area, document, name, undefined);
  }

  setAside(record: DamagedRecord): void {
    this.operations.push(asideOperation(record));
  }

  clear(): void {
    this.operations.splice(0, Number.POSITIVE_INFINITY, { kind: 'clear' });
    this.#written.clear();
    this.#isCleared = true;
  }

  #stored(area: RecordArea, document: string): ReadonlyMap<string, Entry> | undefined {
    return this.#isCleared ? undefined : this.#index.group(area, document);
  }

  #write(area: RecordArea, document: string, name: string, record: Uint8Array | undefined): void {
    const group = groupName(area, document);
    let written = this.#written.get(group);
    if (written === undefined) {
      written = new Map();
      this.#written.set(group, written);
    }
    written.set(name, record);
  }

  *#documentsOf(area: RecordArea): Generator<string> {
    const found = new Set<string>();
    if (!this.#isCleared) for (const [document] of this.#index.groups(area)) found.add(document);
    for (const group of this.#written.keys()) {
      const [of, document] = ofGroup(group);
      if (of === area) found.add(document);
    }
    for (const document of found) if (!this.#names(area, document).next().done) yield document;
  }

  /** The names of the records that there are. */
  *#names(area: RecordArea, document: string): Generator<string> {
    const written = this.#written.get(groupName(area, document));
    for (const name of this.#stored(area, document)?.keys() ?? []) if (written?.has(name) !== true) yield name;
    for (const [name, record] of written ?? []) if (record !== undefined) yield name;
  }
}

function groupName(area: RecordArea, document: string): string {
  return `${area} ${document}`;
}

function ofGroup(group: string): [area: RecordArea, document: string] {
  const space = group.indexOf(' ');
  return [group.slice(0, space) as RecordArea, group.slice(space + 1)];
}

/** About what an operation's head and names take. */
function overhead(group: string, name: string): number {
  return group.length + name.length + 8;
}

function asideOperation(damaged: DamagedRecord): Operation {
  return { kind: 'set aside', damaged };
}

function headerOf(file: SyncFile, known: number): Header | undefined {
  return decodeHeader(readAt(file, 0, Math.min(header_bytes, file.size())), known);
}

/** The bytes of the frame that begins here; undefined where none does, or there is less of it than it says. */
function frameAt(file: SyncFile, salt: number, at: number, size: number): Uint8Array | undefined {
  if (size - at < frameHead_bytes) return undefined;
  const length = bodyLength(salt, readAt(file, at, frameHead_bytes));
  if (length === undefined || at + frameHead_bytes + length > size) return undefined;
  return readAt(file, at, frameHead_bytes + length);
}

/** Where the next frame begins, from here on. */
function nextHead(file: SyncFile, salt: number, from: number, size: number): number | undefined {
  const block = 64 * 1024;
  for (let start = from; start < size; start += block) {
    // With what a head at its end needs of the next one.
    const bytes = readAt(file, start, Math.min(block + frameHead_bytes, size - start));
    for (
      let within = bytes.indexOf(firstByte);
      within >= 0 && within < block;
      within = bytes.indexOf(firstByte, within + 1)
    ) {
      if (bodyLength(salt, bytes.subarray(within, within + frameHead_bytes)) !== undefined) return start + within;
    }
  }
  return undefined;
}

function recordAt(file: SyncFile, { at, length }: Entry): Uint8Array {
  return typed(() => readAt(file, at, length));
}

function readAt(file: SyncFile, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const read = file.read(done === 0 ? bytes : bytes.subarray(done), at + done);
    if (read === 0) throw new JoineryError('storage-failed', `Expected ${length} bytes at ${at}, got ${done}.`);
    done += read;
  }
  return bytes;
}

function writeAll(file: SyncFile, bytes: Uint8Array, at: number): void {
  let done = 0;
  while (done < bytes.length) {
    const written = file.write(done === 0 ? bytes : bytes.subarray(done), at + done);
    // A browser that has no more room may write less than it was given.
    if (written === 0)
      throw new JoineryError('storage-full', 'There is no more room for this origin. Free space; it is tried again.');
    done += written;
  }
}

function typed<Result>(run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    throw fileError(error);
  }
}

/** What it means that a file could not be read or written. */
export function fileError(error: unknown): JoineryError {
  if (error instanceof JoineryError) return error;
  const isFull = error instanceof Error && error.name === 'QuotaExceededError';
  const got = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new JoineryError(
    isFull ? 'storage-full' : 'storage-failed',
    { expected: "this origin's files to work", got, remedy: 'The operation is safe to try again.' },
    { cause: error },
  );
}
