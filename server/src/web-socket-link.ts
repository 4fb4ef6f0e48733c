/** A client's WebSocket as the link of its connection. It decides nothing: limits and sessions are the connection's. */

import type { JoineryError } from '@joinery/protocol';
import type { RawData, WebSocket } from 'ws';
import type { ClientLink, Connection } from './connection.ts';

/** A socket that doesn't end its closing handshake is cut after this. */
const closingTimeout_ms = 2_000;

export class WebSocketLink implements ClientLink {
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  get buffered_bytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** From here on what comes goes to the connection. */
  connect(connection: Connection): void {
    const socket = this.#socket;
    socket.on('message', (data, isBinary) => {
      const frame = viewOf(data);
      if (isBinary) connection.handleFrame(frame);
      else connection.handleText(frame.length);
    });
    // Pings of the WebSocket layer are answered by it; they count all the same.
    socket.on('ping', (data) => connection.handleTraffic(data.length));
    // The WebSocket layer closes with its own code (1009 for a message that is far too large).
    socket.on('error', () => this.#cutLater());
    socket.on('close', () => connection.handleEnded());
  }

  send(frame: Uint8Array, sent: () => void): void {
    this.#socket.send(frame, sent);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(error: JoineryError): void {
    this.#socket.close(closeCode(error), error.code.slice(0, maxReasonLength));
    this.#cutLater();
  }

  /** For clients that don't answer the closing handshake. */
  #cutLater(): void {
    const timer = setTimeout(() => this.#socket.terminate(), closingTimeout_ms);
    this.#socket.once('close', () => clearTimeout(timer));
  }
}

/** The reason of a closing is at most 123 bytes; codes are ASCII, but for those that a host makes up. */
const maxReasonLength = 40;

/** WebSocket close codes: 1001 going away, 1008 policy violation, 1013 try again later. */
function closeCode(error: JoineryError): number {
  if (error.code === 'server-closing') return 1001;
  return error.retryable ? 1013 : 1008;
}

/** As bytes of the plain kind: slices of a Buffer would be Buffers. */
function viewOf(data: RawData): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  const buffer = Array.isArray(data) ? Buffer.concat(data) : data;
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
