// Whose tab this is, where only the server can tell from the token: chooses the namespace, remembers the user, and sees to it
// that no tab shows or follows another user's. It asks the server over a connection of its own where there is no session that
// could: before storage is opened, and in a tab that follows another one, whose token nobody has looked at else.

import { type ConnectionStatus, JoineryError } from '@joinery/protocol';
import type { Namespace, Storage } from '../storage/storage.ts';
import { KnownUsers } from './known-users.ts';
import type { ToEngine } from './messages.ts';
import { SessionDriver, type SessionOptions } from './session-driver.ts';
import { backoff_ms, pause, settledWithin } from './waiting.ts';

/** On a device that nobody was signed in on, the server has so long to say who it is; then what is written is the first one's. */
const askPatience_ms = 2_000;
/** So long the change of users waits for storage to note it: if not, the next client finds it out anew. */
const notePatience_ms = 5_000;
const retryBase_ms = 250;
const retryCap_ms = 15_000;

export interface TabUserContext {
  connection(status: ConnectionStatus): void;
  /** Asking has failed for good, or begins anew. */
  failed(error: JoineryError | undefined): void;
  /** What is here is not this user's. */
  changed(error: JoineryError, to: string): void;
  broken(error: unknown): void;
}

export class TabUser {
  readonly #options: SessionOptions;
  /** Without a user. */
  readonly #base: Namespace;
  readonly #context: TabUserContext;
  /** Undefined until storage is opened, and where users needn't be asked for. */
  #users: KnownUsers | undefined;
  /** Whose data this is; undefined where that was never said. */
  #user: string | undefined;
  /** The server has said whose this tab's own token is. */
  #isKnown = false;
  #probe: SessionDriver | undefined;
  #wanted = false;
  #online = true;
  #stopped = false;

  constructor(options: SessionOptions, base: Namespace, context: TabUserContext) {
    this.#options = options;
    this.#base = base;
    this.#context = context;
  }

  /** What the main thread wants of the connection. */
  steer(message: ToEngine): void {
    switch (message.type) {
      case 'connect':
        this.#wanted = true;
        this.#probe?.connect();
        break;
      case 'disconnect':
        this.#wanted = false;
        this.#probe?.disconnect();
        break;
      case 'network':
        this.#online = message.online;
        this.#probe?.network(message.online);
        break;
      case 'end':
        this.#probe?.disconnect();
        break;
      default:
        break;
    }
  }

  /** Whose data is to be opened; where that is known to nobody but the server, it is asked first. */
  async namespaceIn(storage: Storage): Promise<Namespace> {
    this.#users = new KnownUsers(storage, this.#base);
    const guess = await this.#users.guess();
    if (guess.kind === 'known') this.#user = guess.user;
    if (guess.kind === 'unknown') this.#user = await this.#ask(undefined);
    // Another tab may be about to sign in as somebody else: they must not come to share anything.
    const mayShare = storage.shared === true && this.#wanted && this.#online;
    if (guess.kind === 'nobody' && mayShare) this.#user = await this.#ask(askPatience_ms);
    if (guess.kind === 'known') return guess.namespace;
    return this.#user === undefined ? this.#base : await this.#users.signedIn(this.#user);
  }

  /** The session's server has accepted the token; nothing of any document was said before. */
  authenticated(user: string): void {
    this.#isKnown = true;
    if (this.#users === undefined || this.#user === user) return;
    if (this.#user !== undefined) {
      this.#context.changed(userChanged(this.#user, user), user);
      return;
    }
    this.#user = user;
    this.#insist((users) => users.signedIn(user)).then(
      (namespace) => {
        // Another tab was quicker, with another user.
        if (namespace !== undefined && namespace.user !== '') this.#context.changed(userChanged('', user), user);
      },
      (error: unknown) => this.#context.broken(error),
    );
  }

  /** Another tab has the session, and is online: whose this tab's token is, is asked beside it, once. */
  verify(): void {
    if (this.#users === undefined || this.#isKnown || this.#probe !== undefined || !this.#wanted) return;
    this.#probe = this.#connect(false, (user) => this.authenticated(user));
  }

  /** This tab has the session, which tells. */
  leads(): void {
    this.#probe?.close();
    this.#probe = undefined;
  }

  /** Another user's token came, or (undefined) one that nobody knows the user of. Resolves when that is noted, or can't be. */
  note(to: string | undefined): Promise<void> {
    const noted = this.#insist<unknown>((users) => (to === undefined ? users.signedOut() : users.signedIn(to)));
    return settledWithin(this.#options.environment, noted, notePatience_ms);
  }

  /** Nobody is remembered. */
  async forget(): Promise<void> {
    await this.#users?.signedOut();
  }

  stop(): void {
    this.#stopped = true;
    this.leads();
  }

  /** Until storage takes it. */
  async #insist<Result>(run: (users: KnownUsers) => Promise<Result>): Promise<Result | undefined> {
    for (let attempt = 0; this.#users !== undefined && !this.#stopped; attempt += 1) {
      try {
        return await run(this.#users);
      } catch (error) {
        if (!(error instanceof Error) || error instanceof WebAssembly.RuntimeError) throw error;
        await pause(this.#options.environment, backoff_ms(attempt, retryBase_ms, retryCap_ms));
      }
    }
    return undefined;
  }

  /** Connects for no more than to hear whose the token is. Undefined: it took longer than `patience_ms`. */
  async #ask(patience_ms: number): Promise<string | undefined>;
  async #ask(patience_ms: undefined): Promise<string>;
  async #ask(patience_ms: number | undefined): Promise<string | undefined> {
    let cancel = (): void => {};
    const user = await new Promise<string | undefined>((resolve) => {
      this.#probe = this.#connect(true, resolve);
      if (patience_ms === undefined) return;
      cancel = this.#options.environment.timer(() => resolve(undefined), patience_ms);
    });
    cancel();
    this.leads();
    this.#isKnown ||= user !== undefined;
    return user;
  }

  /** @param isShown the connection is what the client shows: there is no other */
  #connect(isShown: boolean, told: (user: string) => void): SessionDriver {
    const context = this.#context;
    const probe: SessionDriver = new SessionDriver(this.#options, {
      connection: (status) => {
        if (isShown) context.connection(status);
      },
      authenticated: (user) => {
        probe.close();
        if (this.#probe === probe) this.#probe = undefined;
        told(user);
      },
      document: () => {},
      space: () => {},
      clock: () => {},
      failed: (error) => {
        if (isShown) context.failed(error);
      },
      broken: (error) => context.broken(error),
    });
    if (!this.#online) probe.network(false);
    if (this.#wanted) probe.connect();
    return probe;
  }
}

function userChanged(from: string, to: string): JoineryError {
  return new JoineryError('user-changed', {
    expected: `a token of the user ${JSON.stringify(from)}`,
    got: `one of ${JSON.stringify(to)}`,
    remedy: 'Create another client: it opens the data of the other user.',
  });
}
