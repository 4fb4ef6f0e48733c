// A Chromium whose profile outlives it, for tests that kill it as a crash would: the browser process and all its children at
// once, without a word. Playwright speaks to it over the DevTools protocol.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { chromiumArguments, findChromium } from '../../scripts/find-chromium.mjs';

const readyWithin_ms = 20_000;

export class ChromiumProcess {
  #profile = mkdtempSync(join(tmpdir(), 'joinery-chromium-'));
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;

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
    const address = await new Promise((resolve, reject) => {
      let output = '';
      const late = setTimeout(() => {
        this.#signal();
        reject(new Error(`Chromium was not ready within ${readyWithin_ms} ms; it printed:\n${output}`));
      }, readyWithin_ms);
      child.stderr.on('data', (chunk) => {
        output += chunk;
        const match = /DevTools listening on (ws:\S+)/.exec(output);
        if (match === null) return;
        clearTimeout(late);
        resolve(match[1]);
      });
      child.once('exit', (status, signal) => {
        clearTimeout(late);
        reject(new Error(`Chromium ended with ${status ?? signal} before it was ready; it printed:\n${output}`));
      });
    });
    const browser = await chromium.connectOverCDP(address);
    const context = browser.contexts()[0];
    if (context === undefined) throw new Error('expected a browser context, found none');
    return context.newPage();
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
