// What was written to one open document, on its way from the main thread: batch by batch to the engine, and what each
// batch has reached. While the engine has a batch that it hasn't answered, everything written goes into the next one: so
// batches are as large as storage is slow, and never more than one waits.
//
// It has no replica and no listeners; it takes what the replica has to give and moves receipts.

import { type JoineryError, readEnvelope } from '@joinery/protocol';
import { type Receipt, WriteReceipt } from '../documents/receipt.ts';
import type { Environment } from '../environment.ts';
import type { RejectedWrite, UndoWrite } from '../storage/storage.ts';
import type { AgentSeq, AgentSeqs, EnvelopeBatch } from './messages.ts';
import type { Fate } from './write-fates.ts';

export interface OwnWritesContext {
  readonly environment: Environment;
  /** What was written since the last time, as one envelope; undefined when there is nothing more. */
  takeUpdate(): Uint8Array | undefined;
  /** What is added to this device's clock now. */
  clockOffset_ms(): number;
  /** Undo stacks that are to be stored with a batch; `isAll`: everything that was written is in it, or in an earlier one. */
  takeUndo(isAll: boolean): UndoWrite | undefined;
  post(batch: EnvelopeBatch): void;
  pendingChanged(): void;
}

/** One batch carries about so much. */
const batch_bytes = 1024 * 1024;

/** Receipts that wait for the server to have what it lacked of the document. */
interface Question {
  readonly seqs: Map<bigint, number>;
  readonly receipts: readonly WriteReceipt[];
}

/** One call of the app's that wrote something, and its operations: `from` exclusive, `to` inclusive, of the agent of then. */
export interface Write {
  readonly from: number;
  readonly to: number;
  readonly receipt: WriteReceipt;
}

/** Own envelopes of one agent that were posted, and the writes in them. */
export interface Batch extends EnvelopeBatch {
  readonly agent: bigint;
  readonly from: number;
  /** 0 where there are no envelopes. */
  readonly to: number;
  readonly at_ms: number;
  /** Those whose last operation is here, in order. */
  readonly writes: readonly Write[];
  /** Receipts of writes that changed nothing: the answer says what they wait for. */
  readonly unchanged: readonly WriteReceipt[];
  /** The engine counts it as pending; else it is counted here. */
  taken: boolean;
  /** The server has it. */
  isSynced: boolean;
}

export class OwnWrites {
  readonly #context: OwnWritesContext;
  /** What is in the replica and not in a batch. */
  #written: Write[] = [];
  /** What all writes share that change nothing, until the next batch. */
  #unchanged: WriteReceipt | undefined;
  /** Such ones of earlier batches, which have to ask again. */
  #asking: WriteReceipt[] = [];
  /** For the next batch. */
  #rejected: RejectedWrite[] = [];
  #questions: Question[] = [];
  /** When the oldest write was made that is in no batch. */
  #dirtyAt_ms: number | undefined;
  /** Taken out of the replica, for the next batch. */
  #carry: Uint8Array[] = [];
  readonly #unstored = new Map<number, Batch>();
  /** Stored, and of interest to a receipt. */
  #unsynced: Batch[] = [];
  /** The last batch, while the engine has not answered it. */
  #inFlight: number | undefined;
  #batches = 0;
  #takeDue = false;

  constructor(context: OwnWritesContext) {
    this.#context = context;
  }

  /** Writes that the engine has not taken over, counted in envelopes (what is in none yet counts as one). */
  get pending(): { readonly count: number; readonly oldestAt_ms: number | undefined } {
    let count = this.#dirtyAt_ms === undefined ? 0 : 1;
    let oldestAt_ms = this.#dirtyAt_ms;
    for (const batch of this.#unstored.values()) {
      if (batch.taken) continue;
      count += batch.envelopes.length;
      oldestAt_ms = Math.min(oldestAt_ms ?? batch.at_ms, batch.at_ms);
    }
    return { count, oldestAt_ms };
  }

  /** Whether the engine has still something to tell of what was written. */
  get awaitsEngine(): boolean {
    return this.#unstored.size > 0 || this.#unsynced.length > 0 || this.#questions.length > 0;
  }

  /** Envelopes that may be nowhere but here. */
  get unstored(): Uint8Array[] {
    return [...this.#unstored.values()].flatMap(({ envelopes }) => envelopes);
  }

  /**
   * Everything was removed from storage: what was stored and is not synced is to be stored again, before what comes behind it.
   * Returns how many envelopes that are.
   */
  storageRemoved(): number {
    const again = this.#unsynced.filter(({ envelopes }) => envelopes.length > 0);
    this.#unsynced = this.#unsynced.filter(({ envelopes }) => envelopes.length === 0);
    const batches = [...again, ...this.#unstored.values()];
    this.#unstored.clear();
    for (const batch of batches) this.#unstored.set(batch.batch, batch);
    const known = batches.filter(({ taken }, index) => taken || index < again.length);
    return known.reduce((count, { envelopes }) => count + envelopes.length, 0);
  }

  /** What a new engine has to know. From now on it is the new one's answers that are waited for. */
  handOver(): { readonly unstored: readonly EnvelopeBatch[]; readonly awaited: readonly AgentSeq[] } {
    const awaited = new Map<bigint, number>();
    const wait = (agent: bigint, to: number): unknown => awaited.set(agent, Math.max(to, awaited.get(agent) ?? 0));
    for (const { agent, to } of this.#unsynced) wait(agent, to);
    for (const { seqs } of this.#questions) for (const [agent, to] of seqs) wait(agent, to);
    // It answers all of them, in order.
    this.#inFlight = [...this.#unstored.keys()].at(-1);
    for (const batch of this.#unstored.values()) batch.taken = false;
    return { unstored: Array.from(this.#unstored.values(), posted), awaited: [...awaited] };
  }

  /** Something was announced that is not in the replica yet: it is pending all the same. */
  announce(): void {
    if (this.#dirtyAt_ms !== undefined) return;
    this.#dirtyAt_ms = this.#context.environment.now();
    this.#context.pendingChanged();
  }

  /**
   * Something was written to the replica: it is taken soon. Each write has a receipt of its own, since what becomes of two
   * in one envelope can differ: a replay may drop one of them.
   *
   * @param from the replica's seq before, and `to` after it; equal for an announced write that then changed nothing
   */
  written(from: number, to: number, receipt = new WriteReceipt()): WriteReceipt {
    if (from === to) this.#asking.push(receipt);
    else this.#written.push({ from, to, receipt });
    this.announce();
    this.takeSoon();
    return receipt;
  }

  /**
   * The receipt of a write that changed nothing. What it wanted may have come from anywhere (this session, an earlier one,
   * another tab, the server): only the engine knows what of the document is not yet synced, so it is asked.
   */
  unchanged(): WriteReceipt {
    this.#unchanged ??= new WriteReceipt();
    this.takeSoon();
    return this.#unchanged;
  }

  /** The engine has written something here and stored it: its receipt. */
  writtenByEngine([agent, from, to]: AgentSeqs): Receipt {
    const receipt = new WriteReceipt();
    const nothing = { batch: 0, envelopes: [], rejected: [], unchanged: [], asks: false, taken: true, isSynced: false };
    const [clockOffset_ms, at_ms] = [this.#context.clockOffset_ms(), this.#context.environment.now()];
    this.#unsynced.push({ ...nothing, agent, from, to, at_ms, clockOffset_ms, writes: [{ from, to, receipt }] });
    receipt.markDurable();
    return receipt;
  }

  takeSoon(): void {
    if (this.#takeDue) return;
    this.#takeDue = true;
    this.#context.environment.microtask(() => {
      this.#takeDue = false;
      if (this.#inFlight === undefined) this.#take();
    });
  }

  /** Posts everything at once, without waiting for answers. */
  takeAll(): void {
    while (this.#take()) this.#inFlight = undefined;
    this.#inFlight = [...this.#unstored.keys()].at(-1);
  }

  /** What was written until now stays, whatever comes of what is written next: see `takeBack`. */
  cut(): void {
    for (let next = this.#context.takeUpdate(); next !== undefined; next = this.#context.takeUpdate()) {
      this.#carry.push(next);
    }
  }

  /** What was written since `cut` is gone with its replica; what was written before goes alone, for the next one has another agent. */
  takeBack(error: JoineryError): void {
    this.lose(error);
    while (this.#carry.length > 0) this.#take(() => undefined);
  }

  /** What is still in the replica is lost. */
  lose(error: JoineryError): void {
    const last = this.#carry.at(-1);
    const reached = last === undefined ? 0 : readEnvelope(last).to;
    const first = this.#written.findIndex(({ to }) => to > reached);
    const lost = first < 0 ? [] : this.#written.splice(first);
    if (last === undefined) this.#clean();
    for (const { receipt } of lost) receipt.markRejected(error);
  }

  /** The client has ended: nothing more will be heard of any write. */
  end(error: JoineryError): void {
    const batches = [...this.#unstored.values(), ...this.#unsynced];
    const writes = [...batches.map((batch) => batch.writes), this.#written].flat();
    const receipts = [
      this.#questions.flatMap((question) => question.receipts),
      writes.map(({ receipt }) => receipt),
      batches.flatMap(({ unchanged }) => unchanged),
      this.#asking.splice(0),
    ].flat();
    if (this.#unchanged !== undefined) receipts.push(this.#unchanged);
    this.#unstored.clear();
    this.#unsynced = [];
    this.#questions = [];
    this.#written = [];
    this.#unchanged = undefined;
    this.#carry = [];
    this.#clean();
    for (const receipt of receipts) receipt.markClosed(error);
  }

  /** @param unsynced what the server doesn't have of the document, where the batch asked for it */
  stored(id: number, unsynced: readonly AgentSeq[]): void {
    const batch = this.#unstored.get(id);
    if (batch === undefined) return;
    this.#unstored.delete(id);
    const { writes, unchanged } = batch;
    // Of a write that went in several batches only the last has the receipt: where it is stored again, all of them have to be.
    const isPart = batch.envelopes.length > 0 && writes.length === 0 && !batch.isSynced;
    if (isPart || writes.some(({ receipt: { state } }) => state === 'local' || state === 'durable')) {
      // What it brought to the rejected list is there, or dealt with by now: if ever it is handed over again, without that.
      this.#unsynced.push({ ...batch, rejected: [], unchanged: [], undo: undefined });
    }
    const isSynced = unsynced.length === 0;
    if (unchanged.length > 0 && !isSynced) this.#questions.push({ seqs: new Map(unsynced), receipts: unchanged });
    this.#answered(id);
    // Told last: whoever listens may write.
    for (const { receipt } of writes) receipt.markDurable();
    for (const receipt of unchanged) {
      receipt.markDurable();
      if (isSynced) receipt.markSynced();
    }
  }

  /** The engine can't store the batch now, and has taken it over. */
  kept(id: number): void {
    const batch = this.#unstored.get(id);
    if (batch !== undefined) batch.taken = true;
    this.#answered(id);
  }

  synced(seqs: readonly AgentSeq[]): void {
    const reached = new Map(seqs);
    const isReached = (agent: bigint, to: number): boolean => to > 0 && to <= (reached.get(agent) ?? 0);
    const done: WriteReceipt[] = [];
    for (const batch of [...this.#unsynced, ...this.#unstored.values()]) {
      const { agent, from, to, writes } = batch;
      if (!isReached(agent, from + 1)) continue;
      batch.isSynced ||= isReached(agent, to);
      for (const { to, receipt } of writes) if (isReached(agent, to)) done.push(receipt);
    }
    this.#unsynced = this.#unsynced.filter(({ agent, to }) => !isReached(agent, to));
    for (const question of this.#questions) {
      for (const [agent, to] of question.seqs) if (isReached(agent, to)) question.seqs.delete(agent);
      if (question.seqs.size > 0) continue;
      for (const receipt of question.receipts) done.push(receipt);
    }
    this.#questions = this.#questions.filter(({ seqs: waited }) => waited.size > 0);
    for (const receipt of done) receipt.markSynced();
  }

  /**
   * The incarnation in which everything here was written is over. What became of each write moves its receipt; `left` are
   * the batches that are nowhere but here, and whose operations are to be made again, with their receipts (see `again`).
   * Nothing has changed before `commit` is called. What that gives is called when the new replica is there: whoever listens
   * may write.
   */
  follow(fateOf: (agent: bigint, from: number, to: number) => Fate): {
    readonly left: readonly Batch[];
    commit(): () => void;
  } {
    const unstored = [...this.#unstored.values()];
    const batches = [...this.#unsynced, ...unstored].map((batch) => {
      const { agent, from, to, writes } = batch;
      // Stored as one, or not at all; without envelopes there is nothing to be stored.
      const isLeft = to === 0 || fateOf(agent, from, to).kind === 'left';
      return { batch, fates: isLeft ? undefined : writes.map((write) => fateOf(agent, write.from, write.to)) };
    });
    return {
      left: batches.flatMap(({ batch, fates }) => (fates === undefined && batch.to > 0 ? batch : [])),
      commit: () => {
        const told: (() => void)[] = [];
        this.#unsynced = [];
        this.#askAgain(unstored.flatMap(({ unchanged }) => unchanged));
        for (const { batch, fates } of batches) {
          if (fates === undefined) for (const one of batch.rejected) this.#rejected.push(one);
          else this.#followStored(batch, fates, told);
        }
        this.#unstored.clear();
        this.#inFlight = undefined;
        this.#askAgain(this.#questions.splice(0).flatMap(({ receipts }) => receipts));
        return () => {
          for (const tell of told) tell();
        };
      },
    };
  }

  #askAgain(receipts: readonly WriteReceipt[]): void {
    for (const receipt of receipts) this.#asking.push(receipt);
  }

  /** @param fates of its writes */
  #followStored(batch: Batch, fates: readonly Fate[], told: (() => void)[]): void {
    let agent: bigint | undefined;
    const moved: Write[] = [];
    for (const [index, { receipt }] of batch.writes.entries()) {
      const fate = fates[index] as Fate;
      // It was in storage, also where it is in the rejected list now.
      told.push(() => receipt.markDurable());
      if (fate.kind === 'done') told.push(() => receipt.markSynced());
      // What was made together with it may not be there yet.
      else if (fate.kind === 'void') this.#asking.push(receipt);
      else if (fate.kind === 'rejected') told.push(() => receipt.markRejected(fate.error));
      else if (fate.kind === 'moved') {
        agent = fate.agent;
        moved.push({ from: fate.from, to: fate.to, receipt });
      }
    }
    const [first, last] = [moved[0], moved.at(-1)];
    if (agent === undefined || first === undefined || last === undefined) return;
    // Its envelopes are of the incarnation before: nobody is to be given them again.
    const now = { agent, from: first.from, to: last.to, envelopes: [], rejected: [] };
    this.#unsynced.push({ ...batch, ...now, unchanged: [], writes: moved });
  }

  /** Writes that were left are in the new replica: their receipts wait for what they became. */
  again(writes: readonly Write[]): void {
    for (const { from, to, receipt } of writes) this.written(from, to, receipt);
  }

  /** These came to nothing in the replay: they go to the rejected list with the next batch. */
  reject(writes: readonly RejectedWrite[]): void {
    this.#rejected.push(...writes);
    this.takeSoon();
  }

  /** What is stored and waited for. */
  get awaited(): AgentSeq[] {
    return this.#unsynced.flatMap(({ agent, writes }) => writes.map(({ to }): AgentSeq => [agent, to]));
  }

  /** The next batch may go. */
  #answered(id: number): void {
    if (this.#inFlight !== id) return;
    this.#inFlight = undefined;
    this.#take();
  }

  /** Posts what was written since the last time, a batch of it; false when there was nothing. */
  #take(takeUpdate = this.#context.takeUpdate): boolean {
    const envelopes: Uint8Array[] = [];
    let bytes = 0;
    let next = this.#carry.shift() ?? takeUpdate();
    while (next !== undefined && bytes < batch_bytes) {
      envelopes.push(next);
      bytes += next.length;
      next = this.#carry.shift() ?? takeUpdate();
    }
    if (next !== undefined) this.#carry.unshift(next);
    const [first, last] = [envelopes[0], envelopes.at(-1)];
    const isLast = next === undefined;
    const undo = this.#context.takeUndo(isLast);
    const unchanged = isLast ? this.#asking.splice(0) : [];
    if (isLast && this.#unchanged !== undefined) unchanged.push(this.#unchanged);
    const at_ms = this.#dirtyAt_ms ?? this.#context.environment.now();
    if (isLast) this.#unchanged = undefined;
    if (first === undefined || last === undefined) {
      this.#clean();
      // Nothing is to be stored, but something may be asked.
      if (unchanged.length === 0 && this.#rejected.length === 0 && undo === undefined) return false;
      this.#post({ envelopes, agent: 0n, from: 0, to: 0, at_ms, writes: [], unchanged, undo });
      return true;
    }
    if (isLast) this.#dirtyAt_ms = undefined;
    const { agent, from } = readEnvelope(first);
    const { to } = readEnvelope(last);
    // A write goes with its last part.
    const later = this.#written.findIndex((write) => write.to > to);
    const writes = this.#written.splice(0, later < 0 ? this.#written.length : later);
    this.#post({ envelopes, agent, from, to, at_ms, writes, unchanged, undo });
    this.#context.pendingChanged();
    return true;
  }

  #post(made: Omit<Batch, 'batch' | 'asks' | 'taken' | 'isSynced' | 'clockOffset_ms' | 'rejected'>): void {
    this.#batches += 1;
    const batch = this.#batches;
    const asks = made.unchanged.length > 0;
    const rejected = this.#rejected.splice(0);
    const clockOffset_ms = this.#context.clockOffset_ms();
    const full = { ...made, batch, asks, clockOffset_ms, rejected, taken: false, isSynced: false };
    this.#unstored.set(batch, full);
    this.#inFlight = batch;
    this.#context.post(posted(full));
  }

  #clean(): void {
    if (this.#dirtyAt_ms === undefined) return;
    this.#dirtyAt_ms = undefined;
    this.#context.pendingChanged();
  }
}

/** What the engine needs of it. */
function posted({ batch, envelopes, clockOffset_ms, rejected, asks, undo }: Batch): EnvelopeBatch {
  return { batch, envelopes, clockOffset_ms, rejected, asks, ...(undo === undefined ? {} : { undo }) };
}
