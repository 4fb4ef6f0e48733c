// The undo stacks of one open document on the main thread: what is one step, what of them is to be stored with which batch, and how
// they come along when the document gets another replica. What a step is made of, and how it is taken back, is the core's.
//
// Stored is what a stack is like when a batch is posted, together with that batch, as long as it is small. A larger one is stored at
// the end of a step, when nothing has been written for a moment, and always with what an undo or a redo writes: a stack that lacks
// the last steps takes back less, but one that doesn't know what it has brought back already would bring it back twice.

import { asJoineryError, JoineryError } from '@joinery/protocol';
import type { Replay, Replica, TextHandle, UndoStack } from '../core/index.ts';
import type { Cancel, Environment } from '../environment.ts';
import { overlap, type Parts } from '../storage/undo-parts.ts';

/** A stack as it is to be stored; without bytes it is not kept. */
export interface UndoSave {
  readonly name: string;
  readonly bytes: Uint8Array | undefined;
}

/** Stacks to be stored with a batch. */
export interface UndoSaves {
  readonly owner: string;
  readonly stacks: readonly UndoSave[];
  /** Something was taken back: what this tab's stacks that are about the same, and not open, have of it is out of date. */
  readonly only: boolean;
}

export interface UndoStacksContext {
  readonly environment: Environment;
  /** There is something to be stored, though nothing was written. */
  saveSoon(): void;
  /** What was kept of a stack, or a stack, can't be gone on with. */
  dropped(error: JoineryError): void;
}

/** So many stacks of one document are open at a time. */
const openLimit = 16;
/** A stack of up to so many bytes is stored with every batch: that takes a fraction of a millisecond. */
const small_bytes = 4 * 1024;
/** A longer one is not kept across a reload. */
const kept_bytes = 256 * 1024;
/** How often it is looked whether a longer one has become shorter. */
const retry_ms = 10_000;
/** A longer name of a step is refused before anything is written. */
const maxLabel_units = 1_000;

/** One stack. */
export class Steps {
  readonly name: string;
  readonly parts: Parts;
  readonly groupMs: number;
  handles = 0;
  stack: UndoStack | undefined;
  /** What it is to begin with in the next replica. */
  state: Uint8Array | undefined;
  /** It is known what was kept of it. */
  isRestored = false;
  /** How many could be undone when it was last looked. */
  depth = 0;
  /** When something was last written in it. */
  writtenAt_ms = Number.NEGATIVE_INFINITY;
  /** Something of it is not stored; at once: it has taken something back, or there was something to be redone. */
  unsaved: 'nothing' | 'later' | 'at once' = 'nothing';
  /** What was handed over last, and whether something of it could be redone. */
  saved: Uint8Array | undefined;
  canRedoSaved = false;
  tooLongAt_ms: number | undefined;
  readonly waiters: (() => void)[] = [];

  constructor(name: string, parts: Parts, groupMs: number) {
    this.name = name;
    this.parts = parts;
    this.groupMs = groupMs;
  }
}

export class UndoStacks {
  readonly #context: UndoStacksContext;
  readonly #open = new Map<string, Steps>();
  /** Whose stacks these are in storage; undefined while that isn't known, or nothing is kept. */
  #owner: string | undefined;
  #replica: Replica | undefined;
  #transacting = false;
  #reverted = false;
  #cancelSave: Cancel | undefined;

  constructor(context: UndoStacksContext) {
    this.#context = context;
  }

  get isOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Of which it isn't known what was kept. */
  get unrestored(): string[] {
    return Array.from(this.#open.values()).flatMap(({ name, isRestored }) => (isRestored ? [] : [name]));
  }

  /** @throws JoineryError `invalid-option` (about the same as another one), `limit-exceeded` */
  open(parts: Parts, groupMs: number): Steps {
    const name = JSON.stringify(parts);
    let steps = this.#open.get(name);
    if (steps === undefined) {
      for (const other of this.#open.values()) if (overlap(parts, other.parts)) throw overlaps(other.name, name);
      if (this.#open.size >= openLimit) {
        throw new JoineryError('limit-exceeded', {
          expected: `at most ${openLimit} undo stacks of a document at a time`,
          got: 'one more',
          remedy: 'Close those that nobody needs.',
        });
      }
      steps = new Steps(name, parts, groupMs);
      if (this.#replica !== undefined) this.#begin(steps, this.#replica);
      this.#open.set(name, steps);
    }
    steps.handles += 1;
    return steps;
  }

  /** The last handle of a stack is gone, and all of it was handed over. */
  close(steps: Steps): void {
    if (this.#open.get(steps.name) === steps) this.#open.delete(steps.name);
    this.#quietly(() => steps.stack?.stop());
    steps.stack = undefined;
    this.#settle(steps);
    if (this.#open.size === 0) this.#cancel();
  }

  /** The document has this replica now, and all that the one before had. */
  attach(replica: Replica | undefined): void {
    this.#replica = replica;
    if (replica === undefined) return;
    for (const steps of this.#open.values()) this.#begin(steps, replica);
  }

  /** Another replica takes this one's place, with all that it has: what the stacks have is kept for that. */
  leave(): void {
    for (const steps of this.#open.values()) {
      const { stack } = steps;
      if (stack === undefined) continue;
      steps.state = this.#quietly(() => stack.encode().slice()) ?? steps.saved;
      steps.stack = undefined;
    }
    this.#replica = undefined;
  }

  /** The core has trapped: what was written last is lost, and the stacks are as they were handed over. */
  lose(): void {
    for (const steps of this.#open.values()) {
      steps.state = steps.saved;
      steps.stack = undefined;
    }
    this.#replica = undefined;
  }

  /** Another incarnation is there, into which all was replayed: the stacks come along. Without a replay they can't. */
  carry(replay: Replay | undefined, next: Replica): void {
    this.#replica = next;
    for (const steps of this.#open.values()) {
      const { stack } = steps;
      const had = steps.state !== undefined || this.depth(steps, false) + this.depth(steps, true) > 0;
      steps.state = steps.saved = undefined;
      steps.canRedoSaved = false;
      steps.stack = stack && replay && this.#quietly(() => replay.carryUndo(stack));
      if (steps.stack === undefined) {
        this.#begin(steps, next);
        if (had) this.#context.dropped(notCarried());
      }
      this.#noteDepth(steps);
      this.#unsaved(steps, 'at once');
    }
  }

  /** What storage has of a stack; or why it can't be had. */
  restore(
    name: string,
    owner: string | undefined,
    bytes: Uint8Array | undefined,
    error: JoineryError | undefined,
  ): void {
    const steps = this.#open.get(name);
    if (steps === undefined || steps.isRestored) return;
    this.#owner = owner;
    steps.isRestored = true;
    if (error !== undefined) this.#context.dropped(error);
    const { stack } = steps;
    const isFresh = stack === undefined || (!stack.canUndo && !stack.canRedo);
    if (bytes !== undefined && isFresh) {
      this.#quietly(() => stack?.stop());
      steps.stack = undefined;
      steps.state = steps.saved = bytes;
      // Until it is looked into.
      steps.canRedoSaved = true;
      if (this.#replica !== undefined) this.#begin(steps, this.#replica);
    } else if (!isFresh) {
      this.#unsaved(steps, 'at once');
      this.#context.saveSoon();
    }
    this.#settle(steps);
  }

  /** Everything was removed from storage, also what was kept of these. */
  storageRemoved(): void {
    for (const steps of this.#open.values()) if (steps.saved !== undefined) this.#unsaved(steps, 'at once');
    this.#context.saveSoon();
  }

  /** Nothing more comes. */
  end(): void {
    this.#cancel();
    for (const steps of this.#open.values()) {
      steps.stack = undefined;
      this.#settle(steps);
    }
    this.#open.clear();
    this.#replica = undefined;
  }

  /** Something is about to be written: is it part of the step before? */
  beforeWrite(): void {
    if (this.#transacting) return;
    const now = this.#now;
    for (const steps of this.#open.values()) {
      if (now - steps.writtenAt_ms < steps.groupMs) continue;
      if (steps.stack?.boundary() === true && steps.unsaved === 'later') this.#unsaved(steps, 'at once');
    }
  }

  /** Something was written. @param key of the root map, if that says where; undefined: anywhere */
  afterWrite(key: string | undefined): void {
    for (const steps of this.#open.values()) {
      const { stack } = steps;
      const isAbout = steps.parts.length === 0 || steps.parts.some(([first]) => key === undefined || first === key);
      if (!isAbout || stack === undefined) continue;
      const before = steps.depth;
      this.#noteDepth(steps);
      // Where it isn't said what was written, only a step that begins tells that it was something of this stack's.
      const isIn = steps.depth !== before || steps.parts.length === 0 || key !== undefined;
      if (isIn) steps.writtenAt_ms = this.#now;
      this.#unsaved(steps, steps.canRedoSaved ? 'at once' : 'later');
    }
  }

  /** @throws JoineryError `invalid-value` for what is no name of a step */
  checkLabel(label: unknown): void {
    if (typeof label === 'string' && label.length <= maxLabel_units) return;
    throw new JoineryError('invalid-value', {
      expected: `a text of at most ${maxLabel_units} characters as a step's label`,
      got: typeof label === 'string' ? `one of ${label.length}` : typeof label,
      remedy: 'Nothing was written. Change the label.',
    });
  }

  /** What is written from now on is one step. */
  begin(): void {
    this.#transacting = true;
    for (const { stack } of this.#open.values()) stack?.boundary();
  }

  /** It ends, with this name. */
  commit(label: string): void {
    this.#transacting = false;
    for (const steps of this.#open.values()) {
      if (steps.stack?.boundary(label) !== true) continue;
      steps.writtenAt_ms = Number.NEGATIVE_INFINITY;
      this.#noteDepth(steps);
      this.#unsaved(steps, 'at once');
    }
  }

  /** Nothing of it is to stay: what the stacks were before, for the replica that takes the place. */
  states(): ReadonlyMap<Steps, Uint8Array> {
    const states = new Map<Steps, Uint8Array>();
    for (const steps of this.#open.values())
      if (steps.stack !== undefined) states.set(steps, steps.stack.encode().slice());
    return states;
  }

  rollBack(states: ReadonlyMap<Steps, Uint8Array>, replica: Replica): void {
    this.#transacting = false;
    for (const steps of this.#open.values()) {
      steps.stack = undefined;
      steps.state = states.get(steps);
    }
    this.attach(replica);
  }

  get isTransacting(): boolean {
    return this.#transacting;
  }

  depth(steps: Steps, redo: boolean): number {
    const { stack } = steps;
    if (stack === undefined) return 0;
    return this.#quietly(() => (redo ? stack.redoDepth : stack.undoDepth)) ?? 0;
  }

  label(steps: Steps, redo: boolean): string | undefined {
    const { stack } = steps;
    const label = stack && this.#quietly(() => (redo ? stack.redoLabel : stack.undoLabel));
    return typeof label === 'string' ? label : undefined;
  }

  /** Takes a step back, in the replica; false where there was none. */
  takeBack(steps: Steps, redo: boolean): boolean {
    const { stack } = steps;
    if (stack === undefined) return false;
    const isDone = redo ? stack.redo() : stack.undo();
    // Also where nothing was left of the steps: they are gone.
    steps.writtenAt_ms = Number.NEGATIVE_INFINITY;
    this.#noteDepth(steps);
    if (isDone) this.#reverted = true;
    this.#unsaved(steps, 'at once');
    return isDone;
  }

  clear(steps: Steps): void {
    steps.stack?.clear();
    steps.state = undefined;
    steps.writtenAt_ms = Number.NEGATIVE_INFINITY;
    this.#noteDepth(steps);
    this.#unsaved(steps, 'at once');
    this.#context.saveSoon();
  }

  /** Nothing is to wait: the page may be gone in a moment. */
  hurry(): void {
    let isAny = false;
    for (const steps of this.#open.values()) {
      if (steps.unsaved === 'nothing') continue;
      steps.unsaved = 'at once';
      isAny = true;
    }
    if (isAny) this.#context.saveSoon();
  }

  /**
   * What is to be stored with the batch that is being made.
   *
   * @param isAll everything that was written is in it, or in an earlier one
   */
  take(isAll: boolean): UndoSaves | undefined {
    const owner = this.#owner;
    if (owner === undefined) return undefined;
    const stacks: UndoSave[] = [];
    for (const steps of this.#open.values()) {
      if (!steps.isRestored || steps.unsaved === 'nothing') continue;
      if (isAll) {
        const isDue = steps.unsaved === 'at once' || (steps.saved?.length ?? 0) <= small_bytes;
        if (!isDue || this.#isTooLong(steps)) continue;
        const bytes = this.#bytesOf(steps);
        if (bytes !== undefined || steps.saved !== undefined) stacks.push({ name: steps.name, bytes });
        this.#handedOver(steps, bytes);
        steps.unsaved = 'nothing';
      } else if (steps.unsaved === 'at once' && steps.saved !== undefined) {
        // It names what comes with a later one, and the stored one doesn't know what this one has brought back.
        stacks.push({ name: steps.name, bytes: undefined });
        this.#handedOver(steps, undefined);
      }
    }
    const only = this.#reverted;
    if (isAll) this.#reverted = false;
    if (!only) return stacks.length > 0 ? { owner, stacks, only } : undefined;
    // All that are open are named, also those that have not changed: what is about the same as one of them is not open. What is yet
    // to be read of one stays.
    const named = new Set(stacks.map(({ name }) => name));
    for (const { name, saved, isRestored } of this.#open.values()) {
      if (!named.has(name) && isRestored) stacks.push({ name, bytes: saved });
    }
    return { owner, stacks, only };
  }

  #handedOver(steps: Steps, bytes: Uint8Array | undefined): void {
    steps.saved = bytes;
    steps.canRedoSaved = bytes !== undefined && this.depth(steps, true) > 0;
  }

  #bytesOf(steps: Steps): Uint8Array | undefined {
    if (steps.depth === 0 && this.depth(steps, true) === 0) return undefined;
    const bytes = this.#quietly(() => steps.stack?.encode());
    const isTooLong = bytes !== undefined && bytes.length > kept_bytes;
    steps.tooLongAt_ms = isTooLong ? this.#now : undefined;
    return isTooLong ? undefined : bytes?.slice();
  }

  /** It was so a moment ago, nothing of it is stored, and to look again takes long. */
  #isTooLong({ saved, tooLongAt_ms }: Steps): boolean {
    return saved === undefined && tooLongAt_ms !== undefined && this.#now - tooLongAt_ms < retry_ms;
  }

  #begin(steps: Steps, replica: Replica): void {
    const { state } = steps;
    steps.state = undefined;
    if (state !== undefined) {
      try {
        steps.stack = replica.undoStack({ state });
      } catch (error) {
        if (!(error instanceof JoineryError)) throw error;
        steps.saved = state;
        this.#unsaved(steps, 'at once');
        this.#context.dropped(asJoineryError(error));
      }
    }
    if (state === undefined || steps.stack === undefined) {
      steps.stack = replica.undoStack({ scope: steps.parts.map((path) => handleAt(replica, path)) });
    }
    this.#noteDepth(steps);
  }

  #unsaved(steps: Steps, when: 'later' | 'at once'): void {
    if (steps.unsaved !== 'at once') steps.unsaved = when;
    if (when === 'later') {
      // A group is over by then, unless more was written to it.
      this.#cancelSave?.();
      this.#cancelSave = this.#context.environment.timer(() => this.hurry(), Math.max(steps.groupMs, 500));
    }
  }

  #noteDepth(steps: Steps): void {
    steps.depth = this.depth(steps, false);
  }

  #settle(steps: Steps): void {
    for (const resolve of steps.waiters.splice(0)) resolve();
  }

  #cancel(): void {
    this.#cancelSave?.();
    this.#cancelSave = undefined;
  }

  get #now(): number {
    return this.#context.environment.monotonic();
  }

  /** The replica may be gone, or its core may have trapped; whoever writes next is told of that. */
  #quietly<Result>(run: () => Result): Result | undefined {
    try {
      return run();
    } catch (error) {
      if (error instanceof JoineryError || error instanceof WebAssembly.RuntimeError) return undefined;
      throw error;
    }
  }
}

/** A handle by names, whatever stands there: its kind says nothing to a scope. */
function handleAt({ root }: Replica, path: readonly string[]): TextHandle {
  const above = path.slice(0, -1).reduce((handle, key) => handle.map(key), root);
  return above.text(path.at(-1) ?? '');
}

function overlaps(other: string, name: string): JoineryError {
  return new JoineryError('invalid-option', {
    expected: 'a scope that no other open undo stack of the document is about',
    got: `${name}, beside ${other}`,
    remedy: 'Leave one of them out: what is in two stacks could be taken back twice.',
  });
}

function notCarried(): JoineryError {
  return new JoineryError('invalid-undo', {
    expected: 'undo steps of what the document has now',
    got: 'a document that was replaced, in which they can not be found again',
    remedy: 'What is written from now on can be undone.',
  });
}
