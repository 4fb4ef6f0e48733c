/** The client's session alone against a server that says whatever it likes, in whatever order; and frames that are damaged. */

import { describe, expect, it } from 'vitest';
import { completeFrame, pbfCodec } from '../codec.ts';
import { writeEnvelope } from '../envelope.ts';
import type { Message } from '../messages.ts';
import { protocolVersion } from '../protocol-version.ts';
import { damage, seededRandom } from '../testing/damage.ts';
import { clientTypes, MessageMaker, serverTypes } from '../testing/random-messages.ts';
import { sampleMessages } from '../testing/sample-messages.ts';
import type { ClientEffect } from './client-effects.ts';
import { ClientSession } from './client-session.ts';
import { spaceCost_bytes } from './space-cost.ts';

/** How many times as much as usual is to be done. */
const rounds = Number(process.env.JOINERY_ROUNDS ?? 1);

const words = {
  // The last two are nobody's: neither subscribed nor to be deleted.
  documents: ['a', 'b', 's/c', 'd', 'nobody’s', 's/nobody’s'],
  spaces: ['s', '', 'nobody’s'],
  epochs: [0, 5, 6, 2 ** 53 - 1],
  // What the first three subscriptions are called, or those behind them; ended, or never opened.
  channels: [1, 2, 3, 4],
  agents: [0n, 1n, 2n, 2n ** 64n - 1n],
};
const window_bytes = 1_000;
const own = new Set(['a', 'b', 's/c', 'd']);
const welcome: readonly Message[] = [
  {
    type: 'server-hello',
    protocol: protocolVersion,
    knownTypes: [],
    serverTime_ms: 1,
    window_bytes: 1_000,
    maxFrame_bytes: 1_000,
    session: '',
  },
  { type: 'authenticated', user: 'ada', expires_ms: 0 },
];

/** What the effects of an unknown server may say at most. */
class Client {
  readonly session = new ClientSession({
    random: () => 0.5,
    knownTypes: [],
    limits: { credit_bytes: window_bytes, snapshot_bytes: 100 },
  });
  link = 0;
  /** Document → its last channel over the link, ended or not. */
  readonly channels = new Map<string, number>();
  /** Frames that the server has sent over it. */
  heard = 0;
  now = 0;
  closed = false;
  /** Bytes that came over the link, and that were granted. */
  received = 0;
  granted = 0;
  /** Handed on, and not consumed yet. */
  held = 0;
  readonly sent: Message[] = [];
  readonly effects: ClientEffect[] = [];

  constructor() {
    this.run(this.session.handleConnect(0));
    this.run(this.session.handleSubscribe('a', undefined, 0));
    this.run(this.session.handleSubscribe('s/c', { epoch: 5, position: 3 }, 0));
    this.run(this.session.handleReplace('b', [1n], 5, 0));
    this.run(this.session.handleDeleteDocument('d', 0));
    this.run(this.session.handleFollowSpace('s', 0, 0));
    this.run(this.session.handleFollowSpace('', 7, 0));
  }

  /** Over the next link, if there is none. */
  greet(): void {
    if (this.session.status.state !== 'online') this.open();
    if (this.session.status.state !== 'online') for (const message of welcome) this.hear(message);
  }

  /** A link that is open; nothing was said yet. */
  open(): void {
    this.now += 100_000;
    this.run(this.session.handleTimeout(this.now));
    if (this.closed || this.link === 0) this.run(this.session.handleConnect(this.now));
    this.run(this.session.handleOpened(this.link, this.now));
  }

  /** What is said of a document, under its channel. */
  hearOf(document: string, message: Message): ClientEffect[] {
    const isUnder = 'channel' in message && message.channel !== 0;
    return this.hear(isUnder ? { ...message, channel: this.channels.get(document) ?? 1 } : message);
  }

  hear(message: Message): ClientEffect[] {
    return this.hearFrame(pbfCodec.encode(message));
  }

  hearFrame(frame: Uint8Array): ClientEffect[] {
    this.#count(frame);
    const effects = this.session.handleFrame(this.link, completeFrame(frame, 0, this.heard), this.now);
    this.heard += 1;
    this.run(effects);
    return effects;
  }

  run(effects: readonly ClientEffect[]): void {
    for (const effect of effects) {
      this.effects.push(effect);
      if ('document' in effect && !own.has(effect.document)) throw new Error(`${effect.type} of ${effect.document}`);
      if ('space' in effect && effect.space === 'nobody’s') throw new Error(`${effect.type} of a space`);
      if ('credit_bytes' in effect) this.held += effect.credit_bytes;
      if (effect.type === 'open-link') this.channels.clear();
      if (effect.type === 'open-link') [this.link, this.closed, this.received, this.heard] = [effect.link, false, 0, 0];
      if (effect.type === 'close-link') this.closed = true;
      if (effect.type === 'send-frame') this.#send(pbfCodec.decode(effect.frame).message);
      if (effect.type === 'need-envelopes') {
        const from = (effect.sent.get(1n) ?? 0) % 4;
        const envelopes =
          from < 3 ? [writeEnvelope({ agent: 1n, from, to: from + 1, payload: new Uint8Array(1) })] : [];
        this.run(this.session.handleEnvelopes(effect.document, effect.request, envelopes, this.now));
      }
    }
  }

  /** What costs credit. */
  #count(frame: Uint8Array): void {
    let message: Message;
    try {
      message = pbfCodec.decode(frame).message;
    } catch {
      return;
    }
    if (message.type === 'snapshot' || message.type === 'bridge') this.received += message.part.length;
    if (message.type === 'envelopes') this.received += message.envelopes.reduce((sum, { length }) => sum + length, 0);
    if (message.type === 'space-heads') this.received += spaceCost_bytes(message.entries);
  }

  #send(message: Message): void {
    this.sent.push(message);
    if (message.type === 'subscribe') {
      for (const { document, channel } of message.subscriptions) this.channels.set(document, channel);
    }
    if (message.type === 'credit') {
      this.granted = message.bytes;
      // Whatever came, no more than the window is granted beyond it.
      if (message.bytes > this.received + window_bytes)
        throw new Error(`granted ${message.bytes} after ${this.received}`);
    }
    if (message.type === 'client-hello') this.granted = message.credit_bytes;
  }
}

describe('the order', () => {
  it.each(serverTypes)(
    '%s before the greeting is over is no news, and ends the link unless it is about the link',
    (type) => {
      const maker = new MessageMaker(seededRandom(1), words);
      const about = new Set(['server-hello', 'authenticated', 'ping', 'pong', 'error']);
      for (let count = 0; count < 20; count += 1) {
        const client = new Client();
        client.open();
        client.effects.length = 0;
        const message = maker.message(type);
        client.hear(message.type === 'error' ? { ...message, channel: 0, document: 'a' } : message);
        const told = client.effects.filter((effect) => 'document' in effect || 'space' in effect);
        expect(told).toEqual([]);
        if (about.has(type) && type !== 'error') continue;
        expect(client.session.status).toMatchObject({ state: 'connecting', error: { code: 'protocol-violation' } });
      }
    },
  );

  it.each(clientTypes.filter((type) => !serverTypes.includes(type)))('%s is nothing that a server says', (type) => {
    const client = new Client();
    client.greet();
    client.effects.length = 0;
    client.hear(new MessageMaker(seededRandom(2), words).message(type));
    expect(client.effects.map((effect) => effect.type)).toEqual(['close-link', 'connection']);
    expect(client.session.status.error?.code).toBe('protocol-violation');
  });

  it('what comes over a link that was closed is not looked at', () => {
    const client = new Client();
    client.greet();
    client.hearFrame(Uint8Array.of(255));
    expect(client.closed).toBe(true);
    for (const message of Object.values(sampleMessages)) expect(client.hear(message)).toEqual([]);
  });

  it('nothing more is said of a document that is deleted', () => {
    const client = new Client();
    client.greet();
    const deleted: Message = { type: 'deleted', document: 'a', code: '', message: '' };
    expect(client.hear(deleted).map((effect) => effect.type)).toEqual(['document-deleted']);
    const channel = client.channels.get('a') ?? 0;
    expect(channel).toBeGreaterThan(0);
    const maker = new MessageMaker(seededRandom(3), { ...words, documents: ['a'], channels: [channel] });
    for (let count = 0; count < 2_000; count += 1) {
      const message = maker.any(serverTypes);
      const isOf = ('document' in message && message.document !== '') || ('channel' in message && message.channel > 0);
      if (!isOf || client.session.status.state !== 'online') continue;
      client.granted = Number.MAX_SAFE_INTEGER;
      const told = client.hear(message).filter((effect) => 'document' in effect);
      expect(told).toEqual([]);
    }
  });
});

describe('a server that says whatever it likes', () => {
  it('gets no further than the link: 20,000 messages in any order', { timeout: 60_000 * rounds }, () => {
    const random = seededRandom(4);
    const maker = new MessageMaker(random, words);
    // Half of it about one document, by what could come next: else few would get past the closing of its agents.
    const likely = new MessageMaker(random, {
      documents: ['b'],
      spaces: ['s'],
      epochs: [5],
      channels: [1],
      agents: [1n],
    });
    const next = ['closed', 'bridge', 'bridge', 'subscribed', 'snapshot', 'envelopes', 'refusal'] as const;
    let client = new Client();
    const types = new Set<string>();
    for (let count = 0; count < 20_000 * rounds; count += 1) {
      if (count % 200 === 0) client = new Client();
      client.greet();
      if (maker.below(2) === 0) client.hearOf('b', likely.any(next));
      // What was never opened ends the link: mostly it is a channel that was.
      else if (maker.below(10) === 0) client.hear(maker.any(serverTypes));
      else client.hearOf(maker.pick(['a', 's/c']), maker.any(serverTypes));
      if (maker.below(3) === 0) {
        const consumed = client.held;
        client.held = 0;
        client.run(client.session.handleConsumed(consumed, client.now));
      }
      if (maker.below(8) === 0) client.run(client.session.handleReplaced(maker.pick(['a', 'b']), client.now));
      if (maker.below(20) === 0)
        client.run(client.session.handleReplace('b', [1n], maker.pick([undefined, 5]), client.now));
      if (maker.below(20) === 0) client.run(client.session.handleSubscribe('a', undefined, client.now));
      if (maker.below(20) === 0) client.run(client.session.handleChanged('a', client.now));
      const due = client.session.nextTimeout;
      if (maker.below(5) === 0 && due !== undefined) {
        client.now = Math.max(client.now, Math.min(due, client.now + 60_000));
        client.run(client.session.handleTimeout(client.now));
      }
      for (const effect of client.effects.splice(0)) types.add(effect.type);
    }
    // All of it was reached.
    for (const type of ['bridge', 'agents-closed', 'snapshot', 'envelopes', 'caught-up', 'safe', 'refused']) {
      expect([...types]).toContain(type);
    }
    for (const type of ['space', 'space-failed', 'document-deleted', 'deletion-refused', 'epoch-changed']) {
      expect([...types]).toContain(type);
    }
    // And it goes on as ever with one that keeps to the protocol.
    client.now += 1_000_000;
    client.run(client.session.handleDisconnect(client.now));
    client.run(client.session.handleSubscribe('a', undefined, client.now));
    client.run(client.session.handleConnect(client.now));
    client.greet();
    expect(client.session.status.state).toBe('online');
    const subscribed = { head: 1, version: new Uint8Array(0), position: 0, snapshotFollows: false, safe: 0 };
    client.hearOf('a', { type: 'subscribed', channel: 1, epoch: 5, ...subscribed });
    const envelopes = [Uint8Array.of(1)];
    const [effect] = client.hearOf('a', { type: 'envelopes', channel: 1, firstPosition: 1, envelopes });
    expect(effect).toMatchObject({ type: 'envelopes', position: 1 });
  });
});

describe('a server that leaves out a position', () => {
  const following = (): Client => {
    const client = new Client();
    client.open();
    client.greet();
    const subscribed = { head: 3, version: new Uint8Array(0), position: 3, snapshotFollows: false, safe: 0 };
    client.hear({ type: 'subscribed', channel: 2, epoch: 5, ...subscribed });
    return client;
  };
  const envelopes = (firstPosition: number, count = 1): Message => ({
    ...{ type: 'envelopes', channel: 2, firstPosition },
    envelopes: Array.from({ length: count }, () => Uint8Array.of(1)),
  });
  const acknowledged = (position: number, count: number): Message => ({
    ...{ type: 'ack', channel: 2 },
    ranges: [{ agent: 1n, to: 1, position, count }],
  });

  it('loses the link, and what it had is taken once', () => {
    const client = following();
    expect(client.hear(envelopes(4))[0]).toMatchObject({ type: 'envelopes', firstPosition: 4, position: 4 });
    expect(client.hear(envelopes(3, 3))[0]).toMatchObject({ type: 'envelopes', firstPosition: 5, position: 5 });
    const effects = client.hear(envelopes(7));
    expect(effects.map(({ type }) => type)).toEqual(['close-link', 'connection']);
    expect(client.session.status.error?.code).toBe('protocol-violation');
  });

  it('moves the resume point by an acknowledgement as far as it reaches back to it, and no further', () => {
    const client = following();
    expect(client.hear(acknowledged(4, 1))[0]).toMatchObject({ type: 'acknowledged', position: 4, resume: 4 });
    expect(client.hear(acknowledged(6, 1))[0]).toMatchObject({ type: 'acknowledged', position: 6, resume: 4 });
    expect(client.hear(acknowledged(6, 2))[0]).toMatchObject({ type: 'acknowledged', position: 6, resume: 6 });
    expect(client.hear(acknowledged(5, 0))[0]).toMatchObject({ type: 'acknowledged', position: 5, resume: 6 });
  });
});

describe('damaged frames', () => {
  it('end the link with a typed error, or mean something: 10,000 in every phase', { timeout: 60_000 * rounds }, () => {
    const samples = Object.values(sampleMessages).map((message) => pbfCodec.encode(message));
    let client = new Client();
    let count = 0;
    const codes = new Set<string>();
    damage(samples, 10_000 * rounds, seededRandom(5), (input) => {
      if (count % 100 === 0) client = new Client();
      if (client.closed || client.link === 0) client.open();
      if (count % 2 === 0) client.greet();
      count += 1;
      client.hearFrame(input);
      client.effects.length = 0;
      codes.add(client.session.status.error?.code ?? '');
    });
    expect(codes.has('invalid-frame')).toBe(true);
    expect(codes.has('internal')).toBe(false);
  });
});
