/**
 * Puts a server together: storage, documents, HTTP and sockets on one port. How each of them works is in its own file.
 */

import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener, RequestError } from '@hono/node-server';
import { asJoineryError, checkDocumentId, JoineryError } from '@joinery/protocol';
import { init } from 'joinery/core';
import { WebSocketServer } from 'ws';
import { createServerCodec } from './codec.ts';
import { Connection } from './connection.ts';
import { Documents } from './documents/documents.ts';
import { createHttp, errorBody, type Origins, originAllowed } from './http.ts';
import { nodeEnvironment } from './node-environment.ts';
import { guardReport, maxMessageBytes, resolveLimits, type ServerLimits, type ServerOptions } from './options.ts';
import { readStaticFiles } from './static-files.ts';
import { openSqliteStorage } from './storage/sqlite.ts';
import { WebSocketLink } from './web-socket-link.ts';

/** A server that is running. */
export interface Server {
  /** Where it listens: `http://localhost:8787`. */
  readonly url: string;
  readonly port: number;
  /**
   * Enters a new epoch of a document: the same content, without records of what was removed. Its clients replace what
   * they have and keep what they have not synced. Done by itself where much is removed and nobody is connected. Where
   * backups are made, only a document that the last one holds up to its head is trimmed: from an epoch that has ended
   * nobody could bring back what a restored backup lacks.
   *
   * @returns whether there was something to trim
   * @throws JoineryError `not-backed-up`, `invalid-document-id`, `server-closing`, or a storage error
   */
  trim(document: string): Promise<boolean>;
  /**
   * Deletes a document for ever, at every client.
   *
   * @throws JoineryError `invalid-document-id`, `server-closing`, what `acceptDeletion` refuses with, or a storage error
   */
  deleteDocument(document: string): Promise<void>;
  /** Ends it: clients are told, what waits is committed, the data folder is free again. */
  close(): Promise<void>;
}

/** What clients may write; the core knows them. */
const knownTypes = ['map', 'list', 'text', 'counter', 'set', 'tree', 'graph'];
const maxHeaderBytes = 16 * 1024;
/** Timeouts are looked at so often. */
const tick_ms = 1_000;
/** Open sockets are cut when they haven't closed after so long. */
const closing_ms = 3_000;

/**
 * Starts a server.
 *
 * @throws JoineryError `invalid-option`, `port-in-use`, or a storage error such as `storage-locked`.
 * @example
 * const server = await createServer({ data: './data', port: 8787 });
 * console.log(server.url);
 * await server.close();
 */
export async function createServer(options: ServerOptions): Promise<Server> {
  const limits = resolveLimits(options.limits);
  const files = options.files === undefined ? new Map() : readStaticFiles(options.files);
  const report = guardReport(options.report);
  const codec = createServerCodec();
  await init();
  const storage = openSqliteStorage(options.data);
  const { authenticate, accept, acceptDeletion } = options;
  const environment = nodeEnvironment;
  const { replicas } = limits;
  const documents = new Documents({ storage, codec, environment, report, replicas, accept, acceptDeletion });
  const origins = options.origins ?? (authenticate === undefined ? 'all' : 'own');
  const http = createHttp({ documents, storage, files, origins, authenticate, report });
  const errorHandler = (error: unknown): Response => answerUnread(error, report);
  const listener = getRequestListener(http.fetch, { errorHandler });
  const server = createHttpServer({ maxHeaderSize: maxHeaderBytes }, listener);
  server.on('clientError', refuseRequest);
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  const sockets = new Sockets({ server, documents, codec, limits, origins, authenticate, report });
  try {
    await listen(server, options.port ?? 0, options.host ?? '127.0.0.1');
  } catch (error) {
    sockets.stop();
    await storage.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const ended = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    sockets.shutDown();
    await documents.shutDown();
    await storage.close();
    server.closeIdleConnections();
    const timer = setTimeout(() => {
      sockets.terminate();
      server.closeAllConnections();
    }, closing_ms);
    await ended;
    clearTimeout(timer);
    sockets.stop();
  };
  return {
    url: `http://localhost:${port}`,
    port,
    async trim(document) {
      return documents.trim(checkDocumentId(document));
    },
    async deleteDocument(document) {
      await documents.delete(checkDocumentId(document), '');
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}

interface SocketsOptions {
  readonly server: HttpServer;
  readonly documents: Documents;
  readonly codec: ReturnType<typeof createServerCodec>;
  readonly limits: ServerLimits;
  readonly origins: Origins;
  readonly authenticate: ServerOptions['authenticate'];
  readonly report: (error: unknown) => void;
}

/** The WebSockets at `/sync`. */
class Sockets {
  readonly #options: SocketsOptions;
  readonly #upgrades: WebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #timer: NodeJS.Timeout;
  #count = 0;
  #closing = false;

  constructor(options: SocketsOptions) {
    this.#options = options;
    // No compression: a small message could become a large one.
    this.#upgrades = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes, perMessageDeflate: false });
    options.server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#timer = setInterval(() => this.#tick(), tick_ms);
  }

  /** Tells every client, which then closes. */
  shutDown(): void {
    this.#closing = true;
    for (const connection of this.#connections) connection.shutDown();
  }

  terminate(): void {
    for (const client of this.#upgrades.clients) client.terminate();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#upgrades.close();
  }

  #tick(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.tick(now);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const refusal = this.#refusal(request);
    if (refusal !== undefined) {
      answerAndClose(socket, ...refusal);
      return;
    }
    this.#upgrades.handleUpgrade(request, socket, head, (webSocket) => {
      this.#count += 1;
      const { documents, codec, limits, authenticate, report } = this.#options;
      const link = new WebSocketLink(webSocket);
      const connection = new Connection({
        name: `c${this.#count}`,
        link,
        environment: nodeEnvironment,
        documents,
        codec,
        limits,
        authenticate,
        knownTypes,
        report,
        closed: () => this.#connections.delete(connection),
      });
      this.#connections.add(connection);
      link.connect(connection);
    });
  }

  #refusal(request: IncomingMessage): [string, JoineryError] | undefined {
    const path = request.url?.split('?')[0];
    if (path !== '/sync') {
      return ['404 Not Found', new JoineryError('not-found', 'WebSockets are served at /sync only.')];
    }
    if (!originAllowed(this.#options.origins, request.headers.origin, request.headers.host)) {
      return ['403 Forbidden', new JoineryError('forbidden', 'Pages of this origin may not connect.')];
    }
    if (this.#closing) {
      const error = new JoineryError('server-closing', 'The server is closing. Connect again in a moment.');
      return ['503 Service Unavailable', error];
    }
    if (this.#connections.size >= this.#options.limits.connections) {
      const error = new JoineryError('too-many-connections', {
        expected: `at most ${this.#options.limits.connections} connections`,
        got: 'one more',
        remedy: 'Connect again later.',
      });
      return ['503 Service Unavailable', error];
    }
    return undefined;
  }
}

/** What isn't HTTP is answered in JSON too, and the connection closed. */
function refuseRequest(cause: NodeJS.ErrnoException, socket: Duplex): void {
  if (cause.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const tooLarge = cause.code === 'HPE_HEADER_OVERFLOW';
  const status = tooLarge ? '431 Request Header Fields Too Large' : '400 Bad Request';
  const error = new JoineryError('invalid-request', {
    expected: tooLarge ? `headers of at most ${maxHeaderBytes} bytes` : 'an HTTP request',
    got: tooLarge ? 'more' : 'something else',
    remedy: 'Correct the request.',
  });
  answerAndClose(socket, status, error);
}

/** The answer to a request that doesn't get as far as the routes. */
function answerUnread(error: unknown, report: (error: unknown) => void): Response {
  const isBad = error instanceof RequestError;
  if (!isBad) report(error);
  const expected = 'a request with a host and an address';
  const parts = { expected, got: isBad ? error.message : '', remedy: 'Correct the request.' };
  const typed = isBad ? new JoineryError('invalid-request', parts, { cause: error }) : asJoineryError(error);
  const headers = { 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' };
  return new Response(errorBody(typed), { status: isBad ? 400 : 500, headers });
}

function answerAndClose(socket: Duplex, status: string, error: JoineryError): void {
  const body = errorBody(error);
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function listen(server: HttpServer, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'port-in-use' : 'invalid-option';
      const parts = {
        expected: 'a free port that one may listen on',
        got: `${host}:${port} (${error.code ?? error.message})`,
        remedy: 'Choose another one (PORT).',
      };
      reject(new JoineryError(code, parts, { cause: error }));
    });
    server.listen(port, host, resolve);
  });
}
