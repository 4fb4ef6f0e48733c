// The main thread's side of presence: the rooms that are open, for any engine that comes. What is in a room is `room.ts`.

import type { Leased } from '../documents/lease.ts';
import type { Cancel, Environment } from '../environment.ts';
import { OpenPresence, type Presence } from '../presence/presence.ts';
import { Room } from '../presence/room.ts';
import { tabMessage } from '../tabs/tab-message.ts';
import type { FromEngine, ToEngine } from './messages.ts';

export interface PresenceLinkContext {
  readonly environment: Environment;
  post(message: ToEngine): void;
  /** Calls a listener of the app; what it throws hinders nothing. */
  tell(listener: () => void): void;
}

interface OpenRoom {
  readonly room: Room;
  handles: number;
}

export class PresenceLink {
  readonly #context: PresenceLinkContext;
  readonly #rooms = new Map<string, OpenRoom>();
  #stopLeaving: Cancel | undefined;
  /** How the engine speaks to the other tabs, where it does. */
  #tabs: { readonly channel: string; readonly tab: string } | undefined;
  /** What rooms say as they leave, right now. */
  #leaving: { readonly document: string; readonly message: Uint8Array }[] | undefined;

  constructor(context: PresenceLinkContext) {
    this.#context = context;
  }

  /** `document`: keeps the document open, and is released with the handle. */
  open<T extends object>(id: string, document: Leased): Presence<T> {
    let open = this.#rooms.get(id);
    if (open === undefined) {
      open = { room: this.#room(id), handles: 0 };
      this.#rooms.set(id, open);
      this.#context.post({ type: 'open-presence', document: id, message: undefined });
      this.#stopLeaving ??= this.#context.environment.subscribeLeaving?.((left) => {
        if (left) this.leave();
        else this.comeBack();
      });
    }
    const held = open;
    held.handles += 1;
    const release = (): void => {
      held.handles -= 1;
      // Not at once: what is closed and opened again in one go (a component that mounts anew) goes on. And before the document.
      this.#context.environment.task(() => {
        this.#closeUnused(held);
        document.release();
      });
    };
    return new OpenPresence<T>(held.room, { release });
  }

  /** The engine has joined the other tabs. */
  joined(tabs: FromEngine & { readonly type: 'tabs' }): void {
    this.#tabs = tabs;
  }

  /** Another engine runs. */
  started(post: (message: ToEngine) => void): void {
    for (const [document, { room }] of this.#rooms) post({ type: 'open-presence', document, message: room.message });
  }

  receive({ document, client, message }: FromEngine & { readonly type: 'presence' }): void {
    this.#rooms.get(document)?.room.receive(client, message);
  }

  /**
   * The others are told that nobody is here, or not for now: by the engine, and the tabs from here as well, for browsers other than
   * Chromium end or freeze a page's worker before it hears of this. To whom both come the second is nothing new, by its turn.
   */
  leave(): void {
    const leaving: { document: string; message: Uint8Array }[] = [];
    this.#leaving = leaving;
    for (const { room } of this.#rooms.values()) room.leave();
    this.#leaving = undefined;
    if (this.#tabs === undefined || leaving.length === 0) return;
    // Only now: a channel that is open brings the page all that tabs say, and may keep it from being put aside.
    const channel = this.#context.environment.tabs?.channel(this.#tabs.channel, () => {});
    for (const said of leaving) channel?.post(tabMessage({ type: 'presence', client: '', ...said }, this.#tabs.tab, 0));
    channel?.close();
  }

  comeBack(): void {
    for (const { room } of this.#rooms.values()) room.comeBack();
  }

  end(): void {
    this.#stopLeaving?.();
    for (const { room } of this.#rooms.values()) room.end();
    this.#rooms.clear();
  }

  #room(id: string): Room {
    const { environment } = this.#context;
    return new Room(id, {
      environment,
      tell: (document, message) => this.#tell(document, message),
      ask: (document) => this.#context.post({ type: 'ask-presence', document }),
      notify: (listener) => this.#context.tell(listener),
    });
  }

  #tell(document: string, message: Uint8Array): void {
    this.#context.post({ type: 'presence', document, message });
    this.#leaving?.push({ document, message });
  }

  #closeUnused(held: OpenRoom): void {
    const { document } = held.room;
    if (held.handles > 0 || this.#rooms.get(document) !== held) return;
    held.room.end();
    this.#rooms.delete(document);
    this.#context.post({ type: 'close-presence', document });
  }
}
