// WebKitGTK's MiniBrowser, spoken to over WebDriver's plain HTTP through its driver, on a display of nobody's. A context is a session
// of a driver of its own: a browser process that shares nothing and keeps nothing.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineContext } from './engine-page.mjs';
import { findFreePort } from './free-port.mjs';

const readyWithin_ms = 30_000;
const look_ms = 10;

/**
 * @param {{ driver: string, browser: string, display: string }} paths
 * @returns {Promise<import('./engine-page.mjs').EngineBrowser>}
 */
export async function startWebkit({ driver, browser, display }) {
  const screen = await startDisplay(display);
  /** @type {Set<() => Promise<void>>} */
  const ends = new Set();
  return {
    newContext: async () => {
      const { context, end } = await newContext(driver, browser, screen.name);
      ends.add(end);
      return context;
    },
    close: async () => {
      await Promise.all([...ends].map((end) => end()));
      await screen.end();
    },
  };
}

/** @param {string} program */
async function startDisplay(program) {
  const display = startProcess(program, ['-displayfd', '3', '-screen', '0', '1024x768x24', '-nolisten', 'tcp'], {}, [
    'pipe',
  ]);
  const number = await new Promise((resolve, reject) => {
    display.child.stdio[3]?.once('data', (chunk) => resolve(String(chunk).trim()));
    display.child.once('exit', (status) => reject(new Error(`${program} ended with ${status}`)));
  });
  return { name: `:${number}`, end: display.end };
}

/** @param {string} driver @param {string} browser @param {string} display */
async function newContext(driver, browser, display) {
  const port = await findFreePort();
  const home = mkdtempSync(join(tmpdir(), 'joinery-webkit-'));
  const env = { DISPLAY: display, HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home, XDG_CONFIG_HOME: home };
  // Without a graphics card.
  const software = {
    WEBKIT_DISABLE_COMPOSITING_MODE: '1',
    LIBGL_ALWAYS_SOFTWARE: '1',
    GTK_A11Y: 'none',
    NO_AT_BRIDGE: '1',
  };
  const running = startProcess(driver, [`--port=${port}`], { ...env, ...software });
  const end = async () => {
    await running.end();
    rmSync(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
  try {
    const session = await openSession(`http://127.0.0.1:${port}`, browser);
    let first = await session.send('GET', '/window');
    const open = async () => {
      // It has a window from the start.
      const window = first ?? (await session.send('POST', '/window/new', { type: 'tab' })).handle;
      first = undefined;
      return pageIn(session, window);
    };
    return { context: new EngineContext(open, end), end };
  } catch (error) {
    await end();
    throw error;
  }
}

/**
 * A session does one thing at a time, in one of its windows. What a page evaluates is therefore started, and looked after later,
 * so that pages can work beside each other.
 * @param {Session} session @param {string} window
 * @returns {import('./engine-page.mjs').PageDriver}
 */
function pageIn(session, window) {
  let runs = 0;
  return {
    goto: (url) => session.inWindow(window, 'POST', '/url', { url }),
    reload: () => session.inWindow(window, 'POST', '/refresh', {}),
    close: () => session.inWindow(window, 'DELETE', '/window'),
    run: async (expression) => {
      runs += 1;
      const start = `const runs = (window.__runs ??= new Map()); runs.set(${runs}, undefined);
        (${expression}).then((answer) => runs.set(${runs}, answer), (error) => runs.set(${runs}, JSON.stringify({ error: String(error) })));`;
      const take = `const runs = window.__runs; if (!runs?.has(${runs})) return { gone: true };
        const answer = runs.get(${runs}); if (answer !== undefined) runs.delete(${runs}); return { answer: answer ?? null };`;
      await session.execute(window, start);
      for (;;) {
        const { gone, answer } = await session.execute(window, take);
        if (gone) throw new Error('The page was left before it had answered.');
        if (answer !== null) return answer;
        await new Promise((resolve) => setTimeout(resolve, look_ms));
      }
    },
  };
}

/**
 * @typedef {object} Session
 * @property {(method: string, path: string, body?: object) => Promise<any>} send
 * @property {(window: string, method: string, path: string, body?: object) => Promise<any>} inWindow
 * @property {(window: string, script: string) => Promise<any>} execute
 */

/** @param {string} address @param {string} browser @returns {Promise<Session>} */
async function openSession(address, browser) {
  await listening(address);
  const options = { binary: browser, args: ['--automation'] };
  const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': options } };
  const { sessionId } = await ask(`${address}/session`, 'POST', { capabilities });
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  let current = '';
  const send = (/** @type {string} */ method, /** @type {string} */ path, /** @type {object | undefined} */ body) =>
    ask(`${address}/session/${sessionId}${path}`, method, body);
  /** @param {() => Promise<any>} run */
  const inTurn = (run) => {
    const done = last.then(run);
    last = done.catch(() => {});
    return done;
  };
  /** @type {Session['inWindow']} */
  const inWindow = (window, method, path, body) =>
    inTurn(async () => {
      if (current !== window) await send('POST', '/window', { handle: window });
      current = window;
      return send(method, path, body);
    });
  await send('POST', '/timeouts', { script: 60_000, pageLoad: 60_000 });
  return {
    send: (method, path, body) => inTurn(() => send(method, path, body)),
    inWindow,
    execute: (window, script) => inWindow(window, 'POST', '/execute/sync', { script, args: [] }),
  };
}

/** @param {string} address */
async function listening(address) {
  const start = performance.now();
  for (;;) {
    try {
      return await ask(`${address}/status`, 'GET');
    } catch (error) {
      if (performance.now() - start > readyWithin_ms) throw error;
      await new Promise((resolve) => setTimeout(resolve, look_ms));
    }
  }
}

/** @param {string} url @param {string} method @param {object} [body] */
async function ask(url, method, body) {
  const response = await fetch(url, { method, ...(method === 'POST' ? { body: JSON.stringify(body ?? {}) } : {}) });
  const { value } = await response.json();
  if (response.ok) return value;
  throw new Error(`WebKit: ${value?.error}: ${value?.message}`);
}

/**
 * A process that is ended with all its children.
 * @param {string} command @param {readonly string[]} args @param {NodeJS.ProcessEnv} env @param {readonly 'pipe'[]} [more]
 */
function startProcess(command, args, env, more = []) {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'ignore', ...more],
    detached: true,
  });
  const ended = once(child, 'exit');
  ended.catch(() => {});
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
  };
  // A test run that ends in the middle leaves nothing behind.
  process.once('exit', kill);
  const end = async () => {
    process.off('exit', kill);
    kill();
    await ended;
  };
  return { child, end };
}
