/**
 * A client of the virtual world: the real session and a real replica, with a log in memory. It gives up its incarnation as
 * the SDK does, but writes anew by running the app's own functions again: replay is the core's, and tested there.
 */

import { type ClientEffect, ClientSession, type ResumePoint, readEnvelope } from '@joinery/protocol';
import { decodeVersion, Replica } from 'joinery/core';
import type { Node, VirtualWorld } from './virtual-world.ts';

export interface LinkEvents {
  opened(): void;
  frame(frame: Uint8Array): void;
  closed(error: unknown): void;
}

export interface VirtualClientOptions {
  readonly node: Node;
  readonly document: string;
  readonly user: string;
}

interface Write {
  readonly run: (replica: Replica) => void;
  readonly bytes: Uint8Array;
  readonly agent: bigint;
  readonly to: number;
  /** Where the server has it, in which epoch; undefined: it isn't acknowledged. */
  at: { readonly epoch: number; readonly position: number } | undefined;
  refused: boolean;
}

/** What has come of a new incarnation. */
interface Incoming {
  readonly last: ReadonlyMap<bigint, number>;
  readonly replica: Replica;
  resume: ResumePoint | undefined;
}

export class VirtualClient {
  readonly effects: ClientEffect[] = [];
  readonly document: string;
  readonly session: ClientSession;
  /** Own writes that are kept: those the server doesn't have, and those that its backup doesn't hold. */
  log: Write[] = [];
  /** Writes that the server refused. */
  rejected: Write[] = [];
  replica: Replica;
  resume: ResumePoint | undefined;
  safe = Number.MAX_SAFE_INTEGER;
  swaps = 0;
  node: Node;
  readonly #world: VirtualWorld;
  readonly #links = new Map<number, ReturnType<Node['connect']>>();
  readonly #user: string;
  #incoming: Incoming | undefined;
  #replacing = false;
  #cancelTimer = (): void => {};

  constructor(world: VirtualWorld, { node, document, user }: VirtualClientOptions) {
    this.#world = world;
    this.node = node;
    this.document = document;
    this.#user = user;
    this.replica = this.#newReplica();
    this.session = new ClientSession({ random: world.random, knownTypes: [], authenticate: true });
    this.run(this.session.handleSubscribe(document, undefined, world.now));
  }

  get pending(): number {
    return this.log.filter(({ at }) => at === undefined).length;
  }

  connect(): this {
    this.run(this.session.handleConnect(this.#world.now));
    return this;
  }

  disconnect(): void {
    this.run(this.session.handleDisconnect(this.#world.now));
  }

  write(change: (replica: Replica) => void): void {
    change(this.replica);
    for (let bytes = this.replica.takeUpdate(); bytes !== undefined; bytes = this.replica.takeUpdate()) {
      const { agent, to } = readEnvelope(bytes);
      this.log.push({ run: change, bytes, agent, to, at: undefined, refused: false });
    }
    this.run(this.session.handleChanged(this.document, this.#world.now));
  }

  /** Gives up the incarnation. */
  replace(): void {
    this.#replacing = true;
    this.#incoming = undefined;
    const agents = new Set(this.log.map(({ agent }) => agent));
    if (this.replica.agent !== undefined) agents.add(this.replica.agent);
    const epoch = this.resume?.epoch;
    this.#later(() => this.session.handleReplace(this.document, [...agents], epoch, this.#world.now));
  }

  seen<T extends ClientEffect['type']>(type: T): Extract<ClientEffect, { type: T }>[] {
    return this.effects.filter((effect): effect is Extract<ClientEffect, { type: T }> => effect.type === type);
  }

  run(effects: ClientEffect[]): void {
    for (const effect of effects) {
      this.effects.push(effect);
      this.#carryOut(effect);
    }
    this.#cancelTimer();
    const at = this.session.nextTimeout;
    if (at === undefined) return;
    const { now } = this.#world;
    this.#cancelTimer = this.#world.after(Math.max(0, at - now), () =>
      this.run(this.session.handleTimeout(this.#world.now)),
    );
  }

  #newReplica(): Replica {
    return new Replica({ agent: this.#world.newAgent(), now: () => this.#world.environment().time() });
  }

  #later(run: () => ClientEffect[]): void {
    this.#world.after(this.#world.random() * 3, () => this.run(run()));
  }

  #carryOut(effect: ClientEffect): void {
    switch (effect.type) {
      case 'open-link': {
        const { session } = this;
        const { link } = effect;
        const events: LinkEvents = {
          opened: () => this.run(session.handleOpened(link, this.#world.now)),
          frame: (frame) => this.run(session.handleFrame(link, frame, this.#world.now)),
          closed: () => this.run(session.handleClosed(link, undefined, this.#world.now)),
        };
        this.#links.set(link, this.node.connect(events));
        break;
      }
      case 'close-link':
        this.#links.get(effect.link)?.close();
        this.#links.delete(effect.link);
        break;
      case 'send-frame':
        this.#links.get(effect.link)?.send(effect.frame);
        break;
      case 'need-token':
        this.#later(() => this.session.handleToken(this.#user, this.#world.now));
        break;
      case 'need-envelopes':
        this.#answer(effect);
        break;
      case 'refused': {
        const { agent, to, error } = effect;
        const refused = this.log.find((write) => write.agent === agent && write.to === to);
        if (refused !== undefined && error.code !== 'closed-agent') refused.refused = true;
        this.replace();
        break;
      }
      case 'epoch-changed':
        this.replace();
        break;
      case 'agents-closed':
        this.#incoming = { last: effect.last, replica: this.#newReplica(), resume: undefined };
        break;
      case 'safe':
        this.#safeMoved(effect.epoch, effect.position);
        break;
      case 'bridge':
        this.#consume(effect.credit_bytes);
        break;
      case 'acknowledged':
        if (!this.#replacing) this.#acknowledge(effect);
        break;
      case 'subscribed':
      case 'snapshot':
      case 'envelopes':
        this.#takeIn(effect);
        break;
      case 'caught-up': {
        const incoming = this.#incoming;
        if (incoming !== undefined) this.#later(() => this.#swap(incoming));
        break;
      }
    }
  }

  #answer({ request, sent, limit_bytes, limit_count }: ClientEffect & { type: 'need-envelopes' }): void {
    let bytes = 0;
    const answer: Uint8Array[] = [];
    for (const write of this.#replacing ? [] : this.log) {
      if (write.at !== undefined || write.to <= (sent.get(write.agent) ?? 0)) continue;
      if (answer.length === limit_count || (answer.length > 0 && bytes + write.bytes.length > limit_bytes)) break;
      answer.push(write.bytes);
      bytes += write.bytes.length;
    }
    this.#later(() => this.session.handleEnvelopes(this.document, request, answer, this.#world.now));
  }

  #acknowledge({ agent, to, epoch, position, resume }: ClientEffect & { type: 'acknowledged' }): void {
    for (const write of this.log) {
      if (write.agent === agent && write.to <= to) write.at ??= { epoch, position };
    }
    this.resume = { epoch, position: resume };
    this.#safeMoved(epoch, this.safe);
  }

  #takeIn(effect: ClientEffect & { type: 'subscribed' | 'snapshot' | 'envelopes' }): void {
    const into = this.#incoming ?? this;
    if (effect.type === 'subscribed') {
      if (effect.restarted || into.resume === undefined) into.resume = { epoch: effect.epoch, position: 0 };
      this.#safeMoved(effect.epoch, effect.safe);
      if (into === this && effect.version.length > 0) {
        const version = decodeVersion(effect.version);
        for (const write of this.log) {
          const isThere = write.to <= (version.get(write.agent) ?? 0);
          if (isThere) write.at ??= { epoch: effect.epoch, position: effect.head };
        }
      }
      return;
    }
    if (effect.type === 'snapshot') into.replica.applyUpdate(effect.bytes);
    else into.replica.applyUpdates(effect.envelopes);
    into.resume = { epoch: effect.epoch, position: effect.position };
    this.#consume(effect.credit_bytes);
  }

  /** What the backup holds needs to be kept no longer. */
  #safeMoved(epoch: number, position: number): void {
    this.safe = position;
    if (this.#replacing) return;
    this.log = this.log.filter(({ at }) => at === undefined || at.epoch !== epoch || at.position > position);
  }

  #consume(bytes: number): void {
    this.#later(() => this.session.handleConsumed(bytes, this.#world.now));
  }

  /** The storage transaction: void when the replacing began anew meanwhile. */
  #swap(incoming: Incoming): ClientEffect[] {
    if (this.#incoming !== incoming) return [];
    const former = this.log;
    this.replica.free();
    this.replica = incoming.replica;
    this.resume = incoming.resume;
    this.#incoming = undefined;
    this.#replacing = false;
    this.swaps += 1;
    // What the server has, and may lose again, is kept; the rest is written anew.
    const has = ({ agent, to }: Write): boolean => to <= (incoming.last.get(agent) ?? 0);
    const at = this.resume === undefined ? undefined : { ...this.resume };
    this.log = former.filter((write) => write.at !== undefined && has(write)).map((write) => ({ ...write, at }));
    for (const write of former) {
      if (has(write)) continue;
      if (write.refused) this.rejected.push(write);
      else this.write(write.run);
    }
    this.#safeMoved(this.resume?.epoch ?? 0, this.safe);
    return this.session.handleReplaced(this.document, this.#world.now);
  }
}
