/** The server's session alone: its order, its limits, and damaged frames in every phase. */

import { beforeEach, describe, expect, it } from 'vitest';
import { completeFrame, pbfCodec } from '../codec.ts';
import { writeEnvelope } from '../envelope.ts';
import { JoineryError } from '../error.ts';
import type { Message } from '../messages.ts';
import { protocolVersion } from '../protocol-version.ts';
import { damage, seededRandom } from '../testing/damage.ts';
import { sampleMessages } from '../testing/sample-messages.ts';
import type { CommittedEnvelope, ServerEffect } from './server-effects.ts';
import type { ServerSessionLimits } from './server-options.ts';
import { ServerSession } from './server-session.ts';

const self = {};
const time_ms = 1_767_225_600_000;
const hello: Message = {
  type: 'client-hello',
  protocolMin: protocolVersion,
  protocolMax: protocolVersion,
  knownTypes: [],
  name: '',
  credit_bytes: 1_000,
};
const envelope = (from: number, size = 10): Uint8Array =>
  writeEnvelope({ agent: 1n, from, to: from + 1, payload: new Uint8Array(size) });

let session: ServerSession;
/** Frames that the client has sent. */
let sent = 0;
const begin = (limits: Partial<ServerSessionLimits> = {}): void => {
  session = new ServerSession({ self, name: 's', knownTypes: ['map'], limits }, 0);
  sent = 0;
};
beforeEach(() => begin({ window_bytes: 2_000 }));

const messages = (effects: ServerEffect[]): Message[] =>
  effects.flatMap((effect) => (effect.type === 'send-frame' ? [pbfCodec.decode(effect.frame).message] : []));
const giveFrame = (frame: Uint8Array, now = 0): ServerEffect[] => {
  const number = sent;
  sent += 1;
  return session.handleFrame(completeFrame(frame, 0, number), now, time_ms);
};
const give = (message: Message, now = 0): ServerEffect[] => giveFrame(pbfCodec.encode(message), now);
const errorOf = (effects: ServerEffect[]): string | undefined => {
  const close = effects.find((effect) => effect.type === 'close');
  return close?.error.code;
};

function greet(): void {
  give(hello);
  give({ type: 'authenticate', token: 'x' });
  session.handleAuthenticated('ada', 0);
}

/** Greeted and following `a` at position 0 of a log with this head. */
function follow(head = 0, snapshot?: Uint8Array): ServerEffect[] {
  greet();
  const [open] = give({
    type: 'subscribe',
    subscriptions: [{ channel: 1, document: 'a', epoch: 0, position: 0, version: new Uint8Array(0), bridgeFrom: 0 }],
  });
  if (open?.type !== 'open-document') throw new Error('no open-document');
  const position = snapshot === undefined ? 0 : head;
  return session.handleDocument('a', open.request, { epoch: 5, head, version: Uint8Array.of(0), position, snapshot });
}

function commit(firstPosition: number, ...origins: unknown[]): ServerEffect[] {
  const envelopes: CommittedEnvelope[] = origins.map((origin, index) => ({
    bytes: envelope(firstPosition + index),
    agent: 1n,
    to: firstPosition + index,
    origin,
  }));
  return session.handleCommitted({ document: 'a', epoch: 5, firstPosition, envelopes, frame: undefined, bytes: 100 });
}

describe('what waits for a client that gives no credit', () => {
  it('is bounded: no further document is read for it, and each gets its turn when there is room', () => {
    const limits = { opening: 8, held_bytes: 10_000 };
    begin(limits);
    give({ ...hello, credit_bytes: 0 });
    give({ type: 'authenticate', token: 'x' });
    session.handleAuthenticated('ada', 0);
    const entry = { epoch: 0, position: 0, version: new Uint8Array(0), bridgeFrom: 1 };
    const subscriptions = Array.from({ length: 100 }, (_, index) => ({
      channel: index + 1,
      document: `d${index}`,
      ...entry,
    }));
    const opened: { readonly document: string; readonly request: number }[] = [];
    let answered = 0;
    const take = (effects: ServerEffect[]): void => {
      for (const effect of effects) if (effect.type === 'open-document') opened.push(effect);
    };
    const answer = (): void => {
      for (let next = opened[answered]; next !== undefined; next = opened[answered]) {
        answered += 1;
        const { document, request } = next;
        const bridges = [{ epoch: 3, agent: 1n, bytes: new Uint8Array(600) }];
        const state = {
          epoch: 5,
          head: 1,
          version: Uint8Array.of(0),
          position: 1,
          snapshot: new Uint8Array(400),
          bridges,
        };
        take(session.handleDocument(document, request, state));
      }
    };
    take(give({ type: 'subscribe', subscriptions }));
    expect(opened).toHaveLength(8);
    answer();
    // Those that were being read when the bound was reached came still.
    expect(opened.length).toBeGreaterThanOrEqual(10);
    expect(opened.length).toBeLessThan(10 + 8);
    const full = opened.length;
    // What the client gives up makes room as well; it needn't have been read.
    take(give({ type: 'unsubscribe', channel: 100 }));
    expect(opened).toHaveLength(full);
    for (let index = 0; index < 9; index += 1) take(give({ type: 'unsubscribe', channel: index + 1 }));
    expect(opened.length).toBeGreaterThan(full);
    take(give({ type: 'credit', bytes: 1_000_000 }));
    answer();
    expect(opened.map(({ document }) => document)).toEqual(subscriptions.slice(0, 99).map(({ document }) => document));
  });
});

describe('the order', () => {
  it('is hello, token, and then everything else', () => {
    expect(messages(give(hello))).toMatchObject([
      { type: 'server-hello', protocol: protocolVersion, serverTime_ms: time_ms },
    ]);
    expect(give({ type: 'authenticate', token: 'x' })).toEqual([{ type: 'check-token', token: 'x' }]);
    expect(messages(session.handleAuthenticated('ada', 7))).toEqual([
      { type: 'authenticated', user: 'ada', expires_ms: 7 },
    ]);
    expect(session.user).toBe('ada');
    expect(messages(give({ type: 'ping', nonce: 3 }))).toEqual([{ type: 'pong', nonce: 3, serverTime_ms: time_ms }]);
  });

  it('lets a token be renewed while everything goes on', () => {
    follow();
    expect(give({ type: 'authenticate', token: 'new' })).toEqual([{ type: 'check-token', token: 'new' }]);
    expect(messages(commit(1, {}))).toMatchObject([{ type: 'envelopes', firstPosition: 1 }]);
    session.handleAuthenticated('grace', 0);
    expect(session.user).toBe('grace');
  });

  it('ends with a typed error when it isn’t kept', () => {
    expect(errorOf(give({ type: 'unsubscribe', channel: 1 }))).toBe('protocol-violation');
    expect(session.closed).toBe(true);
    expect(give(hello)).toEqual([]);
  });

  it('ends when the token is not accepted', () => {
    give(hello);
    give({ type: 'authenticate', token: 'x' });
    const effects = session.handleDenied(new JoineryError('unauthorised', 'No.'));
    expect(messages(effects)).toMatchObject([{ type: 'error', code: 'unauthorised', document: '' }]);
    expect(errorOf(effects)).toBe('unauthorised');
  });

  it('ends when the greeting or a sign of life doesn’t come', () => {
    expect(session.handleTimeout(9_999)).toEqual([]);
    expect(errorOf(session.handleTimeout(10_000))).toBe('timeout');
    begin();
    greet();
    give({ type: 'ping', nonce: 1 }, 20_000);
    expect(session.handleTimeout(64_999)).toEqual([]);
    expect(errorOf(session.handleTimeout(65_000))).toBe('timeout');
  });
});

describe('delivery', () => {
  it('acknowledges a client’s own envelopes and sends others’, in the order of positions', () => {
    follow();
    const other = {};
    expect(messages(commit(1, self, self, other, self))).toMatchObject([
      { type: 'ack', ranges: [{ to: 2, position: 2, count: 2 }] },
      { type: 'envelopes', firstPosition: 3 },
      { type: 'ack', ranges: [{ to: 4, position: 4, count: 1 }] },
    ]);
  });

  it('serves from the log whoever is behind, and says nothing about positions then', () => {
    const effects = follow(3);
    const read = effects.find((effect) => effect.type === 'read-log');
    if (read?.type !== 'read-log') throw new Error('no read-log');
    expect(read).toMatchObject({ after: 0, epoch: 5 });
    expect(messages(commit(4, self))).toMatchObject([{ type: 'ack', ranges: [{ position: 4, count: 0 }] }]);
    const log = [0, 1, 2].map((from) => envelope(from));
    const after = session.handleLog('a', read.request, 1, log);
    expect(messages(after)).toMatchObject([{ type: 'envelopes', firstPosition: 1 }]);
    // What it brought itself comes from the log as well.
    expect(after.at(-1)).toMatchObject({ type: 'read-log', after: 3 });
    expect(session.handleLog('a', read.request, 4, [envelope(3)])).toEqual([]);
  });

  it('stops without credit and goes on with it', () => {
    follow();
    for (let position = 1; position <= 60; position += 1) commit(position, {});
    const sent = messages(commit(61, {}));
    expect(sent).toEqual([]);
    const effects = give({ type: 'credit', bytes: 1_000_000 });
    expect(effects).toMatchObject([{ type: 'read-log' }]);
  });

  it('stops when the link is clogged', () => {
    follow();
    session.handleClogged(true);
    expect(messages(commit(1, {}))).toEqual([]);
    expect(session.handleClogged(false)).toMatchObject([{ type: 'read-log', after: 0 }]);
  });

  it('sends a snapshot in parts as far as there is credit', () => {
    const effects = follow(9, new Uint8Array(600_000));
    expect(messages(effects)).toMatchObject([
      { type: 'subscribed', snapshotFollows: true },
      { type: 'snapshot', offset: 0 },
    ]);
    const rest = messages(give({ type: 'credit', bytes: 5_000_000 }));
    expect(rest).toMatchObject([{ offset: 262_144 }, { offset: 524_288 }]);
  });
});

describe('limits', () => {
  it('bound what waits to be committed', () => {
    follow();
    const envelopes = [envelope(0, 1_000_000)];
    const message: Message = { type: 'envelopes', channel: 1, firstPosition: 0, envelopes };
    expect(give(message).at(-1)).toMatchObject({ type: 'submit' });
    expect(give(message).at(-1)).toMatchObject({ type: 'submit' });
    expect(errorOf(give(message))).toBe('flow-control');
  });

  it('are open again when what waited is settled', () => {
    follow();
    const envelopes = [envelope(0, 1_000_000)];
    const message: Message = { type: 'envelopes', channel: 1, firstPosition: 0, envelopes };
    for (let count = 0; count < 10; count += 1) {
      const submit = give(message).at(-1);
      if (submit?.type !== 'submit') throw new Error('not submitted');
      session.handleSettled('a', 5, { bytes: submit.bytes, duplicates: [], refusals: [] }, time_ms);
    }
  });

  it('bound the version vector: the document fails, not the connection', () => {
    greet();
    const [open] = give({
      type: 'subscribe',
      subscriptions: [{ channel: 1, document: 'a', epoch: 0, position: 0, version: new Uint8Array(0), bridgeFrom: 0 }],
    });
    if (open?.type !== 'open-document') throw new Error('no open-document');
    const state = { epoch: 5, head: 1, version: new Uint8Array(1_048_577), position: 0, snapshot: undefined };
    const effects = session.handleDocument('a', open.request, state);
    expect(messages(effects)).toMatchObject([{ type: 'error', code: 'limit-exceeded', channel: 1, document: '' }]);
    expect(session.closed).toBe(false);
  });

  it('cut an error’s message to what a frame may hold', () => {
    const effects = session.handleShutdown(new JoineryError('internal', '€'.repeat(5_000)));
    expect(messages(effects)).toHaveLength(1);
  });
});

describe('damaged frames', () => {
  it('never throw, in any phase, for 100,000 of them', { timeout: 60_000 }, () => {
    const samples = Object.values(sampleMessages).map((message) => pbfCodec.encode(message));
    samples.push(pbfCodec.encode({ type: 'envelopes', channel: 1, firstPosition: 0, envelopes: [envelope(0)] }));
    const random = seededRandom(4);
    const codes = new Set<string>();
    let count = 0;
    damage(samples, 100_000, random, (input) => {
      if (session.closed || count % 50 === 0) {
        begin();
        if (count % 3 === 1) greet();
        if (count % 3 === 2) follow();
      }
      count += 1;
      const effects = giveFrame(input);
      const code = errorOf(effects);
      if (code === undefined) return;
      codes.add(code);
      // The client was told before it was closed.
      if (messages(effects).at(-1)?.type !== 'error') throw new Error(Buffer.from(input).toString('hex'));
    });
    expect(codes.has('invalid-frame')).toBe(true);
    expect(codes.has('internal')).toBe(false);
  });
});
