// Files that only one tab at a time can have, for one tab after the other. Whoever has them gives them back when another tab asks,
// and when it has had nothing to do for a while. A Web Lock keeps the turns; what having them means is the caller's.

import { JoineryError } from '@joinery/protocol';
import type { Cancel, Channel, Environment } from '../environment.ts';

/** After so long without use files are given back: a tab that is frozen could not. */
const idle_ms = 200;
/** So long another tab's files are waited for. It gives them back when it is asked, unless it is frozen. */
const patience_ms = 5_000;
/** Whoever waits asks again after so long: who has the files by then may not have heard. */
const askAgain_ms = 250;
const handleRetry_ms = 20;

/** What is had for a turn. */
export interface Held<Files> {
  readonly files: Files;
  /** Lets go of them, synchronously. */
  release(): void;
}

/**
 * Turns of tabs at files.
 *
 * @example
 * const turns = new Turns(systemEnvironment(), 'my-files', async () => ({ files: await openFiles(), release: closeFiles }));
 * const size = await turns.exclusive((files) => files.size());
 */
export class Turns<Files> {
  readonly #environment: Environment;
  readonly #name: string;
  readonly #take: () => Promise<Held<Files>>;
  readonly #channel: Channel | undefined;
  #held: Held<Files> | undefined;
  /** Another tab has asked for the files. */
  #isWanted = false;
  #idle: Cancel | undefined;
  #isClosed = false;
  /** What was asked for goes one behind the other. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param name of the lock, and of the channel over which they are asked for: the same for all who take turns
   * @param take gets hold of the files. It is called while nobody else who takes turns has them; they may still be held by a tab that
   *   has just ended (see {@link patiently})
   */
  constructor(environment: Environment, name: string, take: () => Promise<Held<Files>>) {
    this.#environment = environment;
    this.#name = name;
    this.#take = take;
    this.#channel = environment.tabs?.channel(name, () => {
      this.#isWanted = true;
      this.#giveBack();
    });
  }

  /**
   * Runs `body`, which is synchronous, while nobody else has the files.
   *
   * @throws JoineryError `storage-locked` where they can't be had in time; `closed`
   */
  exclusive<Result>(body: (files: Files) => Result): Promise<Result> {
    const done = this.#last.then(async () => {
      this.#idle?.();
      this.#held ??= await this.#turn();
      let result: Result;
      try {
        result = body(this.#held.files);
      } catch (error) {
        // Handles may have died; others can be had.
        this.#giveBack();
        throw error;
      }
      if (this.#isWanted) this.#giveBack();
      else this.#idle = this.#environment.timer(() => this.#giveBack(), idle_ms);
      return result;
    });
    this.#last = done.catch(() => {});
    return done;
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
    this.#giveBack();
    this.#channel?.close();
  }

  #giveBack(): void {
    this.#idle?.();
    this.#idle = undefined;
    const held = this.#held;
    this.#held = undefined;
    held?.release();
  }

  async #turn(): Promise<Held<Files>> {
    if (this.#isClosed) throw new JoineryError('closed', 'The store is closed; open it again.');
    const unlock = await this.#locked();
    // Who has asked by now has waited behind this one, and asks again.
    this.#isWanted = false;
    try {
      const { files, release } = await this.#take();
      return {
        files,
        release: () => {
          try {
            release();
          } finally {
            unlock();
          }
        },
      };
    } catch (error) {
      unlock();
      throw error;
    }
  }

  #locked(): Promise<Cancel> {
    const { locks } = this.#environment.tabs ?? {};
    // Without locks the handles themselves keep the others out.
    if (locks === undefined) return Promise.resolve(() => {});
    return new Promise((resolve, reject) => {
      let askAgain = (): void => {};
      const ask = (): void => {
        this.#channel?.post('wanted');
        askAgain = this.#environment.timer(ask, askAgain_ms);
      };
      const end = (): void => {
        askAgain();
        giveUp();
      };
      const failed = (): void => {
        end();
        reject(new JoineryError('storage-failed', 'A lock for the files could not be had.'));
      };
      const giveUp = this.#environment.timer(() => {
        end();
        unlock();
        reject(taken());
      }, patience_ms);
      const granted = (): void => {
        end();
        resolve(unlock);
      };
      const unlock = locks.request(this.#name, false, { granted, lost: failed, failed });
      ask();
    });
  }
}

/**
 * Opens a handle of which there is one at a time: a tab that has just ended may still have it.
 *
 * @throws JoineryError `storage-locked` where it can't be had in five seconds; else what `open` throws
 */
export async function patiently<Handle>(environment: Environment, open: () => Promise<Handle>): Promise<Handle> {
  const start = environment.monotonic();
  for (;;) {
    try {
      return await open();
    } catch (error) {
      // (WebKit calls it an invalid state.)
      const isTaken = error instanceof Error && /^(NoModificationAllowed|InvalidState)Error$/.test(error.name);
      if (!isTaken) throw error;
      if (environment.monotonic() - start > patience_ms) throw taken(error);
      await new Promise<void>((resolve) => environment.timer(resolve, handleRetry_ms));
    }
  }
}

function taken(cause?: unknown): JoineryError {
  return new JoineryError(
    'storage-locked',
    {
      expected: "this origin's files within five seconds",
      got: 'another tab that holds them',
      remedy: 'It is tried again; where that does not help, close the other tabs of this app.',
    },
    { cause },
  );
}
