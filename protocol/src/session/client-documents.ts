/**
 * All documents of a client's session, and what they share: the window of envelopes on their way to the server, and who
 * waits for what. It keeps sets of those that wait, so that an input costs the same with ten thousand documents.
 */

import { JoineryError } from '../error.ts';
import type { Message, Subscription } from '../messages.ts';
import { Channels } from './channels.ts';
import { ClientDocument } from './client-document.ts';
import type { DocumentContext, Load } from './client-document-context.ts';
import type { ClientEffect, ResumePoint } from './client-effects.ts';
import type { ClientSessionLimits } from './client-options.ts';

/** What the documents need of their session. */
export interface DocumentsOptions {
  readonly limits: ClientSessionLimits;
  readonly random: () => number;
  readonly emit: (effect: ClientEffect) => void;
  readonly send: (message: Message) => void;
}

const noLoad: Load = { bytes: 0, count: 0 };

export class ClientDocuments {
  readonly #limits: ClientSessionLimits;
  readonly #documents = new Map<string, ClientDocument>();
  /** Of this link. */
  #channels = new Channels<ClientDocument>();
  /** Of those that take something of the window. */
  readonly #loads = new Map<ClientDocument, Load>();
  readonly #context: DocumentContext;
  /** Would send but for want of room in the window, in the order in which they asked. */
  readonly #starved = new Set<ClientDocument>();
  /** The next move is the server's. */
  readonly #awaiting = new Set<ClientDocument>();
  /** Have a time at which they try again. */
  readonly #timed = new Set<ClientDocument>();
  /** Are to be subscribed over the link. */
  readonly #unsubscribed = new Set<ClientDocument>();
  /** Have agents to be closed over the link. */
  readonly #unclosed = new Set<ClientDocument>();
  #window_bytes = 0;
  #reserved: Load = noLoad;

  constructor(options: DocumentsOptions) {
    this.#limits = options.limits;
    this.#context = {
      ...options,
      openChannel: (document) => {
        const channel = this.#channels.last + 1;
        this.#channels.open(channel, document);
        return channel;
      },
      endChannel: (channel) => this.#channels.end(channel),
      room: () => this.#room(),
      note: (document) => this.#note(document),
    };
  }

  /** Whether the next move is the server's in any document. */
  get awaitsServer(): boolean {
    return this.#awaiting.size > 0;
  }

  get nextTimeout(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const document of this.#timed) next = Math.min(next, document.nextTimeout ?? next);
    return next;
  }

  /** Gives up the incarnation that the client has of a document, whether or not it was subscribed. */
  replace(id: string, agents: readonly bigint[], epoch: number | undefined): void {
    this.add(id, undefined);
    this.with(id, (document) => document.replace(agents, epoch));
  }

  /** It takes part in nothing any more. */
  deleted(id: string): void {
    this.with(id, (document) => document.deleted());
  }

  /** Adds a document, or begins anew with one that is there. */
  add(id: string, from: ResumePoint | undefined): void {
    this.remove(id);
    if (this.#documents.size >= this.#limits.documents) {
      throw new JoineryError('too-many-documents', {
        expected: `at most ${this.#limits.documents} documents`,
        got: 'one more',
        remedy: 'Close documents that are not in use.',
      });
    }
    const document = new ClientDocument(id, from, this.#context);
    this.#documents.set(id, document);
    this.#note(document);
  }

  /** Returns the channel that was open; 0 for none. */
  remove(id: string): number {
    const document = this.#documents.get(id);
    if (document === undefined) return 0;
    const { channel } = document;
    document.offline();
    // What it took of the window is free again.
    this.#note(document);
    this.#documents.delete(id);
    this.#loads.delete(document);
    for (const set of [this.#starved, this.#awaiting, this.#timed, this.#unsubscribed, this.#unclosed])
      set.delete(document);
    return channel;
  }

  /** Gives an input to one document, if it is there, and takes note of what it waits for then. */
  with(id: string, input: (document: ClientDocument) => void): void {
    const document = this.#documents.get(id);
    if (document === undefined) return;
    input(document);
    this.#note(document);
  }

  /**
   * The same for what came under a channel; that of one that has ended is nobody's.
   *
   * @throws JoineryError `protocol-violation` when the channel was never opened over this link
   */
  under(channel: number, input: (document: ClientDocument) => void): void {
    const document = this.#channels.find(channel);
    if (document === undefined) return;
    input(document);
    this.#note(document);
  }

  /** Whether documents are to be subscribed for which this link has no channel left. */
  get lacksChannels(): boolean {
    return this.#unsubscribed.size > 0 && this.#channels.last >= this.#limits.channels;
  }

  /** A link is ready; the server allows so many bytes on their way. */
  online(window_bytes: number): void {
    this.#window_bytes = window_bytes;
  }

  /** The link is gone. */
  offline(): void {
    for (const document of this.#documents.values()) {
      document.offline();
      this.#note(document);
    }
    this.#starved.clear();
    this.#channels = new Channels();
  }

  handleTimeout(now: number): void {
    for (const document of [...this.#timed]) {
      document.handleTimeout(now);
      this.#note(document);
    }
  }

  /** Sends the closings that are due. */
  sendClosings(): void {
    for (const document of [...this.#unclosed]) {
      document.close();
      this.#note(document);
    }
  }

  /** Up to so many documents that are to be subscribed now. */
  takeSubscriptions(limit: number): Subscription[] {
    const subscriptions: Subscription[] = [];
    for (const document of this.#unsubscribed) {
      if (subscriptions.length === limit || this.lacksChannels) break;
      subscriptions.push(document.subscribe());
      this.#note(document);
    }
    return subscriptions;
  }

  /** Lets those go on that waited for room, as far as there is some. */
  feedStarved(): void {
    for (const document of [...this.#starved]) {
      const room = this.#room();
      if (room.bytes <= 0 || room.count <= 0) return;
      document.pull();
      this.#note(document);
    }
  }

  #room(): Load {
    return {
      bytes: Math.min(this.#limits.inFlight_bytes, this.#window_bytes) - this.#reserved.bytes,
      count: this.#limits.inFlight_count - this.#reserved.count,
    };
  }

  #note(document: ClientDocument): void {
    const before = this.#loads.get(document) ?? noLoad;
    const after = document.load;
    if (after.bytes === 0 && after.count === 0) this.#loads.delete(document);
    else this.#loads.set(document, after);
    this.#reserved = {
      bytes: this.#reserved.bytes + after.bytes - before.bytes,
      count: this.#reserved.count + after.count - before.count,
    };
    mark(this.#awaiting, document, document.awaitsServer);
    mark(this.#timed, document, document.nextTimeout !== undefined);
    mark(this.#unsubscribed, document, document.wantsSubscription);
    mark(this.#unclosed, document, document.wantsClosing);
    mark(this.#starved, document, document.starved);
  }
}

function mark(set: Set<ClientDocument>, document: ClientDocument, present: boolean): void {
  if (present) set.add(document);
  else set.delete(document);
}
