/**
 * A small client for server tests: the real session over a real socket, a real replica, and a log in memory. Everything
 * that a test waits for is an event with a bound in time.
 */

import { once } from 'node:events';
import {
  type ClientEffect,
  ClientSession,
  type ClientSessionLimits,
  completeFrame,
  type FrameCodec,
  type JoineryError,
  type Message,
  pbfCodec,
  protocolVersion,
  type ResumePoint,
  readEnvelope,
  type Subscription,
} from '@joinery/protocol';
import { decodeVersion, Replica } from 'joinery/core';
import { WebSocket } from 'ws';

const patience_ms = 15_000;

/** Resolves once the condition holds, which is looked at when `changed` is called; fails after a while. */
class Waiting {
  #waiters = new Set<() => void>();

  changed(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new Error(`waited in vain for: ${what}`));
      }, patience_ms);
      this.#waiters.add(waiter);
    });
  }
}

export interface TestClientOptions {
  readonly document?: string;
  readonly token?: string;
  readonly limits?: Partial<ClientSessionLimits>;
}

export class TestClient {
  readonly replica = new Replica();
  readonly log: { readonly bytes: Uint8Array; acknowledged: boolean }[] = [];
  readonly effects: ClientEffect[] = [];
  readonly document: string;
  resume: ResumePoint | undefined;
  readonly #url: string;
  readonly #options: TestClientOptions;
  readonly #session: ClientSession;
  readonly #waiting = new Waiting();
  readonly #sockets = new Map<number, WebSocket>();
  #timer: NodeJS.Timeout | undefined;

  constructor(url: string, options: TestClientOptions = {}) {
    this.#url = url;
    this.#options = options;
    this.document = options.document ?? 'notes';
    this.#session = new ClientSession({
      random: Math.random,
      knownTypes: ['map'],
      authenticate: options.token !== undefined,
      limits: { backoffBase_ms: 50, backoffCap_ms: 200, ...options.limits },
    });
    this.#run(this.#session.handleSubscribe(this.document, undefined, performance.now()));
  }

  get session(): ClientSession {
    return this.#session;
  }

  get pending(): number {
    return this.log.filter((record) => !record.acknowledged).length;
  }

  connect(): this {
    this.#run(this.#session.handleConnect(performance.now()));
    return this;
  }

  disconnect(): void {
    this.#run(this.#session.handleDisconnect(performance.now()));
  }

  /** Writes to the replica, and sends what that gives. */
  write(change: (replica: Replica) => void): void {
    change(this.replica);
    for (let bytes = this.replica.takeUpdate(); bytes !== undefined; bytes = this.replica.takeUpdate())
      this.bring(bytes);
  }

  /** Sends any envelope. */
  bring(bytes: Uint8Array): void {
    this.log.push({ bytes, acknowledged: false });
    this.#run(this.#session.handleChanged(this.document, performance.now()));
  }

  /** Closes agents and begins with nothing. */
  replace(agents: readonly bigint[], epoch: number): void {
    this.#run(this.#session.handleReplace(this.document, agents, epoch, performance.now()));
  }

  until(what: string, condition: () => boolean): Promise<void> {
    return this.#waiting.until(what, condition);
  }

  synced(): Promise<void> {
    return this.until('everything to be synced', () => this.pending === 0);
  }

  caughtUp(): Promise<void> {
    return this.until('being caught up', () => this.seen('caught-up').length > 0);
  }

  seen<T extends ClientEffect['type']>(type: T): Extract<ClientEffect, { type: T }>[] {
    return this.effects.filter((effect): effect is Extract<ClientEffect, { type: T }> => effect.type === type);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.disconnect();
    clearTimeout(this.#timer);
    this.replica.free();
  }

  #run(effects: ClientEffect[]): void {
    for (const effect of effects) {
      this.effects.push(effect);
      this.#carryOut(effect);
    }
    clearTimeout(this.#timer);
    const due = this.#session.nextTimeout;
    if (due !== undefined) {
      this.#timer = setTimeout(
        () => this.#run(this.#session.handleTimeout(performance.now())),
        Math.max(0, due - performance.now()) + 1,
      );
    }
    this.#waiting.changed();
  }

  #carryOut(effect: ClientEffect): void {
    const session = this.#session;
    const later = (run: () => ClientEffect[]): void => queueMicrotask(() => this.#run(run()));
    switch (effect.type) {
      case 'open-link': {
        const { link } = effect;
        const socket = new WebSocket(`${this.#url.replace('http', 'ws')}/sync`);
        socket.binaryType = 'nodebuffer';
        socket.on('open', () => this.#run(session.handleOpened(link, performance.now())));
        socket.on('message', (data: Buffer) => {
          this.#run(session.handleFrame(link, new Uint8Array(data), performance.now()));
        });
        socket.on('error', () => {});
        socket.on('close', () => this.#run(session.handleClosed(link, undefined, performance.now())));
        this.#sockets.set(link, socket);
        break;
      }
      case 'close-link':
        this.#sockets.get(effect.link)?.terminate();
        this.#sockets.delete(effect.link);
        break;
      case 'send-frame':
        this.#sockets.get(effect.link)?.send(effect.frame);
        break;
      case 'need-token':
        if (effect.refused === undefined) later(() => session.handleToken(this.#options.token, performance.now()));
        break;
      case 'subscribed': {
        const version = decodeVersion(effect.version.length === 0 ? Uint8Array.of(0) : effect.version);
        this.#acknowledge((agent, to) => to <= (version.get(agent) ?? 0));
        this.resume = { epoch: effect.epoch, position: effect.restarted ? 0 : (this.resume?.position ?? 0) };
        break;
      }
      case 'snapshot':
      case 'envelopes': {
        const received = effect.type === 'snapshot' ? [effect.bytes] : effect.envelopes;
        this.replica.applyUpdates(received);
        this.resume = { epoch: effect.epoch, position: effect.position };
        later(() => session.handleConsumed(effect.credit_bytes, performance.now()));
        break;
      }
      case 'acknowledged':
        this.#acknowledge((agent, to) => agent === effect.agent && to <= effect.to);
        this.resume = { epoch: effect.epoch, position: effect.resume };
        break;
      case 'need-envelopes': {
        const answer: Uint8Array[] = [];
        let bytes = 0;
        for (const record of this.log) {
          if (record.acknowledged) continue;
          const { agent, to } = readEnvelope(record.bytes);
          if (to <= (effect.sent.get(agent) ?? 0)) continue;
          if (answer.length === effect.limit_count) break;
          if (answer.length > 0 && bytes + record.bytes.length > effect.limit_bytes) break;
          answer.push(record.bytes);
          bytes += record.bytes.length;
        }
        later(() => session.handleEnvelopes(this.document, effect.request, answer, performance.now()));
        break;
      }
      default:
        break;
    }
  }

  #acknowledge(covered: (agent: bigint, to: number) => boolean): void {
    for (const record of this.log) {
      if (record.acknowledged) continue;
      const { agent, to } = readEnvelope(record.bytes);
      record.acknowledged = covered(agent, to);
    }
  }
}

/** A socket without a session: sends whatever a test likes, and reads messages. */
export class RawClient {
  readonly messages: Message[] = [];
  readonly socket: WebSocket;
  /** Of the last subscription; 0 before the first. */
  channel = 0;
  #sent = 0;
  closed: { readonly code: number; readonly reason: string } | undefined;
  readonly #waiting = new Waiting();

  constructor(url: string, options: { headers?: Record<string, string>; codec?: FrameCodec } = {}) {
    const { codec = pbfCodec, headers = {} } = options;
    this.socket = new WebSocket(`${url.replace('http', 'ws')}/sync`, { headers });
    this.socket.on('message', (data: Buffer) => {
      this.messages.push(codec.decode(new Uint8Array(data)).message);
      this.#waiting.changed();
    });
    this.socket.on('error', () => {});
    this.socket.on('open', () => this.#waiting.changed());
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#waiting.changed();
    });
  }

  async opened(): Promise<this> {
    if (this.socket.readyState !== WebSocket.OPEN) await once(this.socket, 'open');
    return this;
  }

  /** Connects, greets and is authenticated. */
  async greeted(credit_bytes = 1_000_000): Promise<this> {
    await this.opened();
    const [knownTypes, name] = [[], 'raw'];
    const hello = { protocolMin: protocolVersion, protocolMax: protocolVersion, knownTypes, name, credit_bytes };
    this.send({ type: 'client-hello', ...hello });
    this.send({ type: 'authenticate', token: '' });
    await this.until('authenticated', () => this.of('authenticated').length > 0);
    return this;
  }

  /** Greeted, and following a document; returns its epoch. */
  async subscribed(
    document = 'notes',
    epoch = 0,
    position = 0,
    version: Uint8Array = new Uint8Array(0),
  ): Promise<number> {
    const before = this.of('subscribed').length;
    this.subscribe({ document, epoch, position, version, bridgeFrom: 0 });
    await this.until('subscribed', () => this.of('subscribed').length > before);
    return this.of('subscribed').at(-1)?.epoch ?? 0;
  }

  /** Asks for documents, each under the next channel. */
  subscribe(...subscriptions: Omit<Subscription, 'channel'>[]): void {
    const named = subscriptions.map((subscription) => {
      this.channel += 1;
      return { channel: this.channel, ...subscription };
    });
    this.send({ type: 'subscribe', subscriptions: named });
  }

  /** Sends envelopes under the last channel, or another one. */
  bring(envelopes: readonly Uint8Array[], channel = this.channel): void {
    this.send({ type: 'envelopes', channel, firstPosition: 0, envelopes });
  }

  send(message: Message): void {
    this.sendFrame(pbfCodec.encode(message));
  }

  /** A frame that has no number gets the next one. */
  sendFrame(frame: Uint8Array): void {
    this.sendBytes(completeFrame(frame, 0, this.#sent));
    this.#sent += 1;
  }

  sendBytes(bytes: Uint8Array | string): void {
    this.socket.send(bytes);
  }

  of<T extends Message['type']>(type: T): Extract<Message, { type: T }>[] {
    return this.messages.filter((message): message is Extract<Message, { type: T }> => message.type === type);
  }

  /** The error of the connection or of a document, as soon as one came. */
  async error(): Promise<Extract<Message, { type: 'error' }>> {
    await this.until('an error', () => this.of('error').length > 0 || this.closed !== undefined);
    const error = this.of('error')[0];
    if (error === undefined) throw new Error(`closed without an error: ${JSON.stringify(this.closed)}`);
    return error;
  }

  until(what: string, condition: () => boolean): Promise<void> {
    return this.#waiting.until(what, condition);
  }

  close(): void {
    this.socket.terminate();
  }
}

/** The code of the JoineryError that the run ends with. */
export async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (error instanceof Error && error.name === 'JoineryError') return (error as JoineryError).code;
    throw error;
  }
  return 'no error';
}
