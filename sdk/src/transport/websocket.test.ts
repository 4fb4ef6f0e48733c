// Runs the transport contract's suite against real sockets on this machine, and tests what is theirs alone.

import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type ServerEnd, transportSuite } from '../testing/transport-suite.ts';
import { type WebSocketConstructor, WebSocketTransport } from './websocket.ts';

const Socket = WebSocket as unknown as WebSocketConstructor;

describe('frames over WebSockets', () => {
  let server: WebSocketServer;
  let url: string;
  let deadUrl: string;

  beforeAll(async () => {
    const closing = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await new Promise((resolve) => closing.once('listening', resolve));
    deadUrl = `ws://127.0.0.1:${(closing.address() as AddressInfo).port}`;
    await new Promise((resolve) => closing.close(resolve));
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await new Promise((resolve) => server.once('listening', resolve));
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });

  const accept = () =>
    new Promise<ServerEnd>((resolve) => {
      server.once('connection', (socket) => {
        const early: Uint8Array[] = [];
        let listener = (frame: Uint8Array): void => void early.push(frame);
        socket.on('message', (data: Buffer) => listener(new Uint8Array(data)));
        resolve({
          send: (frame) => socket.send(frame),
          close: () => socket.close(),
          onFrame(next) {
            for (const frame of early) next(frame);
            listener = next;
          },
        });
      });
    });

  for (const { name, run } of transportSuite) {
    test(name, () => run({ transport: new WebSocketTransport(Socket), url, deadUrl, accept }));
  }

  const errorOf = (transport: WebSocketTransport, to: string) =>
    new Promise<string | undefined>((resolve) => {
      transport.connect(to, { opened: () => {}, frame: () => {}, closed: (error) => resolve(error?.message) });
    });

  test('a text message closes the link', async () => {
    const socket = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
    const closed = errorOf(new WebSocketTransport(Socket), url);
    (await socket).send('text');
    expect(await closed).toContain('not binary');
  });

  test('an address that is none fails as a link does', async () => {
    expect(await errorOf(new WebSocketTransport(Socket), 'nonsense')).toContain('nonsense');
  });

  test('an error names the address without what may be secret in it', async () => {
    expect(await errorOf(new WebSocketTransport(Socket), `${deadUrl}/?token=secret`)).not.toContain('secret');
  });

  test('without a WebSocket class the link fails and says what to pass', async () => {
    vi.stubGlobal('WebSocket', undefined);
    expect(await errorOf(new WebSocketTransport(), url)).toContain('option `WebSocket`');
    vi.unstubAllGlobals();
  });
});
