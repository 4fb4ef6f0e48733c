/**
 * A client with a log in memory around a real `ClientSession`, for session tests. It keeps what a real one would keep on
 * disk (`log`, `received`, `resume`) apart from the session, so that a reload is a new session on the same disk.
 */

import { readEnvelope, writeEnvelope } from '../../envelope.ts';
import type { VirtualTime } from '../../testing/virtual-time.ts';
import type { ClientEffect, ResumePoint } from '../client-effects.ts';
import type { ClientSessionLimits } from '../client-options.ts';
import { ClientSession } from '../client-session.ts';
import { decodeModelVersion } from './model-server.ts';

/** What a link is to a client; `connect` makes one. */
export interface ModelLink {
  send(frame: Uint8Array): void;
  close(): void;
}

export interface ModelClientOptions {
  readonly time: VirtualTime;
  readonly random: () => number;
  readonly document: string;
  readonly agent: bigint;
  readonly connect: (events: {
    opened: () => void;
    frame: (frame: Uint8Array) => void;
    closed: () => void;
  }) => ModelLink;
  readonly limits?: Partial<ClientSessionLimits>;
  readonly authenticate?: boolean;
}

export interface LogRecord {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
  acknowledged: boolean;
}

export class ModelClient {
  log: LogRecord[] = [];
  /** Agent → highest seq that is joined; a hole in a row is an error at once. */
  received = new Map<bigint, number>();
  readonly effects: ClientEffect[] = [];
  resume: ResumePoint | undefined;
  agent: bigint;
  /** Checked at every acknowledgement: is it true? */
  onAcknowledged: (agent: bigint, to: number, position: number) => void = () => {};
  token: string | undefined = 'good';
  session: ClientSession;
  readonly #options: ModelClientOptions;
  readonly #links = new Map<number, ModelLink>();
  #wake = Number.POSITIVE_INFINITY;
  /** Grows with each reload: what the old page's timers and links bring is dropped. */
  #page = 0;
  /** What was received by deps since the last own envelope. */
  protected readonly written = new Map<bigint, number>();

  constructor(options: ModelClientOptions) {
    this.#options = options;
    this.agent = options.agent;
    this.session = this.#start();
  }

  protected get now(): number {
    return this.#options.time.now;
  }

  connect(): void {
    this.run(this.session.handleConnect(this.now));
  }

  /** The page is loaded again: a new session and a new agent on the same disk. */
  reload(agent: bigint): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    this.#page += 1;
    this.#wake = Number.POSITIVE_INFINITY;
    this.written.clear();
    this.agent = agent;
    this.session = this.#start();
    this.connect();
  }

  /** One local transaction of so many operations; the payload is its size, or itself. */
  write(count: number, content: number | Uint8Array = 8): void {
    const from = this.received.get(this.agent) ?? 0;
    const deps = [...this.received]
      .filter(([agent, seq]) => agent !== this.agent && seq > (this.written.get(agent) ?? 0))
      .map(([agent, seq]) => ({ agent, seq }))
      .sort((left, right) => (left.agent < right.agent ? -1 : 1));
    for (const dep of deps) this.written.set(dep.agent, dep.seq);
    const payload = typeof content === 'number' ? new Uint8Array(content) : content;
    const bytes = writeEnvelope({ agent: this.agent, from, to: from + count, deps, payload });
    this.received.set(this.agent, from + count);
    this.log.push({ agent: this.agent, from, to: from + count, bytes, acknowledged: false });
    this.run(this.session.handleChanged(this.#options.document, this.now));
  }

  run(effects: ClientEffect[]): void {
    const page = this.#page;
    for (const effect of effects) {
      this.effects.push(effect);
      if (page === this.#page) this.carryOut(effect);
    }
    this.#arm();
  }

  #start(): ClientSession {
    const { random, limits, authenticate } = this.#options;
    const session = new ClientSession({
      random,
      knownTypes: ['map'],
      ...(limits === undefined ? {} : { limits }),
      ...(authenticate === undefined ? {} : { authenticate }),
    });
    session.handleSubscribe(this.#options.document, this.resume, this.now);
    return session;
  }

  /** Inputs that follow from an effect come in a later event, as a real client's I/O would. */
  protected later(run: () => ClientEffect[]): void {
    const page = this.#page;
    this.#options.time.after(this.#options.random() * 3, () => {
      if (page === this.#page) this.run(run());
    });
  }

  protected carryOut(effect: ClientEffect): void {
    switch (effect.type) {
      case 'open-link': {
        const page = this.#page;
        const only = (run: () => ClientEffect[]) => () => {
          if (page === this.#page) this.run(run());
        };
        const link = this.#options.connect({
          opened: only(() => this.session.handleOpened(effect.link, this.now)),
          frame: (frame) => only(() => this.session.handleFrame(effect.link, frame, this.now))(),
          closed: only(() => this.session.handleClosed(effect.link, undefined, this.now)),
        });
        this.#links.set(effect.link, link);
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
        if (this.token !== undefined) this.later(() => this.session.handleToken(this.token, this.now));
        break;
      case 'subscribed': {
        const version = decodeModelVersion(effect.version);
        for (const record of this.log) record.acknowledged ||= record.to <= (version.get(record.agent) ?? 0);
        this.resume = { epoch: effect.epoch, position: effect.restarted ? 0 : (this.resume?.position ?? 0) };
        break;
      }
      case 'snapshot':
        for (const [agent, seq] of decodeModelVersion(effect.bytes)) {
          this.received.set(agent, Math.max(seq, this.received.get(agent) ?? 0));
        }
        this.resume = { epoch: effect.epoch, position: effect.position };
        this.later(() => this.session.handleConsumed(effect.credit_bytes, this.now));
        break;
      case 'envelopes':
        for (const bytes of effect.envelopes) joinHeader(bytes, this.received);
        this.resume = { epoch: effect.epoch, position: effect.position };
        this.later(() => this.session.handleConsumed(effect.credit_bytes, this.now));
        break;
      case 'acknowledged':
        this.onAcknowledged(effect.agent, effect.to, effect.position);
        for (const record of this.log) {
          record.acknowledged ||= record.agent === effect.agent && record.to <= effect.to;
        }
        this.resume = { epoch: effect.epoch, position: effect.resume };
        break;
      case 'need-envelopes': {
        const { request, sent, limit_bytes, limit_count } = effect;
        let bytes = 0;
        const answer: Uint8Array[] = [];
        for (const record of this.log) {
          if (record.acknowledged || record.to <= (sent.get(record.agent) ?? 0)) continue;
          if (answer.length === limit_count || (answer.length > 0 && bytes + record.bytes.length > limit_bytes)) break;
          answer.push(record.bytes);
          bytes += record.bytes.length;
        }
        this.later(() => this.session.handleEnvelopes(this.#options.document, request, answer, this.now));
        break;
      }
      default:
        break;
    }
  }

  #arm(): void {
    const at = this.session.nextTimeout;
    if (at === undefined || at >= this.#wake) return;
    const page = this.#page;
    this.#wake = at;
    this.#options.time.after(Math.max(0, at - this.now), () => {
      if (page !== this.#page) return;
      this.#wake = Number.POSITIVE_INFINITY;
      this.run(this.session.handleTimeout(this.now));
    });
  }
}

/** Takes note of an envelope; a hole, or an effect before its cause, is an error at once. */
export function joinHeader(bytes: Uint8Array, received: Map<bigint, number>): void {
  const { agent, from, to, deps } = readEnvelope(bytes);
  const known = received.get(agent) ?? 0;
  if (to <= known) return;
  if (from > known) throw new Error(`a hole: ${agent} has ${known}, got (${from}, ${to}]`);
  for (const dep of deps) {
    if ((received.get(dep.agent) ?? 0) < dep.seq) throw new Error('an effect before its cause');
  }
  received.set(agent, to);
}
