// Asks the browser to wake the app's service worker when there is a network again, where something is left to be sent by then. It
// asks for nothing else, and sends nothing: see `service-worker/index.ts`.

import type { Cancel, Environment } from '../environment.ts';

/** What the browser hands to the service worker. */
export const syncTag = 'joinery-sync';

/** So long the connection may be away before that counts: it comes back by itself, most times. */
const patience_ms = 2_000;

export class BackgroundSync {
  readonly #environment: Environment;
  #isAsked = false;
  #cancel: Cancel | undefined;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** @param isLeft something is stored and not at the server, and there is no way to it, though there should be one */
  look(isLeft: boolean): void {
    if (!isLeft) {
      this.#isAsked = false;
      this.end();
    } else if (!this.#isAsked && this.#environment.page !== undefined) {
      this.#cancel ??= this.#environment.timer(() => this.ask(), patience_ms);
    }
  }

  /** Something is left, and nobody may be here soon to send it. */
  ask(): void {
    this.end();
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#environment.page?.requestSync(syncTag);
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
