/** Documents over a storage that fails, lags or was written to by another: nobody is told what isn't so. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Commit,
  type DocumentState,
  JoineryError,
  type ResumePoint,
  readEnvelope,
  type Settlement,
} from '@joinery/protocol';
import { decodeVersion, init, Replica } from 'joinery/core';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createServerCodec } from '../codec.ts';
import { nodeEnvironment as environment } from '../node-environment.ts';
import { openSqliteStorage } from '../storage/sqlite.ts';
import type { Append, Storage } from '../storage/storage.ts';
import { Documents } from './documents.ts';
import type { Follower } from './live-document.ts';

beforeAll(() => init());

/** A storage whose appends a test can hold back or break. */
class Troubled implements Storage {
  /** Appends that wait for `release`. */
  held = 0;
  release = (): void => {};
  readonly inner: Storage;
  appends: (readonly Append[])[] = [];
  before: (appends: readonly Append[]) => Promise<void> = async () => {};

  constructor(inner: Storage) {
    this.inner = inner;
  }

  /** From now on appends wait. */
  hold(): void {
    this.before = () =>
      new Promise((resolve) => {
        this.held += 1;
        this.release = resolve;
      });
  }

  head = (document: string) => this.inner.head(document);
  agents = (document: string) => this.inner.agents(document);
  load = (document: string) => this.inner.load(document);
  closeAgents: Storage['closeAgents'] = (...given) => this.inner.closeAgents(...given);
  trim: Storage['trim'] = (trim) => this.inner.trim(trim);
  bridges: Storage['bridges'] = (document, from) => this.inner.bridges(document, from);
  delete = (document: string) => this.inner.delete(document);
  changes: Storage['changes'] = (query) => this.inner.changes(query);
  pulse: Storage['pulse'] = () => this.inner.pulse();
  read: Storage['read'] = (document, epoch, after, limit) => this.inner.read(document, epoch, after, limit);
  snapshot = (document: string) => this.inner.snapshot(document);
  putSnapshot: Storage['putSnapshot'] = (document, snapshot) => this.inner.putSnapshot(document, snapshot);
  compact: Storage['compact'] = (...given) => this.inner.compact(...given);
  check = () => this.inner.check();
  close = () => this.inner.close();

  async append(appends: readonly Append[]): Promise<readonly ('committed' | 'stale')[]> {
    await this.before(appends);
    this.appends.push(appends);
    return this.inner.append(appends);
  }
}

class Listener implements Follower {
  readonly name = 'listener';
  /** Of the document that it follows. */
  epoch = 0;
  readonly commits: Commit[] = [];
  readonly settlements: Settlement[] = [];
  readonly errors: JoineryError[] = [];
  committed(commit: Commit): void {
    this.commits.push(commit);
  }
  settled(_document: string, _epoch: number, settlement: Settlement): void {
    this.settlements.push(settlement);
  }
  lost(_document: string, error: JoineryError): void {
    this.errors.push(error);
  }
  safe(): void {}
  presence(): void {}
  readonly spaces: string[] = [];
  spaceChanged(space: string): void {
    this.spaces.push(space);
  }
}

let folder: string;
let storage: Troubled;
let documents: Documents;
let reported: unknown[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'joinery-documents-'));
  storage = new Troubled(openSqliteStorage(folder));
  reported = [];
  const report = (error: unknown): unknown => reported.push(error);
  documents = new Documents({ storage, codec: createServerCodec(), environment, report, replicas: 8 });
});
afterEach(async () => {
  storage.before = async () => {};
  await documents.shutDown();
  await storage.close();
  rmSync(folder, { recursive: true, force: true });
});

async function follow(document: string): Promise<Listener> {
  const follower = new Listener();
  await opened(document, undefined, follower);
  return follower;
}

/** What a client that has come so far is told when it opens a document. */
async function opened(document: string, from?: ResumePoint, follower = new Listener()): Promise<DocumentState> {
  const states: DocumentState[] = [];
  const refuse = (error: JoineryError): never => {
    throw error;
  };
  const start = (state: DocumentState): void => {
    follower.epoch = state.epoch;
    states.push(state);
  };
  await documents.open({ ...{ document, from, bridgeFrom: 0, follower, start, refuse }, wanted: () => true });
  return states[0] as DocumentState;
}

/** One envelope that increments a counter. */
function increment(agent: bigint): Uint8Array {
  const replica = new Replica({ agent });
  replica.counter('c').increment(1);
  const bytes = replica.takeUpdate();
  replica.free();
  if (bytes === undefined) throw new Error('nothing was written');
  return bytes;
}

function submit(document: string, follower: Listener, ...envelopes: Uint8Array[]): void {
  const brought = envelopes.map((bytes) => ({ header: readEnvelope(bytes), bytes }));
  const bytes = envelopes.reduce((sum, { length }) => sum + length, 0);
  documents.submit(document, follower.epoch, { follower, user: '', envelopes: brought, bytes });
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000 && !condition(); turn += 1) await environment.turn();
  expect(condition()).toBe(true);
}

describe('documents', () => {
  it('take nothing that was written in another epoch', async () => {
    const author = await follow('a');
    author.epoch += 1;
    expect(() => submit('a', author, increment(1n))).toThrow(expect.objectContaining({ code: 'internal' }));
    author.epoch -= 1;
    submit('a', author, increment(2n));
    await until(() => author.settlements.length === 1);
    expect(await documents.json('a')).toMatchObject({ position: 1, value: { c: 1 } });
  });

  it('tell nobody before the commit, and everybody after it', async () => {
    const author = await follow('a');
    const reader = await follow('a');
    storage.hold();
    submit('a', author, increment(1n));
    await until(() => storage.held === 1);
    for (let turn = 0; turn < 20; turn += 1) await environment.turn();
    expect([author.commits, author.settlements, reader.commits]).toEqual([[], [], []]);
    const json = documents.json('a');
    storage.release();
    await until(() => reader.commits.length === 1 && author.settlements.length === 1);
    expect(await json).toMatchObject({ position: 1, value: { c: 1 } });
  });

  it('commit in one group what arrived meanwhile, of all documents', async () => {
    const followers = await Promise.all(['a', 'b', 'c'].map(follow));
    storage.hold();
    const [a, b, c] = followers as [Listener, Listener, Listener];
    submit('a', a, increment(1n));
    await until(() => storage.held === 1);
    for (let agent = 2n; agent < 12n; agent += 1n) {
      submit('a', a, increment(agent));
      submit('b', b, increment(agent));
      submit('c', c, increment(agent));
    }
    for (let turn = 0; turn < 20; turn += 1) await environment.turn();
    storage.before = async () => {};
    storage.release();
    await until(() => a.settlements.length === 11 && b.settlements.length === 10 && c.settlements.length === 10);
    expect(storage.appends.map((appends) => appends.map((append) => append.envelopes.length))).toEqual([
      [1],
      [10, 10, 10],
    ]);
    expect((await documents.json('a'))?.value).toEqual({ c: 11 });
  });

  it('fail a submission that the disk has no room for, change nothing, and take it later', async () => {
    const author = await follow('a');
    const reader = await follow('a');
    storage.before = async () => {
      throw new JoineryError('storage-full', 'The disk is full.');
    };
    submit('a', author, increment(1n));
    await until(() => author.settlements.length === 1);
    expect(author.settlements[0]?.failed).toMatchObject({ code: 'storage-full', retryable: true });
    expect(reader.commits).toEqual([]);
    expect(await documents.json('a')).toBeUndefined();
    storage.before = async () => {};
    submit('a', author, increment(1n));
    await until(() => reader.commits.length === 1);
    expect((await documents.json('a'))?.value).toEqual({ c: 1 });
  });

  it('fail only the document that can’t be written', async () => {
    const [a, b] = (await Promise.all(['a', 'b'].map(follow))) as [Listener, Listener];
    storage.before = async (appends) => {
      if (appends.some((append) => append.document === 'a')) throw new Error('a is broken');
    };
    submit('a', a, increment(1n));
    submit('b', b, increment(1n));
    await until(() => a.settlements.length === 1 && b.settlements.length === 1);
    expect(a.settlements[0]?.failed?.code).toBe('storage-failed');
    expect(b.settlements[0]?.failed).toBeUndefined();
    expect(b.commits).toHaveLength(1);
    expect(reported).toHaveLength(1);
  });

  it('take in what another server wrote, and decide again: nobody begins anew', async () => {
    const author = await follow('a');
    const reader = await follow('a');
    submit('a', author, increment(1n));
    await until(() => author.settlements.length === 1);
    const { epoch } = await storage.head('a');
    const foreign = increment(9n);
    const { agent, from, to } = readEnvelope(foreign);
    const envelopes = [{ agent, from, to, bytes: foreign, user: '' }];
    await storage.inner.append([{ document: 'a', epoch, after: 1, envelopes }]);
    // What it wrote may come here too.
    submit('a', author, increment(2n), foreign, increment(3n));
    await until(() => author.settlements.length === 2);
    expect(author.settlements[1]).toEqual({
      bytes: expect.any(Number),
      refusals: [],
      duplicates: [{ agent: 9n, to: 2, position: 2, count: 0 }],
    });
    const told = (listener: Listener) =>
      listener.commits.map(({ firstPosition, envelopes }) => [firstPosition, ...envelopes.map((entry) => entry.agent)]);
    expect(told(reader)).toEqual([
      [1, 1n],
      [2, 9n],
      [3, 2n, 3n],
    ]);
    expect([...author.errors, ...reader.errors]).toEqual([]);
    expect((await documents.json('a'))?.value).toEqual({ c: 4 });
  });

  it('come up from the log when the snapshot is damaged', async () => {
    const author = await follow('a');
    for (let agent = 1n; agent <= 5n; agent += 1n) submit('a', author, increment(agent));
    await until(() => author.settlements.length === 5);
    const { epoch } = await storage.head('a');
    await documents.shutDown();
    await storage.putSnapshot('a', { epoch, position: 4, bytes: Uint8Array.of(1, 2, 3) });
    const report = (error: unknown): unknown => reported.push(error);
    documents = new Documents({ storage, codec: createServerCodec(), environment, report, replicas: 8 });
    expect((await documents.json('a'))?.value).toEqual({ c: 5 });
    expect(reported).toHaveLength(1);
  });

  it('take nothing more when they are shut down, and finish what waits', async () => {
    const author = await follow('a');
    submit('a', author, increment(1n));
    await documents.shutDown();
    expect(author.settlements).toHaveLength(1);
    expect((await storage.head('a')).head).toBe(1);
    await expect(documents.json('a')).rejects.toMatchObject({ code: 'server-closing' });
  });
});

describe('what another server does', () => {
  const another = async (document: string, bytes: Uint8Array): Promise<void> => {
    const { epoch, head } = await storage.inner.head(document);
    const { agent, from, to } = readEnvelope(bytes);
    const envelopes = [{ agent, from, to, bytes, user: '' }];
    expect(await storage.inner.append([{ document, epoch, after: head, envelopes }])).toEqual(['committed']);
  };

  it('is news from the first read of a space on, though no document was read yet', async () => {
    const follower = new Listener();
    documents.spaces.follow('team', follower);
    expect((await documents.spaces.read('team', 0, 10)).entries).toEqual([]);
    await another('team/a', increment(1n));
    await documents.checkNews();
    await vi.waitFor(() => expect(follower.spaces).toEqual(['team']));
  });

  it('is in what a client that comes from there resumes from, before it is news here', async () => {
    const follower = await follow('a');
    await another('a', increment(1n));
    const { epoch } = await storage.head('a');
    expect(await opened('a', { epoch, position: 1 })).toMatchObject({ position: 1, head: 1, snapshot: undefined });
    expect(follower.commits.map(({ firstPosition }) => firstPosition)).toEqual([1]);
  });

  it('is in the state that is read after agents were closed, before it is news here', async () => {
    await follow('a');
    await another('a', increment(1n));
    const { last } = await documents.closeAgents('a', [1n], '');
    const { version, head } = await opened('a');
    expect([head, decodeVersion(version)]).toEqual([1, last]);
  });

  it('may have been a new epoch: a client that is in it is not sent away', async () => {
    await follow('a');
    await another('a', increment(1n));
    const nodes = { storage: storage.inner, codec: createServerCodec(), environment, report: () => {}, replicas: 8 };
    const other = new Documents(nodes);
    await other.trim('a');
    await other.shutDown();
    const { epoch } = await storage.head('a');
    expect(await opened('a', { epoch, position: 1 })).toMatchObject({ epoch, position: 1 });
  });

  it('is news for each document that was read, though others were read later', async () => {
    const pulses: ((go: undefined) => void)[] = [];
    storage.pulse = async () => {
      if (pulses.push(() => {}) > 1) {
        await new Promise((resolve) => {
          pulses[1] = resolve;
        });
      }
      return storage.inner.pulse();
    };
    const opening = [follow('a'), follow('b')];
    const first = await opening[0];
    await another('a', increment(1n));
    pulses[1]?.(undefined);
    storage.pulse = () => storage.inner.pulse();
    await opening[1];
    await documents.checkNews();
    expect(first?.commits.map(({ firstPosition }) => firstPosition)).toEqual([1]);
  });
});
