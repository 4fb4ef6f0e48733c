// A Chromium whose profile outlives it, for tests that kill it as a crash would: the browser process and all its children at
// once, without a word. Playwright speaks to it over the DevTools protocol.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { chromiumArguments, findChromium } from '../../scripts/find-chromium.mjs';

const readyWithin_ms = 20_000;
/** How much of what it prints is kept, in characters. */
const output_max = 100_000;

export class ChromiumProcess {
  #profile = mkdtempSync(join(tmpdir(), 'joinery-chromium-'));
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  /** @type {import('@playwright/test').Browser | undefined} */
  #browser;
  #output = '';

  /**
   * Whether Chromium, since its last start, found its own IndexedDB files broken and deleted them all (the cause and the
   * cure: `sdk/src/storage/log-renewal.ts`).
   */
  get droppedDatabase() {
    return this.#output.includes('recovering from a corrupted (and deleted) database');
  }

  /**
   * Starts it with its profile, and resolves to a page.
   * @returns {Promise<import('@playwright/test').Page>}
   */
  async start() {
    const args = [
      ...chromiumArguments(),
      '--headless=new',
      '--remote-debugging-port=0',
      '--no-default-browser-check',
      '--disable-crash-reporter',
      // Its errors are printed: `droppedDatabase` is one of them.
      '--enable-logging=stderr',
      '--log-level=2',
      '--disable-default-apps',
      '--disable-extensions',
      '--disable-component-extensions-with-background-pages',
      '--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider',
      '--password-store=basic',
      '--use-mock-keychain',
      `--user-data-dir=${this.#profile}`,
    ];
    // A process group of its own, so that its children can be killed with it.
    const child = spawn(findChromium(), [...args, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: process.platform !== 'win32',
    });
    this.#child = child;
    this.#output = '';
    const address = await new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#signal();
        reject(new Error(`Chromium was not ready within ${readyWithin_ms} ms; it printed:\n${this.#output}`));
      }, readyWithin_ms);
      child.stderr.on('data', (chunk) => {
        if (this.#child === child) this.#output = (this.#output + chunk).slice(-output_max);
        const match = /DevTools listening on (ws:\S+)/.exec(this.#output);
        if (match === null) return;
        clearTimeout(late);
        resolve(match[1]);
      });
      child.once('exit', (status, signal) => {
        clearTimeout(late);
        reject(new Error(`Chromium ended with ${status ?? signal} before it was ready; it printed:\n${this.#output}`));
      });
    });
    const browser = await chromium.connectOverCDP(address);
    this.#browser = browser;
    const context = browser.contexts()[0];
    if (context === undefined) throw new Error('expected a browser context, found none');
    return context.newPage();
  }

  /** Has it end as its user would, and resolves when it is gone. */
  async close() {
    const child = this.#child;
    if (child === undefined) return;
    const exit = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
    const session = await this.#browser?.newBrowserCDPSession();
    // The connection ends with the browser, before or after it has answered.
    session?.send('Browser.close').catch(() => {});
    await exit;
    this.#child = undefined;
  }

  /** Kills it, and resolves when it is gone. */
  async kill() {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const exit = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined;
    this.#signal(child);
    await exit;
  }

  /**
   * Between a kill and the next start: leaves half a record at the end of IndexedDB's log, as a kill between the two
   * writes of a record (its head, its content) does.
   */
  cutLog() {
    const folder = join(this.#profile, 'Default', 'IndexedDB');
    const logs = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
      /leveldb\/\d+\.log$/.test(file),
    );
    if (logs.length === 0) throw new Error(`expected a log of LevelDB in ${folder}, found none`);
    // A head: checksum, length (4,096), type (a whole record). No content.
    for (const log of logs) appendFileSync(join(folder, log), Uint8Array.of(1, 2, 3, 4, 0, 16, 1));
  }

  /** Kills it if it runs, and removes its profile. */
  async dispose() {
    await this.kill();
    // Its children may still be closing their files.
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  #signal(child = this.#child) {
    if (child?.pid === undefined) return;
    try {
      process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  }
}
