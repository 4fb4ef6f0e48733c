/**
 * Clients that forge: another agent's operations, operations with gaps, stamps of tomorrow, agents that are another user's,
 * other epochs, damaged bytes; and every message in every order, of documents that are deleted, closed or unknown. Whatever
 * they send, the log stays sound, and nobody else notices.
 */

import {
  checkDocumentId,
  completeFrame,
  type EnvelopeHeader,
  type FrameCodec,
  type Message,
  pbfCodec,
  protocolVersion,
  readEnvelope,
} from '@joinery/protocol';
import { init, Replica } from 'joinery/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { damage } from '../../protocol/src/testing/damage.ts';
import { clientTypes, MessageMaker, serverTypes } from '../../protocol/src/testing/random-messages.ts';
import { clockTolerance_ms, stampTime_ms } from './documents/decide.ts';
import { MemoryStorage } from './storage/memory.ts';
import { type Node, VirtualWorld } from './testing/virtual-world.ts';

beforeAll(() => init());

/** How many times as much as usual is to be done. */
const rounds = Number(process.env.JOINERY_ROUNDS ?? 1);
const codec: FrameCodec = pbfCodec;
const documents = ['notes', 'junk', 'gone', 'never', 's/a'];

/** One who greets, and then sends what it is told to, over one link after another. */
class Intruder {
  readonly errors: string[] = [];
  /** Document → its channel over this link, ended or not. */
  readonly channels = new Map<string, number>();
  /** Documents that it was told the epoch of. */
  readonly told = new Set<string>();
  readonly seen: Uint8Array[] = [];
  ready = false;
  #link: ReturnType<Node['connect']> | undefined;
  #channel = 0;
  /** Frames that were sent over it. */
  #sent = 0;

  constructor(world: VirtualWorld, node: Node, user: string) {
    const connect = (): void => {
      this.ready = false;
      this.#sent = 0;
      this.#channel = 0;
      this.channels.clear();
      this.#link = node.connect({
        opened: () => {
          const [knownTypes, name, credit_bytes] = [[], '', 10_000_000];
          const hello = { protocolMin: protocolVersion, protocolMax: protocolVersion, knownTypes, name, credit_bytes };
          this.send({ type: 'client-hello', ...hello });
          this.send({ type: 'authenticate', token: user });
        },
        frame: (frame) => this.#hear(codec.decode(frame).message),
        closed: () => void world.after(10, connect),
      });
    };
    connect();
  }

  send(message: Message): void {
    this.sendFrame(codec.encode(message));
  }

  /** Asks for a document under the next channel. */
  subscribe(document: string): void {
    this.#channel += 1;
    this.channels.set(document, this.#channel);
    this.send(subscribe(document, this.#channel));
  }

  /** Under the document's channel, or (`other`) one that is not. */
  bring(document: string, envelopes: readonly Uint8Array[], other = 0): void {
    const channel = (this.channels.get(document) ?? this.#channel) + other;
    this.send({ type: 'envelopes', channel: Math.max(1, channel), firstPosition: 0, envelopes });
  }

  sendFrame(frame: Uint8Array): void {
    this.#link?.send(completeFrame(frame, 0, this.#sent));
    this.#sent += 1;
  }

  #hear(message: Message): void {
    if (message.type === 'authenticated') this.ready = true;
    if (message.type === 'error' || message.type === 'refusal') this.errors.push(message.code);
    if (message.type === 'subscribed') {
      for (const [document, channel] of this.channels) if (channel === message.channel) this.told.add(document);
    }
    if (message.type === 'envelopes') this.seen.push(...message.envelopes.map((bytes) => bytes.slice()));
  }
}

function subscribe(document: string, channel: number): Message {
  const nothing = { epoch: 0, position: 0, version: new Uint8Array(0), bridgeFrom: 0 };
  return { type: 'subscribe', subscriptions: [{ channel, document, ...nothing }] };
}

/** What somebody writes with an agent of his choice, at a time of his choice. */
function forge(agent: bigint, time_ms: number, count: number, of?: Uint8Array): Uint8Array[] {
  const replica = new Replica({ agent, now: () => time_ms, trustStamps: true });
  if (of !== undefined) replica.applyUpdate(of);
  const envelopes: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) {
    replica.root.set('forged', index);
    replica.text('body').insert(0, 'evil ');
    for (let bytes = replica.takeUpdate(); bytes !== undefined; bytes = replica.takeUpdate()) envelopes.push(bytes);
  }
  replica.free();
  return envelopes;
}

/** The log of a document, each of its envelopes as it has to be. */
async function soundLog(storage: MemoryStorage, document: string, time_ms: number): Promise<Uint8Array[]> {
  const { epoch, head, base } = await storage.head(document);
  const log = await storage.read(document, epoch, base, { bytes: 1e9, count: 1e9 });
  expect(log).toHaveLength(head - base);
  const reached = new Map<bigint, number>();
  for (const bytes of log) {
    const { agent, from, to, deps, stamp }: EnvelopeHeader = readEnvelope(bytes);
    expect(from).toBe(reached.get(agent) ?? 0);
    for (const dep of deps) expect(reached.get(dep.agent) ?? 0).toBeGreaterThanOrEqual(dep.seq);
    if (stamp !== undefined) expect(stampTime_ms(stamp)).toBeLessThanOrEqual(time_ms + clockTolerance_ms);
    reached.set(agent, to);
  }
  for (const [agent, { seq, closed }] of await storage.agents(document)) {
    if (!closed) expect(reached.get(agent)).toBe(seq);
  }
  return log;
}

describe('clients that forge', () => {
  it('put nothing into the log that isn’t theirs, and disturb nobody', { timeout: 120_000 * rounds }, async () => {
    const refusals = new Set<string>();
    for (let seed = 1; seed <= 8 * rounds; seed += 1) {
      const world = new VirtualWorld(seed);
      const storage = new MemoryStorage({ epoch: 5 });
      const acceptDeletion = ({ document, user }: { document: string; user: string }): void => {
        if (user === 'mallory' && document === 'notes') throw new Error('not this one');
      };
      const node = world.node(storage, { acceptDeletion });
      const ada = world.client(node, { document: 'notes', user: 'ada' }).connect();
      const eve = world.client(node, { document: 'notes', user: 'ada' }).connect();
      const mallory = new Intruder(world, node, 'mallory');
      await world.run(500);
      const made = new Map<string, Uint8Array>();
      const note = (): void => {
        for (const { bytes, agent, to } of ada.log) made.set(`${agent} ${to}`, bytes);
      };
      const write = (): void => {
        ada.write((replica) => replica.text('body').insert(0, 'a'));
        note();
      };
      write();
      // An agent is the user's who first brings something of it: nobody knows of it before.
      await world.run(200);
      const agent = ada.replica.agent ?? 0n;
      const now = world.environment().time();
      const maker = new MessageMaker(world.random, {
        documents,
        spaces: ['s', ''],
        epochs: [0],
        channels: [1, 2, 3, 40],
        agents: [agent, 1n, 2n],
      });
      const state = ada.replica.encodeSnapshot();
      let pool = [
        ...forge(agent, now, 3),
        ...forge(agent, now, 2, state),
        ...forge(66n, now, 4, state),
        ...forge(67n, now + 86_400_000, 3),
        ...forge(2n ** 64n - 1n, 0, 2),
      ];
      for (let step = 0; step < 120; step += 1) {
        if (step % 10 === 0) write();
        if (mallory.seen.length > 0) pool = [...pool, ...mallory.seen.splice(0)].slice(-60);
        const document = maker.pick(['notes', 'notes', ...documents]);
        if (maker.below(3) === 0) mallory.subscribe(document);
        let envelopes = Array.from({ length: 1 + maker.below(4) }, () => maker.pick(pool));
        if (maker.below(3) === 0) {
          const [bytes] = envelopes;
          damage([bytes ?? new Uint8Array(0)], 1 + maker.below(4), world.random, (bad) => {
            envelopes = [bad];
          });
        }
        mallory.bring(document, envelopes, maker.below(10) === 0 ? 1 - maker.below(3) : 0);
        if (maker.below(6) === 0) {
          const message = maker.any(clientTypes);
          // With a token of Ada's he would be Ada.
          if (message.type !== 'envelopes' && message.type !== 'authenticate') mallory.send(message);
        }
        await world.run(30);
      }
      await world.run(5_000);
      for (const code of mallory.errors) refusals.add(code);

      // What Ada wrote is there as she wrote it, all of it, and nothing else under her name.
      const log = await soundLog(storage, 'notes', world.environment().time());
      const hers = log.filter((bytes) => readEnvelope(bytes).agent === agent);
      expect(hers).toHaveLength(made.size);
      for (const bytes of hers) expect(bytes).toEqual(made.get(`${agent} ${readEnvelope(bytes).to}`));
      expect((await storage.agents('notes')).get(agent)?.user).toBe('ada');
      for (const client of [ada, eve]) {
        expect(client.pending).toBe(0);
        expect(client.seen('open-link')).toHaveLength(1);
        expect(client.swaps).toBe(0);
      }
      expect(eve.replica.encodeSnapshot()).toEqual(ada.replica.encodeSnapshot());
      // The server found nothing wrong with itself, and another one reads the same from what is stored.
      expect(world.reported.filter((error) => !String(error).includes('not this one'))).toEqual([]);
      const other = world.node(storage);
      const reading = other.documents.json('notes');
      await world.run(1_000);
      expect((await reading)?.value).toEqual(ada.replica.toJSON());
      for (const document of documents) await soundLog(storage, document, world.environment().time());
      await world.run(1_000);
      ada.replica.free();
      eve.replica.free();
    }
    const told = [
      'not-subscribed',
      'protocol-violation',
      'invalid-envelope',
      'forbidden',
      'gap',
      'clock',
      'document-deleted',
    ];
    expect([...refusals]).toEqual(expect.arrayContaining(told));
  });
});

describe('the order of messages', () => {
  /** Connected, and what the server answers to one message; whether it closed the link then. */
  async function answers(
    send: readonly Message[],
  ): Promise<{ messages: Message[]; closed: boolean; storage: MemoryStorage }> {
    const world = new VirtualWorld(1);
    const storage = new MemoryStorage({ epoch: 5 });
    const node = world.node(storage);
    const messages: Message[] = [];
    let closed = false;
    const link = node.connect({
      opened: () => {
        for (const [number, message] of send.entries()) link.send(codec.encode(message, number));
      },
      frame: (frame) => messages.push(codec.decode(frame).message),
      closed: () => {
        closed = true;
      },
    });
    await world.run(1_000);
    expect(world.reported).toEqual([]);
    return { messages, closed, storage };
  }

  const maker = (seed: number) => {
    let state = seed;
    const random = (): number => {
      state = (state * 16_807) % 2_147_483_647;
      return state / 2_147_483_647;
    };
    return new MessageMaker(random, { documents: ['notes'], spaces: ['s'], epochs: [5], channels: [1], agents: [1n] });
  };
  const hello: Message = {
    type: 'client-hello',
    protocolMin: protocolVersion,
    protocolMax: protocolVersion,
    knownTypes: [],
    name: '',
    credit_bytes: 1_000_000,
  };
  const token: Message = { type: 'authenticate', token: 'ada' };
  const late = new Set(['ping', 'pong']);

  it.each(clientTypes.filter((type) => type !== 'client-hello' && type !== 'pong'))(
    '%s before the greeting ends the connection, and does nothing',
    async (type) => {
      const { messages, closed, storage } = await answers([maker(7).message(type), hello, token]);
      expect(messages).toMatchObject([{ type: 'error', code: 'protocol-violation', document: '' }]);
      expect(closed).toBe(true);
      expect((await storage.changes({ after: 0, limit: 9 })).entries).toEqual([]);
    },
  );

  it.each(clientTypes.filter((type) => type !== 'authenticate' && type !== 'client-hello' && !late.has(type)))(
    '%s before a token is accepted ends the connection, and does nothing',
    async (type) => {
      const { messages, closed, storage } = await answers([hello, maker(7).message(type), token]);
      expect(messages.map((message) => message.type)).toEqual(['server-hello', 'error']);
      expect(messages[1]).toMatchObject({ code: 'protocol-violation', document: '' });
      expect(closed).toBe(true);
      expect((await storage.changes({ after: 0, limit: 9 })).entries).toEqual([]);
    },
  );

  it.each(serverTypes.filter((type) => !clientTypes.includes(type)))(
    '%s is nothing that a client says',
    async (type) => {
      const { messages, closed } = await answers([hello, token, maker(7).message(type)]);
      expect(messages.at(-1)).toMatchObject({ type: 'error', code: 'protocol-violation', document: '' });
      expect(closed).toBe(true);
    },
  );
});

describe('an id that is none', () => {
  const asBytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const bad: readonly [what: string, bytes: Uint8Array, code: string][] = [
    ['NUL', Uint8Array.of(0x61, 0, 0x61), 'invalid'],
    ['a line break', asBytes('a\nb'), 'invalid'],
    ['a byte order mark', asBytes('\ufeff'), 'invalid'],
    ['half a pair', Uint8Array.of(0xed, 0xa0, 0x80), 'invalid-frame'],
    ['no UTF-8', Uint8Array.of(0x61, 0xff, 0x61), 'invalid-frame'],
    ['a longer form than it needs', Uint8Array.of(0x61, 0xc0, 0xaf), 'invalid-frame'],
    ['nothing', new Uint8Array(0), 'invalid'],
  ];

  /** The frame of a message about `???`, with these bytes in the place of that. */
  function frameOf(message: Message, bytes: Uint8Array): Uint8Array {
    const frame = codec.encode(message);
    const at = Buffer.from(frame).indexOf('???');
    if (at < 0) throw new Error(`${message.type} names nothing`);
    frame.set(bytes, at);
    return frame;
  }

  it.each(bad)('ends the connection with its code, and does nothing: %s', async (_, bytes, code) => {
    const nothing = { epoch: 0, position: 0, version: new Uint8Array(0), bridgeFrom: 0 };
    const about = (id: string): Message[] => [
      {
        type: 'subscribe',
        subscriptions: [
          { channel: 1, document: 'notes', ...nothing },
          { channel: 2, document: id, ...nothing },
        ],
      },
      { type: 'close', document: id, epoch: 0, agents: [1n] },
      { type: 'delete-document', document: id },
      { type: 'follow-space', space: id, token: 0 },
      { type: 'unfollow-space', space: id },
    ];
    const [named, empty] = [about('???'), about('')];
    for (const [index, message] of named.entries()) {
      const isSpace = 'space' in message;
      // There is a space without a name.
      if (bytes.length === 0 && isSpace) continue;
      const world = new VirtualWorld(1);
      const storage = new MemoryStorage({ epoch: 5 });
      const intruder = new Intruder(world, world.node(storage), 'mallory');
      await world.run(100);
      intruder.sendFrame(bytes.length === 0 ? codec.encode(empty[index] as Message) : frameOf(message, bytes));
      await world.run(60);
      const expected = code === 'invalid' ? (isSpace ? 'invalid-space' : 'invalid-document-id') : code;
      expect(intruder.errors, message.type).toEqual([expected]);
      expect((await storage.changes({ after: 0, limit: 9 })).entries).toEqual([]);
      expect(intruder.told.size).toBe(0);
      expect(world.reported).toEqual([]);
    }
  });
});

describe('a document that is deleted', () => {
  it('is told so in answer to every message about it, and nothing of it is there again', async () => {
    const world = new VirtualWorld(3);
    const storage = new MemoryStorage({ epoch: 5 });
    const node = world.node(storage);
    const writer = new Intruder(world, node, 'ada');
    const [envelope] = forge(7n, world.environment().time(), 1);
    await world.run(100);
    writer.subscribe('gone');
    await world.run(100);
    const envelopes: Message = { type: 'envelopes', channel: 1, firstPosition: 0, envelopes: [envelope as Uint8Array] };
    writer.send(envelopes);
    await world.run(100);
    expect((await storage.head('gone')).head).toBe(1);
    // One after the other over one link, while the deletion is on its way and after it.
    writer.send({ type: 'delete-document', document: 'gone' });
    writer.send(envelopes);
    writer.send({ type: 'close', document: 'gone', epoch: 5, agents: [7n, 8n] });
    await world.run(200);
    for (const message of [
      subscribe('gone', 2),
      envelopes,
      { type: 'close', document: 'gone', epoch: 5, agents: [9n] } as const,
    ]) {
      writer.errors.length = 0;
      writer.send(message);
      await world.run(200);
      expect(writer.errors, message.type).toEqual([message === envelopes ? 'not-subscribed' : 'document-deleted']);
    }
    writer.send({ type: 'unsubscribe', channel: 2 });
    writer.send({ type: 'presence', channel: 2, client: '', state: new Uint8Array(1), gone: false });
    writer.send({ type: 'delete-document', document: 'gone' });
    await world.run(200);
    expect(await storage.head('gone')).toMatchObject({ head: 0, deleted: true });
    expect((await storage.agents('gone')).size).toBe(0);
    await expect(node.documents.json(checkDocumentId('gone'))).rejects.toMatchObject({ code: 'document-deleted' });
    expect(world.reported).toEqual([]);
  });
});
