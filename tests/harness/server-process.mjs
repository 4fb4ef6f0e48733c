// The built server as a process of its own, for tests and benchmarks that restart or kill it. It knows what a user knows:
// the environment variables and the line it prints when it is ready.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findFreePort } from './free-port.mjs';

const command = fileURLToPath(new URL('../../server/dist/bin.js', import.meta.url));
const hosted = fileURLToPath(new URL('./hosted-server.mjs', import.meta.url));
const readyWithin_ms = 20_000;

/** A server with a data folder of its own, which stays over restarts and goes with `dispose`. */
export class ServerProcess {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  #folder = mkdtempSync(join(tmpdir(), 'joinery-server-'));
  #port = 0;
  #output = '';
  #entry;
  #users;

  /**
   * @param {{ hosted?: boolean, users?: boolean }} [options] `hosted`: with the hooks of hosted-server.mjs; `users`: and with
   * its tokens
   */
  constructor({ hosted: hasHooks = false, users = false } = {}) {
    this.#entry = hasHooks || users ? hosted : command;
    this.#users = users;
  }

  /** Where the server listens, such as `http://localhost:41234`; the same over restarts. */
  get url() {
    return `http://localhost:${this.#port}`;
  }

  /** What it printed since its last start, for a test that fails. */
  get output() {
    return this.#output;
  }

  get pid() {
    return this.#child?.pid;
  }

  /** Starts it, and resolves when it says that it is ready. Throws when it ends before, or after 20 s. */
  async start() {
    if (this.#child !== undefined) throw new Error('the server runs already; stop or kill it first');
    this.#port ||= await findFreePort();
    this.#output = '';
    const child = spawn(process.execPath, [this.#entry], {
      env: {
        ...process.env,
        PORT: String(this.#port),
        JOINERY_DATA: this.#folder,
        JOINERY_USERS: this.#users ? 'yes' : '',
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    // A test run that ends in the middle leaves no server behind.
    const killAtExit = () => child.kill('SIGKILL');
    process.once('exit', killAtExit);
    child.once('exit', () => process.off('exit', killAtExit));
    await new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`the server was not ready within ${readyWithin_ms} ms; it printed:\n${this.#output}`));
      }, readyWithin_ms);
      const read = (/** @type {Buffer} */ chunk) => {
        this.#output += chunk;
        if (!this.#output.includes('Joinery is ready: ')) return;
        clearTimeout(late);
        if (this.#output.includes(`Joinery is ready: ${this.url}`)) resolve(undefined);
        else reject(new Error(`the server took another port than ${this.#port}; it printed:\n${this.#output}`));
      };
      child.stdout?.on('data', read);
      child.stderr?.on('data', read);
      child.once('exit', (status, signal) => {
        clearTimeout(late);
        if (this.#child === child) this.#child = undefined;
        reject(
          new Error(`the server ended with ${status ?? signal} before it was ready; it printed:\n${this.#output}`),
        );
      });
    });
    return this;
  }

  /** Asks a hosted server to trim a document; resolves to whether there was something to trim. @param {string} document */
  trim(document) {
    return this.#call('trim', document);
  }

  /** Asks a hosted server to delete a document. @param {string} document */
  async deleteDocument(document) {
    await this.#call('deleteDocument', document);
  }

  /** `joinery-server backup`, beside the running server. @param {string} name of the file, in the server's folder */
  backup(name) {
    return this.#command('backup', name);
  }

  /** `joinery-server restore`. @param {string} name of a backup */
  restore(name) {
    return this.#command('restore', name);
  }

  /** Ends it as a crash would, and resolves when the process is gone. */
  async kill() {
    await this.#end('SIGKILL');
  }

  /** Ends it as a user would, and returns its exit status. */
  async stop() {
    return this.#end('SIGTERM');
  }

  /** Ends it if it runs, and removes its data. */
  async dispose() {
    await this.#end('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** @param {'trim' | 'deleteDocument'} call @param {string} document @returns {Promise<unknown>} */
  async #call(call, document) {
    const child = this.#child;
    if (child === undefined || this.#entry !== hosted) throw new Error('only a hosted server that runs can be asked');
    const ended = new AbortController();
    const end = () => ended.abort(new Error(`the server ended before it had answered; it printed:\n${this.#output}`));
    child.once('exit', end);
    try {
      const answer = once(child, 'message', { signal: ended.signal });
      // It may be gone: `exit` says so.
      child.send({ call, document }, () => {});
      const [{ result, error }] = await answer;
      if (error !== undefined) throw Object.assign(new Error(error.message), { code: error.code });
      return result;
    } finally {
      child.off('exit', end);
    }
  }

  /** @param {string} name @param {string} file */
  async #command(name, file) {
    const { stdout } = await promisify(execFile)(process.execPath, [
      command,
      name,
      join(this.#folder, file),
      '--data',
      this.#folder,
    ]);
    return stdout;
  }

  /** @param {NodeJS.Signals} signal @returns {Promise<number | null>} */
  async #end(signal) {
    const child = this.#child;
    if (child === undefined) return null;
    const exit = once(child, 'exit');
    child.kill(signal);
    const [status] = await exit;
    return status;
  }
}
