/** Servers and clients of one test, all of them ended with it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerLimits, ServerOptions } from '../options.ts';
import { createServer, type Server } from '../server.ts';
import { RawClient, TestClient, type TestClientOptions } from './test-client.ts';

export class TestWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'joinery-server-'));
  /** What the server reported. */
  readonly reported: unknown[] = [];
  readonly #ends: (() => unknown)[] = [];
  #server: Server | undefined;
  #options: Partial<ServerOptions> = {};

  get url(): string {
    return this.#server?.url ?? '';
  }

  async start(options: Partial<ServerOptions> & { limits?: Partial<ServerLimits> } = {}): Promise<Server> {
    this.#options = options;
    this.#server = await createServer({
      data: this.folder,
      report: (error) => this.reported.push(error),
      ...options,
    });
    return this.#server;
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  /** The same server again, on the same port and data. */
  async restart(): Promise<void> {
    const port = this.#server?.port ?? 0;
    await this.stop();
    await this.start({ ...this.#options, port });
  }

  client(options: TestClientOptions = {}): TestClient {
    const client = new TestClient(this.url, options);
    this.#ends.push(() => client.close());
    return client.connect();
  }

  raw(headers: Record<string, string> = {}): RawClient {
    const client = new RawClient(this.url, { headers });
    this.#ends.push(() => client.close());
    return client;
  }

  async end(): Promise<void> {
    for (const end of this.#ends) await end();
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
