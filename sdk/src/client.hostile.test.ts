// A server that sends what can't be read, while a document is being replaced and otherwise: it costs that document, and says so.
// Nothing that was written is lost, other documents go on, and the engine isn't given up.

import { type Message, pbfCodec, writeEnvelope } from '@joinery/protocol';
import { describe, expect, test } from 'vitest';
import { MemoryStorage } from './storage/memory.ts';
import { World } from './testing/world.ts';
import type { Transport } from './transport/transport.ts';

const garbage = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);

type Change = (message: Message, document: string) => Message;

/** What the server says, changed on its way; `document` is what it is about, or nothing. */
function changed(transport: Transport, change: Change): Transport {
  return {
    connect: (url, events) => {
      /** Channel → document. */
      const channels = new Map<number, string>();
      const documentOf = (message: Message): string => {
        if ('channel' in message && message.channel !== 0) return channels.get(message.channel) ?? '';
        return 'document' in message ? message.document : '';
      };
      const link = transport.connect(url, {
        ...events,
        opened: () => events.opened(),
        frame: (bytes) => {
          const { number, message } = pbfCodec.decode(bytes);
          events.frame(pbfCodec.encode(change(message, documentOf(message)), number));
        },
        closed: (error) => events.closed(error),
      });
      return {
        send: (frame) => {
          const { message } = pbfCodec.decode(frame);
          if (message.type === 'subscribe') {
            for (const { channel, document } of message.subscriptions) channels.set(channel, document);
          }
          link.send(frame);
        },
        close: () => link.close(),
        get buffered_bytes() {
          return link.buffered_bytes;
        },
      };
    },
  };
}

/** A whole state in one part. */
function state<M extends Message & { type: 'snapshot' | 'bridge' }>(message: M, part: Uint8Array): M {
  return { ...message, total_bytes: part.length, offset: 0, part };
}

interface Setting {
  readonly world: World;
  /** What the server says of the document from now on. */
  damage(change: (message: Message) => Message): void;
  readonly client: ReturnType<World['client']>;
  readonly storage: MemoryStorage;
  readonly texts: readonly [
    notes: ReturnType<ReturnType<World['client']>['text']>,
    other: ReturnType<ReturnType<World['client']>['text']>,
  ];
}

/** One client that has written to `notes` offline, and the server has trimmed it meanwhile. */
async function offlineAcrossTrim(): Promise<Setting> {
  const world = await World.create();
  let change: Change = (message) => message;
  const transport = changed(world.network.transport(), (message, document) => change(message, document));
  const storage = new MemoryStorage();
  const client = world.client(storage, { transport });
  const [notes, other] = [client.text('notes'), client.text('other')];
  await world.time.settled(Promise.all([notes.loaded, other.loaded]));
  notes.insert(0, 'Hello world');
  other.insert(0, 'Other');
  await world.untilSynced();
  client.disconnect();
  await world.time.advance(100);
  notes.insert(5, ',');
  await world.time.advance(100);
  world.server.trim('notes');
  return {
    world,
    client,
    storage,
    texts: [notes, other],
    damage: (next) => {
      change = (message, document) => (document === 'notes' ? next(message) : message);
    },
  };
}

/** The other document, and what is written now, are synced as if nothing were. */
async function expectOthersGoOn({ world, client, texts: [, other] }: Setting): Promise<void> {
  const length = other.value.length;
  const receipt = other.insert(length, '!');
  await world.time.settled(receipt.durable);
  await world.time.settled(receipt.synced);
  expect(world.server.value('other')).toEqual({ text: `${other.value}` });
  expect(client.status.storage).toMatchObject({ state: 'ready' });
  expect(client.status.storage.lastError).toBeUndefined();
}

describe('while a document is replaced', () => {
  test('a bridge that can’t be read is like one that the server no longer has', async () => {
    const setting = await offlineAcrossTrim();
    const { world, client, texts, damage } = setting;
    damage((message) => (message.type === 'bridge' ? state(message, garbage) : message));
    client.connect();
    await world.untilSynced();
    await expectOthersGoOn(setting);
    expect(texts[0].value.replace(',', '')).toBe('Hello world');
    expect(world.server.value('notes')).toEqual({ text: texts[0].value });
    texts[0].insert(0, '>');
    await world.untilSynced();
  });

  for (const [what, of] of [
    ['a state', (message: Message) => (message.type === 'snapshot' ? state(message, garbage) : message)],
    [
      'an envelope',
      (message: Message): Message =>
        message.type === 'snapshot'
          ? { ...message, type: 'envelopes', firstPosition: 1, envelopes: [garbage] }
          : message.type === 'subscribed'
            ? { ...message, position: 0, snapshotFollows: false }
            : message,
    ],
    ['a version', (message: Message) => (message.type === 'subscribed' ? { ...message, version: garbage } : message)],
  ] as const) {
    test(`${what} that can’t be read is that document’s trouble alone, and nothing is lost`, async () => {
      const setting = await offlineAcrossTrim();
      const { world, client, storage, texts, damage } = setting;
      damage(of);
      client.connect();
      await world.time.advance(5_000);
      await expectOthersGoOn(setting);
      expect(texts[0].value).toBe('Hello, world');
      if (what !== 'a version') {
        expect(client.status.sync.state).toBe('blocked');
        expect(client.status.sync.lastError?.code).toMatch(/^invalid-/);
      }
      // It is asked for again by the next client; by then the server is well.
      damage((message) => message);
      await world.time.settled(client.close());
      const next = world.client(storage);
      const again = next.text('notes');
      await world.time.settled(again.loaded);
      await world.untilSynced(next);
      expect(again.value).toBe('Hello, world');
      expect(world.server.value('notes')).toEqual({ text: 'Hello, world' });
      expect(next.rejected.entries).toEqual([]);
    });
  }

  test('a closing that the server refuses is told, and what was written stays', async () => {
    const setting = await offlineAcrossTrim();
    const { world, client, texts, damage } = setting;
    const refusal = { channel: 0, code: 'forbidden', message: 'another user’s', retryable: false, epoch: 0 };
    damage((message) => (message.type === 'closed' ? { type: 'error', document: 'notes', ...refusal } : message));
    client.connect();
    await world.time.until(() => client.status.sync.state === 'blocked');
    expect(client.status.sync.lastError?.code).toBe('forbidden');
    await expectOthersGoOn(setting);
    expect(texts[0].value).toBe('Hello, world');
  });

  test('a closing that fails for now is told, tried again, and forgotten when it is done', async () => {
    const setting = await offlineAcrossTrim();
    const { world, client, texts, damage } = setting;
    const failure = { channel: 0, code: 'storage-failed', message: 'for now', retryable: true, epoch: 0 };
    damage((message) => (message.type === 'closed' ? { type: 'error', document: 'notes', ...failure } : message));
    client.connect();
    await world.time.until(() => client.status.sync.lastError?.code === 'storage-failed');
    damage((message) => message);
    await world.untilSynced();
    expect(client.status.sync.lastError).toBeUndefined();
    expect(world.server.value('notes')).toEqual({ text: 'Hello, world' });
    expect(texts[0].value).toBe('Hello, world');
  });
});

describe('while a document is synced', () => {
  /** One client, online, with `notes` and `other`; `change` is what the server says of `notes` when it is opened. */
  async function opened(change: (message: Message) => Message) {
    const world = await World.create({ server: { snapshotBehind: 0 } });
    const author = world.client();
    const write = async (id: string, text: string): Promise<void> => {
      const document = author.text(id);
      await world.time.settled(document.loaded);
      document.insert(0, text);
    };
    await write('notes', 'Hello');
    await world.untilSynced();
    let now: Change = (message) => message;
    const transport = changed(world.network.transport(), (message, document) => now(message, document));
    const client = world.client(new MemoryStorage(), { transport });
    const other = client.text('other');
    await world.time.settled(other.loaded);
    now = (message, document) => (document.startsWith('notes') ? change(message) : message);
    return { world, author, write, client, other };
  }

  const forged = writeEnvelope({ agent: 5n, from: 0, to: 1, payload: garbage });

  for (const [what, change] of [
    ['a state', (message: Message) => (message.type === 'snapshot' ? state(message, garbage) : message)],
    ['a version', (message: Message) => (message.type === 'subscribed' ? { ...message, version: garbage } : message)],
    ['what is no envelope', (message: Message): Message => asEnvelopes(message, [garbage])],
    ['the payload of an envelope', (message: Message): Message => asEnvelopes(message, [forged])],
  ] as const) {
    test(`${what} that can’t be read is that document’s trouble alone`, async () => {
      const { world, write, client, other } = await opened(change);
      const notes = client.text('notes');
      await world.time.advance(5_000);
      // An envelope whose payload this core can't read is kept as it is: a newer one may have written it.
      if (!what.startsWith('the payload')) expect(client.status.sync.lastError?.code).toMatch(/^invalid-/);
      const receipt = other.insert(0, 'x');
      await world.time.settled(receipt.synced);
      // What is written in it is kept here.
      await world.time.settled(notes.loaded);
      await world.time.settled(notes.insert(0, 'mine ').durable);
      expect(client.status.storage.lastError).toBeUndefined();
      await write('other', 'y');
      await world.time.until(() => other.value.length === 2);
    });
  }

  test('states that can’t be read take no credit for good', async () => {
    const large = new Uint8Array(256 * 1024).fill(9);
    const { world, author, write, client, other } = await opened((message) =>
      message.type === 'snapshot' ? state(message, large) : message,
    );
    // Together they are far more than a client takes at a time.
    const ids = Array.from({ length: 48 }, (_, index) => `notes ${index}`);
    for (const id of ids) await write(id, 'Hello');
    await world.untilSynced(author);
    for (const id of ids) client.text(id);
    await world.time.advance(5_000);
    await write('other', 'z'.repeat(1_000));
    await world.time.until(() => other.value.length === 1_000);
  });
});

/** In place of the state that the server would send. */
function asEnvelopes(message: Message, envelopes: readonly Uint8Array[]): Message {
  if (message.type === 'subscribed') return { ...message, position: 0, head: 1, snapshotFollows: false };
  if (message.type !== 'snapshot') return message;
  return { type: 'envelopes', channel: message.channel, firstPosition: 1, envelopes };
}
