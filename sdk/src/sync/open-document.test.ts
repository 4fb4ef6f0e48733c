// Open documents on the main thread that rest while others are used, and an engine that says what a test says.

import { JoineryError, readEnvelope } from '@joinery/protocol';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { init, Replica } from '../core/index.ts';
import { VirtualEnvironment } from '../testing/virtual-environment.ts';
import { TabName } from '../undo/tab-name.ts';
import { AwakeDocuments } from './awake-documents.ts';
import type { EngineStatus, ToEngine } from './messages.ts';
import { type ChannelMessage, OpenDocument } from './open-document.ts';

type Replaced = Extract<ChannelMessage, { readonly type: 'replaced' }>;

const status: EngineStatus = {
  connection: { state: 'online' },
  sync: { blocked: false, counted: true, pending: 0 },
  storage: { mode: 'memory', state: 'ready' },
  store: undefined,
};

beforeAll(async () => {
  await init();
});

/** Documents of which one is awake, beside those that can't rest; `use` makes that another one. */
function setUp() {
  const environment = new VirtualEnvironment();
  const posted: ToEngine[] = [];
  const context = {
    environment,
    replicaOptions: { now: () => environment.now(), trustStamps: true },
    awake: new AwakeDocuments(1),
    post: (message: ToEngine) => posted.push(message),
    now: () => environment.now(),
    clock: () => ({ serverTime_ms: environment.now(), offset_ms: 0, sets_ms: [] }),
    pendingChanged: () => {},
    trapped: () => {},
    tabName: new TabName(environment, 'test'),
    undoDropped: () => {},
  };
  let channels = 0;
  const load = (updates: readonly Uint8Array[] = []): OpenDocument => {
    channels += 1;
    const document = new OpenDocument(`d/${channels}`, channels, context);
    loaded(document, updates);
    return document;
  };
  const bystander = load();
  return { environment, posted, context, load, use: () => bystander.replica };
}

function loaded(document: OpenDocument, updates: readonly Uint8Array[]): void {
  const { channel } = document;
  document.receive({ type: 'loaded', channel, incarnation: 0, turn: 0, snapshot: undefined, updates, status });
}

function tell(document: OpenDocument, updates: readonly Uint8Array[]): void {
  const bytes = updates.reduce((sum, { length }) => sum + length, 0);
  document.receive({ type: 'updates', channel: document.channel, updates, bytes });
}

/** Somebody else's replica. */
class Author {
  readonly replica = new Replica();

  set(key: string, value: string): Uint8Array {
    this.replica.root.set(key, value);
    return this.replica.takeUpdate() as Uint8Array;
  }
}

describe('a document that nobody uses', () => {
  test('gives its replica back, and shows what it showed', () => {
    const { load, use } = setUp();
    const document = load([new Author().set('title', 'one')]);
    const { replica, revision, value } = document;
    use();
    expect(() => replica?.revision).toThrow(expect.objectContaining({ code: 'freed' }));
    expect(document.isLoaded).toBe(true);
    expect(document.revision).toBe(revision);
    expect(document.value).toBe(value);
    expect(document.replica).not.toBe(replica);
    expect(document.replica?.toJSON()).toEqual({ title: 'one' });
    expect(document.revision).toBe(revision);
    expect(document.value).toBe(value);
  });

  test('takes in what comes, and tells whoever listens', () => {
    const { load, use } = setUp();
    const author = new Author();
    const document = load([author.set('title', 'one')]);
    const { revision } = document;
    const seen: unknown[] = [];
    document.subscribe(() => seen.push(document.value));
    use();
    tell(document, [author.set('title', 'two')]);
    expect(seen).toEqual([{ title: 'two' }]);
    expect(document.revision).toBeGreaterThan(revision);
    use();
    // From an engine that took another's place.
    loaded(document, [author.set('more', 'three')]);
    expect(document.value).toEqual({ title: 'two', more: 'three' });
    use();
    const { revision: before } = document;
    const snapshot = author.replica.encodeSnapshot();
    replaced(document, snapshot);
    expect(document.value).toEqual({ title: 'two', more: 'three' });
    expect(document.revision).toBeGreaterThan(before);
  });

  test('keeps the replica in which something waits for its cause', () => {
    const { load, use } = setUp();
    const author = new Author();
    const [first, second] = [author.set('a', '1'), author.set('b', '2')];
    const document = load([second]);
    const { replica } = document;
    use();
    expect(document.replica).toBe(replica);
    use();
    tell(document, [first]);
    expect(document.value).toEqual({ a: '1', b: '2' });
  });

  test('keeps the replica that was written to, and with it its agent', () => {
    const { load, use } = setUp();
    const document = load();
    use();
    document.write((replica) => replica.root.set('a', '1'));
    const agent = document.replica?.agent;
    use();
    use();
    document.write((replica) => replica.root.set('b', '2'));
    expect(document.replica?.agent).toBe(agent);
    expect(document.value).toEqual({ a: '1', b: '2' });
  });

  test('keeps a replica that is large, and is not encoded again and again to find out', () => {
    const { load, use } = setUp();
    const document = load([new Author().set('long', 'x'.repeat(10_000))]);
    const { replica } = document;
    const encode = vi.spyOn(Replica.prototype, 'encodeSnapshot');
    for (let times = 0; times < 10; times += 1) {
      use();
      expect(document.replica).toBe(replica);
    }
    expect(encode.mock.calls.length).toBeLessThanOrEqual(1);
    encode.mockRestore();
  });

  test('is in use while the app writes to it, whatever else the app reads meanwhile', () => {
    const { load, use } = setUp();
    const document = load();
    document.write((replica) => {
      use();
      use();
      replica.root.set('a', '1');
    });
    expect(document.value).toEqual({ a: '1' });
  });

  test('makes every write that waited for it, whatever those do who hear of one that fails', () => {
    const { context, use } = setUp();
    const document = new OpenDocument('d/early', 99, context);
    const failing = document.writeKeyed(() => {
      throw new Error('It can’t be written.');
    });
    failing.subscribe(() => {
      use();
      use();
    });
    document.writeKeyed((replica) => replica.root.set('a', '1'));
    loaded(document, []);
    expect(failing.state).toBe('rejected');
    expect(document.value).toEqual({ a: '1' });
    expect(document.hasEarly).toBe(false);
  });

  test('is in use as well while a write is made that waited for it', () => {
    const { context, use } = setUp();
    const document = new OpenDocument('d/early', 99, context);
    const receipt = document.writeKeyed((replica) => {
      use();
      use();
      replica.root.set('a', '1');
    });
    loaded(document, []);
    expect(receipt.error).toBeUndefined();
    expect(document.value).toEqual({ a: '1' });
  });

  test('closes without waking, and is not asked to rest afterwards', () => {
    const { load, use, posted } = setUp();
    const [resting, awake] = [load(), load()];
    const spy = vi.spyOn(Replica, 'load');
    resting.close();
    awake.close();
    expect(spy).not.toHaveBeenCalled();
    use();
    expect(posted.map(({ type }) => type)).toEqual(['close', 'close']);
    expect([resting.isLoaded, awake.isLoaded]).toEqual([false, false]);
    spy.mockRestore();
  });
});

/** Says that this state has taken the place of what was shown, and of which swaps. */
function replaced(document: OpenDocument, snapshot: Uint8Array, more: Partial<Replaced> = {}): void {
  const none = {
    replacements: [],
    complete: true,
    epochChanged: false,
    bridges: [],
    carried: [],
    unanswered: [],
    rejections: undefined,
    status,
  };
  const { channel } = document;
  document.receive({ type: 'replaced', channel, incarnation: 1, turn: 0, snapshot, ...none, ...more });
}

/** Lets the document hand over what was written to it, and gives what it has posted since. */
async function handedOver(environment: VirtualEnvironment, posted: ToEngine[]): Promise<ToEngine[]> {
  await environment.advance(0);
  return posted.splice(0);
}

function appendsOf(messages: readonly ToEngine[]) {
  return messages.flatMap((message) => (message.type === 'append' ? message : []));
}

describe('a document whose incarnation has ended', () => {
  test('makes nothing anew that is there by its name', async () => {
    const { environment, load, posted } = setUp();
    const document = load();
    const [there, missing] = [3, 4].map((amount) =>
      document.write((replica) => replica.counter('n').increment(amount)),
    );
    const [first] = appendsOf(await handedOver(environment, posted));
    const stored = new Replica({ trustStamps: true });
    stored.applyUpdates(first?.envelopes ?? []);
    document.write((replica) => replica.counter('n').increment(10));
    replaced(document, stored.encodeSnapshot(), { incarnation: 0, turn: 1 });
    expect(document.value).toEqual({ n: 17 });
    expect([there?.state, missing?.state]).toEqual(['durable', 'durable']);
    const messages = await handedOver(environment, posted);
    expect(appendsOf(messages).filter(({ turn }) => turn === 1)).toHaveLength(1);
    expect(messages.find(({ type }) => type === 'followed')).toMatchObject({ awaited: [{ length: 2 }, { length: 2 }] });
  });

  test('makes nothing anew that the server has carried on into the epoch', async () => {
    const { environment, load, posted } = setUp();
    const document = load();
    const increment = (replica: Replica, amount: number): void => replica.counter('n').increment(amount);
    const carriedOn = document.write((replica) => increment(replica, 3));
    // What comes from elsewhere ends an envelope.
    const other = new Replica();
    increment(other, 100);
    tell(document, [other.takeUpdate() as Uint8Array]);
    const left = document.write((replica) => increment(replica, 4));
    const [batch] = appendsOf(await handedOver(environment, posted));
    const [first, second] = (batch?.envelopes ?? []).map((bytes) => readEnvelope(bytes));
    expect(second?.from).toBe(first?.to);
    const trimmed = new Replica();
    increment(trimmed, 103);
    const carried = [[first?.agent, first?.to]] as Replaced['carried'];
    replaced(document, trimmed.encodeSnapshot(), { turn: 1, epochChanged: true, carried });
    expect(document.value).toEqual({ n: 107 });
    const [again] = appendsOf(await handedOver(environment, posted)).filter(({ turn }) => turn === 1);
    expect(again?.envelopes).toHaveLength(1);
    document.receive({ type: 'durable', channel: document.channel, batch: again?.batch ?? 0, unsynced: [], status });
    expect([carriedOn?.state, left?.state]).toEqual(['synced', 'durable']);
  });

  test('says so where nobody can tell whether the server had it before the epoch began', async () => {
    const { environment, load, posted } = setUp();
    const document = load();
    const receipt = document.write((replica) => replica.counter('n').increment(3));
    const [batch] = appendsOf(await handedOver(environment, posted));
    const { agent, to } = readEnvelope(batch?.envelopes[0] as Uint8Array);
    const later = document.write((replica) => replica.counter('n').increment(4));
    await handedOver(environment, posted);
    const trimmed = new Replica();
    trimmed.counter('n').increment(3);
    replaced(document, trimmed.encodeSnapshot(), { turn: 1, epochChanged: true, unanswered: [[agent, to]] });
    expect(document.value).toEqual({ n: 7 });
    expect([receipt.error?.code, later.state]).toEqual(['stale-incarnation', 'local']);
    const again = appendsOf(await handedOver(environment, posted)).filter(({ turn }) => turn === 1);
    expect(again.flatMap(({ rejected }) => rejected)).toMatchObject([{ agent, parts: [{ from: 0, to }] }]);
  });

  test('makes it anew where a swap tells that the server never had it', async () => {
    const { environment, load, posted } = setUp();
    const document = load();
    document.write((replica) => replica.counter('n').increment(3));
    const [batch] = appendsOf(await handedOver(environment, posted));
    const { agent, to } = readEnvelope(batch?.envelopes[0] as Uint8Array);
    const agents = [{ agent, covered: 0, last: 0 }];
    const replacements = [{ incarnation: 1, agents, rejected: [], mapping: new Uint8Array(), bridges: [] }];
    const more = { turn: 1, epochChanged: true, replacements, unanswered: [[agent, to]] as Replaced['unanswered'] };
    replaced(document, new Replica().encodeSnapshot(), more);
    expect(document.value).toEqual({ n: 3 });
  });

  test('is synced at once where the server has carried on all of it', async () => {
    const { environment, load, posted } = setUp();
    const document = load();
    const receipt = document.write((replica) => replica.root.set('a', 1));
    const [batch] = appendsOf(await handedOver(environment, posted));
    const { agent, to } = readEnvelope(batch?.envelopes[0] as Uint8Array);
    const trimmed = new Replica();
    trimmed.root.set('a', 1);
    replaced(document, trimmed.encodeSnapshot(), { turn: 1, epochChanged: true, carried: [[agent, to]] });
    expect(receipt.state).toBe('synced');
    expect(appendsOf(await handedOver(environment, posted)).filter(({ turn }) => turn === 1)).toEqual([]);
  });
});

describe('a document whose core traps while it follows', () => {
  /** A written and stored counter, a written and unstored one, and a write that changed nothing. */
  async function written() {
    const { environment, load, posted } = setUp();
    const document = load();
    const stored = document.write((replica) => replica.root.set('a', 1));
    const [first] = appendsOf(await handedOver(environment, posted));
    document.receive({ type: 'durable', channel: document.channel, batch: first?.batch ?? 0, unsynced: [], status });
    const unstored = document.write((replica) => replica.root.set('b', 2));
    const unchanged = document.write(() => {});
    await handedOver(environment, posted);
    return { environment, posted, document, receipts: [stored, unstored], unchanged };
  }
  const trap = (): never => {
    throw new WebAssembly.RuntimeError('unreachable');
  };

  test.each([
    ['loads', () => vi.spyOn(Replica, 'load').mockImplementation(trap)],
    ['looks at the names', () => vi.spyOn(Replica.prototype, 'version').mockImplementation(trap)],
    ['replays', () => vi.spyOn(Replica.prototype, 'beginReplay').mockImplementation(trap)],
  ])('says so when it %s, and what is not known to be there goes to the rejected list', async (_, setTrap) => {
    const { environment, posted, document, receipts, unchanged } = await written();
    const snapshot = new Replica().encodeSnapshot();
    const spy = setTrap();
    replaced(document, snapshot);
    spy.mockRestore();
    expect(receipts.map(({ state, error }) => [state, error?.code])).toEqual([
      ['rejected', 'stale-incarnation'],
      ['rejected', 'stale-incarnation'],
    ]);
    const messages = await handedOver(environment, posted);
    expect(messages.map(({ type }) => type)).toEqual(['reload', 'append', 'followed']);
    const [again] = appendsOf(messages);
    expect(again).toMatchObject({ incarnation: 1, envelopes: [], asks: true, rejected: [{}, {}] });
    document.receive({ type: 'durable', channel: document.channel, batch: again?.batch ?? 0, unsynced: [], status });
    expect(unchanged.state).toBe('synced');
    document.receive({ type: 'state', channel: document.channel, snapshot, bytes: snapshot.length });
    expect(document.value).toEqual({});
    document.write((replica) => replica.root.set('c', 3));
    expect(document.value).toEqual({ c: 3 });
  });

  test('is closed when it was about to be', async () => {
    const { environment, posted, document } = await written();
    document.close();
    await handedOver(environment, posted);
    const spy = vi.spyOn(Replica, 'load').mockImplementation(trap);
    replaced(document, new Uint8Array());
    spy.mockRestore();
    const messages = await handedOver(environment, posted);
    expect(messages.map(({ type }) => type)).toEqual(['reload', 'append', 'followed', 'close']);
    expect(document.isClosed).toBe(true);
  });
});

describe('a write that throws in the middle', () => {
  const failing = (replica: Replica): void => {
    replica.root.set('a', '1');
    throw new JoineryError('limit-exceeded', 'It can’t be written.');
  };

  test('tells its caller, and leaves what it had written, whether the document was loaded or not', async () => {
    const { environment, context, load, posted } = setUp();
    const [present, early] = [load(), new OpenDocument('d/early', 99, context)];
    expect(() => present.write(failing)).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
    const receipt = early.writeKeyed(failing);
    const next = early.writeKeyed((replica) => replica.root.set('b', '2'));
    loaded(early, []);
    expect([receipt.state, receipt.error?.code]).toEqual(['rejected', 'limit-exceeded']);
    expect([present.value, early.value]).toEqual([{ a: '1' }, { a: '1', b: '2' }]);
    const appends = appendsOf(await handedOver(environment, posted));
    expect(appends.map(({ channel, envelopes }) => [channel, envelopes.length])).toEqual([
      [present.channel, 1],
      [early.channel, 1],
    ]);
    for (const document of [present, early]) {
      const batch = appends.find(({ channel }) => channel === document.channel)?.batch ?? 0;
      document.receive({ type: 'durable', channel: document.channel, batch, unsynced: [], status });
      // The engine is to tell what becomes of it.
      expect(document.awaitsEngine).toBe(true);
    }
    expect([receipt.state, next.state]).toEqual(['rejected', 'durable']);
  });

  test('is told of although it was the only one that waited', async () => {
    const { environment, context, posted } = setUp();
    const document = new OpenDocument('d/early', 99, context);
    document.writeKeyed(failing);
    loaded(document, []);
    const [append] = appendsOf(await handedOver(environment, posted));
    document.receive({ type: 'durable', channel: 99, batch: append?.batch ?? 0, unsynced: [], status });
    expect(document.awaitsEngine).toBe(true);
  });
});

describe('`loaded`', () => {
  test('resolves whether it is asked for before or after', async () => {
    const { context, load } = setUp();
    const document = new OpenDocument('d/late', 98, context);
    const before = document.loaded;
    loaded(document, []);
    await before;
    await document.loaded;
    await load().loaded;
  });

  test('rejects for good when the document can’t be loaded, whether it is asked for before or after', async () => {
    const { context } = setUp();
    const failed = { code: 'storage-corrupt', message: 'No.', retryable: false };
    const documents = [97, 96].map((channel) => new OpenDocument('d/bad', channel, context));
    const [asked, unasked] = documents as [OpenDocument, OpenDocument];
    const before = asked.loaded;
    for (const document of documents) document.receive({ type: 'failed', channel: document.channel, error: failed });
    await expect(before).rejects.toMatchObject({ code: 'storage-corrupt' });
    await expect(asked.loaded).rejects.toMatchObject({ code: 'storage-corrupt' });
    await expect(unasked.loaded).rejects.toMatchObject({ code: 'storage-corrupt' });
    unasked.end();
    await expect(unasked.loaded).rejects.toMatchObject({ code: 'storage-corrupt' });
  });
});
