// The start of the worker, with workers that do as a test says: it is fallen back from where it can't run, and replaced
// where it ran and died. What a real worker does is tested in browsers.

import { expose } from 'comlink';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Client, createClientIn } from './client.ts';
import { systemEnvironment } from './environment.ts';
import { workerEngine } from './worker/worker-engine.ts';

/** Says of a worker what a browser says in an `error` event. */
function failure(message: string): Event {
  return Object.assign(new Event('error'), { message });
}

beforeEach(() => {
  vi.stubGlobal('window', globalThis);
  // Without locks: only the `error` event tells of a worker's end.
  vi.stubGlobal('navigator', {});
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('a worker whose script can’t be loaded', () => {
  test('is fallen back from: the same engine runs on this thread, and nothing was restarted', async () => {
    let made = 0;
    let terminated = 0;
    class BlockedWorker extends EventTarget {
      constructor() {
        super();
        made += 1;
        queueMicrotask(() => this.dispatchEvent(failure('blocked by the content security policy')));
      }
      postMessage(): void {}
      terminate(): void {
        terminated += 1;
      }
    }
    vi.stubGlobal('Worker', BlockedWorker);
    const client: Client = createClientIn(systemEnvironment(), {
      url: 'ws://server/sync',
      connect: false,
      storage: 'memory',
    });
    const events: string[] = [];
    client.subscribeEvents(({ type }) => events.push(type));
    const notes = client.document<{ x: number }>('a');
    await notes.loaded;
    await notes.update({ x: 1 }).durable;
    expect(notes.value).toEqual({ x: 1 });
    expect(client.status.storage).toEqual({ mode: 'memory', state: 'ready' });
    expect([made, terminated, events]).toEqual([1, 1, []]);
    await client.close();
  });
});

describe('a worker that runs', () => {
  test('and fails has died; the failure of one that never ran is only a rejection', async () => {
    const workers: EventTarget[] = [];
    const heard: string[] = [];
    let begun = (): void => {};
    const starting = new Promise<void>((resolve) => {
      begun = resolve;
    });
    let answers = true;
    class FakeWorker extends EventTarget {
      readonly #port: MessagePort;
      constructor() {
        super();
        const { port1, port2 } = new MessageChannel();
        this.#port = port1;
        port1.onmessage = ({ data }) => this.dispatchEvent(new MessageEvent('message', { data }));
        const said = (name: string) => async (): Promise<void> => {
          heard.push(name);
          if (name === 'start') begun();
        };
        if (answers) expose({ start: said('start'), provide: said('provide') }, port2);
        else queueMicrotask(() => this.dispatchEvent(failure('404')));
        workers.push(this);
      }
      postMessage(data: unknown, transfer: Transferable[] = []): void {
        this.#port.postMessage(data, transfer);
      }
      terminate(): void {
        this.#port.close();
      }
    }
    vi.stubGlobal('Worker', FakeWorker);
    const core = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    let compiled = (): void => {};
    const compiling = new Promise<WebAssembly.Module>((resolve) => {
      compiled = () => resolve(core);
    });
    const start = workerEngine(
      () => ({
        url: 'ws://server/sync',
        follows: false,
        storage: ['memory'],
        namespace: { server: '', user: '', name: '' },
        asksUser: false,
      }),
      () => compiling,
      undefined,
    );
    const died = vi.fn();
    const running = start(() => {}, died);
    // It opens its storage while the core is still being compiled.
    await starting;
    expect(heard).toEqual(['start']);
    compiled();
    const engine = await running;
    expect(heard).toEqual(['start', 'provide']);
    expect(died).not.toHaveBeenCalled();
    workers[0]?.dispatchEvent(failure('out of memory'));
    expect(died).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'internal' }));
    engine.terminate();
    answers = false;
    const early = vi.fn();
    await expect(start(() => {}, early)).rejects.toThrow('404');
    expect(early).not.toHaveBeenCalled();
  });
});
