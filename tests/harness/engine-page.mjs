// What a browser other than Chromium gives a test: as much of Playwright's browser, context and page as the specs use that run in all
// of them. How a page is spoken to is each engine's (`firefox-engine.mjs`, `webkit-engine.mjs`); what goes in and out is JSON.

const waitFor_ms = 30_000;
const look_ms = 20;

/**
 * @typedef {object} PageDriver
 * @property {(url: string) => Promise<void>} goto resolves when it is loaded
 * @property {() => Promise<void>} reload
 * @property {(expression: string) => Promise<string>} run evaluates an expression of a promise of a string
 * @property {() => Promise<void>} close
 */

export class EnginePage {
  #driver;

  /** @param {PageDriver} driver */
  constructor(driver) {
    this.#driver = driver;
  }

  /** @param {string} url */
  goto(url) {
    return this.#driver.goto(url);
  }

  reload() {
    return this.#driver.reload();
  }

  close() {
    return this.#driver.close();
  }

  /**
   * Calls a function in the page, which can use nothing but its argument and what the page has.
   * @param {Function} call
   * @param {unknown} [argument] what JSON can say
   * @returns {Promise<any>} what JSON can say
   */
  async evaluate(call, argument) {
    const given = argument === undefined ? '' : JSON.stringify(argument);
    const answer = await this.#driver.run(
      `(async () => {
        try { return JSON.stringify({ value: await (${call})(${given}) }); }
        catch (error) { return JSON.stringify({ error: String(error), stack: String(error?.stack ?? '') }); }
      })()`,
    );
    const { value, error, stack } = JSON.parse(answer);
    if (error !== undefined) throw new Error(`${error} (in the page)\n${stack}`);
    return value;
  }

  /**
   * Resolves when the function gives something true in the page.
   * @param {Function} call
   * @param {unknown} [argument]
   * @param {{ timeout?: number }} [options]
   */
  async waitForFunction(call, argument, { timeout = waitFor_ms } = {}) {
    const start = performance.now();
    while (!(await this.evaluate(call, argument))) {
      if (performance.now() - start > timeout) throw new Error(`not so within ${timeout} ms: ${call}`);
      await new Promise((resolve) => setTimeout(resolve, look_ms));
    }
  }
}

/** Pages that share their storage, as tabs of one profile do; contexts share nothing. */
export class EngineContext {
  /** @type {Set<EnginePage>} */
  #pages = new Set();
  #open;
  #end;

  /**
   * @param {() => Promise<PageDriver>} open a new tab
   * @param {() => Promise<void>} end closes all of it
   */
  constructor(open, end) {
    this.#open = open;
    this.#end = end;
  }

  async newPage() {
    const driver = await this.#open();
    const page = new EnginePage({
      ...driver,
      close: async () => {
        this.#pages.delete(page);
        await driver.close();
      },
    });
    this.#pages.add(page);
    return page;
  }

  pages() {
    return [...this.#pages];
  }

  async close() {
    this.#pages.clear();
    await this.#end();
  }
}

/** @typedef {{ newContext(): Promise<EngineContext>, close(): Promise<void> }} EngineBrowser */
