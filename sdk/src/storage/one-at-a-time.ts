// One transaction of a connection after the other, where the browser needs that. It knows nothing of what they do.
//
// In WebKit a worker that ends (its page is left, reloaded or closed) while a connection of its has one transaction that commits
// and another one beside it never tells that the connection is gone (WebKit bug 324094). The other transaction is then neither
// committed nor aborted: whatever wants its stores waits, in every tab and across reloads, until the browser itself is ended.
// With one at a time nothing is left behind. It costs little: all that write here exclude each other, and who reads, anyway.

/** Whether IndexedDB is WebKit's here: Safari's, that of all browsers on iOS, and of WebKitGTK. */
export function needsOneAtATime(): boolean {
  if (typeof navigator === 'undefined') return false;
  return /AppleWebKit\//.test(navigator.userAgent) && !/Chrom(e|ium)\//.test(navigator.userAgent);
}

export class OneAtATime {
  readonly #isNeeded = needsOneAtATime();
  #last: Promise<unknown> = Promise.resolve();

  /** Resolves when what was asked for so far is over, or after so long: what an earlier page has left behind may never be. */
  async over(patience_ms: number): Promise<void> {
    let late: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => {
      late = setTimeout(resolve, patience_ms);
    });
    await Promise.race([this.#last, patience]);
    clearTimeout(late);
  }

  /** Begins a transaction when those before it are over, and gives what `body` gives, which may be before it is over itself. */
  async run<Transaction extends { readonly done: Promise<unknown> }, Result>(
    begin: () => Transaction,
    body: (transaction: Transaction) => Promise<Result>,
  ): Promise<Result> {
    if (!this.#isNeeded) return await body(begin());
    const begun = this.#last.then(() => {
      const transaction = begin();
      return { result: body(transaction), over: transaction.done };
    });
    this.#last = begun.then(({ over }) => over).catch(() => {});
    return await (await begun).result;
  }
}
