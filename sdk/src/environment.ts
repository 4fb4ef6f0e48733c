// Time, randomness, timers and the network's state: everything that the SDK takes from where it runs, at one place, so
// that a simulation can put its own in. Storage and sockets are not here: they have contracts of their own.

/** Ends what it was returned for. Calling it again does nothing. */
export type Cancel = () => void;

export interface Environment {
  /** The device's clock, in whole milliseconds since 1970. It may jump. */
  now(): number;
  /** A clock that never goes back, in milliseconds since some moment. */
  monotonic(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Fills `bytes` with what nobody can guess or repeat. */
  randomBytes(bytes: Uint8Array): void;
  /** Calls `run` once after `delay_ms`. */
  timer(run: () => void, delay_ms: number): Cancel;
  /** Calls `run` in a task of its own, after the events that wait already. Calls keep their order. */
  task(run: () => void): void;
  /** Calls `run` when the current task's synchronous code has ended. Calls keep their order. */
  microtask(run: () => void): void;
  /** Whether the device believes that it has a network; true where that can't be known. */
  online(): boolean;
  /** Calls `listener` with each change of `online()`. */
  subscribeOnline(listener: (online: boolean) => void): Cancel;
  /**
   * Calls `listener` with true when the page is left, be it for good or to be kept aside, and with false when it comes back. Absent
   * where there are no pages.
   */
  subscribeLeaving?(listener: (left: boolean) => void): Cancel;
  /** The way to other tabs of the same origin; absent where there is none: every client then is on its own. */
  readonly tabs?: TabsEnvironment;
  /** What the browser tells of this origin's storage; absent where it tells nothing, and in workers. */
  readonly quota?: StorageQuota;
  /** A few short texts that stay on the device, beside all storage; absent where there is no place for them. */
  readonly notes?: Notes;
  /** Absent where there is none: in a worker, in Node. */
  readonly page?: PageEnvironment;
}

/** How much the origin may store, and whether the browser may remove it. Each may reject with whatever the browser throws. */
export interface StorageQuota {
  estimate(): Promise<{ readonly usage_bytes: number; readonly quota_bytes: number }>;
  persisted(): Promise<boolean>;
  /** Asks that it may not. It may ask the user. */
  persist(): Promise<boolean>;
}

export interface Notes {
  read(key: string): string | undefined;
  /** Undefined removes it. Where there is no room nothing is written. */
  write(key: string, text: string | undefined): void;
}

/** What tabs of one origin have in common, besides storage. */
export interface TabsEnvironment {
  /** Absent where there are none: then nobody can be chosen, and every tab does everything itself. */
  readonly locks?: Locks;
  /**
   * Joins a channel. `receive` gets copies of what others post to it, each in a task of its own, in the order in which one
   * of them posted it, and never what this one posts.
   */
  channel(name: string, receive: (message: unknown) => void): Channel;
  /** What a tab remembers of itself: it outlives a reload and ends with the tab. Absent where there is no such thing. */
  readonly session?: TabMemory;
}

/** A few texts by name. A copy of a tab begins with a copy of its memory. */
export interface TabMemory {
  read(name: string): string | undefined;
  /** False where it can't be kept. */
  write(name: string, text: string): boolean;
}

/** The page that a client is in. */
export interface PageEnvironment {
  /** Calls `listener` when the page is put out of sight: it may never be heard of again. */
  subscribeHidden(listener: () => void): Cancel;
  /** From now on whoever leaves the page is asked whether he means it. */
  holdUnload(): Cancel;
  /** The page's service worker is to be woken with this tag when there is a network; nothing happens where that can't be had. */
  requestSync(tag: string): void;
}

export interface Channel {
  /** Plain data. What is posted after closing goes nowhere. */
  post(message: unknown): void;
  close(): void;
}

/** Exclusive locks between tabs: whoever holds one loses it when it ends, however it ends. */
export interface Locks {
  /**
   * Waits for the lock behind all who wait already; with `steal` takes it at once, from whoever has it. The returned
   * function leaves the queue, or gives the lock back; nothing is called after it.
   */
  request(name: string, steal: boolean, events: LockEvents): Cancel;
}

export interface LockEvents {
  granted(): void;
  /** It was stolen. */
  lost(): void;
  /** There are no locks to be had here. */
  failed(): void;
}

/** The environment of a browser's page, a worker, or Node. */
export function systemEnvironment(): Environment {
  const task = taskQueue();
  const [tabs, quota, notes, page] = [systemTabs(), systemQuota(), systemNotes(), systemPage()];
  return {
    ...(tabs === undefined ? {} : { tabs }),
    ...(quota === undefined ? {} : { quota }),
    ...(notes === undefined ? {} : { notes }),
    ...(page === undefined ? {} : { page }),
    now: () => Date.now(),
    monotonic: () => performance.now(),
    random: () => Math.random(),
    randomBytes: (bytes) => {
      // One call gives at most 65,536 bytes; nobody here needs more than a few.
      crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>);
    },
    timer: (run, delay_ms) => {
      // Longer delays than a timer can hold would fire at once.
      const timer = setTimeout(run, Math.min(delay_ms, 2 ** 31 - 1));
      return () => clearTimeout(timer);
    },
    task,
    microtask: (run) => queueMicrotask(run),
    online: () => typeof navigator === 'undefined' || navigator.onLine !== false,
    subscribeOnline: (listener) => listenTo(listener, 'online', 'offline'),
    subscribeLeaving: (listener) => listenTo(listener, 'pagehide', 'pageshow'),
  };
}

/** Calls `listener` with true at the one event of the global scope, and with false at the other. */
function listenTo(listener: (on: boolean) => void, onEvent: string, offEvent: string): Cancel {
  const target: Partial<EventTarget> = globalThis;
  if (!target.addEventListener || !target.removeEventListener) return () => {};
  const on = (): void => listener(true);
  const off = (): void => listener(false);
  target.addEventListener(onEvent, on);
  target.addEventListener(offEvent, off);
  return () => {
    target.removeEventListener?.(onEvent, on);
    target.removeEventListener?.(offEvent, off);
  };
}

/** `setImmediate` where there is one; else a message channel, since nested timeouts are held back for 4 ms. */
function taskQueue(): (run: () => void) => void {
  if (typeof setImmediate === 'function') return (run) => void setImmediate(run);
  const queue: (() => void)[] = [];
  const channel = new MessageChannel();
  channel.port1.onmessage = () => queue.shift()?.();
  return (run) => {
    queue.push(run);
    channel.port2.postMessage(undefined);
  };
}

function systemQuota(): StorageQuota | undefined {
  const storage = typeof window === 'undefined' ? undefined : navigator.storage;
  // Absent in a page that is not secure.
  if (storage?.persist === undefined) return undefined;
  return {
    estimate: async () => {
      const { usage = 0, quota = 0 } = await storage.estimate();
      return { usage_bytes: usage, quota_bytes: quota };
    },
    persisted: () => storage.persisted(),
    persist: () => storage.persist(),
  };
}

function systemNotes(): Notes | undefined {
  if (typeof window === 'undefined') return undefined;
  let storage: Storage;
  try {
    // Throws where the user has turned storage off.
    storage = window.localStorage;
  } catch {
    return undefined;
  }
  return {
    read: (key) => storage.getItem(key) ?? undefined,
    write: (key, text) => {
      try {
        if (text === undefined) storage.removeItem(key);
        else storage.setItem(key, text);
      } catch {
        // There is no room.
      }
    },
  };
}

/** BroadcastChannel and Web Locks. */
function systemTabs(): TabsEnvironment | undefined {
  if (typeof BroadcastChannel === 'undefined') return undefined;
  const locks = typeof navigator === 'undefined' ? undefined : navigator.locks;
  return {
    ...(locks === undefined ? {} : { locks: webLocks(locks) }),
    ...(typeof document === 'undefined' ? {} : { session: sessionMemory }),
    channel(name, receive) {
      const channel = new BroadcastChannel(name);
      channel.onmessage = ({ data }: MessageEvent<unknown>) => receive(data);
      // In Node it is no reason to go on running.
      if ('unref' in channel && typeof channel.unref === 'function') channel.unref();
      let open = true;
      return {
        post: (message) => {
          if (open) channel.postMessage(message);
        },
        close: () => {
          open = false;
          channel.close();
        },
      };
    },
  };
}

/** What is not allowed to be looked at, as in some frames, is not there. */
const sessionMemory: TabMemory = {
  read(name) {
    try {
      return sessionStorage.getItem(name) ?? undefined;
    } catch {
      return undefined;
    }
  },
  write(name, text) {
    try {
      sessionStorage.setItem(name, text);
      return true;
    } catch {
      return false;
    }
  },
};

function systemPage(): PageEnvironment | undefined {
  if (typeof document === 'undefined' || typeof window === 'undefined') return undefined;
  return {
    subscribeHidden(listener) {
      const hidden = (): void => {
        if (document.visibilityState === 'hidden') listener();
      };
      document.addEventListener('visibilitychange', hidden);
      window.addEventListener('pagehide', listener);
      return () => {
        document.removeEventListener('visibilitychange', hidden);
        window.removeEventListener('pagehide', listener);
      };
    },
    holdUnload() {
      const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
      window.addEventListener('beforeunload', ask);
      return () => window.removeEventListener('beforeunload', ask);
    },
    requestSync(tag) {
      // What isn't there, or not allowed, is not there.
      requestSync(tag).catch(() => {});
    },
  };
}

/** Background Sync, as far as a browser has it. */
interface WithSync {
  readonly sync?: { register(tag: string): Promise<void> };
}

async function requestSync(tag: string): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  await (registration as WithSync | undefined)?.sync?.register(tag);
}

function webLocks(manager: LockManager): Locks {
  return {
    request(name, steal, events) {
      const stop = new AbortController();
      let release = (): void => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      let over = false;
      const granted = (): Promise<void> | undefined => {
        if (over) return undefined;
        events.granted();
        return held;
      };
      // A request that steals never waits, and must not name a signal.
      const options: LockOptions = steal ? { steal } : { signal: stop.signal };
      manager.request(name, options, granted).catch((error: unknown) => {
        if (over) return;
        over = true;
        if (error instanceof DOMException && error.name === 'AbortError') events.lost();
        else events.failed();
      });
      return () => {
        over = true;
        stop.abort();
        release();
      };
    },
  };
}
