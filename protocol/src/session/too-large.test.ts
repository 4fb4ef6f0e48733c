/** What is larger than a client takes: its document fails, or does without; the link and the other documents go on. */

import { describe, expect, it } from 'vitest';
import { pbfCodec } from '../codec.ts';
import { maxSnapshotPartBytes } from '../limits.ts';
import type { Message } from '../messages.ts';
import { protocolVersion } from '../protocol-version.ts';
import type { ClientEffect } from './client-effects.ts';
import { ClientSession } from './client-session.ts';

const limit_bytes = 2 * maxSnapshotPartBytes;

/** A client with a link that is ready, as the server sees it. */
class Peer {
  readonly session = new ClientSession({
    random: () => 0.5,
    knownTypes: [],
    limits: { snapshot_bytes: limit_bytes, credit_bytes: maxSnapshotPartBytes },
  });
  readonly sent: Message[] = [];
  /** Frames that the server has sent. */
  #given = 0;
  readonly effects: ClientEffect[] = [];

  constructor() {
    this.take(this.session.handleConnect(0));
    this.take(this.session.handleOpened(1, 0));
    this.give({
      type: 'server-hello',
      protocol: protocolVersion,
      knownTypes: [],
      serverTime_ms: 1,
      window_bytes: 1_000,
      maxFrame_bytes: 1_000_000,
      session: 's',
    });
    this.give({ type: 'authenticated', user: '', expires_ms: 0 });
  }

  take(effects: ClientEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'send-frame') this.sent.push(pbfCodec.decode(effect.frame).message);
      else this.effects.push(effect);
    }
  }

  give(message: Message): void {
    const frame = pbfCodec.encode(message, this.#given);
    this.#given += 1;
    this.take(this.session.handleFrame(1, frame, 0));
  }

  subscribed(channel: number, snapshotFollows: boolean): void {
    const position = snapshotFollows ? 1 : 0;
    const version = Uint8Array.of(0);
    this.give({ type: 'subscribed', channel, epoch: 5, head: 1, version, position, snapshotFollows, safe: 1 });
  }

  bridge(total_bytes: number, epoch: number): void {
    for (let offset = 0; offset < total_bytes; offset += maxSnapshotPartBytes) {
      const part = new Uint8Array(Math.min(maxSnapshotPartBytes, total_bytes - offset));
      this.give({ type: 'bridge', channel: 1, epoch, agent: 9n, total_bytes, offset, part });
    }
  }

  snapshot(channel: number, total_bytes: number): void {
    for (let offset = 0; offset < total_bytes; offset += maxSnapshotPartBytes) {
      const part = new Uint8Array(Math.min(maxSnapshotPartBytes, total_bytes - offset));
      this.give({ type: 'snapshot', channel, position: 1, total_bytes, offset, part, delta: false });
    }
  }

  of<T extends ClientEffect['type']>(type: T): Extract<ClientEffect, { type: T }>[] {
    return this.effects.filter((effect): effect is Extract<ClientEffect, { type: T }> => effect.type === type);
  }
}

describe('a snapshot beyond the limit', () => {
  it('fails its document and not the link, which would only bring it again', () => {
    const peer = new Peer();
    peer.take(peer.session.handleSubscribe('a', undefined, 0));
    peer.take(peer.session.handleSubscribe('b', undefined, 0));
    peer.subscribed(1, true);
    peer.snapshot(1, limit_bytes + 1);
    expect(peer.of('document-failed').map(({ document, error }) => [document, error.code])).toEqual([
      ['a', 'limit-exceeded'],
    ]);
    expect(peer.sent).toContainEqual({ type: 'unsubscribe', channel: 1 });
    peer.subscribed(2, true);
    peer.snapshot(2, limit_bytes);
    expect(peer.of('snapshot').map(({ document, bytes }) => [document, bytes.length])).toEqual([['b', limit_bytes]]);
    expect(peer.session.status.state).toBe('online');
    // Nobody waits for an answer to the one that failed.
    peer.take(peer.session.handleConsumed(limit_bytes, 0));
    expect(peer.of('connection').at(-1)?.status.state).toBe('online');
    expect(peer.of('close-link')).toEqual([]);
  });
});

describe('a bridge beyond the limit', () => {
  it('is left out, like one that the server no longer has', () => {
    const peer = new Peer();
    peer.take(peer.session.handleReplace('a', [1n], 3, 0));
    peer.give({ type: 'closed', document: 'a', epoch: 5, agents: [{ agent: 1n, last: 0 }] });
    peer.bridge(limit_bytes, 3);
    peer.bridge(limit_bytes + 1, 4);
    peer.bridge(10, 5);
    peer.subscribed(1, true);
    peer.snapshot(1, 10);
    expect(peer.of('bridge').map(({ epoch, bytes }) => [epoch, bytes.length])).toEqual([
      [3, limit_bytes],
      [5, 10],
    ]);
    expect(peer.of('caught-up')).toHaveLength(1);
    expect(peer.session.status.state).toBe('online');
  });
});
