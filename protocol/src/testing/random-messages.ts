/** Messages that are well formed and mean nothing good: of every type, in any order, with fields at their limits. For tests. */

import { spaceOf } from '../document-id.ts';
import { writeEnvelope } from '../envelope.ts';
import type { Message } from '../messages.ts';

export type MessageType = Message['type'];

/** What a client says; what a server says is the rest. `ping`, `pong` and `error` are said by both. */
export const clientTypes: readonly MessageType[] = [
  'client-hello',
  'authenticate',
  'subscribe',
  'unsubscribe',
  'envelopes',
  'presence',
  'error',
  'ping',
  'pong',
  'credit',
  'close',
  'delete-document',
  'follow-space',
  'unfollow-space',
];

export const serverTypes: readonly MessageType[] = [
  'server-hello',
  'authenticated',
  'subscribed',
  'snapshot',
  'envelopes',
  'ack',
  'refusal',
  'presence',
  'error',
  'ping',
  'pong',
  'closed',
  'bridge',
  'safe',
  'deleted',
  'space-heads',
];

/** What the fields are taken from: with few of each they meet now and then. */
export interface Vocabulary {
  readonly documents: readonly string[];
  readonly spaces: readonly string[];
  readonly epochs: readonly number[];
  readonly channels: readonly number[];
  readonly agents: readonly bigint[];
}

const numbers = [0, 1, 2, 3, 4, 5, 64, 262_144, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 2, 2 ** 53 - 1];
const codes = [
  'gap',
  'clock',
  'epoch-changed',
  'document-deleted',
  'closed-agent',
  'forbidden',
  'validation',
  'slow-consumer',
  'not-subscribed',
  'storage-failed',
  'too-many-spaces',
  'what nobody knows',
  '',
];

/** Makes random messages. */
export class MessageMaker {
  readonly #random: () => number;
  readonly #words: Vocabulary;

  constructor(random: () => number, words: Vocabulary) {
    this.#random = random;
    this.#words = words;
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  any(types: readonly MessageType[]): Message {
    return this.message(this.pick(types));
  }

  message(type: MessageType): Message {
    const document = this.pick(this.#words.documents);
    const epoch = this.pick(this.#words.epochs);
    const channel = this.pick(this.#words.channels);
    const agent = this.pick(this.#words.agents);
    switch (type) {
      case 'client-hello':
        return {
          type,
          protocolMin: this.#small(),
          protocolMax: this.#uint32(),
          knownTypes: [],
          name: '',
          credit_bytes: this.#number(),
        };
      case 'server-hello': {
        const times = { serverTime_ms: this.#number(), window_bytes: this.#number(), maxFrame_bytes: this.#uint32() };
        return { type, protocol: this.#small(), knownTypes: [], ...times, session: '' };
      }
      case 'authenticate':
        return { type, token: this.pick(['', 'ada', 'grace']) };
      case 'authenticated':
        return { type, user: this.pick(['', 'ada']), expires_ms: this.#number() };
      case 'subscribe': {
        const subscriptions = this.#several(4, () => ({
          channel: this.pick(this.#words.channels),
          document: this.pick(this.#words.documents),
          epoch: this.pick(this.#words.epochs),
          position: this.#number(),
          version: this.#bytes(),
          bridgeFrom: this.pick([0, ...this.#words.epochs]),
        }));
        return { type, subscriptions };
      }
      case 'unsubscribe':
        return { type, channel };
      case 'delete-document':
        return { type, document };
      case 'subscribed': {
        const [head, position] = [this.#number(), this.#number()];
        return {
          type,
          channel,
          epoch,
          head,
          version: this.#bytes(),
          position,
          snapshotFollows: this.#bool(),
          safe: this.#number(),
        };
      }
      case 'snapshot':
        return { type, channel, position: this.#number(), ...this.#part(), delta: this.#bool() };
      case 'bridge':
        return { type, channel, epoch, agent, ...this.#part() };
      case 'envelopes':
        return {
          type,
          channel,
          firstPosition: this.#small(),
          envelopes: this.#several(3, () => this.#envelope()),
        };
      case 'ack': {
        const ranges = this.#several(3, () => {
          const [to, position, count] = [this.#uint32(), this.#number(), this.#uint32()];
          return { agent: this.pick(this.#words.agents), to, position, count };
        });
        return { type, channel, ranges };
      }
      case 'refusal': {
        const missing = this.#bool() ? undefined : { agent: this.pick(this.#words.agents), seq: this.#uint32() };
        const from = this.#small();
        const range = { agent, from, to: this.pick([from + 1, this.#small()]), last: this.#uint32() };
        return {
          type,
          channel,
          ...range,
          code: this.pick(codes),
          message: '',
          missing,
          serverTime_ms: this.#number(),
        };
      }
      case 'presence':
        return { type, channel, client: '', state: this.#bytes(), gone: this.#bool() };
      case 'error': {
        // Of a subscription, of a closing, or of the connection.
        const of = this.pick([
          { channel, document: '' },
          { channel: 0, document },
          { channel: 0, document: '' },
        ]);
        return { type, code: this.pick(codes), message: '', retryable: this.#bool(), ...of, epoch };
      }
      case 'ping':
        return { type, nonce: this.#number() };
      case 'pong':
        return { type, nonce: this.#small(), serverTime_ms: this.#number() };
      case 'credit':
        return { type, bytes: this.#number() };
      case 'close':
        return { type, document, epoch, agents: this.#several(3, () => this.pick(this.#words.agents)) };
      case 'closed': {
        const agents = this.#several(3, () => ({ agent: this.pick(this.#words.agents), last: this.#uint32() }));
        return { type, document, epoch, agents };
      }
      case 'safe':
        return { type, channel, position: this.#number() };
      case 'deleted':
        return { type, document, code: this.pick(codes), message: '' };
      case 'follow-space':
        return { type, space: this.pick(this.#words.spaces), token: this.#number() };
      case 'unfollow-space':
        return { type, space: this.pick(this.#words.spaces) };
      case 'space-heads': {
        const space = this.pick(this.#words.spaces);
        const inIt = this.#words.documents.filter((id) => spaceOf(id) === space);
        const entries = inIt.length === 0 ? [] : this.#several(3, () => this.#head(this.pick(inIt)));
        const said = { more: this.#bool(), restarted: this.#bool(), code: this.pick(codes), message: '' };
        return { type, space, token: this.#number(), entries, ...said };
      }
    }
  }

  #head(document: string) {
    return { document, epoch: this.pick(this.#words.epochs), head: this.#number(), deleted: this.#bool() };
  }

  #part() {
    const part = new Uint8Array(this.pick([0, 1, 1, 2, 3]));
    return {
      total_bytes: this.pick([0, 1, 2, 3, 6, 2 ** 26, 2 ** 53 - 1]),
      offset: this.pick([0, 0, 1, 2, 3, 2 ** 53 - 1]),
      part,
    };
  }

  #envelope(): Uint8Array {
    if (this.below(4) === 0) return this.#bytes();
    const from = this.below(4);
    return writeEnvelope({ agent: this.pick(this.#words.agents), from, to: from + 1, payload: this.#bytes() });
  }

  #several<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.below(most + 1) }, make);
  }

  #number(): number {
    return this.#bool() ? this.#small() : this.pick(numbers);
  }

  #small(): number {
    return this.below(5);
  }

  #uint32(): number {
    return Math.min(this.#number(), 2 ** 32 - 1);
  }

  #bool(): boolean {
    return this.below(2) === 0;
  }

  #bytes(): Uint8Array {
    return Uint8Array.from({ length: this.below(6) }, () => this.below(256));
  }
}
