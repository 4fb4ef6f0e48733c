// Firefox, spoken to over WebDriver BiDi, the protocol that it listens to by itself: no driver in between. A context is a container
// of Firefox's, with storage of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { EngineContext, EnginePage } from './engine-page.mjs';

const readyWithin_ms = 60_000;
/** How much of what it prints is kept, in characters. */
const output_max = 20_000;

/** So that it says and fetches nothing by itself, and tests don't wait for timers of tabs that are not in front. */
const preferences = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.aboutwelcome.enabled': false,
  'browser.sessionstore.resume_from_crash': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.topsites.contile.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.min_background_timeout_value': 4,
  'dom.min_background_timeout_value_without_budget_throttling': 4,
  'dom.timeout.enable_budget_timer_throttling': false,
  'extensions.getAddons.cache.enabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.startup.max_resumed_crashes': -1,
  'toolkit.telemetry.reportingpolicy.firstRun': false,
};

/** @param {string} path @returns {Promise<import('./engine-page.mjs').EngineBrowser>} */
export async function startFirefox(path) {
  const firefox = new FirefoxProcess(path);
  try {
    const bidi = await firefox.connect();
    return { newContext: () => newContext(bidi), close: () => firefox.dispose() };
  } catch (error) {
    await firefox.dispose();
    throw error;
  }
}

/** A Firefox whose profile outlives it, for tests that kill it as a crash would. */
export class FirefoxProcess {
  #path;
  #profile = mkdtempSync(join(tmpdir(), 'joinery-firefox-'));
  /** @type {(() => Promise<void>) | undefined} */
  #end;

  /** @param {string} path */
  constructor(path) {
    this.#path = path;
    const lines = Object.entries(preferences).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    writeFileSync(join(this.#profile, 'user.js'), lines.join(''));
  }

  /** Starts it with its profile, and resolves to a page that has what the profile has stored. */
  async start() {
    const bidi = await this.connect();
    return new EnginePage(await openTab(bidi, {}));
  }

  /** Starts it. @returns {Promise<Bidi>} */
  async connect() {
    const args = ['--headless', '--no-remote', '--profile', this.#profile, '--remote-debugging-port=0', 'about:blank'];
    const child = spawn(this.#path, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      // A process group of its own, so that its children can be ended with it.
      detached: process.platform !== 'win32',
    });
    const ended = once(child, 'exit');
    const kill = () => {
      try {
        process.kill(process.platform === 'win32' ? (child.pid ?? 0) : -(child.pid ?? 0), 'SIGKILL');
      } catch {
        // It is gone already.
      }
    };
    // A test run that ends in the middle leaves no browser behind.
    process.once('exit', kill);
    this.#end = async () => {
      process.off('exit', kill);
      kill();
      await ended;
    };
    const bidi = await connect(await addressOf(child));
    await bidi.send('session.new', { capabilities: {} });
    return bidi;
  }

  /** Kills it with all its children, and resolves when it is gone. */
  async kill() {
    const end = this.#end;
    this.#end = undefined;
    await end?.();
  }

  /** Kills it if it runs, and removes its profile. */
  async dispose() {
    await this.kill();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** @param {Bidi} bidi */
async function newContext(bidi) {
  const { userContext } = await bidi.send('browser.createUserContext', {});
  const open = () => openTab(bidi, { userContext });
  return new EngineContext(open, () => bidi.send('browser.removeUserContext', { userContext }));
}

/** @param {Bidi} bidi @param {{ userContext?: string }} within @returns {Promise<import('./engine-page.mjs').PageDriver>} */
async function openTab(bidi, within) {
  const { context } = await bidi.send('browsingContext.create', { type: 'tab', ...within });
  return {
    goto: (url) => bidi.send('browsingContext.navigate', { context, url, wait: 'complete' }),
    reload: () => bidi.send('browsingContext.reload', { context, wait: 'complete' }),
    run: async (expression) => {
      const options = { expression, target: { context }, awaitPromise: true };
      const { type, result, exceptionDetails } = await bidi.send('script.evaluate', options);
      if (type !== 'success') throw new Error(exceptionDetails.text);
      return result.value;
    },
    close: () => bidi.send('browsingContext.close', { context }),
  };
}

/** Where it listens, by what it prints. @param {import('node:child_process').ChildProcess} child @returns {Promise<string>} */
function addressOf(child) {
  let output = '';
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`Firefox was not ready within ${readyWithin_ms} ms; it printed:\n${output}`)),
      readyWithin_ms,
    );
    child.stderr?.on('data', (chunk) => {
      output = (output + chunk).slice(-output_max);
      const match = /WebDriver BiDi listening on (ws:\S+)/.exec(output);
      if (match?.[1] === undefined) return;
      clearTimeout(late);
      resolve(`${match[1]}/session`);
    });
    child.once('exit', (status, signal) => {
      clearTimeout(late);
      reject(new Error(`Firefox ended with ${status ?? signal} before it was ready; it printed:\n${output}`));
    });
  });
}

/** @typedef {{ send(method: string, params: object): Promise<any> }} Bidi */

/** @param {string} address @returns {Promise<Bidi>} */
async function connect(address) {
  const socket = new WebSocket(address, { maxPayload: 256 * 1024 * 1024 });
  /** @type {Map<number, { resolve(result: any): void, reject(error: Error): void }>} */
  const waiting = new Map();
  let last = 0;
  socket.on('message', (data) => {
    const { id, type, result, error, message } = JSON.parse(String(data));
    const waits = waiting.get(id);
    waiting.delete(id);
    if (type === 'error') waits?.reject(new Error(`${error}: ${message}`));
    else waits?.resolve(result);
  });
  socket.on('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('Firefox has ended.'));
    waiting.clear();
  });
  await once(socket, 'open');
  return {
    send: (method, params) =>
      new Promise((resolve, reject) => {
        if (socket.readyState !== WebSocket.OPEN) return reject(new Error('Firefox has ended.'));
        last += 1;
        waiting.set(last, { resolve, reject });
        socket.send(JSON.stringify({ id: last, method, params }));
      }),
  };
}
