// One tab: the real client on a simulated environment. It is opened, edited in, frozen, closed and killed; it tells the log
// what its app sees. What to write is chosen here, from what the tab shows.

import { asJoineryError, JoineryError } from '../../../protocol/src/index.ts';
import type { Client } from '../../../sdk/src/client.ts';
import { createClientIn } from '../../../sdk/src/client.ts';
import type { CounterDocument } from '../../../sdk/src/documents/counter.ts';
import type { DocumentHandle } from '../../../sdk/src/documents/document.ts';
import type { Receipt } from '../../../sdk/src/documents/receipt.ts';
import type { TextDocument } from '../../../sdk/src/documents/text.ts';
import type { Space, SpacePage } from '../../../sdk/src/spaces/space.ts';
import { inlineEngine } from '../../../sdk/src/worker/inline-engine.ts';
import type { Change } from '../changes.ts';
import type { EditKind } from '../choices.ts';
import { space } from '../choices.ts';
import type { EnvelopeRange, Log } from '../log.ts';
import type { Model } from '../model.ts';
import { roll, stream } from '../random.ts';
import { tokensOf } from '../rules.ts';
import type { Timeline } from '../timeline.ts';
import type { Disk } from './disk.ts';
import type { Neighbours } from './neighbours.ts';
import type { Network } from './network.ts';
import { contentOf, type OwnWrites } from './replicas.ts';
import { type Graph, type Plan, planGraph, planMark, planTree, type Tree } from './structure-edits.ts';
import { TabEnvironment } from './tab-environment.ts';

export const serverUrl = 'ws://server/sync';

/** What a tab shares with the rest of its world. */
export interface TabWorld {
  readonly seed: number;
  readonly timeline: Timeline;
  readonly log: Log;
  readonly network: Network;
  readonly model: Model;
  readonly writes: OwnWrites;
  /** A name that was never used: for operations and for tokens. */
  next(): number;
}

/** What a tab has of its device. */
export interface TabDevice {
  readonly name: string;
  readonly disk: Disk;
  /** Where tabs of the device know of each other. */
  readonly neighbours: Neighbours | undefined;
  clockOffset_ms: number;
  online: boolean;
}

type Shape = { fields?: Record<string, string>; items?: string[] };

interface OpenHandles {
  readonly whole: DocumentHandle<Shape>;
  readonly text: TextDocument;
  readonly counter: CounterDocument;
  readonly tree: Tree;
  readonly graph: Graph;
  /** Writes that were made before the document was loaded: one operation, as they are made in one go. */
  early: { readonly changes: Change[]; readonly receipts: Receipt[] } | undefined;
  /** It was deleted: the app closes it as soon as it has no such writes. */
  gone: boolean;
}

/** Documents of a page: a list has several. */
const pageSize = 2;
const keys = ['title', 'colour', 'owner'];

export class Tab {
  readonly name: string;
  readonly device: TabDevice;
  readonly #world: TabWorld;
  readonly #open = new Map<string, OpenHandles>();
  #lives = 0;
  #client: Client | undefined;
  #environment: TabEnvironment | undefined;
  #closing = false;
  #space: Space | undefined;
  /** What is to be done when it has closed. */
  #closed: (() => void)[] = [];

  constructor(name: string, device: TabDevice, world: TabWorld) {
    this.name = name;
    this.device = device;
    this.#world = world;
  }

  get client(): Client | undefined {
    return this.#client;
  }

  get environment(): TabEnvironment | undefined {
    return this.#environment;
  }

  get isOpen(): boolean {
    return this.#client !== undefined;
  }

  start(connect = true): void {
    if (this.isOpen) return;
    const { seed, timeline, network } = this.#world;
    this.#lives += 1;
    this.#closing = false;
    const environment = new TabEnvironment({
      timeline,
      random: stream(seed, 'tab', this.name, this.#lives),
      clockOffset_ms: () => this.device.clockOffset_ms,
      online: () => this.device.online,
      tabs: (tab) => this.device.neighbours?.of(tab),
      died: () => timeline.after(0, () => this.#gone(environment, false)),
    });
    this.#environment = environment;
    const caller = this.#caller(environment);
    this.#client = createClientIn(
      environment,
      { url: serverUrl, storage: this.device.disk.storage(environment), transport: network.transport(caller), connect },
      () => Promise.resolve({ inlineEngine }),
    );
    this.#client.subscribeEvents((event) => {
      if (event.type === 'document-deleted' && this.#environment === environment) this.#forget(event.document);
    });
  }

  /** Its process ends, now. */
  kill(silently = false): void {
    const environment = this.#environment;
    if (environment === undefined) return;
    environment.die();
    this.#gone(environment, silently);
  }

  /** Closes the client as an app does. */
  close(): void {
    const client = this.#client;
    const environment = this.#environment;
    // A frozen tab runs nothing of its app either.
    if (client === undefined || environment === undefined || environment.frozen || this.#closing) return;
    this.#closing = true;
    const done = (): void => {
      if (this.#environment !== environment) return;
      const closed = this.#closed;
      this.kill();
      for (const run of closed) run();
    };
    client.close().then(done, done);
  }

  /** Does something at once, or when it has closed, where it is about to. A crash meanwhile ends that as well. */
  whenClosed(run: () => void): void {
    if (this.#closing && this.isOpen) this.#closed.push(run);
    else run();
  }

  openDocument(id: string): void {
    const client = this.#client;
    if (client === undefined || this.#closing || this.#open.has(id)) return;
    const handles: OpenHandles = {
      whole: client.document<Shape>(id),
      text: client.text(id),
      counter: client.counter(id),
      tree: client.tree(id),
      graph: client.graph(id),
      early: undefined,
      gone: false,
    };
    this.#open.set(id, handles);
    this.#world.log.add({ type: 'opened', tab: this.name, document: id });
    // Told within the call that makes the early writes.
    handles.whole.subscribe(() => {
      this.#makeEarly(id, handles);
      if (handles.gone) this.#world.timeline.after(0, () => this.#environment?.enter(() => this.releaseDocument(id)));
    });
  }

  releaseDocument(id: string): void {
    const handles = this.#open.get(id);
    if (handles === undefined || this.#environment?.frozen === true || handles.early !== undefined) return;
    this.#open.delete(id);
    const { whole, text, counter, tree, graph } = handles;
    for (const handle of [whole, text, counter, tree, graph]) handle.close();
  }

  followSpace(): void {
    if (this.#client !== undefined && !this.#closing) this.#space ??= this.#client.space(space);
  }

  unfollowSpace(): void {
    if (this.#environment?.frozen === true) return;
    this.#space?.close();
    this.#space = undefined;
  }

  /** Whether the list is whole, as far as the tab knows, and how long it is. */
  get listed(): { readonly complete: boolean; readonly size: number } | undefined {
    return this.#space;
  }

  /** Goes through the list as an app does, in small pages; undefined when it doesn't come to its end. */
  async list(): Promise<readonly string[] | undefined> {
    const client = this.#client;
    const environment = this.#environment;
    if (client === undefined || this.#closing || environment?.alive !== true || environment.frozen) return undefined;
    const life = this.#lives;
    const opened = client.space(space);
    const documents: string[] = [];
    try {
      for (let after: string | undefined = ''; after !== undefined; ) {
        const page: SpacePage = await opened.page({ after, limit: pageSize });
        documents.push(...page.documents);
        after = page.next;
      }
      opened.close();
    } catch (error) {
      const { code } = asJoineryError(error);
      if (code !== 'closed' && !code.startsWith('storage-')) this.#fault(`the list can't be read: ${code}`);
      return undefined;
    }
    if (!environment.alive) return undefined;
    this.#world.log.add({ type: 'listed', where: this.name, life, documents });
    return documents;
  }

  /** Asks for a deletion as an app does. */
  deleteDocument(id: string): void {
    const client = this.#client;
    const environment = this.#environment;
    if (client === undefined || this.#closing || environment?.alive !== true || environment.frozen) return;
    const life = this.#lives;
    const tell = (state: 'asked' | 'durable' | 'synced' | 'refused', code?: string): void => {
      if (!environment.alive || code === 'closed') return;
      const why = code === undefined ? {} : { code };
      this.#world.log.add({ type: 'deletion', tab: this.name, life, document: id, state, ...why });
    };
    tell('asked');
    const { durable, synced } = client.deleteDocument(id);
    durable.then(
      () => tell('durable'),
      () => {},
    );
    synced.then(
      () => tell('synced'),
      (error: unknown) => tell('refused', asJoineryError(error).code),
    );
  }

  #forget(id: string): void {
    const handles = this.#open.get(id);
    if (handles !== undefined) handles.gone = true;
    this.releaseDocument(id);
  }

  /** What a document shows; undefined when it isn't open or not loaded. */
  content(id: string): ReturnType<typeof contentOf> | undefined {
    const handles = this.#open.get(id);
    const value = handles?.whole.value;
    return handles === undefined || value === undefined ? undefined : contentOf(value, handles.text.toDelta());
  }

  /** What its app finds in the rejected list. */
  *rejections(): Generator<{ readonly type: 'surfaced' } & EnvelopeRange> {
    for (const { id, document } of this.#client?.rejected.entries ?? []) {
      const [agent, from, to] = id.split('-');
      yield { type: 'surfaced', document, agent: BigInt(`0x${agent}`), from: Number(from), to: Number(to) };
    }
  }

  get openDocuments(): string[] {
    return [...this.#open.keys()];
  }

  edit(id: string, kind: EditKind, thrown: number): void {
    if (this.#closing || this.#environment?.alive !== true || this.#environment.frozen) return;
    this.openDocument(id);
    const handles = this.#open.get(id);
    if (handles === undefined) return;
    try {
      if (handles.whole.isLoaded) this.#edit(id, handles, kind, thrown);
      else this.#editEarly(handles, kind, thrown);
    } catch (error) {
      if (!(error instanceof JoineryError)) throw error;
      // Beside a deletion nothing that happens here makes a document one that can't be used.
      if (error.code === 'document-deleted') return;
      this.#fault(`an edit (${kind}) of ${id} failed: ${error.code}`);
    }
  }

  #edit(id: string, handles: OpenHandles, kind: EditKind, thrown: number): void {
    const plan = this.#plan(handles, kind, thrown);
    if (plan === undefined) return;
    let receipt: Receipt | undefined;
    const fresh = this.#world.writes.during(() => {
      receipt = plan.run();
    });
    if (fresh === undefined || receipt === undefined) {
      this.#fault(`an edit (${kind}) of ${id} wrote nothing`);
      return;
    }
    this.#written(id, fresh, plan.changes, [receipt]);
  }

  #caller(environment: TabEnvironment) {
    return {
      name: this.name,
      device: this.device.name,
      effect: () => environment.effect(),
      enter: (run: () => void) => environment.enter(run),
    };
  }

  #gone(environment: TabEnvironment, silently: boolean): void {
    if (this.#environment !== environment) return;
    this.#world.network.abandonTab(this.name, silently);
    this.device.neighbours?.forget(environment);
    this.#environment = undefined;
    this.#client = undefined;
    this.#closed = [];
    this.#space = undefined;
    this.#open.clear();
  }

  /** Keyed writes are allowed before a document is loaded. */
  #editEarly(handles: OpenHandles, kind: EditKind, thrown: number): void {
    if (kind !== 'count' && kind !== 'set') return;
    handles.early ??= { changes: [], receipts: [] };
    const plan = kind === 'count' ? this.#count(handles, thrown) : this.#set(handles, thrown);
    // Two writes of one key in one operation would have to be told apart by their order.
    const [change] = plan.changes;
    const isTwice = handles.early.changes.some(
      (other) => change?.type === 'set' && other.type === 'set' && other.key === change.key,
    );
    if (isTwice) return;
    handles.early.changes.push(...plan.changes);
    handles.early.receipts.push(plan.run());
  }

  #makeEarly(id: string, handles: OpenHandles): void {
    const { early } = handles;
    if (early?.receipts.every(({ state }) => state === 'rejected')) handles.early = undefined;
    else if (early !== undefined && handles.whole.isLoaded) this.#earlyMade(id, handles, early);
  }

  #earlyMade(id: string, handles: OpenHandles, early: NonNullable<OpenHandles['early']>): void {
    handles.early = undefined;
    const fresh = this.#world.writes.during(() => {});
    if (fresh === undefined) this.#fault(`early writes to ${id} were not made when it was loaded`);
    else this.#written(id, fresh, early.changes, early.receipts);
  }

  #written(
    document: string,
    fresh: NonNullable<ReturnType<OwnWrites['during']>>,
    changes: readonly Change[],
    receipts: readonly Receipt[],
  ): void {
    const { log, next } = this.#world;
    const id = next();
    log.add({ type: 'write', operation: { id, tab: this.name, document, changes, ...fresh } });
    for (const receipt of receipts) this.#follow(id, receipt);
  }

  #follow(operation: number, receipt: Receipt): void {
    const environment = this.#environment;
    const told = new Set<string>();
    const look = (): void => {
      const { state, error } = receipt;
      if (environment?.alive !== true || state === 'local' || told.has(state)) return;
      told.add(state);
      const code = error === undefined ? {} : { code: error.code };
      this.#world.log.add({ type: 'receipt', operation, state, ...code });
    };
    receipt.subscribe(look);
    look();
  }

  #plan(handles: OpenHandles, kind: EditKind, thrown: number): Plan | undefined {
    switch (kind) {
      case 'insert':
        return this.#insert(handles, thrown);
      case 'erase':
        return this.#erase(handles, thrown);
      case 'count':
        return this.#count(handles, thrown);
      case 'set':
        return this.#set(handles, thrown);
      case 'unset':
        return this.#unset(handles, thrown);
      case 'mark':
      case 'unmark':
        return planMark(handles.text, kind, thrown, this.#token('m'));
      case 'plant':
      case 'hang':
      case 'shift':
      case 'fell':
      case 'tag':
        return planTree(handles.tree, kind, thrown, this.#token('n'));
      case 'vertex':
      case 'edge':
      case 'cut':
      case 'pin':
        return planGraph(handles.graph, kind, thrown, this.#token('g'));
      default:
        return this.#recipe(handles, kind, thrown);
    }
  }

  /** A token that was never used. */
  #token(letter: string): string {
    return `${letter}${this.#world.next().toString(36)}`;
  }

  #insert({ text }: OpenHandles, thrown: number): Plan {
    const shown = tokensOf(text.value) ?? [];
    // Mostly at the end, as people type.
    const index = roll(thrown, 3) > 0 ? shown.length : roll(thrown, shown.length + 1, 1);
    const token = `<${this.#world.next().toString(36)}>`;
    const at = shown.slice(0, index).join('').length;
    return {
      changes: [{ type: 'insert', token, ...neighbours(shown, index) }],
      run: () => text.insert(at, token),
    };
  }

  #erase({ text }: OpenHandles, thrown: number): Plan | undefined {
    const shown = tokensOf(text.value) ?? [];
    if (shown.length === 0) return undefined;
    const index = roll(thrown, shown.length);
    const gone = shown.slice(index, index + 1 + roll(thrown, 3, 1));
    const at = shown.slice(0, index).join('').length;
    return {
      changes: gone.map((token) => ({ type: 'erase', token })),
      run: () => text.delete(at, gone.join('').length),
    };
  }

  #count({ counter }: OpenHandles, thrown: number): Plan {
    const amount = 1 + roll(thrown, 1_000_000);
    return { changes: [{ type: 'count', amount }], run: () => counter.increment(amount) };
  }

  #set({ whole }: OpenHandles, thrown: number): Plan {
    const key = keys[roll(thrown, keys.length)] as string;
    const token = this.#token('v');
    return { changes: [{ type: 'set', key, token }], run: () => whole.update({ fields: { [key]: token } }) };
  }

  #unset({ whole }: OpenHandles, thrown: number): Plan | undefined {
    const set = Object.keys(whole.value?.fields ?? {});
    const key = set[roll(thrown, set.length)];
    if (key === undefined) return undefined;
    return {
      changes: [{ type: 'set', key, token: undefined }],
      run: () => whole.update((draft) => void delete draft.fields?.[key]),
    };
  }

  #recipe({ whole }: OpenHandles, kind: EditKind, thrown: number): Plan | undefined {
    const { model, next } = this.#world;
    const shown = (whole.value?.items ?? []).map((value) => ({ value, element: model.elementOf(value) ?? value }));
    const elements = shown.map(({ element }) => element);
    const token = `e${next().toString(36)}`;
    const index = roll(thrown, shown.length);
    const element = elements[index];
    const over = shown[index]?.value;
    switch (kind) {
      case 'add': {
        const at = roll(thrown, 2) > 0 ? shown.length : roll(thrown, shown.length + 1, 1);
        return {
          changes: [{ type: 'add', element: token, ...neighbours(elements, at) }],
          run: () =>
            whole.update((draft) => {
              draft.items ??= [];
              draft.items.splice(at, 0, token);
            }),
        };
      }
      case 'change':
        if (element === undefined || over === undefined) return undefined;
        return {
          changes: [{ type: 'change', element, token, over }],
          run: () => whole.update((draft) => assign(draft.items, index, token)),
        };
      case 'move': {
        const to = roll(thrown, shown.length, 1);
        if (element === undefined || to === index) return undefined;
        const others = elements.filter((other) => other !== element);
        return {
          changes: [{ type: 'move', element, ...neighbours(others, to) }],
          run: () => whole.update((draft) => move(draft.items, index, to)),
        };
      }
      case 'remove':
        if (element === undefined) return undefined;
        return {
          changes: [{ type: 'remove', element }],
          run: () => whole.update((draft) => void draft.items?.splice(index, 1)),
        };
      default: {
        const key = keys[roll(thrown, keys.length, 2)] as string;
        return {
          changes: [
            { type: 'add', element: token, ...neighbours(elements, shown.length) },
            { type: 'set', key, token },
          ],
          run: () =>
            whole.update((draft) => {
              draft.items ??= [];
              draft.items.push(token);
              draft.fields ??= {};
              draft.fields[key] = token;
            }),
        };
      }
    }
  }

  #fault(message: string): void {
    this.#world.log.add({ type: 'fault', where: this.name, message });
  }
}

function assign(items: string[] | undefined, index: number, token: string): void {
  if (items !== undefined) items[index] = token;
}

function move(items: string[] | undefined, from: number, to: number): void {
  items?.splice(to, 0, ...items.splice(from, 1));
}

function neighbours(shown: readonly string[], index: number): { left?: string; right?: string } {
  const left = shown[index - 1];
  const right = shown[index];
  return { ...(left === undefined ? {} : { left }), ...(right === undefined ? {} : { right }) };
}
