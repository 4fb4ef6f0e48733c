// Which tab this is: a name that outlives a reload, so that a tab finds its own undo stacks again and no other tab's. It knows
// nothing of stacks.

import type { Cancel, Environment } from '../environment.ts';

/** A copy of a tab has its name as well, and the original is still there: so long it may take to be told that it isn't. */
const patience_ms = 300;

export class TabName {
  readonly #environment: Environment;
  readonly #key: string;
  #name: Promise<string | undefined> | undefined;
  #release: Cancel | undefined;
  #ended = false;

  /** @param client whose name it is: clients of one tab have names of their own */
  constructor(environment: Environment, client: string) {
    this.#environment = environment;
    this.#key = `joinery-tab ${client}`;
  }

  /**
   * The name; an empty one where there are no other tabs. Undefined where tabs can't be told apart: then nothing of another tab's
   * must be taken for one's own.
   */
  get name(): Promise<string | undefined> {
    this.#name ??= this.#find();
    return this.#name;
  }

  /** The tab goes, or its client does: the name is free. */
  end(): void {
    this.#ended = true;
    this.#release?.();
  }

  async #find(): Promise<string | undefined> {
    const { tabs } = this.#environment;
    if (tabs === undefined) return '';
    const { session } = tabs;
    if (tabs.locks === undefined || session === undefined) return undefined;
    const known = session.read(this.#key);
    if (known !== undefined && (await this.#take(known))) return known;
    const bytes = new Uint8Array(12);
    this.#environment.randomBytes(bytes);
    const name = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (!(await this.#take(name)) || !session.write(this.#key, name)) return undefined;
    return name;
  }

  /** Whether nobody else has the name. It is held from then on. */
  #take(name: string): Promise<boolean> {
    return new Promise((resolve) => {
      const locks = this.#environment.tabs?.locks;
      if (locks === undefined || this.#ended) {
        resolve(false);
        return;
      }
      const give = (): void => {
        release();
        cancel();
        resolve(false);
      };
      const cancel = this.#environment.timer(give, patience_ms);
      const release = locks.request(`${this.#key} ${name}`, false, {
        granted: () => {
          cancel();
          this.#release = release;
          if (this.#ended) release();
          resolve(true);
        },
        // Nobody steals it.
        lost: () => {},
        failed: give,
      });
    });
  }
}
