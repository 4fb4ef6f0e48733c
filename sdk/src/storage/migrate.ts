// Moves everything of a namespace from one storage to another, whatever interrupts it. Which storage a client uses is decided
// elsewhere (`home.ts`). Each step is one commit that looks at the mark it follows on, so of several that move at once each step is
// done by one of them, and who is too late begins where things are:
//
//   1. source: `leaving`     whoever has it open writes nothing to it any more (`storage-moved`), and it stays as it is
//   2. target: `arriving`    emptied first: what an interrupted attempt has left goes
//   3. target: records       in commits of bounded size, each only while the mark is still this attempt's
//   4. target is read back   and compared with the source, name by name and byte by byte
//   5. target: `arrived`     from here on the target is what counts, and nothing of the source
//   6. source: `left`        emptied in the same commit
//   7. target: no mark
//
// Until 5 the source has everything, from 5 on the target has. Interrupted before 5 it starts over at 2, after 5 it goes on at 6. A
// target can't be used before 6 is done. Where the source is removed before 5 (by the browser, say), the target is emptied. What lies in both by other ways is never mixed and never overwritten: `storage-occupied`.

import { JoineryError } from '@joinery/protocol';
import { type Cancel, type Environment, systemEnvironment } from '../environment.ts';
import { isSameMark } from './move-mark.ts';
import type { RecordName } from './records.ts';
import type { DamagedRecord, DocumentStore, MoveMark, Namespace, RawRecord, RawRecords, Storage } from './storage.ts';

/** What is read, and written, at once; a larger record alone. */
const batch_bytes = 1024 * 1024;
const batch_count = 1_000;
/** Who is overtaken so often by others that move the same gives up for now. */
const patience_steps = 100;
const giveWay_ms = 4;
const giveWayMost_ms = 4_000;
/** So long who moves waits for another tab that does; without the lock it is as safe, and slower. */
const patience_ms = 10_000;

/**
 * Moves a namespace from one storage to another. Resolves when all of it is durable in `to` and nothing is left in `from`; where `from`
 * has nothing, at once. Interrupted, it loses nothing, and the next call goes on or starts over. Stores of `from` that are open,
 * in whatever tab, end with `storage-moved`.
 *
 * @returns how many records were moved
 * @throws JoineryError `storage-occupied` where `to` has something already that didn't come from here: nothing has changed then;
 *   `storage-moved` where everything is on its way to a third storage; `invalid-request` where a storage is none that can be moved;
 *   whatever the storages reject with
 * @example
 * import { migrateStorage } from 'joinery/storage';
 * await migrateStorage(new SqliteStorage({ path: 'old.sqlite' }), new SqliteStorage({ path: 'new.sqlite' }), namespace);
 */
export async function migrateStorage(
  from: Storage,
  to: Storage,
  namespace: Namespace,
  environment: Environment = systemEnvironment(),
): Promise<number> {
  const { server, user, name } = namespace;
  const unlock = await locked(environment, `joinery-move-${JSON.stringify([server, user, name])}`);
  try {
    return await moved(from, to, namespace, environment);
  } finally {
    unlock();
  }
}

async function moved(from: Storage, to: Storage, namespace: Namespace, environment: Environment): Promise<number> {
  const source = await from.open(namespace);
  try {
    const target = await to.open(namespace);
    try {
      return await new Move(rawOf(source, from), rawOf(target, to), from.mode, to.mode, environment).run();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

export function rawOf({ raw }: DocumentStore, { mode }: Storage): RawRecords {
  if (raw !== undefined) return raw;
  throw new JoineryError('invalid-request', {
    expected: 'a storage whose records can be moved',
    got: `${mode}, which has none`,
    remedy: 'Give its stores `raw`; see joinery/storage.',
  });
}

class Move {
  readonly #source: RawRecords;
  readonly #target: RawRecords;
  readonly #from: string;
  readonly #to: string;
  readonly #environment: Environment;

  constructor(source: RawRecords, target: RawRecords, from: string, to: string, environment: Environment) {
    this.#source = source;
    this.#target = target;
    this.#from = from;
    this.#to = to;
    this.#environment = environment;
  }

  /** Looks where things are, and does one step, until there is none to do. */
  async run(): Promise<number> {
    let moved = 0;
    for (let step = 0; step < patience_steps; step += 1) {
      const [source, target] = [await this.#source.survey(), await this.#target.survey()];
      const isEmpty = source.names.length === 0 && source.damaged.length === 0;
      const mark = source.mark;
      if (mark?.state === 'leaving') {
        if (mark.to !== this.#to) throw elsewhere(mark.to);
        if (target.mark?.state === 'arrived' && target.mark.id === mark.id) {
          await this.#source.change({ expect: mark, mark: { ...mark, state: 'left' }, clear: true });
        } else if (isVacant(target)) {
          const copied = await this.#copy(mark, target.mark, source);
          if (copied === undefined) await this.#giveWay(step);
          moved = copied ?? moved;
        } else {
          // Somebody has begun to use the target: nothing has counted yet but the source.
          await this.#source.change({ expect: mark, mark: undefined });
          throw occupied(this.#from, this.#to);
        }
      } else if (mark?.state === 'left') {
        const { mark: arrived } = target;
        if (arrived?.state !== 'arrived' || arrived.id !== mark.id) return moved;
        await this.#target.change({ expect: arrived, mark: undefined });
      } else if (target.mark?.state === 'leaving' && target.mark.to === this.#from) {
        await this.#turnBack(target.mark, mark);
      } else if (
        mark === undefined &&
        isEmpty &&
        target.mark?.state === 'arriving' &&
        target.mark.from === this.#from
      ) {
        // The source was removed in the middle: what it has brought is not whole, and never will be.
        await this.#target.change({ expect: target.mark, mark: undefined, clear: true });
      } else if (mark?.state === 'arriving' || (isEmpty && target.mark?.state !== 'left')) {
        // To where nothing may be written, also nothing is moved: it can be written to then.
        return moved;
      } else if (isVacant(target)) {
        await this.#source.change({ expect: mark, mark: { state: 'leaving', id: this.#random(), to: this.#to } });
      } else throw occupied(this.#from, this.#to);
    }
    throw new JoineryError('storage-locked', 'Others move the same storage. It is tried again.');
  }

  /** A move the other way was interrupted. */
  async #turnBack(leaving: MoveMark & { readonly to: string }, mark: MoveMark | undefined): Promise<void> {
    if (mark?.state === 'arrived' && mark.id === leaving.id) {
      await this.#target.change({
        expect: leaving,
        mark: { state: 'left', id: leaving.id, to: leaving.to },
        clear: true,
      });
      return;
    }
    // What it has brought here doesn't count. Emptied first: the target may be written to as soon as its mark is gone.
    if (mark?.state === 'arriving') await this.#source.change({ expect: mark, mark: undefined, clear: true });
    else await this.#target.change({ expect: leaving, mark: undefined });
  }

  /** Steps 2 to 5. Undefined where another one was quicker. */
  async #copy(
    { id }: { readonly id: string },
    expect: MoveMark | undefined,
    { names, damaged }: { readonly names: readonly RecordName[]; readonly damaged: readonly DamagedRecord[] },
  ): Promise<number | undefined> {
    const mark: MoveMark = { state: 'arriving', id, attempt: this.#random(), from: this.#from };
    // What an attempt has left is removed. All else has to be empty in this very moment: another one may have brought it all, and
    // taken off its marks, since somebody looked.
    const begins = expect?.state === 'arriving' ? { clear: true } : { vacant: true };
    if (!(await this.#target.change({ expect, mark, ...begins }))) return undefined;
    for await (const put of this.#batches(names)) {
      if (!(await this.#target.change({ expect: mark, mark, put }))) return undefined;
    }
    for (const setAside of damagedBatches(damaged)) {
      if (!(await this.#target.change({ expect: mark, mark, setAside }))) return undefined;
    }
    const arrived = await this.#target.survey();
    if (!isSameMark(arrived.mark, mark)) return undefined;
    await this.#compare(names, damaged, arrived);
    return (await this.#target.change({ expect: mark, mark: { state: 'arrived', id } })) ? names.length : undefined;
  }

  /** @throws JoineryError `storage-failed` where the target hasn't just what the source has */
  async #compare(
    names: readonly RecordName[],
    damaged: readonly DamagedRecord[],
    arrived: { readonly names: readonly RecordName[]; readonly damaged: readonly DamagedRecord[] },
  ): Promise<void> {
    let same = arrived.names.length === names.length && arrived.damaged.length === damaged.length;
    same &&= damaged.every(({ document, area, bytes }, index) => {
      const other = arrived.damaged[index];
      return other?.document === document && other.area === area && equal(other.bytes, bytes);
    });
    for await (const records of same ? this.#batches(names) : []) {
      const found = await this.#target.read(records);
      same &&= records.every(({ bytes }, index) => equal(found[index], bytes));
    }
    if (same) return;
    throw new JoineryError('storage-failed', {
      expected: `what was moved to ${this.#to} to be there`,
      got: 'something else when it was read back',
      remedy: `Nothing is lost: all is still in ${this.#from}, and it is tried again.`,
    });
  }

  async *#batches(names: readonly RecordName[]): AsyncGenerator<RawRecord[]> {
    let batch: RawRecord[] = [];
    let size = 0;
    for (const name of names) {
      const [bytes] = await this.#source.read([name]);
      if (bytes === undefined)
        throw new JoineryError('storage-failed', 'A record of the storage that is left is gone.');
      if (batch.length > 0 && (size + bytes.length > batch_bytes || batch.length >= batch_count)) {
        yield batch;
        [batch, size] = [[], 0];
      }
      batch.push({ ...name, bytes });
      size += bytes.length;
    }
    if (batch.length > 0) yield batch;
  }

  /** Two that take it from each other again and again would never end. */
  #giveWay(step: number): Promise<void> {
    const environment = this.#environment;
    const delay = environment.random() * Math.min(giveWay_ms * 2 ** step, giveWayMost_ms);
    return new Promise((resolve) => environment.timer(resolve, delay));
  }

  #random(): string {
    const bytes = new Uint8Array(16);
    this.#environment.randomBytes(bytes);
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }
}

/** Nothing is there that anybody could miss. */
function isVacant({ mark, names, damaged }: Awaited<ReturnType<RawRecords['survey']>>): boolean {
  return mark?.state === 'arriving' || (names.length === 0 && damaged.length === 0);
}

function* damagedBatches(damaged: readonly DamagedRecord[]): Generator<DamagedRecord[]> {
  let batch: DamagedRecord[] = [];
  let size = 0;
  for (const record of damaged) {
    if (batch.length > 0 && (size + record.bytes.length > batch_bytes || batch.length >= batch_count)) {
      yield batch;
      [batch, size] = [[], 0];
    }
    batch.push(record);
    size += record.bytes.length;
  }
  if (batch.length > 0) yield batch;
}

function equal(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a?.length === b.length && a.every((byte, index) => byte === b[index]);
}

function occupied(from: string, to: string): JoineryError {
  return new JoineryError('storage-occupied', {
    expected: `nothing in ${to}, to move what is in ${from} there`,
    got: 'data that did not come from there',
    remedy: `Both are left as they are. Open a client with storage: '${from}' to sync what it has.`,
  });
}

function elsewhere(to: string): JoineryError {
  return new JoineryError('storage-moved', {
    expected: 'a storage that nothing is moved from',
    got: `one that is on its way to ${to}`,
    remedy: `Move it to ${to} first.`,
  });
}

function locked(environment: Environment, name: string): Promise<Cancel> {
  const locks = environment.tabs?.locks;
  if (locks === undefined) return Promise.resolve(() => {});
  return new Promise((resolve) => {
    const give = (unlock: Cancel): void => {
      stop();
      resolve(unlock);
    };
    const without = (): void => give(() => {});
    const stop = environment.timer(() => {
      unlock();
      without();
    }, patience_ms);
    const unlock = locks.request(name, false, { granted: () => give(unlock), lost: without, failed: without });
  });
}
