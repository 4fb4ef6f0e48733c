/** The numbers of frames: alone, and in both sessions against links that don't carry what they were given once and in order. */

import { describe, expect, it } from 'vitest';
import { completeFrame, pbfCodec } from '../codec.ts';
import { everythingSafe } from '../limits.ts';
import type { Message } from '../messages.ts';
import { protocolVersion } from '../protocol-version.ts';
import type { ClientEffect } from './client-effects.ts';
import { ClientSession } from './client-session.ts';
import { FrameOrder } from './frame-order.ts';
import type { ServerEffect } from './server-effects.ts';
import { ServerSession } from './server-session.ts';

const nothing = new Uint8Array(0);
const order = { protocol: protocolVersion, knownTypes: [], serverTime_ms: 1, session: '' };

describe('an order of frames', () => {
  it('numbers from 0, and not what could not be written', () => {
    const frames = new FrameOrder();
    const write = (number: number): Uint8Array => Uint8Array.of(number);
    expect(frames.next(write)).toEqual(Uint8Array.of(0));
    expect(() =>
      frames.next(() => {
        throw new Error('too large');
      }),
    ).toThrow('too large');
    expect(frames.next(write)).toEqual(Uint8Array.of(1));
  });

  it('takes each number once, and none before those below it', () => {
    const frames = new FrameOrder();
    expect([frames.accepts(0), frames.accepts(0), frames.accepts(1), frames.accepts(0)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(() => frames.accepts(3)).toThrow(expect.objectContaining({ code: 'connection-failed', retryable: true }));
    expect(frames.accepts(2)).toBe(true);
  });
});

/** A client that is online, following `a`, and what its server sends. */
class Client {
  readonly session = new ClientSession({ random: () => 0.5, knownTypes: [] });
  readonly effects: ClientEffect[] = [];
  link = 0;
  sent = 0;

  constructor() {
    this.take(this.session.handleConnect(0));
    this.greet();
  }

  greet(): void {
    this.sent = 0;
    this.take(this.session.handleOpened(this.link, 0));
    for (const message of [
      { type: 'server-hello', ...order, window_bytes: 1_000_000, maxFrame_bytes: 1_000_000 },
      { type: 'authenticated', user: '', expires_ms: 0 },
    ] as const)
      this.hear(this.frame(message));
  }

  take(effects: readonly ClientEffect[]): void {
    for (const effect of effects) if (effect.type === 'open-link') this.link = effect.link;
    this.effects.push(...effects);
  }

  /** The next frame of the server. */
  frame(message: Message): Uint8Array {
    this.sent += 1;
    return pbfCodec.encode(message, this.sent - 1);
  }

  hear(frame: Uint8Array): void {
    this.take(this.session.handleFrame(this.link, frame, 0));
  }

  of<T extends ClientEffect['type']>(type: T): Extract<ClientEffect, { type: T }>[] {
    return this.effects.filter((effect): effect is Extract<ClientEffect, { type: T }> => effect.type === type);
  }
}

const subscribed = (safe: number, snapshotFollows = false, channel = 1): Message => ({
  ...{ type: 'subscribed', channel, epoch: 5, head: 1, version: nothing, position: 1 },
  ...{ snapshotFollows, safe },
});

describe('a client', () => {
  const ack: Message = { type: 'ack', channel: 1, ranges: [{ agent: 1n, to: 1, position: 2, count: 1 }] };

  it('hears of no commit before what was said to be safe until then: without it, it asks anew', () => {
    const client = new Client();
    client.take(client.session.handleSubscribe('a', { epoch: 5, position: 1 }, 0));
    client.hear(client.frame(subscribed(everythingSafe)));
    // The first backup is made: from here on what it lacks is to be kept. The link loses it.
    const lost = client.frame({ type: 'safe', channel: 1, position: 1 });
    client.hear(client.frame(ack));
    expect(client.of('acknowledged')).toEqual([]);
    expect(client.session.status).toMatchObject({ state: 'connecting', error: { code: 'connection-failed' } });
    // Late, it is of a link that is gone.
    client.hear(lost);
    expect(client.of('safe')).toEqual([]);
    client.take(client.session.handleConnect(0));
    client.greet();
    client.hear(client.frame(subscribed(1)));
    expect(client.of('subscribed').at(-1)?.safe).toBe(1);
  });

  it('hears of no commit between asking anew over the same link and the answer', () => {
    const client = new Client();
    client.take(client.session.handleSubscribe('a', { epoch: 5, position: 1 }, 0));
    client.hear(client.frame(subscribed(everythingSafe)));
    client.take(client.session.handleSubscribe('a', { epoch: 5, position: 1 }, 0));
    // Sent before the server heard of it, these are not for this subscription; nor is anything that comes before its answer.
    for (const channel of [1, 2]) {
      client.hear(client.frame({ type: 'safe', channel, position: 1 }));
      client.hear(client.frame({ ...ack, channel }));
    }
    expect([client.of('safe'), client.of('acknowledged')]).toEqual([[], []]);
    client.hear(client.frame(subscribed(1, false, 2)));
    client.hear(client.frame(ack));
    expect(client.of('acknowledged')).toEqual([]);
    client.hear(client.frame({ ...ack, channel: 2 }));
    expect(client.of('acknowledged')).toHaveLength(1);
  });

  it('takes no state for complete that has overtaken the bridges to it', () => {
    const client = new Client();
    client.take(client.session.handleReplace('a', [1n], 4, 0));
    client.hear(client.frame({ type: 'closed', document: 'a', epoch: 5, agents: [{ agent: 1n, last: 0 }] }));
    const part = Uint8Array.of(1);
    const bridge: Message = { type: 'bridge', channel: 1, epoch: 4, agent: 9n, total_bytes: 1, offset: 0, part };
    const late = client.frame(bridge);
    client.hear(client.frame(subscribed(everythingSafe)));
    client.hear(late);
    expect([client.of('subscribed'), client.of('caught-up'), client.of('bridge')]).toEqual([[], [], []]);
    expect(client.session.status.error?.code).toBe('connection-failed');
  });

  it('passes over what comes twice, however late', () => {
    const client = new Client();
    client.take(client.session.handleReplace('a', [1n], 4, 0));
    const closed = client.frame({ type: 'closed', document: 'a', epoch: 5, agents: [{ agent: 1n, last: 3 }] });
    client.hear(closed);
    // Another round of the same: the answer to the first is not one to the second.
    client.take(client.session.handleReplace('a', [1n], 4, 0));
    client.hear(closed);
    expect(client.of('agents-closed')).toHaveLength(1);
    client.hear(client.frame({ type: 'closed', document: 'a', epoch: 5, agents: [{ agent: 1n, last: 4 }] }));
    expect(client.of('agents-closed').map(({ last }) => last.get(1n))).toEqual([3, 4]);
    expect(client.session.status.state).toBe('online');
  });
});

describe('a server', () => {
  /** Greeted; what it says to frames of its client, which are numbered here. */
  function greeted() {
    const session = new ServerSession({ self: {}, name: 's', knownTypes: [] }, 0);
    let sent = 0;
    const frame = (message: Message): Uint8Array => {
      sent += 1;
      return pbfCodec.encode(message, sent - 1);
    };
    const hear = (bytes: Uint8Array): ServerEffect[] => session.handleFrame(bytes, 0, 0);
    const versions = { protocolMin: protocolVersion, protocolMax: protocolVersion };
    hear(frame({ type: 'client-hello', ...versions, knownTypes: [], name: '', credit_bytes: 1_000_000 }));
    hear(frame({ type: 'authenticate', token: '' }));
    session.handleAuthenticated('ada', 0);
    return { session, frame, hear };
  }
  const from = { epoch: 5, position: 1, version: nothing, bridgeFrom: 0 };
  const subscribe = (channel: number): Message => ({
    type: 'subscribe',
    subscriptions: [{ channel, document: 'a', ...from }],
  });
  const types = (effects: readonly ServerEffect[]): string[] => effects.map(({ type }) => type);

  it.each([
    { type: 'unsubscribe', channel: 1 },
    { type: 'close', document: 'a', epoch: 5, agents: [1n] },
  ] satisfies Message[])('lets no late second $type end what was subscribed since', (message) => {
    const { session, frame, hear } = greeted();
    hear(frame(subscribe(1)));
    const ending = frame(message);
    expect(types(hear(ending))).toContain('close-document');
    const [open] = hear(frame(subscribe(2)));
    if (open?.type !== 'open-document') throw new Error('no open-document');
    expect(hear(ending)).toEqual([]);
    session.handleDocument('a', open.request, {
      epoch: 5,
      head: 1,
      version: nothing,
      position: 1,
      snapshot: undefined,
    });
    expect(hear(ending)).toEqual([]);
    expect(types(session.handleSafe('a', 5, 1))).toEqual(['send-frame']);
  });

  it('tells a client that asks anew of no commit before it is told what is safe', () => {
    const { session, frame, hear } = greeted();
    const state = { epoch: 5, head: 1, version: nothing, position: 1, snapshot: undefined };
    let channel = 0;
    const follow = (): void => {
      channel += 1;
      const open = hear(frame(subscribe(channel))).find(({ type }) => type === 'open-document');
      if (open?.type !== 'open-document') throw new Error('no open-document');
      session.handleDocument('a', open.request, state);
    };
    follow();
    const settled = (): ServerEffect[] => {
      const duplicates = [{ agent: 1n, to: 1, position: 1, count: 0 }];
      return session.handleSettled('a', 5, { bytes: 0, duplicates, refusals: [] }, 0);
    };
    expect(types(settled())).toEqual(['send-frame']);
    channel += 1;
    hear(frame(subscribe(channel)));
    expect(settled()).toEqual([]);
    follow();
    expect(types(settled())).toEqual(['send-frame']);
  });

  it('ends a link on which a frame is missing, and says why', () => {
    const { session, frame, hear } = greeted();
    frame(subscribe(1));
    const [told, close] = hear(frame({ type: 'ping', nonce: 1 }));
    if (told?.type !== 'send-frame') throw new Error('not told');
    expect(pbfCodec.decode(told.frame).message).toMatchObject({
      type: 'error',
      code: 'connection-failed',
      retryable: true,
    });
    expect(close).toMatchObject({ type: 'close', error: { code: 'connection-failed' } });
    expect(session.closed).toBe(true);
  });

  it('numbers what it sends to one, and what goes to many', () => {
    const { session, frame, hear } = greeted();
    const [open] = hear(frame(subscribe(300)));
    if (open?.type !== 'open-document') throw new Error('no open-document');
    const state = { epoch: 5, head: 1, version: nothing, position: 1, snapshot: undefined };
    const sent = session.handleDocument('a', open.request, state);
    const bytes = Uint8Array.of(1);
    const envelopes = [{ bytes, agent: 1n, to: 1, origin: undefined }];
    const shared = pbfCodec.encode({ type: 'envelopes', channel: 0, firstPosition: 2, envelopes: [bytes] });
    sent.push(
      ...session.handleCommitted({ document: 'a', epoch: 5, firstPosition: 2, envelopes, frame: shared, bytes: 1 }),
    );
    sent.push(...session.handleSafe('a', 5, 1));
    const frames = sent.map((effect) => (effect.type === 'send-frame' ? pbfCodec.decode(effect.frame) : undefined));
    // The hello and `authenticated` were the first two.
    expect(frames.map((read) => read?.number)).toEqual([2, 3, 4]);
    expect(frames.map((read) => read?.message)).toMatchObject(
      ['subscribed', 'envelopes', 'safe'].map((type) => ({ type, channel: 300 })),
    );
    // The shared frame is as it was.
    expect(completeFrame(shared, 0, 0)).toBe(shared);
    expect(pbfCodec.decode(completeFrame(shared, 7, 9))).toMatchObject({ number: 9, message: { channel: 7 } });
  });
});
