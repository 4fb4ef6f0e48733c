// The transport contract as cases, for every implementation to run. It tests what `transport.ts` promises.

import { type JoineryError, maxFrameBytes } from '@joinery/protocol';
import type { Link, LinkEvents, Transport } from '../transport/transport.ts';
import { assert, assertEqual, type ContractCase } from './contract.ts';

/** The server's end of a link, as far as the suite needs it. */
export interface ServerEnd {
  send(frame: Uint8Array): void;
  close(): void;
  /** Calls `listener` with each frame that comes, also with those that came before the call. */
  onFrame(listener: (frame: Uint8Array) => void): void;
}

export interface TransportHarness {
  readonly transport: Transport;
  /** Something listens here. */
  readonly url: string;
  /** Nothing listens here. */
  readonly deadUrl: string;
  /** The server's end of the next link; to be asked for before connecting. */
  accept(): Promise<ServerEnd>;
}

/** Records a link's events and lets a case wait for them. */
class Events implements LinkEvents {
  readonly log: string[] = [];
  readonly frames: Uint8Array[] = [];
  error: JoineryError | undefined;
  #waiting: (() => void)[] = [];

  opened(): void {
    this.#note('opened');
  }

  frame(bytes: Uint8Array): void {
    this.frames.push(bytes);
    this.#note('frame');
  }

  closed(error: JoineryError | undefined): void {
    this.error = error;
    this.#note('closed');
  }

  async until(event: string, times = 1): Promise<void> {
    while (this.log.filter((seen) => seen === event).length < times) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #note(event: string): void {
    this.log.push(event);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

async function openLink(harness: TransportHarness): Promise<{ link: Link; events: Events; server: ServerEnd }> {
  const accepted = harness.accept();
  const events = new Events();
  const link = harness.transport.connect(harness.url, events);
  assertEqual(events.log, [], 'the events during `connect`');
  await events.until('opened');
  return { link, events, server: await accepted };
}

/** A frame that tells its place. */
function frame(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff);
}

function received(server: ServerEnd, count: number): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  return new Promise((resolve) =>
    server.onFrame((bytes) => {
      frames.push(bytes);
      if (frames.length === count) resolve(frames);
    }),
  );
}

export const transportSuite: readonly ContractCase<TransportHarness>[] = [
  {
    name: 'frames of every size arrive whole and in order, both ways',
    async run(harness) {
      const { link, events, server } = await openLink(harness);
      const sizes = [1, 0, 125, 126, 65_535, 65_536, 300_000, 2, maxFrameBytes];
      const frames = sizes.map(frame);
      const arrived = received(server, frames.length);
      for (const bytes of frames) link.send(bytes);
      assertEqual((await arrived).map(digest), frames.map(digest), 'what the server got');
      for (const bytes of frames) server.send(bytes);
      await events.until('frame', frames.length);
      assertEqual(events.frames.map(digest), frames.map(digest), 'what the client got');
      link.close();
      await events.until('closed');
    },
  },
  {
    name: 'the bytes given to `send` may be used again at once',
    async run(harness) {
      const { link, events, server } = await openLink(harness);
      const arrived = received(server, 1);
      const bytes = Uint8Array.of(1, 2, 3);
      link.send(bytes);
      bytes.fill(0);
      assertEqual(await arrived, [Uint8Array.of(1, 2, 3)]);
      link.close();
      await events.until('closed');
    },
  },
  {
    name: 'closing ends the link once, without an error, and no frame comes after it',
    async run(harness) {
      const { link, events, server } = await openLink(harness);
      server.send(frame(10, 1));
      link.close();
      link.close();
      assert(!events.log.includes('closed'), '`closed` does not come during the call of `close`');
      await events.until('closed');
      link.send(frame(1, 1));
      link.close();
      assertEqual(events.log, ['opened', 'closed']);
      assertEqual(events.error, undefined);
    },
  },
  {
    name: 'when the server closes, what it sent before arrives and the link ends with an error',
    async run(harness) {
      const { link, events, server } = await openLink(harness);
      server.send(frame(10, 1));
      server.close();
      await events.until('closed');
      assertEqual(events.log, ['opened', 'frame', 'closed']);
      assertEqual([events.error?.code, events.error?.retryable], ['connection-failed', true]);
      link.send(frame(1, 1));
    },
  },
  {
    name: 'an attempt where nothing listens ends with an error and never opens',
    async run({ transport, deadUrl }) {
      const events = new Events();
      const link = transport.connect(deadUrl, events);
      link.send(frame(1, 1));
      await events.until('closed');
      assertEqual(events.log, ['closed']);
      assertEqual(events.error?.code, 'connection-failed');
    },
  },
  {
    name: 'an attempt can be given up',
    async run({ transport, url }) {
      const events = new Events();
      transport.connect(url, events).close();
      await events.until('closed');
      assertEqual(events.log, ['closed']);
    },
  },
  {
    name: 'a frame over the limit is not sent, and closes the link with an error',
    async run(harness) {
      const { link, events } = await openLink(harness);
      link.send(new Uint8Array(maxFrameBytes + 1));
      await events.until('closed');
      assertEqual(events.error?.code, 'frame-too-large');
    },
  },
  {
    name: 'two links don’t mix',
    async run(harness) {
      const first = await openLink(harness);
      const second = await openLink(harness);
      first.server.send(frame(3, 1));
      second.server.send(frame(3, 2));
      await Promise.all([first.events.until('frame'), second.events.until('frame')]);
      assertEqual(first.events.frames, [frame(3, 1)]);
      assertEqual(second.events.frames, [frame(3, 2)]);
      first.link.close();
      await first.events.until('closed');
      second.server.send(frame(3, 3));
      await second.events.until('frame', 2);
      second.link.close();
      await second.events.until('closed');
    },
  },
];

/** Length and content in a few characters: large frames make unreadable failures. */
function digest(bytes: Uint8Array): string {
  let hash = 0;
  for (const byte of bytes) hash = (Math.imul(hash, 31) + byte) >>> 0;
  return `${bytes.length}:${hash}`;
}
