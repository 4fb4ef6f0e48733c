/**
 * Channels: the numbers alone, and in both sessions against a peer that keeps one too long, gives one twice, or uses one that
 * never was. Whatever comes under a number, it is of the one document and epoch that the number stands for, or of none.
 */

import { describe, expect, it } from 'vitest';
import { pbfCodec } from '../codec.ts';
import { writeEnvelope } from '../envelope.ts';
import { JoineryError } from '../error.ts';
import { maxChannel } from '../limits.ts';
import type { Message, Subscription } from '../messages.ts';
import { protocolVersion } from '../protocol-version.ts';
import { Channels } from './channels.ts';
import type { ClientEffect } from './client-effects.ts';
import type { ClientSessionLimits } from './client-options.ts';
import { ClientSession } from './client-session.ts';
import type { DocumentState, ServerEffect } from './server-effects.ts';
import { ServerSession } from './server-session.ts';

const nothing = new Uint8Array(0);
const violated = expect.objectContaining({ code: 'protocol-violation' });
const envelope = (agent: bigint, from: number): Uint8Array =>
  writeEnvelope({ agent, from, to: from + 1, payload: Uint8Array.of(1) });

describe('the channels of a link', () => {
  it('ascend, whatever is left out, and one that is not above all before it changes nothing', () => {
    const channels = new Channels<string>();
    expect(channels.last).toBe(0);
    channels.open(1, 'a');
    channels.open(7, 'b');
    for (const channel of [0, 1, 6, 7]) expect(() => channels.open(channel, 'c')).toThrow(violated);
    expect([channels.last, channels.find(1), channels.find(7)]).toEqual([7, 'a', 'b']);
    channels.open(maxChannel, 'c');
    expect(channels.find(maxChannel)).toBe('c');
  });

  it('stand for nothing once they have ended, and are not given again', () => {
    const channels = new Channels<string>();
    channels.open(1, 'a');
    channels.open(2, 'b');
    channels.end(2);
    channels.end(2);
    expect([channels.find(1), channels.find(2), channels.last]).toEqual(['a', undefined, 2]);
    expect(() => channels.open(2, 'c')).toThrow(violated);
  });

  it('that never were are told from those that have ended', () => {
    const channels = new Channels<string>();
    expect(() => channels.find(1)).toThrow(violated);
    channels.open(5, 'a');
    expect(channels.find(4)).toBeUndefined();
    for (const channel of [0, -1, 6, maxChannel]) expect(() => channels.find(channel)).toThrow(violated);
  });
});

/** A client that is online, and a server that says what the test likes. */
class Client {
  readonly session: ClientSession;
  readonly effects: ClientEffect[] = [];
  readonly sent: Message[] = [];
  link = 0;
  now = 0;
  /** Frames of the server over the link. */
  #given = 0;

  constructor(limits: Partial<ClientSessionLimits> = {}) {
    this.session = new ClientSession({ random: () => 0.5, knownTypes: [], limits });
    this.take(this.session.handleConnect(0));
    this.greet();
  }

  greet(): void {
    this.#given = 0;
    this.take(this.session.handleOpened(this.link, this.now));
    const window = { window_bytes: 1_000_000, maxFrame_bytes: 1_000_000, session: '' };
    this.hear({ type: 'server-hello', protocol: protocolVersion, knownTypes: [], serverTime_ms: 1, ...window });
    this.hear({ type: 'authenticated', user: '', expires_ms: 0 });
  }

  subscribe(document: string, epoch = 0, position = 0): void {
    const from = epoch === 0 ? undefined : { epoch, position };
    this.take(this.session.handleSubscribe(document, from, this.now));
  }

  take(effects: readonly ClientEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'open-link') this.link = effect.link;
      if (effect.type === 'send-frame') this.sent.push(pbfCodec.decode(effect.frame).message);
      else this.effects.push(effect);
    }
  }

  /** Returns what came of it, frames apart. */
  hear(message: Message): ClientEffect[] {
    const before = this.effects.length;
    const frame = pbfCodec.encode(message, this.#given);
    this.#given += 1;
    this.take(this.session.handleFrame(this.link, frame, this.now));
    return this.effects.slice(before);
  }

  get subscriptions(): Subscription[] {
    return this.sent.flatMap((message) => (message.type === 'subscribe' ? message.subscriptions : []));
  }

  get state(): string {
    return this.session.status.state;
  }
}

const subscribed = (channel: number, epoch = 5, head = 0): Message => ({
  ...{ type: 'subscribed', channel, epoch, head, version: nothing },
  ...{ position: head, snapshotFollows: false, safe: 0 },
});
const failed = { type: 'error', code: 'storage-failed', message: '', retryable: true, epoch: 0 } as const;
const part = { total_bytes: 1, offset: 0, part: Uint8Array.of(1) };

/** One of everything that a server may say under a channel. */
const said = (channel: number): Message[] => [
  subscribed(channel),
  subscribed(channel, 6),
  { type: 'bridge', channel, epoch: 4, agent: 9n, ...part },
  { type: 'snapshot', channel, position: 9, ...part, delta: false },
  { type: 'envelopes', channel, firstPosition: 1, envelopes: [envelope(3n, 0)] },
  { type: 'ack', channel, ranges: [{ agent: 1n, to: 1, position: 1, count: 1 }] },
  {
    ...{ type: 'refusal', channel, agent: 1n, from: 0, to: 1, code: 'forbidden', message: '' },
    ...{ last: 0, missing: undefined, serverTime_ms: 0 },
  },
  { type: 'safe', channel, position: 4 },
  { type: 'presence', channel, client: 'c', state: Uint8Array.of(1), gone: false },
  { ...failed, channel, document: '' },
  { ...failed, code: 'epoch-changed', channel, document: '', epoch: 6 },
  { ...failed, code: 'document-deleted', retryable: false, channel, document: '' },
];

describe('a client', () => {
  it('gives every subscription the next one, over each link from 1 on', () => {
    const client = new Client();
    for (const document of ['a', 'b']) client.subscribe(document);
    client.take(client.session.handleUnsubscribe('a', 0));
    for (const document of ['c', 'a', 'a']) client.subscribe(document);
    const named = () => client.subscriptions.map(({ channel, document }) => [channel, document]);
    expect(named()).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
      [4, 'a'],
      [5, 'a'],
    ]);
    expect(client.sent).toContainEqual({ type: 'unsubscribe', channel: 1 });
    const [before, late] = [client.link, pbfCodec.encode(subscribed(5), 2)];
    client.sent.length = 0;
    client.take(client.session.handleClosed(client.link, undefined, 0));
    client.take(client.session.handleConnect(0));
    client.greet();
    expect(named().map(([channel]) => channel)).toEqual([1, 2, 3]);
    // Of the link that is gone, whatever its number stands for over this one.
    client.effects.length = 0;
    client.take(client.session.handleFrame(before, late, 0));
    expect(client.effects).toEqual([]);
  });

  it.each(said(1).map((message) => [`${message.type} ${'code' in message ? message.code : ''}`, message] as const))(
    'passes over what is still on its way under one that has ended: %s',
    (_, message) => {
      const client = new Client();
      client.subscribe('a');
      client.hear(subscribed(1));
      // The same document anew, and another one in the place of a third.
      client.subscribe('a');
      client.take(client.session.handleUnsubscribe('a', 0));
      client.subscribe('b', 5);
      const [sent] = [client.sent.length];
      expect(client.hear(message)).toEqual([]);
      expect(client.hear({ ...message, channel: 2 } as Message)).toEqual([]);
      expect(client.sent).toHaveLength(sent);
      expect(client.state).toBe('online');
      expect(client.hear(subscribed(3)).map(({ type }) => type)).toEqual(['subscribed', 'caught-up', 'need-envelopes']);
    },
  );

  it.each(said(2).map((message) => [`${message.type} ${'code' in message ? message.code : ''}`, message] as const))(
    'loses the link over one that never was, and nothing else: %s',
    (_, message) => {
      const client = new Client();
      client.subscribe('a');
      client.hear(subscribed(1));
      expect(client.hear(message).map(({ type }) => type)).toEqual(['close-link', 'connection']);
      expect(client.session.status.error?.code).toBe('protocol-violation');
    },
  );

  it('takes an acknowledgement for the document of its channel alone, though another has the same agent', () => {
    const client = new Client();
    for (const document of ['a', 'b']) client.subscribe(document);
    for (const channel of [1, 2]) client.hear(subscribed(channel, 4 + channel));
    for (let effect = client.effects.shift(); effect !== undefined; effect = client.effects.shift()) {
      if (effect.type !== 'need-envelopes') continue;
      const { document, request, sent } = effect;
      const answer = sent.has(1n) ? [] : [envelope(1n, 0)];
      client.take(client.session.handleEnvelopes(document, request, answer, 0));
    }
    const brought = client.sent.filter(({ type }) => type === 'envelopes');
    expect(brought).toMatchObject([{ channel: 1 }, { channel: 2 }]);
    const ranges = [{ agent: 1n, to: 1, position: 1, count: 1 }];
    const told = client.hear({ type: 'ack', channel: 2, ranges });
    expect(told[0]).toMatchObject({ type: 'acknowledged', document: 'b', epoch: 6, agent: 1n, to: 1 });
    expect(told.some((effect) => 'document' in effect && effect.document === 'a')).toBe(false);
  });

  it('is told the epoch once: a second answer under the channel ends the link, and moves nothing', () => {
    for (const second of [subscribed(1, 5), subscribed(1, 6)]) {
      const client = new Client();
      client.subscribe('a');
      client.hear(subscribed(1));
      expect(client.hear(second).map(({ type }) => type)).toEqual(['close-link', 'connection']);
      expect(client.session.status.error?.code).toBe('protocol-violation');
    }
  });

  it('ends one whose answer is of another epoch than it comes from, and hears nothing more under it', () => {
    const client = new Client();
    client.subscribe('a', 5, 3);
    expect(client.hear(subscribed(1, 6))).toMatchObject([{ type: 'epoch-changed', from: 5, epoch: 6 }]);
    expect(client.sent.at(-1)).toEqual({ type: 'unsubscribe', channel: 1 });
    for (const message of said(1)) expect(client.hear(message)).toEqual([]);
    client.take(client.session.handleReplace('a', [1n], 5, 0));
    client.hear({ type: 'closed', document: 'a', epoch: 6, agents: [{ agent: 1n, last: 0 }] });
    expect(client.subscriptions.at(-1)).toMatchObject({ channel: 2, document: 'a', epoch: 0, bridgeFrom: 5 });
    expect(client.hear(subscribed(2, 6))[0]).toMatchObject({ type: 'subscribed', epoch: 6 });
  });

  it('asks again under another one when the document changes its epoch before an answer from nothing is sent', () => {
    const client = new Client();
    client.subscribe('a');
    expect(client.hear({ ...failed, code: 'epoch-changed', channel: 1, document: '', epoch: 6 })).toEqual([]);
    client.now = client.session.nextTimeout ?? 0;
    client.take(client.session.handleTimeout(client.now));
    expect(client.subscriptions.map(({ channel }) => channel)).toEqual([1, 2]);
    expect(client.hear(subscribed(2, 6))[0]).toMatchObject({ type: 'subscribed', epoch: 6 });
  });

  it('says that it ends one where the server could not know', () => {
    const client = new Client();
    client.subscribe('a');
    client.hear(subscribed(1));
    const asked = client.effects.at(-1);
    if (asked?.type !== 'need-envelopes') throw new Error('nothing was asked for');
    client.take(client.session.handleEnvelopes('a', asked.request, [Uint8Array.of(9)], 0));
    expect(client.effects.at(-1)).toMatchObject({ type: 'document-failed', error: { code: 'invalid-envelope' } });
    expect(client.sent.at(-1)).toEqual({ type: 'unsubscribe', channel: 1 });
    // And not once more when the app closes the document.
    const sent = client.sent.length;
    client.take(client.session.handleUnsubscribe('a', 0));
    expect(client.sent).toHaveLength(sent);
  });

  it('does not take what failed in a closing for a subscription that it has made since, nor the other way round', () => {
    const client = new Client();
    client.take(client.session.handleReplace('a', [1n], 5, 0));
    client.subscribe('a', 5);
    expect(client.hear({ ...failed, channel: 0, document: 'a' })).toEqual([]);
    expect(client.hear(subscribed(1))[0]).toMatchObject({ type: 'subscribed' });
    client.take(client.session.handleReplace('a', [1n], 5, 0));
    expect(client.hear({ ...failed, channel: 1, document: '' })).toEqual([]);
    expect(client.hear({ ...failed, channel: 0, document: 'a' })).toMatchObject([{ type: 'document-failed' }]);
  });

  it('says nothing under one before it is answered', () => {
    const client = new Client();
    client.subscribe('a');
    const sent = client.sent.length;
    const state = Uint8Array.of(7);
    client.take(client.session.handlePresence('a', state, 0));
    client.take(client.session.handleChanged('a', 0));
    expect(client.sent).toHaveLength(sent);
    client.hear(subscribed(1));
    client.take(client.session.handlePresence('a', state, 0));
    expect(client.sent.slice(sent)).toEqual([{ type: 'presence', channel: 1, client: '', state, gone: false }]);
  });

  it('gives back the credit that the envelopes of one that has ended have taken', () => {
    const client = new Client({ credit_bytes: 1_000 });
    client.subscribe('a');
    client.hear(subscribed(1));
    client.take(client.session.handleUnsubscribe('a', 0));
    const envelopes = [new Uint8Array(900)];
    for (let position = 1; position <= 5; position += 1) {
      client.hear({ type: 'envelopes', channel: 1, firstPosition: position, envelopes });
    }
    expect(client.state).toBe('online');
    expect(client.sent.at(-1)).toEqual({ type: 'credit', bytes: 1_000 + 5 * 900 });
  });

  it('opens another link when this one has none left', () => {
    const client = new Client({ channels: 2 });
    for (const document of ['a', 'b']) client.subscribe(document);
    client.take(client.session.handleUnsubscribe('a', 0));
    expect(client.state).toBe('online');
    client.subscribe('c', 5);
    expect(client.effects.slice(-2).map(({ type }) => type)).toEqual(['close-link', 'connection']);
    expect(client.session.status.error?.code).toBe('limit-exceeded');
    client.sent.length = 0;
    client.take(client.session.handleConnect(0));
    client.greet();
    expect(client.subscriptions.map(({ channel, document }) => [channel, document])).toEqual([
      [1, 'c'],
      [2, 'b'],
    ]);
    expect(client.state).toBe('online');
  });
});

/** A server's session that is greeted, and a client that says what the test likes. */
function greeted(credit_bytes = 1_000_000, documents = 10) {
  const self = {};
  const session = new ServerSession({ self, name: 's', knownTypes: [], limits: { documents } }, 0);
  let sent = 0;
  const give = (message: Message): ServerEffect[] => {
    sent += 1;
    return session.handleFrame(pbfCodec.encode(message, sent - 1), 0, 0);
  };
  const versions = { protocolMin: protocolVersion, protocolMax: protocolVersion };
  give({ type: 'client-hello', ...versions, knownTypes: [], name: '', credit_bytes });
  give({ type: 'authenticate', token: '' });
  session.handleAuthenticated('ada', 0);
  const subscribe = (...of: (readonly [channel: number, document: string])[]): ServerEffect[] => {
    const from = { epoch: 0, position: 0, version: nothing, bridgeFrom: 1 };
    return give({
      type: 'subscribe',
      subscriptions: of.map(([channel, document]) => ({ channel, document, ...from })),
    });
  };
  /** Subscribed and answered. */
  const follow = (channel: number, document: string, state: Partial<DocumentState> = {}): ServerEffect[] => {
    const open = subscribe([channel, document]).find(({ type }) => type === 'open-document');
    if (open?.type !== 'open-document') throw new Error('no open-document');
    const found = { epoch: 5, head: 0, version: nothing, position: 0, snapshot: undefined, ...state };
    return session.handleDocument(document, open.request, found);
  };
  const bring = (channel: number, agent = 1n): ServerEffect[] =>
    give({ type: 'envelopes', channel, firstPosition: 0, envelopes: [envelope(agent, 0)] });
  const commit = (document: string, origin: unknown, epoch = 5): ServerEffect[] => {
    const envelopes = [{ bytes: envelope(1n, 0), agent: 1n, to: 1, origin }];
    return session.handleCommitted({ document, epoch, firstPosition: 1, envelopes, frame: undefined, bytes: 12 });
  };
  return { self, session, give, subscribe, follow, bring, commit };
}

const messages = (effects: readonly ServerEffect[]): Message[] =>
  effects.flatMap((effect) => (effect.type === 'send-frame' ? [pbfCodec.decode(effect.frame).message] : []));
const types = (effects: readonly ServerEffect[]): string[] => effects.map(({ type }) => type);
const refusedUnder = (channel: number) => [{ type: 'error', code: 'not-subscribed', channel, document: '' }];

describe('a server', () => {
  it.each([
    ['one that is open', [[1, 'b']]],
    ['one that has ended', [[2, 'b']]],
    ['one below those that were', [[3, 'b']]],
    [
      'one twice in a frame',
      [
        [9, 'b'],
        [9, 'c'],
      ],
    ],
  ] as const)('ends the link of a client that gives %s, and reads nothing for it', (_, subscriptions) => {
    const { session, follow, give, subscribe } = greeted();
    follow(1, 'a');
    follow(2, 'gone');
    give({ type: 'unsubscribe', channel: 2 });
    follow(4, 'last');
    const effects = subscribe(...subscriptions);
    expect(messages(effects)).toMatchObject([{ type: 'error', code: 'protocol-violation', channel: 0, document: '' }]);
    expect(new Set(types(effects))).toEqual(new Set(['send-frame', 'close', 'close-document']));
    expect(session.closed).toBe(true);
  });

  it.each([
    { type: 'envelopes', channel: 2, firstPosition: 0, envelopes: [envelope(1n, 0)] },
    { type: 'unsubscribe', channel: 2 },
    { type: 'presence', channel: 2, client: '', state: nothing, gone: false },
  ] satisfies Message[])('ends the link over $type under one that never was, and does nothing', (message) => {
    const { follow, give } = greeted();
    follow(1, 'a');
    const effects = give(message);
    expect(types(effects)).toEqual(['send-frame', 'close', 'close-document']);
    expect(messages(effects)).toMatchObject([{ type: 'error', code: 'protocol-violation' }]);
  });

  it('takes no envelopes under one that has ended, and goes on', () => {
    const { session, self, follow, give, bring, commit } = greeted();
    follow(1, 'a');
    expect(types(bring(1))).toEqual(['submit']);
    expect(types(give({ type: 'unsubscribe', channel: 1 }))).toEqual(['close-document']);
    const refused = bring(1);
    expect(types(refused)).toEqual(['send-frame']);
    expect(messages(refused)).toMatchObject(refusedUnder(1));
    expect(give({ type: 'unsubscribe', channel: 1 })).toEqual([]);
    expect(give({ type: 'presence', channel: 1, client: '', state: nothing, gone: false })).toEqual([]);
    // Of what was brought under it, and is committed now, nobody is told.
    expect(commit('a', self)).toEqual([]);
    follow(2, 'a');
    expect(messages(bring(1))).toMatchObject(refusedUnder(1));
    expect(bring(2)).toMatchObject([{ type: 'submit', document: 'a', epoch: 5 }]);
    expect(session.closed).toBe(false);
  });

  it('tells of a document that is subscribed anew under the new one alone', () => {
    const { self, follow, commit, session } = greeted();
    follow(1, 'a');
    expect(messages(follow(2, 'a'))).toMatchObject([{ type: 'subscribed', channel: 2 }]);
    expect(messages(commit('a', self))).toMatchObject([{ type: 'ack', channel: 2 }]);
    expect(messages(session.handleSafe('a', 5, 1))).toMatchObject([{ type: 'safe', channel: 2 }]);
    expect(messages(session.handlePresence('a', 'c', nothing, true))).toMatchObject([{ type: 'presence', channel: 2 }]);
  });

  it('acknowledges each document under its own', () => {
    const { self, follow, commit, bring } = greeted();
    follow(1, 'a');
    follow(2, 'b', { epoch: 6 });
    expect([...bring(1), ...bring(2)]).toMatchObject([
      { type: 'submit', document: 'a', epoch: 5 },
      { type: 'submit', document: 'b', epoch: 6 },
    ]);
    expect(messages(commit('b', self, 6))).toMatchObject([{ type: 'ack', channel: 2 }]);
    expect(messages(commit('a', self, 5))).toMatchObject([{ type: 'ack', channel: 1 }]);
    // What was committed in another epoch than the channel is of is no news under it.
    expect(commit('a', self, 6)).toEqual([]);
  });

  it('takes nothing before the client was told which epoch it writes in', () => {
    const { subscribe, bring, session } = greeted();
    const [open] = subscribe([1, 'a']);
    if (open?.type !== 'open-document') throw new Error('no open-document');
    const refused = bring(1);
    expect(types(refused)).toEqual(['close-document', 'send-frame']);
    expect(messages(refused)).toMatchObject(refusedUnder(1));
    const state = { epoch: 5, head: 0, version: nothing, position: 0, snapshot: undefined };
    expect(session.handleDocument('a', open.request, state)).toEqual([]);
    // Its answer waits behind a bridge for which there is no credit.
    const other = greeted(0);
    expect(messages(other.follow(1, 'a', { bridges: [{ epoch: 4, agent: 9n, bytes: Uint8Array.of(1) }] }))).toEqual([]);
    expect(messages(other.bring(1))).toMatchObject(refusedUnder(1));
    expect(messages(other.give({ type: 'credit', bytes: 1_000 }))).toEqual([]);
  });

  it('ends one when its document enters another epoch: nothing of the old one is taken for the new one', () => {
    const { session, self, follow, bring, commit } = greeted();
    follow(1, 'a');
    bring(1);
    const moved = new JoineryError('epoch-changed', 'It is in another one.');
    expect(messages(session.handleDocumentLost('a', moved, 6))).toMatchObject([
      { type: 'error', code: 'epoch-changed', channel: 1, document: '', epoch: 6 },
    ]);
    expect(messages(bring(1))).toMatchObject(refusedUnder(1));
    follow(2, 'a', { epoch: 6 });
    expect(messages(bring(1))).toMatchObject(refusedUnder(1));
    // What became of what was brought in the old epoch is told under no channel of the new one.
    const duplicates = [{ agent: 1n, to: 1, position: 1, count: 0 }];
    expect(session.handleSettled('a', 5, { bytes: 13, duplicates, refusals: [] }, 0)).toEqual([]);
    expect(commit('a', self, 5)).toEqual([]);
    expect(messages(commit('a', self, 6))).toMatchObject([{ type: 'ack', channel: 2 }]);
  });

  it('takes what was read of the log for one subscription for no later one', () => {
    const { session, follow } = greeted();
    const readOf = (effects: readonly ServerEffect[]): ServerEffect & { type: 'read-log' } => {
      const read = effects.find((effect) => effect.type === 'read-log');
      if (read?.type !== 'read-log') throw new Error('no read-log');
      return read;
    };
    const first = readOf(follow(1, 'a', { head: 1 }));
    session.handleDocumentLost('a', new JoineryError('epoch-changed', 'It is in another one.'), 6);
    const second = readOf(follow(2, 'a', { epoch: 6, head: 1 }));
    expect(second).toMatchObject({ epoch: 6, after: first.after });
    // What is late is of the old epoch; and that it can't be read any more is no news either.
    expect(session.handleLog('a', first.request, 1, [envelope(1n, 0)])).toEqual([]);
    const failed = new JoineryError('storage-failed', 'The disk is away.');
    expect(session.handleLogFailed('a', first.request, failed)).toEqual([]);
    const read = session.handleLog('a', second.request, 1, [envelope(2n, 0)]);
    expect(messages(read)).toMatchObject([{ type: 'envelopes', channel: 2, envelopes: [envelope(2n, 0)] }]);
    const third = readOf(follow(3, 'a', { epoch: 6, head: 1 }));
    const ended = session.handleLogFailed('a', third.request, failed);
    expect(types(ended)).toEqual(['close-document', 'send-frame']);
    expect(messages(ended)).toMatchObject([{ type: 'error', code: 'storage-failed', channel: 3 }]);
  });

  it('says nothing but bridges under one before its answer', () => {
    const { session, self, follow, give, commit } = greeted(0);
    const bridges = [{ epoch: 4, agent: 9n, bytes: Uint8Array.of(1) }];
    expect(messages(follow(1, 'a', { bridges }))).toEqual([]);
    const refusal = { agent: 1n, from: 0, to: 1, code: 'forbidden', message: '', last: 0, missing: undefined };
    const duplicates = [{ agent: 1n, to: 1, position: 1, count: 0 }];
    expect(messages(session.handleSettled('a', 5, { bytes: 0, duplicates, refusals: [refusal] }, 0))).toEqual([]);
    expect(messages(commit('a', self))).toEqual([]);
    expect(messages(session.handlePresence('a', 'c', nothing, false))).toEqual([]);
    expect(messages(session.handleSafe('a', 5, 1))).toEqual([]);
    const told = messages(give({ type: 'credit', bytes: 1_000 }));
    expect(told).toMatchObject([{ type: 'bridge' }, { type: 'subscribed', safe: 1 }]);
  });

  it('answers a subscription that it does not take under its channel, which is used up', () => {
    const { session, subscribe, bring } = greeted(1_000, 2);
    const effects = subscribe([1, 'a'], [2, 'b'], [3, 'c']);
    expect(messages(effects)).toMatchObject([{ type: 'error', code: 'too-many-documents', channel: 3, document: '' }]);
    const [open] = effects.filter((effect) => effect.type === 'open-document');
    const denied = new JoineryError('forbidden', 'Not this one.');
    expect(messages(session.handleDocumentFailed('a', open?.request ?? 0, denied))).toMatchObject([
      { type: 'error', code: 'forbidden', channel: 1, document: '' },
    ]);
    for (const channel of [1, 3]) {
      const refused = bring(channel);
      expect(types(refused)).toEqual(['send-frame']);
      expect(messages(refused)).toMatchObject(refusedUnder(channel));
    }
    expect(types(subscribe([4, 'c']))).toEqual(['open-document']);
    expect(messages(subscribe([3, 'd']))).toMatchObject([{ code: 'protocol-violation' }]);
  });

  it('answers a closing that failed by the document’s name, for it has no channel', () => {
    const { session, follow, give, bring } = greeted();
    follow(1, 'a');
    const effects = give({ type: 'close', document: 'a', epoch: 5, agents: [1n] });
    expect(types(effects)).toEqual(['close-document', 'close-agents']);
    expect(messages(bring(1))).toMatchObject(refusedUnder(1));
    expect(messages(session.handleCloseFailed('a', new JoineryError('storage-failed', 'Not now.')))).toMatchObject([
      { type: 'error', code: 'storage-failed', channel: 0, document: 'a' },
    ]);
  });
});
