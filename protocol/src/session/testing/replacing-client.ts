/**
 * A model client that gives up its incarnation when it has to, as the SDK does: it waits for the whole of what replaces
 * it, then swaps in one step (its storage transaction) and writes anew what was not synced. Each operation is one number,
 * so that a test can count what became of it.
 */

import type { ClientEffect, ResumePoint } from '../client-effects.ts';
import { joinHeader, ModelClient, type ModelClientOptions } from './model-client.ts';
import { decodeModelVersion } from './model-server.ts';

/** What has come of a new incarnation. */
interface Incoming {
  readonly last: ReadonlyMap<bigint, number>;
  readonly received: Map<bigint, number>;
  resume: ResumePoint | undefined;
}

export class ReplacingClient extends ModelClient {
  /** Operations that the server refused, and that the user would be shown. */
  readonly rejected = new Set<number>();
  readonly #document: string;
  readonly #newAgent: () => bigint;
  /** Refused, and not yet taken out of the log. */
  readonly #refused = new Set<number>();
  #replacing = false;
  /** The session knows. */
  #held = false;
  #incoming: Incoming | undefined;
  swaps = 0;

  constructor(options: ModelClientOptions, newAgent: () => bigint) {
    super(options);
    this.#document = options.document;
    this.#newAgent = newAgent;
  }

  writeOperation(operation: number): void {
    this.write(1, encodeOperation(operation));
  }

  override reload(agent: bigint): void {
    this.#replacing = false;
    this.#held = false;
    this.#incoming = undefined;
    this.#refused.clear();
    super.reload(agent);
  }

  replace(): void {
    this.#replacing = true;
    this.#incoming = undefined;
    const agents = new Set([this.agent, ...this.log.map((record) => record.agent)]);
    this.later(() => {
      this.#held = true;
      return this.session.handleReplace(this.#document, [...agents], this.resume?.epoch, this.now);
    });
  }

  protected override carryOut(effect: ClientEffect): void {
    switch (effect.type) {
      case 'refused':
        if (effect.error.code === 'forbidden') {
          const record = this.log.find(({ agent, to }) => agent === effect.agent && to === effect.to);
          if (record !== undefined) this.#refused.add(decodeOperations(record.bytes.subarray(-4))[0] as number);
        }
        this.replace();
        return;
      case 'epoch-changed':
        this.replace();
        return;
      case 'agents-closed':
        this.#incoming = { last: effect.last, received: new Map(), resume: undefined };
        return;
      case 'bridge':
        this.later(() => this.session.handleConsumed(effect.credit_bytes, this.now));
        return;
      case 'acknowledged':
        // What is unsynced is told by the closing alone.
        if (!this.#replacing) super.carryOut(effect);
        return;
      case 'need-envelopes':
        if (this.#held) throw new Error('the log of a given up incarnation was asked for');
        // Asked before the session knew that it is given up.
        if (!this.#replacing) super.carryOut(effect);
        return;
    }
    const incoming = this.#incoming;
    if (incoming === undefined) {
      super.carryOut(effect);
      return;
    }
    switch (effect.type) {
      case 'subscribed':
        // Again, when the link was lost between the last of it and the swap.
        if (!effect.restarted && incoming.resume === undefined) throw new Error('it begins from nothing');
        if (effect.restarted) incoming.resume = { epoch: effect.epoch, position: 0 };
        break;
      case 'snapshot':
        for (const [agent, seq] of decodeModelVersion(effect.bytes)) incoming.received.set(agent, seq);
        incoming.resume = { epoch: effect.epoch, position: effect.position };
        this.later(() => this.session.handleConsumed(effect.credit_bytes, this.now));
        break;
      case 'envelopes':
        for (const bytes of effect.envelopes) joinHeader(bytes, incoming.received);
        incoming.resume = { epoch: effect.epoch, position: effect.position };
        this.later(() => this.session.handleConsumed(effect.credit_bytes, this.now));
        break;
      case 'caught-up':
        this.later(() => this.#swap(incoming));
        break;
      default:
        super.carryOut(effect);
    }
  }

  /** The storage transaction: void when the replacing began anew meanwhile. */
  #swap(incoming: Incoming): ClientEffect[] {
    if (this.#incoming !== incoming) return [];
    const unsynced = this.log.filter(({ agent, to }) => to > (incoming.last.get(agent) ?? 0));
    this.received = incoming.received;
    this.resume = incoming.resume;
    this.log = [];
    this.written.clear();
    this.agent = this.#newAgent();
    this.#incoming = undefined;
    this.#replacing = false;
    this.swaps += 1;
    for (const { bytes } of unsynced) {
      const [operation = 0] = decodeOperations(bytes.subarray(-4));
      if (this.#refused.delete(operation)) this.rejected.add(operation);
      else this.writeOperation(operation);
    }
    this.#held = false;
    return this.session.handleReplaced(this.#document, this.now);
  }
}

/** An operation as the payload of its envelope. */
function encodeOperation(operation: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, operation);
  return bytes;
}

export function decodeOperations(payload: Uint8Array): number[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  return Array.from({ length: payload.length / 4 }, (_, index) => view.getUint32(index * 4));
}
