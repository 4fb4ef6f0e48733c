// Frames over a WebSocket: one frame is one binary message. Reconnecting, time-outs and heartbeats are the session's.

import { JoineryError, maxFrameBytes } from '@joinery/protocol';
import type { Link, LinkEvents, Transport } from './transport.ts';

/** As much of a socket as is used here: the browser's, or that of the package `ws`. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  addEventListener(type: string, listener: (event: never) => void): void;
  send(data: Uint8Array): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

const open = 1;

export class WebSocketTransport implements Transport {
  readonly #WebSocket: WebSocketConstructor | undefined;

  /** @param WebSocket the class of the sockets; the global one when left out. */
  constructor(WebSocket?: WebSocketConstructor) {
    this.#WebSocket = WebSocket;
  }

  connect(url: string, events: LinkEvents): Link {
    const Socket = this.#WebSocket ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
    if (Socket === undefined) {
      return failedLink(
        events,
        new JoineryError('connection-failed', {
          expected: 'a WebSocket class',
          got: 'none in this environment',
          remedy: 'Pass one as the option `WebSocket` (in Node 20: that of the package ws).',
        }),
      );
    }
    try {
      return new SocketLink(new Socket(url), url, events);
    } catch (error) {
      // The constructor throws on addresses that it doesn't understand, or that the page may not open.
      const text = error instanceof Error ? error.message : String(error);
      return failedLink(events, connectionFailed(url, text, error));
    }
  }
}

class SocketLink implements Link {
  readonly #socket: WebSocketLike;
  #ended = false;
  #error: JoineryError | undefined;

  constructor(socket: WebSocketLike, url: string, events: LinkEvents) {
    this.#socket = socket;
    let opened = false;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => {
      if (this.#ended) return;
      opened = true;
      events.opened();
    });
    socket.addEventListener('message', ({ data }: { data: unknown }) => {
      if (this.#ended) return;
      if (data instanceof ArrayBuffer) events.frame(new Uint8Array(data));
      else if (data instanceof Uint8Array) events.frame(data);
      else this.#fail(connectionFailed(url, 'a message that is not binary'));
    });
    // An error is followed by `close`, and says nothing that an app could use.
    socket.addEventListener('error', () => {});
    socket.addEventListener('close', ({ code, reason }: { code: number; reason: string }) => {
      const own = this.#ended && this.#error === undefined;
      this.#ended = true;
      const got = opened ? `its end (code ${code}${reason ? `: ${reason}` : ''})` : `no connection (code ${code})`;
      events.closed(own ? undefined : (this.#error ?? connectionFailed(url, got)));
    });
  }

  get buffered_bytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(frame: Uint8Array): void {
    if (this.#ended || this.#socket.readyState !== open) return;
    if (frame.length > maxFrameBytes) {
      this.#fail(
        new JoineryError('frame-too-large', {
          expected: `a frame of at most ${maxFrameBytes} bytes`,
          got: `${frame.length} bytes`,
          remedy: 'The link was closed; nothing of the frame was sent.',
        }),
      );
      return;
    }
    this.#socket.send(frame);
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.close(1000);
  }

  #fail(error: JoineryError): void {
    this.#error = error;
    this.#ended = true;
    this.#socket.close(1000);
  }
}

function failedLink(events: LinkEvents, error: JoineryError): Link {
  queueMicrotask(() => events.closed(error));
  return { send: () => {}, close: () => {}, buffered_bytes: 0 };
}

function connectionFailed(url: string, got: string, cause?: unknown): JoineryError {
  return new JoineryError(
    'connection-failed',
    {
      expected: `a connection to ${url.replace(/[?#].*$/, '')}`,
      got,
      remedy: 'It is tried again; what was written is kept.',
    },
    { cause },
  );
}
