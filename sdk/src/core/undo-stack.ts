/**
 * Undo and redo of what one replica writes. It records in the core and takes back by writing ordinary operations; of others' edits
 * it never takes anything back. It knows nothing of time: whoever groups edits says where one step ends (`boundary`).
 */

import { JoineryError } from '@joinery/protocol';
import { absent, type Bridge } from './bridge.ts';
import type { ContainerHandle } from './container-handle.ts';
import { type Plain, packValue } from './value.ts';

/** Options of `Replica.undoStack`. */
export interface UndoStackOptions {
  /**
   * Only what is written in these containers, and in what is nested in them, is recorded; without it everything is. A handle that
   * was got by names stands for whatever is there at the time, also before its container has been created.
   */
  readonly scope?: readonly ContainerHandle[] | undefined;
  /** Bytes of {@link UndoStack.encode}: goes on with those steps. They have their own scope. */
  readonly state?: Uint8Array | undefined;
}

/** The stack of this number, which the core has already. */
export interface StackNumber {
  readonly number: number;
}

const encoder = new TextEncoder();

/**
 * A stack of steps: made by `replica.undoStack()`, ended by {@link UndoStack.stop} or with the replica. All that is written between
 * two boundaries is one step, and a new write empties redo.
 *
 * What is taken back is what the replica itself has changed and still shows: characters that it inserted and nobody has deleted; a
 * value that nobody has written over; what it deleted, where it stood. What others typed in between, put into a container, or hung
 * below a node stays, and keeps alive what it is in.
 *
 * @example
 * const undo = replica.undoStack({ scope: [replica.text('body')] });
 * replica.text('body').insert(0, 'Hello');
 * undo.boundary('typing');
 * undo.undo(); // true: the text is empty again
 * undo.redo(); // true
 */
export class UndoStack {
  readonly #bridge: Bridge;
  readonly #stack: number;
  #stopped = false;

  /** Use `replica.undoStack(options)`. */
  constructor(bridge: Bridge, options: UndoStackOptions | StackNumber) {
    this.#bridge = bridge;
    if ('number' in options) {
      this.#stack = options.number;
      return;
    }
    const { scope = [], state } = options;
    if (state === undefined) {
      bridge.input(packScopes(bridge, scope));
      this.#stack = bridge.check(bridge.core.undo_start());
      return;
    }
    if (scope.length > 0) {
      throw new JoineryError('invalid-option', {
        expected: '`scope` or `state`',
        got: 'both',
        remedy: 'Leave the scope out: the state has its own.',
      });
    }
    bridge.input(state);
    this.#stack = bridge.check(bridge.core.undo_decode());
  }

  /**
   * Ends the step under way: what is written next is another one.
   *
   * @param label stays with the step that ends (a name for a menu, the selection before it), at most 4,096 bytes packed
   * @returns false where nothing has been written since the last boundary; then the label is dropped
   * @throws JoineryError `invalid-value`, `limit-exceeded`
   */
  boundary(label?: Plain): boolean {
    const stack = this.#open;
    this.#bridge.input(label === undefined ? new Uint8Array(0) : packValue(label));
    return this.#bridge.check(this.#bridge.core.undo_boundary(stack)) === 1;
  }

  /**
   * Takes the newest step back, as one transaction. A step of which nothing is left to take back is passed over for the next one.
   *
   * @returns false where there was nothing to undo
   * @throws JoineryError `limit-exceeded` where the replica's agent has no operations left; then nothing has changed
   */
  undo(): boolean {
    return this.#takeBack(false);
  }

  /** Does again what was undone last. See {@link UndoStack.undo}. */
  redo(): boolean {
    return this.#takeBack(true);
  }

  /** How many steps can be undone; at most 1,000. Of some nothing may be left: {@link UndoStack.undo} says so. */
  get undoDepth(): number {
    return this.#bridge.check(this.#bridge.core.undo_depth(this.#open, false));
  }

  /** How many steps can be redone. */
  get redoDepth(): number {
    return this.#bridge.check(this.#bridge.core.undo_depth(this.#open, true));
  }

  get canUndo(): boolean {
    return this.undoDepth > 0;
  }

  get canRedo(): boolean {
    return this.redoDepth > 0;
  }

  /** The label of the step that `undo` would take back next. */
  get undoLabel(): Plain | undefined {
    return this.#label(false);
  }

  /** The label of the step that `redo` would do again next. */
  get redoLabel(): Plain | undefined {
    return this.#label(true);
  }

  /**
   * Puts a label at the step that `undo` would take back next, or (`side`) `redo`. It goes along when the step changes sides.
   *
   * @returns false where there is no such step
   */
  setLabel(label: Plain, side: 'undo' | 'redo' = 'undo'): boolean {
    const stack = this.#open;
    this.#bridge.inputValue(label);
    return this.#bridge.check(this.#bridge.core.undo_set_meta(stack, side === 'redo')) === 1;
  }

  /** Lets go of all steps; recording goes on. */
  clear(): void {
    this.#bridge.check(this.#bridge.core.undo_clear(this.#open));
  }

  /**
   * The steps as bytes, to go on with them in another replica of the same document (`undoStack({ state })`), within the same epoch:
   * after a reload. The other replica has to have seen all that this one had. Equal stacks give equal bytes.
   */
  encode(): Uint8Array {
    this.#bridge.check(this.#bridge.core.undo_encode(this.#open));
    return this.#bridge.output();
  }

  /** The stack's number in the core, if it is one of this replica's. */
  numberIn(bridge: Bridge): number {
    if (bridge === this.#bridge) return this.#open;
    throw new JoineryError('invalid-option', {
      expected: 'an undo stack of the replica that is replayed from',
      got: "another one's",
      remedy: 'Take the stack of `from`.',
    });
  }

  /** Ends recording and lets go of the steps. Whatever is called afterwards throws `freed`. */
  stop(): void {
    if (this.#stopped) return;
    this.#bridge.check(this.#bridge.core.undo_stop(this.#open));
    this.#stopped = true;
  }

  #takeBack(redo: boolean): boolean {
    const bridge = this.#bridge;
    const stack = this.#open;
    // Where there is nothing to take back nothing is written, and no agent taken.
    if ((redo ? this.redoDepth : this.undoDepth) === 0) return false;
    const core = bridge.writer;
    const answer = redo ? core.redo(stack, bridge.now()) : core.undo(stack, bridge.now());
    // Containers may have come and gone.
    bridge.structure += 1;
    return bridge.check(answer) === 1;
  }

  #label(redo: boolean): Plain | undefined {
    const answer = this.#bridge.check(this.#bridge.core.undo_meta(this.#open, redo));
    return answer === absent ? undefined : this.#bridge.outputValue();
  }

  get #open(): number {
    if (this.#stopped) {
      throw new JoineryError('freed', {
        expected: 'an undo stack',
        got: 'a stopped one',
        remedy: 'Begin another one.',
      });
    }
    return this.#stack;
  }
}

/** Scopes as `undo_start` in crates/wasm reads them. */
function packScopes(bridge: Bridge, scope: readonly ContainerHandle[]): Uint8Array {
  const packed: number[] = [];
  const varint = (value: number): void => {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) packed.push((rest % 0x80) | 0x80);
    packed.push(rest);
  };
  for (const handle of scope) {
    if (!handle.isOf(bridge)) {
      throw new JoineryError('invalid-option', {
        expected: "handles of the stack's own replica",
        got: "another one's",
        remedy: 'Take the scope from the replica that the stack is of.',
      });
    }
    const { container, keys } = handle.way();
    varint(container);
    varint(keys.length);
    for (const key of keys) {
      const bytes = encoder.encode(key);
      varint(bytes.length);
      for (const byte of bytes) packed.push(byte);
    }
  }
  return Uint8Array.from(packed);
}
