// What the server in memory tells of a write that a change of epoch overtakes.

import { type Message, pbfCodec, protocolVersion, writeEnvelope } from '@joinery/protocol';
import { expect, it } from 'vitest';
import { init } from '../core/index.ts';
import type { AcceptedLink, MemoryNetwork } from '../transport/memory.ts';
import { MemoryServer } from './memory-server.ts';
import { VirtualEnvironment } from './virtual-environment.ts';

it('tells nothing under a channel of the new epoch of what was brought in the old one', async () => {
  await init();
  const environment = new VirtualEnvironment(1);
  let accept: ((link: AcceptedLink) => void) | undefined;
  const listen = (_: string, accepted: (link: AcceptedLink) => void) => {
    accept = accepted;
    return () => {};
  };
  const network = { listen } as unknown as MemoryNetwork;
  const server = new MemoryServer({ environment, network, url: 'x', commit_ms: [5, 5] });
  const heard: Message[] = [];
  let give = (_: Uint8Array): void => {};
  accept?.({
    send: (frame: Uint8Array) => heard.push(pbfCodec.decode(frame).message),
    close: () => {},
    listen: (events: { frame: (bytes: Uint8Array) => void }) => {
      give = events.frame;
    },
  } as unknown as AcceptedLink);
  let sent = 0;
  const say = (message: Message): void => {
    give(pbfCodec.encode(message, sent));
    sent += 1;
  };
  const versions = { protocolMin: protocolVersion, protocolMax: protocolVersion };
  say({ type: 'client-hello', ...versions, knownTypes: [], name: '', credit_bytes: 1_000 });
  say({ type: 'authenticate', token: '' });
  const from = { document: 'a', epoch: 0, position: 0, version: new Uint8Array(0), bridgeFrom: 0 };
  say({ type: 'subscribe', subscriptions: [{ channel: 1, ...from }] });
  const envelope = writeEnvelope({ agent: 1n, from: 0, to: 1, payload: new Uint8Array(1) });
  say({ type: 'envelopes', channel: 1, firstPosition: 0, envelopes: [envelope] });
  server.trim('a');
  say({ type: 'subscribe', subscriptions: [{ channel: 2, ...from }] });
  await environment.advance(10);
  const channels = heard.flatMap((message) => ('channel' in message ? [[message.type, message.channel]] : []));
  expect(channels).toEqual([
    ['subscribed', 1],
    ['error', 1],
    ['subscribed', 2],
    ['snapshot', 2],
  ]);
});
