// Files in memory that lose power as disks do: what was flushed is there afterwards, of what was written since any part is, a
// sector at a time, in any order. For storages that write files. It is synchronous and has no time.

import type { LogFolder, SyncFile } from '../storage/log-file.ts';

/** A sector is written whole or not at all. */
const sector_bytes = 512;

/** What a write, a truncation or a flush ends with when the power goes. */
export class PowerCut extends Error {
  constructor() {
    super('The power is gone.');
    this.name = 'PowerCut';
  }
}

export interface CrashDiskOptions {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** So many writes, truncations and flushes are done; the next one ends with a {@link PowerCut}, and every later one. */
  readonly cutAfter?: number;
  /** The files together grow no larger. */
  readonly room_bytes?: number;
}

export class CrashDisk {
  readonly files: readonly [CrashFile, CrashFile];
  /** How many writes, truncations and flushes there were. */
  steps = 0;
  cutAfter: number;
  room_bytes: number;
  /** Flushing fails, once. */
  failsFlush = false;
  readonly random: () => number;

  constructor({
    random,
    cutAfter = Number.POSITIVE_INFINITY,
    room_bytes = Number.POSITIVE_INFINITY,
  }: CrashDiskOptions) {
    this.random = random;
    this.cutAfter = cutAfter;
    this.room_bytes = room_bytes;
    this.files = [new CrashFile(this), new CrashFile(this)];
  }

  step(): void {
    if (this.steps >= this.cutAfter) throw new PowerCut();
    this.steps += 1;
  }

  get used_bytes(): number {
    return this.files[0].size() + this.files[1].size();
  }

  /** What is on the disk when the power is back. */
  afterPowerCut(): CrashDisk {
    const disk = new CrashDisk({ random: this.random });
    for (const which of [0, 1] as const) disk.files[which].put(this.files[which].surviving());
    return disk;
  }

  /** The files for one tab after the other. */
  folder(): LogFolder {
    return { exclusive: async (body) => body(this.files), close: async () => {} };
  }
}

export class CrashFile implements SyncFile {
  readonly #disk: CrashDisk;
  #bytes = new Uint8Array(0);
  #durable = new Uint8Array(0);

  constructor(disk: CrashDisk) {
    this.#disk = disk;
  }

  size(): number {
    return this.#bytes.length;
  }

  read(into: Uint8Array, at: number): number {
    const found = this.#bytes.subarray(at, at + into.length);
    into.set(found);
    return found.length;
  }

  write(bytes: Uint8Array, at: number): number {
    this.#disk.step();
    const end = Math.max(this.#bytes.length, at + bytes.length);
    if (this.#disk.used_bytes + end - this.#bytes.length > this.#disk.room_bytes) {
      throw Object.assign(new Error('No room.'), { name: 'QuotaExceededError' });
    }
    this.#resize(end);
    this.#bytes.set(bytes, at);
    return bytes.length;
  }

  truncate(size: number): void {
    this.#disk.step();
    this.#resize(size);
  }

  flush(): void {
    this.#disk.step();
    if (this.#disk.failsFlush) {
      this.#disk.failsFlush = false;
      throw new Error('The disk fails.');
    }
    this.#durable = this.#bytes.slice();
  }

  /** What is on the disk when the power goes now. */
  surviving(): Uint8Array {
    const { random } = this.#disk;
    const isLonger = random() < 0.5;
    const length = isLonger ? this.#bytes.length : this.#durable.length;
    const left = new Uint8Array(length);
    left.set(this.#durable.subarray(0, length));
    for (let at = 0; at < length; at += sector_bytes) {
      if (random() < 0.5) left.set(this.#bytes.subarray(at, Math.min(at + sector_bytes, length)), at);
    }
    return left;
  }

  /** Puts content there, past all that is simulated. */
  put(bytes: Uint8Array): void {
    this.#bytes = bytes.slice();
    this.#durable = bytes.slice();
  }

  /** The content, for a test to look at or to break. */
  get content(): Uint8Array {
    return this.#bytes;
  }

  #resize(size: number): void {
    if (size === this.#bytes.length) return;
    const resized = new Uint8Array(size);
    resized.set(this.#bytes.subarray(0, size));
    this.#bytes = resized;
  }
}
