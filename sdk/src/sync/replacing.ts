// Replaces a document's local incarnation by the server's state and what is left of the unsynced writes: the one path out
// of a refusal, a wrong clock, another epoch, a closed agent and a corrupt own record. Its order matters, and each step is
// there because without it something was lost or doubled in a model:
//
//   1. The server closes every agent of the log and says how far it has each: what was on its way is decided by then.
//   2. Its state comes, at or after the closing.
//   3. What it lacks is replayed into that state, from the log as it is then.
//   4. One compare-and-set commit puts all of it in the old one's place; it is void if anything else was written meanwhile.
//   5. Everybody loads what is stored.
//
// A crash between any two of them leaves the old incarnation as it was, or the new one. It knows nothing of main threads.

import { everythingSafe, JoineryError } from '@joinery/protocol';
import type { Bridge } from '../core/replay.ts';
import { Replica } from '../core/replica.ts';
import { decodeVersion } from '../core/version.ts';
import type { Environment } from '../environment.ts';
import { ownAgents } from '../storage/assemble.ts';
import { type DocumentStore, isSameIncarnation, type Replacement, type StoredDocument } from '../storage/storage.ts';
import type { Journal } from './journal.ts';
import { type ClockState, type ReplayedLog, rejectionOf, replayLog } from './replay-log.ts';
import type { DocumentEffect, SessionDriver } from './session-driver.ts';
import type { StoredReplica } from './stored-replica.ts';

/** An own envelope of which only the name is left. */
export interface Damaged {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
}

export interface ReplacingContext {
  readonly document: string;
  readonly environment: Environment;
  readonly store: DocumentStore;
  readonly journal: Journal;
  readonly session: Pick<SessionDriver, 'replace' | 'consumed'>;
  /** What is replaced. */
  readonly local: StoredReplica;
  readonly incarnation: number;
  readonly epoch: number;
  /** Agents of this tab that may have sent something that is not in storage. */
  readonly agents: Iterable<bigint>;
  /** What the server said of an envelope that it refused. */
  readonly refused: (envelope: { readonly agent: bigint; readonly from: number }) => JoineryError | undefined;
  /** Own envelopes that storage has lost. */
  readonly damaged: readonly Damaged[];
  /** Undefined while no sample of the server's clock is known. */
  clock(): ClockState | undefined;
  now(): number;
  /** Whether something more may go to the rejected list. */
  readonly hasRoom: boolean;
  /** Nothing may, and something has to: it waits for `begin`. */
  full(): void;
  /** It can't be done now, or (`blocked`) not with what the server sent: nothing has changed; another link begins it anew. */
  failed(error: JoineryError, blocked: boolean): void;
  /** Another tab was quicker: there is another incarnation in storage. */
  overtaken(stored: StoredDocument): Promise<void>;
  /** It was stopped while the swap was under way, and that is done: the new incarnation is in storage, and nobody tells of it. */
  leftBehind(): void;
  /** It is done; resolves when the new incarnation is loaded. `later`: what came from the server since. */
  replaced(bridges: readonly Bridge[], later: readonly DocumentEffect[]): Promise<void>;
}

/** After so many swaps that were void because of what other tabs wrote, it begins again from the closing. */
const swapAttempts = 8;

/** What the server has told since the agents were closed. */
interface ServerState {
  readonly into: Replica;
  readonly last: ReadonlyMap<bigint, number>;
  /** By epoch: in the wrong order, or twice, they would lead nowhere. */
  readonly bridges: Map<number, Bridge>;
  epoch: number;
  position: number;
  safe: number | undefined;
}

/** Gives up everything there is of a deleted document, and rejects what of it was not synced. False when there was nothing. */
export async function rejectLog({
  document,
  environment,
  store,
  local,
  incarnation,
  error,
}: Pick<ReplacingContext, 'document' | 'environment' | 'store' | 'local' | 'incarnation'> & {
  readonly error: JoineryError;
}): Promise<boolean> {
  for (let attempt = 0; attempt < swapAttempts; attempt += 1) {
    const stored = await store.load(document);
    if (stored.incarnation !== incarnation) return false;
    const nothing = new Replica();
    const snapshot = nothing.encodeSnapshot();
    nothing.free();
    if (stored.log.length === 0 && isSame(stored.snapshot?.bytes ?? snapshot, snapshot)) return false;
    const own = stored.log.filter((envelope) => envelope.own);
    const unsynced = own.filter(({ acknowledged }) => !acknowledged);
    const expectAgents = ownAgents(own);
    const last = ownAgents(own.filter(({ acknowledged }) => acknowledged));
    const at_ms = environment.now();
    const rejected = unsynced.flatMap((envelope) => {
      const { from, to } = envelope;
      return rejectionOf(local.replica, envelope, { rejected: [{ from, to, reason: 'refused' }] }, error, at_ms) ?? [];
    });
    const resume = stored.resume ?? { epoch: stored.epoch, position: 0 };
    const swapped = await store.swap(document, {
      ...{ incarnation, expectAgents, snapshot, resume, at_ms, rejected },
      // Nobody is to bring it back.
      safe: { epoch: resume.epoch, position: everythingSafe },
      ...{ local: [], clockOffset_ms: undefined, mapping: new Uint8Array() },
      agents: Array.from(expectAgents, ([agent, covered]) => ({ agent, covered, last: last.get(agent) ?? 0 })),
    });
    if (swapped) return true;
  }
  return false;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

export class Replacing {
  readonly #context: ReplacingContext;
  #state: ServerState | undefined;
  /** The state is complete; what comes now comes on top of it. */
  #later: DocumentEffect[] | undefined;
  /** The swap is under way: what it makes of the document is not known. */
  #swapping = false;
  #committed = false;
  /** What came could not be used: what the next link brings is another state, perhaps. */
  #gaveUp = false;
  #stopped = false;
  #round = 0;

  constructor(context: ReplacingContext) {
    this.#context = context;
    this.begin();
  }

  /** From the closing on; also again, when the server has entered another epoch meanwhile. */
  begin(): void {
    const { document, journal, session, store } = this.#context;
    this.#forget();
    this.#swapping = false;
    this.#gaveUp = false;
    this.#round += 1;
    const round = this.#round;
    journal.step(async () => {
      if (this.#stopped || round !== this.#round) return;
      const stored = await store.load(document);
      if (this.#stopped) return;
      if (!isSameIncarnation(stored, this.#context)) {
        await this.#overtaken(stored);
        return;
      }
      const damaged = this.#context.damaged.map(({ agent }) => agent);
      const agents = new Set([...ownAgents(stored.log).keys(), ...this.#context.agents, ...damaged]);
      session.replace(document, [...agents], this.#context.epoch || undefined);
    });
  }

  /** Nothing more is done; what is stored is as it was, unless the swap is under way. */
  stop(): void {
    this.#stopped = true;
    this.#forget();
  }

  handle(effect: DocumentEffect): void {
    if (this.#stopped) return;
    const isOther = effect.type === 'epoch-changed' && !this.#swapping;
    if (isOther || (this.#gaveUp && effect.type === 'subscribed')) {
      this.begin();
      return;
    }
    if (effect.type === 'document-failed') {
      this.#context.failed(effect.error, !effect.error.retryable);
      return;
    }
    if (this.#later !== undefined && effect.type !== 'agents-closed') {
      this.#later.push(effect);
      return;
    }
    const state = this.#state;
    switch (effect.type) {
      case 'agents-closed':
        this.#forget();
        this.#state = {
          into: new Replica(this.#options()),
          last: effect.last,
          bridges: new Map(),
          epoch: effect.epoch,
          position: 0,
          safe: undefined,
        };
        break;
      case 'bridge':
        state?.bridges.set(effect.epoch, { agent: effect.agent, bytes: effect.bytes });
        this.#context.session.consumed(effect.credit_bytes);
        break;
      case 'subscribed':
        if (state === undefined) break;
        state.epoch = effect.epoch;
        state.safe = effect.safe;
        break;
      case 'safe':
        if (state !== undefined && effect.epoch === state.epoch) state.safe = effect.position;
        break;
      case 'snapshot':
        // Whatever it is: the server may send as much again.
        this.#context.session.consumed(effect.credit_bytes);
        if (state !== undefined) this.#take(state, [effect.bytes], effect.position);
        break;
      case 'envelopes':
        this.#context.session.consumed(effect.credit_bytes);
        if (state !== undefined) this.#take(state, effect.envelopes, effect.position);
        break;
      case 'caught-up':
        if (state !== undefined) this.#finish(state);
        break;
      default:
        break;
    }
  }

  #take({ into }: ServerState, updates: readonly Uint8Array[], position: number): void {
    try {
      into.applyUpdates(updates);
    } catch (error) {
      if (!(error instanceof JoineryError)) throw error;
      this.#giveUp(error);
      return;
    }
    if (this.#state !== undefined) this.#state.position = position;
  }

  /** What the server sent can't be read, or nothing can be replayed into it. */
  #giveUp(error: JoineryError): void {
    this.#forget();
    this.#gaveUp = true;
    this.#context.failed(error, true);
  }

  #finish(state: ServerState): void {
    if (state.into.pendingCount > 0) {
      this.#giveUp(
        new JoineryError('invalid-update', {
          expected: 'a log of the server that has what its envelopes rest on',
          got: 'one with a gap',
          remedy: 'Nothing was replaced.',
        }),
      );
      return;
    }
    this.#later = [];
    const round = this.#round;
    const snapshot = state.into.encodeSnapshot();
    const resume = { epoch: state.epoch, position: state.position };
    this.#context.journal.step(async () => {
      // Begun again meanwhile: what is swapped in is what came since.
      if (this.#stopped || round !== this.#round || state !== this.#state) return;
      await this.#swap(state, snapshot, resume);
    });
  }

  async #swap(
    state: ServerState,
    snapshot: Uint8Array,
    resume: { readonly epoch: number; readonly position: number },
  ): Promise<void> {
    const { document, environment, incarnation, local, store } = this.#context;
    this.#swapping = true;
    const bridges = this.#usable([...state.bridges].sort(([a], [b]) => a - b).map(([, bridge]) => bridge));
    const others = this.#others(bridges, state);
    for (let attempt = 0; attempt < swapAttempts && !this.#committed; attempt += 1) {
      const stored = await store.load(document);
      if (this.#stopped || state !== this.#state) return;
      if (!isSameIncarnation(stored, this.#context)) {
        await this.#overtaken(stored);
        return;
      }
      // What other tabs have written is replayed too.
      local.merge(stored);
      const expectAgents = ownAgents(stored.log);
      if ([...expectAgents.keys()].some((agent) => !state.last.has(agent))) break;
      const at_ms = environment.now();
      const { damaged } = this.#context;
      const clock = this.#context.clock();
      let replay: ReplayedLog;
      try {
        replay = this.#replay(state, bridges, snapshot, stored, clock, at_ms);
      } catch (error) {
        // Tried again it would fail again, and what other documents have to store would wait behind it.
        if (!(error instanceof JoineryError)) throw error;
        this.#giveUp(error);
        return;
      }
      const { local: replayed, ...rest } = replay;
      if (rest.rejected.length > 0 && !this.#context.hasRoom) {
        this.#forget();
        this.#context.full();
        return;
      }
      this.#committed = await store.swap(document, {
        ...rest,
        incarnation,
        expectAgents,
        snapshot,
        resume,
        safe: state.safe === undefined ? undefined : { epoch: state.epoch, position: state.safe },
        at_ms,
        local: replayed,
        clockOffset_ms: clock?.offset_ms,
        bridges,
        agents: [
          ...others,
          ...Array.from(state.last, ([agent, last]) => {
            const lost = damaged.reduce((to, one) => (one.agent === agent ? Math.max(to, one.to) : to), 0);
            return { agent, last, covered: Math.max(last, lost, expectAgents.get(agent) ?? 0) };
          }),
        ],
      });
    }
    if (this.#stopped) {
      if (this.#committed) this.#context.leftBehind();
      return;
    }
    if (!this.#committed) {
      this.begin();
      return;
    }
    const later = this.#later ?? [];
    // Before it is awaited: what comes from now on is the new incarnation's.
    await this.#context.replaced(bridges, later);
    this.stop();
  }

  /** What is in the log and not in the server's state, in it. */
  #replay(
    { last, epoch: next }: ServerState,
    bridges: readonly Bridge[],
    snapshot: Uint8Array,
    { log }: StoredDocument,
    clock: ClockState | undefined,
    at_ms: number,
  ): ReplayedLog {
    const { damaged, epoch, local, refused } = this.#context;
    const own = log.filter((envelope) => envelope.own);
    // A trim keeps what was acknowledged; after a restored backup nobody has removed what is not there.
    const isRestored = own.some(({ acknowledged, agent, to }) => acknowledged && to > (last.get(agent) ?? 0));
    // Where none is known, bridges come if the server has something of the log.
    const isOther = epoch === 0 ? bridges.length > 0 : epoch !== next;
    const epochChanged = isOther && !isRestored;
    const into = Replica.load(snapshot, this.#options());
    try {
      const given = { from: local.replica, into, log: own, last, damaged, refused };
      return replayLog({ ...given, bridges, epochChanged, clock, at_ms });
    } finally {
      into.free();
    }
  }

  /**
   * How far the agents were that the log knows nothing of, when their epoch was trimmed. Another tab may have written by one of
   * them and sent that from memory, as its storage failed: it learns from this that it is not to be made again.
   */
  #others(bridges: readonly Bridge[], { last }: ServerState): Replacement['agents'] {
    const others = new Map<bigint, number>();
    for (const { bytes } of bridges) {
      const replica = Replica.load(bytes, this.#options());
      for (const [agent, seq] of decodeVersion(replica.version())) if (!last.has(agent)) others.set(agent, seq);
      replica.free();
    }
    return Array.from(others, ([agent, seq]) => ({ agent, covered: seq, last: seq }));
  }

  /** Those behind the last one that can't be read: it is like one that the server no longer has. */
  #usable(bridges: readonly Bridge[]): readonly Bridge[] {
    let usable = bridges;
    const [from, into] = [new Replica(this.#options()), new Replica(this.#options())];
    try {
      while (usable.length > 0) {
        try {
          into.beginReplay(from, { bridges: usable }).free();
          break;
        } catch (error) {
          if (!(error instanceof JoineryError)) throw error;
          usable = usable.slice(1);
        }
      }
      return usable;
    } finally {
      from.free();
      into.free();
    }
  }

  async #overtaken(stored: StoredDocument): Promise<void> {
    await this.#context.overtaken(stored);
    this.stop();
  }

  /** What has come until now is of no use any more, but the server may send as much again. */
  #forget(): void {
    let bytes = 0;
    for (const effect of this.#later ?? []) if ('credit_bytes' in effect) bytes += effect.credit_bytes;
    if (bytes > 0 && !this.#committed) this.#context.session.consumed(bytes);
    this.#later = undefined;
    this.#state?.into.free();
    this.#state = undefined;
  }

  #options() {
    const { environment } = this.#context;
    const random = (bytes: Uint8Array): void => environment.randomBytes(bytes);
    return { now: () => this.#context.now(), random, trustStamps: true };
  }
}
