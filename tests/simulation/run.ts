// One run: a world, its choices in the order of their times, then healing, then a look at everything. It decides nothing: all
// that happens follows from the run's seed and choices.

import { decodeVersion, Replica } from 'joinery/core';
import { clientSessionDefaults } from '../../protocol/src/session/client-options.ts';
import { type Failure, Watch } from './checkers/all.ts';
import { documents, documentsOf, type Run, space, tabsOf } from './choices.ts';
import { type Content, Log, type LogEntry } from './log.ts';
import { Model } from './model.ts';
import { Timeline } from './timeline.ts';
import { contentOf, lookAround, resetReplicas } from './world/replicas.ts';
import { World } from './world/world.ts';

export interface Outcome {
  /** The same for the same run, always. */
  readonly hash: string;
  readonly events: number;
  /** Writes that were made. */
  readonly operations: number;
  readonly simulated_ms: number;
  readonly failure: Failure | undefined;
}

/** After healing everything must be at rest within so much virtual time: longer than any back-off and time-out together. */
const restLimit_ms = 240_000;
/**
 * Being at rest once could be a moment between two waves, or the rest of who doesn't know yet that a link is dead or has lost
 * a frame: the next ping and its time-out tell.
 */
const restLasts_ms = clientSessionDefaults.heartbeatInterval_ms + clientSessionDefaults.heartbeatTimeout_ms + 1_000;
/** So often users look again for what was deleted: long enough for all tabs to hear that it is open nowhere. */
const lookAgain_ms = 5_000;
/** More events than this in one run are a storm. */
const eventsMost = 60_000;

export async function carryOut(run: Run, listen?: (entry: LogEntry) => void): Promise<Outcome> {
  const timeline = new Timeline();
  const log = new Log(timeline);
  resetReplicas((record) => log.add(record));
  const model = new Model();
  const watch = new Watch(log, model);
  if (listen !== undefined) log.listen(listen);
  const world = new World(run, timeline, log, model);
  let operations = 0;
  log.listen(({ record }) => {
    if (record.type === 'write') operations += 1;
  });
  /** Documents whose deletion is on its way: no status tells of it. */
  const deleting = new Set<string>();
  log.listen(({ record }) => {
    if (record.type === 'restored') for (const document of record.undoneDeletions) deleting.delete(document);
    if (record.type !== 'deletion') return;
    if (record.state === 'durable') deleting.add(record.document);
    else if (record.state === 'refused') deleting.delete(record.document);
  });
  const isDeleted = (document: string): boolean => world.database.isDeleted(document);
  const outcome = (): Outcome => {
    const { events, now_ms } = timeline;
    return { hash: log.hash, events, operations, simulated_ms: now_ms, failure: watch.failure };
  };

  let end_ms = 0;
  for (const choice of run.choices) {
    timeline.after(choice.at_ms, () => world.carryOut(choice));
    end_ms = Math.max(end_ms, choice.at_ms);
  }
  const stop = (): boolean => {
    lookAround((state) => log.add({ type: 'state', ...state }));
    if (timeline.events > eventsMost) {
      log.add({ type: 'fault', where: 'run', message: `more than ${eventsMost} events` });
    }
    return watch.failure !== undefined;
  };
  while (await timeline.step(end_ms)) if (stop()) return outcome();
  world.heal();
  const limit_ms = timeline.now_ms + restLimit_ms;
  const follows = run.features?.includes('spaces') === true;
  let restingSince_ms: number | undefined;
  let nextLook_ms = 0;
  while (await timeline.step(limit_ms)) {
    if (stop()) return outcome();
    // To compare all content takes longer than most events do.
    if (timeline.events % 16 !== 0) continue;
    if (timeline.now_ms > nextLook_ms) {
      nextLook_ms = timeline.now_ms + lookAgain_ms;
      openAgain(world);
    }
    if (!isAtRest(world, follows) || ![...deleting].every(isDeleted)) restingSince_ms = undefined;
    else restingSince_ms ??= timeline.now_ms;
    if (restingSince_ms !== undefined && timeline.now_ms - restingSince_ms > restLasts_ms) break;
  }
  const all = documentsOf(run.features);
  await lookAtAll(world, log, all);
  if (follows) await lookAtLists(world, log, timeline, stop);
  if (watch.failure === undefined) await readDisks(world, log, timeline, stop, all);
  if (watch.failure === undefined) watch.end();
  return outcome();
}

function usedTabs(world: World) {
  return world.used.flatMap((device) => tabsOf(device)).flatMap((name) => world.tabs.get(name) ?? []);
}

/** Apps that were told of a deletion have closed the document; a restored backup may have it again, for who opens it then. */
function openAgain(world: World): void {
  for (const device of world.used) {
    const tabs = tabsOf(device).flatMap((name) => world.tabs.get(name) ?? []);
    if (tabs.some(({ client }) => client?.status.connection.state !== 'online')) continue;
    for (const document of documents) {
      const isClosed = tabs.every(({ openDocuments }) => !openDocuments.includes(document));
      if (isClosed && !world.database.isDeleted(document)) for (const tab of tabs) tab.openDocument(document);
    }
  }
}

/** @param follows all tabs follow the space */
function isAtRest(world: World, follows: boolean): boolean {
  const tabs = usedTabs(world);
  const isIdle = tabs.every(({ client, listed }) => {
    if (client === undefined || (follows && listed?.complete !== true)) return false;
    const { connection, sync, storage } = client.status;
    return connection.state === 'online' && sync.state === 'idle' && sync.pending === 0 && storage.state === 'ready';
  });
  if (!isIdle) return false;
  return documents.every((document) => {
    const texts = tabs.map((tab) => JSON.stringify(tab.content(document)));
    const isGone = world.database.isDeleted(document);
    return texts.every((text) => (text === undefined) === isGone && text === texts[0]);
  });
}

/** What each tab lists of the space, and the server. */
async function lookAtLists(world: World, log: Log, timeline: Timeline, stop: () => boolean): Promise<void> {
  log.add({ type: 'last-listed', where: 'server', complete: true, documents: await world.database.listed(space) });
  const limit_ms = timeline.now_ms + 20_000;
  for (const tab of usedTabs(world)) {
    let isDone = false;
    const done = tab.list().then((documents = ['nothing that it could read']) => {
      isDone = true;
      log.add({ type: 'last-listed', where: tab.name, complete: tab.listed?.complete === true, documents });
    });
    while (!isDone && (await timeline.step(limit_ms))) if (stop()) return;
    if (isDone) await done;
    else log.add({ type: 'fault', where: tab.name, message: 'the list never came' });
  }
}

async function lookAtAll(world: World, log: Log, all: readonly string[]): Promise<void> {
  for (const tab of usedTabs(world)) {
    const status = tab.client?.status;
    log.add({
      type: 'settled',
      tab: tab.name,
      connection: status?.connection.state ?? 'closed',
      sync: status?.sync.state ?? 'closed',
      pending: status?.sync.pending ?? 0,
      storage: status?.storage.state ?? 'closed',
      errors: [status?.connection, status?.sync, status?.storage].flatMap((part) => part?.lastError?.code ?? []),
    });
  }
  for (const tab of usedTabs(world)) for (const entry of tab.rejections()) log.add({ ...entry, tab: tab.name });
  for (const document of all) {
    const { content, version } = await atServer(world, document);
    log.add({ type: 'final', where: 'server', document, version, content });
    for (const tab of usedTabs(world)) {
      const shown = tab.content(document);
      if (shown !== undefined)
        log.add({ type: 'final', where: tab.name, document, version: undefined, content: shown });
    }
  }
}

/** What the server has stored, joined by a replica of its own. */
async function atServer(
  world: World,
  document: string,
): Promise<{ readonly content: Content; readonly version: ReadonlyMap<bigint, number> }> {
  const updates = await world.database.contents(document);
  const replica = new Replica({ now: () => 0, trustStamps: true });
  try {
    replica.applyUpdates(updates);
    return {
      content: contentOf(replica.toJSON(), replica.text('text').toDelta()),
      version: decodeVersion(replica.version()),
    };
  } finally {
    replica.free();
  }
}

/** Every device is switched off and started without a network: its disk holds everything as well. */
async function readDisks(
  world: World,
  log: Log,
  timeline: Timeline,
  stop: () => boolean,
  documents: readonly string[],
): Promise<void> {
  for (const tab of usedTabs(world)) tab.close();
  const closed_ms = timeline.now_ms + 20_000;
  while (usedTabs(world).some(({ isOpen }) => isOpen) && (await timeline.step(closed_ms))) if (stop()) return;
  for (const device of world.used) {
    const tab = world.tabs.get(`${device}1`);
    if (tab === undefined) continue;
    const { damaged } = tab.device.disk;
    // What bits were flipped in is to be had from the server again, and nowhere else.
    tab.start(damaged);
    for (const document of documents) tab.openDocument(document);
    const read_ms = timeline.now_ms + 60_000;
    const expected = new Map<string, Content>();
    for (const document of documents) expected.set(document, (await atServer(world, document)).content);
    const isRead = (document: string): boolean => {
      const shown = tab.content(document);
      // Asked with a server, it says that the document is deleted, and the app closes it.
      if (damaged && world.database.isDeleted(document)) return shown === undefined;
      return shown !== undefined && (!damaged || isSame(shown, expected.get(document)));
    };
    while (!documents.every(isRead) && (await timeline.step(read_ms))) if (stop()) return;
    for (const document of documents) {
      const content = tab.content(document);
      if (damaged && world.database.isDeleted(document)) continue;
      if (content === undefined) log.add({ type: 'fault', where: device, message: `${document} can't be read` });
      else log.add({ type: 'final', where: `disk ${device}`, document, version: undefined, content });
    }
  }
}

function isSame(a: Content, b: Content | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
