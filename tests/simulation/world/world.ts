// The world of a run: devices with their disks and tabs, the network between, the server with its database. It carries out
// choices, and in the end makes everything work again.

import { asJoineryError, JoineryError, readEnvelope } from '@joinery/protocol';
import type { ProposedChange } from '../../../server/src/documents/acceptance.ts';
import type { Action, Choice, Run } from '../choices.ts';
import { deviceOf, devices, documents, spareDevice, tabsOf } from '../choices.ts';
import type { Feature } from '../features.ts';
import type { Log } from '../log.ts';
import type { Model } from '../model.ts';
import type { Timeline } from '../timeline.ts';
import { Disk } from './disk.ts';
import { Neighbours } from './neighbours.ts';
import { Network } from './network.ts';
import { OwnWrites } from './replicas.ts';
import { ServerNode } from './server-node.ts';
import { Database } from './server-storage.ts';
import { serverUrl, Tab, type TabDevice } from './tab.ts';

export class World {
  readonly network: Network;
  readonly database: Database;
  readonly devices = new Map<string, TabDevice>();
  readonly tabs = new Map<string, Tab>();
  readonly #timeline: Timeline;
  readonly #log: Log;
  readonly #cloned = new Set<string>();
  readonly #features: ReadonlySet<Feature>;
  readonly #nodes: (ServerNode | undefined)[];
  readonly #readOnly = new Set<string>();
  #last = 0;

  constructor({ seed, features = [] }: Pick<Run, 'seed' | 'features'>, timeline: Timeline, log: Log, model: Model) {
    this.#features = new Set(features);
    this.#nodes = this.#features.has('nodes') ? [undefined, undefined] : [undefined];
    this.#timeline = timeline;
    this.#log = log;
    this.network = new Network(timeline, log, seed);
    this.database = new Database(timeline, log, seed);
    const next = (): number => {
      this.#last += 1;
      return this.#last;
    };
    const shared = { seed, timeline, log, network: this.network, model, writes: new OwnWrites(), next };
    for (const name of [...devices, spareDevice]) {
      const shares = this.#features.has('leaders');
      const device = {
        name,
        disk: new Disk(name, timeline, log, seed, shares),
        neighbours: shares ? new Neighbours(timeline) : undefined,
        clockOffset_ms: 0,
        online: true,
      };
      this.devices.set(name, device);
      for (const tab of tabsOf(name)) this.tabs.set(tab, new Tab(tab, device, shared));
    }
    this.#startServers();
  }

  /** Devices that somebody uses. */
  get used(): string[] {
    return [...devices, ...this.#cloned];
  }

  carryOut(choice: Choice): void {
    this.#log.trace(JSON.stringify(choice));
    this.#act(choice);
  }

  /** Ends every fault, and starts what is down. */
  heal(): void {
    this.network.heal();
    this.database.state = 'working';
    this.#readOnly.clear();
    this.#startServers();
    for (const name of this.used) {
      const device = this.#device(name);
      device.disk.state = 'working';
      device.clockOffset_ms = 0;
      this.#setOnline(device, true);
      for (const name of tabsOf(device.name)) {
        const tab = this.#tab(name);
        if (tab.environment !== undefined) tab.environment.countdown = undefined;
        tab.environment?.thaw();
        tab.whenClosed(() => {
          tab.start();
          tab.client?.connect();
          for (const document of documents) tab.openDocument(document);
          if (this.#features.has('spaces')) tab.followSpace();
        });
      }
    }
    this.#log.add({ type: 'healed' });
  }

  #act(action: Action): void {
    switch (action.do) {
      case 'edit':
        this.#tab(action.tab).edit(action.document, action.kind, action.dice);
        break;
      case 'open':
        this.#tab(action.tab).openDocument(action.document);
        break;
      case 'release':
        this.#tab(action.tab).releaseDocument(action.document);
        break;
      case 'follow':
        this.#tab(action.tab).followSpace();
        break;
      case 'unfollow':
        this.#tab(action.tab).unfollowSpace();
        break;
      case 'list':
        void this.#tab(action.tab).list();
        break;
      case 'delete':
        this.#tab(action.tab).deleteDocument(action.document);
        break;
      case 'connect':
        this.#tab(action.tab).client?.connect();
        break;
      case 'disconnect':
        this.#tab(action.tab).client?.disconnect();
        break;
      case 'start':
        this.#start(action.tab);
        break;
      case 'close':
        this.#tab(action.tab).close();
        break;
      case 'crash':
        this.#crash(this.#tab(action.tab), action.effects);
        break;
      case 'freeze':
        this.#tab(action.tab).environment?.freeze();
        break;
      case 'thaw':
        this.#tab(action.tab).environment?.thaw();
        break;
      case 'server-crash':
        this.#crashServer(action.node ?? 0);
        break;
      case 'server-start':
        this.#startServer(action.node ?? 0);
        break;
      case 'right':
        this.#log.add({ type: 'right', document: action.document, write: action.write });
        if (action.write) this.#readOnly.delete(action.document);
        else this.#readOnly.add(action.document);
        break;
      case 'trim':
        this.#trim(action.document);
        break;
      case 'backup':
        this.database.backUp();
        break;
      case 'restore':
        this.#restore();
        break;
      case 'server-disk':
        this.database.state = action.state;
        break;
      default:
        this.#actOnDevice(action);
    }
  }

  #actOnDevice(action: Extract<Action, { readonly device: string }>): void {
    const device = this.#device(action.device);
    const { name } = device;
    switch (action.do) {
      case 'power-cut':
        for (const tab of tabsOf(name)) this.#tab(tab).kill(true);
        void device.disk.powerCut(action.dice);
        break;
      case 'disk':
        device.disk.state = action.state;
        break;
      case 'flip-bit':
        device.disk.flipBit(action.dice);
        break;
      case 'usurp':
        device.neighbours?.usurp();
        break;
      case 'clock':
        device.clockOffset_ms = action.offset_ms;
        break;
      case 'clone':
        this.#clone(device, action.to);
        break;
      case 'weather':
        this.network.conditions(name).weather = action.weather;
        break;
      case 'partition':
        this.network.block(name, action.up, action.down);
        break;
      case 'cut':
        this.network.cut(name);
        break;
      case 'half-open':
        this.network.kill(name);
        break;
      case 'clog':
        this.network.clog(name);
        break;
      case 'network':
        this.#setOnline(device, action.online);
        break;
    }
  }

  #start(name: string): void {
    // The spare device is nobody's until a profile is cloned to it.
    if (!this.used.includes(deviceOf(name))) return;
    const tab = this.#tab(name);
    tab.whenClosed(() => tab.start());
  }

  #crash(tab: Tab, effects: number): void {
    if (effects <= 0) tab.kill();
    else if (tab.environment !== undefined) tab.environment.countdown = effects;
  }

  #clone(from: TabDevice, to: string): void {
    // Onto a device in use it would destroy what that one has promised.
    if (to !== spareDevice || this.#cloned.has(to)) return;
    this.#cloned.add(to);
    this.#log.add({ type: 'cloned', from: from.name, to });
    this.#device(to).disk.copyFrom(from.disk);
    for (const tab of tabsOf(to)) this.#tab(tab).start();
  }

  #setOnline(device: TabDevice, online: boolean): void {
    if (device.online === online) return;
    device.online = online;
    for (const tab of tabsOf(device.name)) this.#tab(tab).environment?.tellNetwork(online);
  }

  #crashServer(index: number): void {
    const node = this.#nodes[index];
    if (node === undefined) return;
    this.#nodes[index] = undefined;
    node.die();
    this.#listen();
    this.network.abandonServer(node);
  }

  #startServer(index: number): void {
    if (index >= this.#nodes.length || this.#nodes[index] !== undefined) return;
    this.#nodes[index] = new ServerNode({
      timeline: this.#timeline,
      log: this.#log,
      database: this.database,
      accept: this.#features.has('refusals') ? (change) => this.#accept(change) : undefined,
    });
    this.#listen();
  }

  #startServers(): void {
    for (const index of this.#nodes.keys()) this.#startServer(index);
  }

  #listen(): void {
    this.network.listen(
      serverUrl,
      this.#nodes.flatMap((node) => node ?? []),
    );
  }

  /** Some values are not to be had, and some documents are not to be written to for now. */
  #accept({ document, envelope, changes }: ProposedChange): void {
    const { agent, from, to } = readEnvelope(envelope);
    const isForbidden = this.#readOnly.has(document);
    const isWrong = changes.some(({ value }) => typeof value === 'string' && isUnwanted(value));
    this.#log.add({ type: 'asked', document, agent, from, to, taken: !isForbidden && !isWrong });
    if (isForbidden) throw new JoineryError('forbidden', 'The simulated host lets nobody write to this now.');
    if (isWrong) throw new JoineryError('validation', 'The simulated host wants no such value.');
  }

  #trim(document: string): void {
    const node = this.#nodes.find((one) => one !== undefined);
    // It fails where storage does, and where a backup lacks something of it; nobody waits for it.
    node?.documents.trim(document).catch((error: unknown) => {
      const { code, message } = asJoineryError(error);
      const isExpected = code === 'not-backed-up' ? this.database.hasBackup : code.startsWith('storage-');
      if (isExpected) this.#log.trace(`trim: ${code}`);
      else this.#log.add({ type: 'fault', where: `trim of ${document}`, message: `${code}: ${message}` });
    });
  }

  /** The server is stopped for it, and started again. */
  #restore(): void {
    for (const index of this.#nodes.keys()) this.#crashServer(index);
    this.database.restore();
    this.#startServers();
  }

  #tab(name: string): Tab {
    const tab = this.tabs.get(name);
    if (tab === undefined) throw new Error(`Expected the name of a tab, got ${name}.`);
    return tab;
  }

  #device(name: string): TabDevice {
    const device = this.devices.get(name);
    if (device === undefined) throw new Error(`Expected the name of a device, got ${name}.`);
    return device;
  }
}

/** One value in so many is refused. */
const unwantedShare = 9;

function isUnwanted(value: string): boolean {
  const digits = value.replace(/^<|>$/g, '').replace(/^[ve]/, '');
  return Number.parseInt(digits, 36) % unwantedShare === 0;
}
