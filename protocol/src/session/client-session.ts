/**
 * The client's side of the sync session: a pure state machine. Inputs are `handle…`, the outcome is a list of effects.
 * It has no I/O, no clock, no timers and no randomness of its own, and it keeps no payloads: what is to be sent is asked
 * for from the client's log whenever it is needed, so the log is the queue.
 *
 * There is one way out of all that goes wrong on a link (silence, frames that can't be read, a frame or a position left
 * out): the link is closed and everything is resumed over the next one. A frame that comes twice is passed over.
 */

import { pbfCodec } from '../codec.ts';
import { checkDocumentId, checkSpace } from '../document-id.ts';
import { asJoineryError, JoineryError } from '../error.ts';
import { maxFrameBytes, maxPresenceBytes } from '../limits.ts';
import type { Message } from '../messages.ts';
import { ClientDeletions } from './client-deletions.ts';
import { ClientDocuments } from './client-documents.ts';
import type { ClientEffect, ConnectionStatus, ResumePoint } from './client-effects.ts';
import { ClientLink, timeout } from './client-link.ts';
import { type ClientSessionLimits, type ClientSessionOptions, clientSessionDefaults } from './client-options.ts';
import { ClientSpaces } from './client-spaces.ts';
import { CreditGrant } from './credit.ts';
import { spaceCost_bytes } from './space-cost.ts';

/** So many subscriptions go in one frame. */
const subscribeBatch = 256;

/**
 * One client's session with one server, over one link after another, for any number of documents.
 *
 * Time is milliseconds of a clock that never goes back (`performance.now()`). The owner calls `handleTimeout` when
 * `nextTimeout` has come (a little earlier or later does no harm), carries out the effects in their order, and gives the
 * next input only when the list is done.
 *
 * @example
 * const session = new ClientSession({ random: Math.random, knownTypes: ['map', 'text'] });
 * carryOut(session.handleSubscribe('notes', undefined, performance.now()));
 * carryOut(session.handleConnect(performance.now()));
 * socket.onmessage = ({ data }) => carryOut(session.handleFrame(link, new Uint8Array(data), performance.now()));
 */
export class ClientSession {
  readonly #limits: ClientSessionLimits;
  readonly #credit: CreditGrant;
  readonly #documents: ClientDocuments;
  readonly #spaces: ClientSpaces;
  readonly #deletions: ClientDeletions;
  readonly #link: ClientLink;
  #effects: ClientEffect[] = [];
  /** When the server last answered something, or was first asked after having answered all. */
  #answeredAt = 0;

  constructor(options: ClientSessionOptions) {
    const limits = { ...clientSessionDefaults, ...options.limits };
    const emit = (effect: ClientEffect): void => {
      this.#effects.push(effect);
    };
    this.#limits = limits;
    this.#credit = new CreditGrant(limits.credit_bytes);
    this.#link = new ClientLink(options, {
      limits,
      emit,
      startCredit: () => this.#credit.start(),
      ready: (window_bytes) => {
        this.#documents.online(window_bytes);
        this.#spaces.online();
        this.#deletions.online();
      },
      down: () => {
        this.#documents.offline();
        this.#spaces.offline();
        this.#deletions.offline();
      },
    });
    const send = (message: Message): void => this.#link.send(message);
    this.#documents = new ClientDocuments({
      limits,
      random: options.random,
      emit: (effect) => {
        if (effect.type === 'document-deleted') this.#deletions.told(effect.document);
        emit(effect);
      },
      send,
    });
    const online = (): boolean => this.#link.ready;
    this.#spaces = new ClientSpaces({ emit, send, online, random: options.random });
    this.#deletions = new ClientDeletions({ emit, send, online, random: options.random });
  }

  /** The connection as it is now. */
  get status(): ConnectionStatus {
    return this.#link.status;
  }

  /** When `handleTimeout` is due, or undefined when nothing is waited for. Read it after every input. */
  get nextTimeout(): number | undefined {
    if (!this.#link.ready) return this.#link.nextTimeout;
    const next = Math.min(
      this.#link.nextTimeout ?? Number.POSITIVE_INFINITY,
      this.#documents.nextTimeout,
      this.#spaces.nextTimeout,
      this.#deletions.nextTimeout,
    );
    return this.#awaitsServer ? Math.min(next, this.#answeredAt + this.#limits.answerTimeout_ms) : next;
  }

  /** The app wants to be connected, now: ends a back-off, and is the way to go on after `session-failed`. */
  handleConnect(now: number): ClientEffect[] {
    return this.#handle(now, () => this.#link.connect(now));
  }

  /** The app wants to be offline: the link is closed and nothing is tried until `handleConnect`. */
  handleDisconnect(now: number): ClientEffect[] {
    return this.#handle(now, () => this.#link.disconnect());
  }

  /** The network is back (the browser's `online`): an attempt is made at once; a link that is open is tested. */
  handleOnline(now: number): ClientEffect[] {
    return this.#handle(now, () => this.#link.networkBack(now));
  }

  /** The network is gone (the browser's `offline`): the link is given up; attempts go on with their back-off. */
  handleOffline(now: number): ClientEffect[] {
    return this.#handle(now, () => this.#link.networkGone(now));
  }

  /** The link is open and can send. */
  handleOpened(link: number, now: number): ClientEffect[] {
    return this.#handle(now, () => this.#link.opened(link, now));
  }

  /** A frame arrived over the link. Any bytes are fine: bad ones end the link with a typed error. */
  handleFrame(link: number, frame: Uint8Array, now: number): ClientEffect[] {
    return this.#handle(now, () => {
      if (!this.#link.accepts(link, now)) return;
      try {
        const { number, message } = pbfCodec.decode(frame);
        if (!this.#link.isNext(number)) return;
        if (!this.#link.handleMessage(message, now)) this.#handleMessage(message, now);
      } catch (error) {
        this.#link.lose(asJoineryError(error), now);
      }
    });
  }

  /** The link closed, or could not be opened. */
  handleClosed(link: number, error: JoineryError | undefined, now: number): ClientEffect[] {
    return this.#handle(now, () => this.#link.closed(link, error, now));
  }

  /** The answer to `need-token`; undefined goes on without one. */
  handleToken(token: string | undefined, now: number): ClientEffect[] {
    return this.#handle(now, () => this.#link.answerToken(token, now));
  }

  /** The other answer to `need-token`: none can be had now. It is asked for again after a back-off. */
  handleTokenFailed(error: JoineryError, now: number): ClientEffect[] {
    return this.#handle(now, () => this.#link.failToken(error, now));
  }

  /** The time may have come for something. */
  handleTimeout(now: number): ClientEffect[] {
    return this.#handle(now, () => {
      if (this.#awaitsServer && now >= this.#answeredAt + this.#limits.answerTimeout_ms) {
        this.#link.lose(timeout('an answer'), now);
        return;
      }
      this.#link.handleTimeout(now);
      if (!this.#link.ready) return;
      this.#documents.handleTimeout(now);
      this.#spaces.handleTimeout(now);
      this.#deletions.handleTimeout(now);
    });
  }

  /**
   * Sync this document from here on; also the way to go on after `document-failed`. (After `refused` and `epoch-changed` it
   * is `handleReplace`.)
   *
   * @throws JoineryError `invalid-document-id`, or `too-many-documents`.
   */
  handleSubscribe(document: string, from: ResumePoint | undefined, now: number): ClientEffect[] {
    checkDocumentId(document);
    return this.#handle(now, () => this.#documents.add(document, from));
  }

  /**
   * The client gives up this incarnation of the document: its agents are closed at the server, and the document comes
   * from nothing, for the owner to replay into it what the answer says isn't synced. To be called after `refused` and
   * `epoch-changed`, and when own records are damaged; the document need not be subscribed. What is on its way is
   * forgotten, and nothing of the log is asked for until `handleReplaced`.
   *
   * Effects, in this order: `agents-closed`, `bridge` (any number), `subscribed` (restarted), `snapshot` (at most one),
   * `envelopes` (any number), `caught-up`. When a link is lost before `caught-up` all of it begins anew over the next one,
   * and so it does when this is called again.
   *
   * @param agents all agents of the incarnation, whether or not they wrote something
   * @param epoch the epoch of what will be replayed; undefined asks for no bridges
   * @throws JoineryError `invalid-document-id`, or `too-many-documents`.
   */
  handleReplace(document: string, agents: readonly bigint[], epoch: number | undefined, now: number): ClientEffect[] {
    checkDocumentId(document);
    return this.#handle(now, () => this.#documents.replace(document, agents, epoch));
  }

  /** What came after `handleReplace` is stored, and the log is that of the new incarnation: its envelopes may be sent. */
  handleReplaced(document: string, now: number): ClientEffect[] {
    return this.#handle(now, () => this.#documents.with(document, (entry) => entry.replaced()));
  }

  /**
   * Delete the document at the server, for ever: answered with `document-deleted` or `deletion-refused`, over whichever
   * link. It is asked for again over each link until then, and forgotten with the session.
   *
   * @throws JoineryError `invalid-document-id`, or `limit-exceeded` when 1,024 deletions wait.
   */
  handleDeleteDocument(document: string, now: number): ClientEffect[] {
    checkDocumentId(document);
    return this.#handle(now, () => this.#deletions.add(document));
  }

  /**
   * Tell of every document of the space that has changed since the token, now and from here on, with `space` effects.
   *
   * @param space what stands before the first slash of the documents' ids; '' for those without one
   * @param token of the last `space` effect that was taken in; 0 for none
   * @throws JoineryError `invalid-space`, or `too-many-spaces` above 64.
   */
  handleFollowSpace(space: string, token: number, now: number): ClientEffect[] {
    checkSpace(space);
    return this.#handle(now, () => this.#spaces.follow(space, token));
  }

  /** Tell nothing more of this space. */
  handleUnfollowSpace(space: string, now: number): ClientEffect[] {
    return this.#handle(now, () => this.#spaces.unfollow(space));
  }

  /** Sync this document no more. */
  handleUnsubscribe(document: string, now: number): ClientEffect[] {
    return this.#handle(now, () => {
      const channel = this.#documents.remove(document);
      if (channel !== 0) this.#link.send({ type: 'unsubscribe', channel });
    });
  }

  /** The log of the document has envelopes that it hadn't when it was last asked. */
  handleChanged(document: string, now: number): ClientEffect[] {
    return this.#handle(now, () => this.#documents.with(document, (entry) => entry.changed()));
  }

  /** The answer to `need-envelopes`. */
  handleEnvelopes(document: string, request: number, envelopes: readonly Uint8Array[], now: number): ClientEffect[] {
    return this.#handle(now, () =>
      this.#documents.with(document, (entry) => entry.handleAnswer(request, envelopes, now)),
    );
  }

  /** So many bytes of `envelopes` and `snapshot` effects are joined and stored: the server may send as many more. */
  handleConsumed(bytes: number, now: number): ClientEffect[] {
    return this.#handle(now, () => {
      this.#credit.consume(bytes);
      this.#announceCredit();
    });
  }

  /**
   * Tells the document's other clients about this one; undefined means gone. Dropped until the server has answered
   * the subscription, and while offline.
   *
   * @throws JoineryError `limit-exceeded` above 4 KiB.
   */
  handlePresence(document: string, state: Uint8Array | undefined, now: number): ClientEffect[] {
    if (state !== undefined && state.length > maxPresenceBytes) {
      throw new JoineryError('limit-exceeded', {
        expected: `a presence of at most ${maxPresenceBytes} bytes`,
        got: `${state.length}`,
        remedy: 'Put what is large into a document.',
      });
    }
    return this.#handle(now, () => {
      const gone = state === undefined;
      this.#documents.with(document, ({ channel, follows }) => {
        if (!follows) return;
        this.#link.send({ type: 'presence', channel, client: '', state: state ?? new Uint8Array(0), gone });
      });
    });
  }

  /** Runs one input, then what its outcome makes possible, and returns the effects of both. */
  #handle(now: number, run: () => void): ClientEffect[] {
    this.#effects = [];
    const awaited = this.#awaitsServer;
    run();
    if (this.#link.ready) {
      this.#documents.feedStarved();
      this.#documents.sendClosings();
      let subscriptions = this.#documents.takeSubscriptions(subscribeBatch);
      while (subscriptions.length > 0) {
        this.#link.send({ type: 'subscribe', subscriptions });
        subscriptions = this.#documents.takeSubscriptions(subscribeBatch);
      }
      if (this.#documents.lacksChannels) this.#link.lose(channelsUsedUp(this.#limits.channels), now);
      // The wait for an answer begins with the first question, not with the last answer.
      if (!awaited) this.#answeredAt = now;
    }
    return this.#effects;
  }

  /** Not when it is this side that holds up the server, by giving no credit. */
  get #awaitsServer(): boolean {
    const awaits = this.#documents.awaitsServer || this.#spaces.awaitsServer || this.#deletions.awaitsServer;
    return this.#link.ready && awaits && this.#credit.open;
  }

  #handleMessage(message: Message, now: number): void {
    if (!this.#link.ready) throw violation('hello and authenticated', message.type);
    switch (message.type) {
      case 'subscribed':
        this.#documents.under(message.channel, (entry) => entry.handleSubscribed(message));
        break;
      case 'snapshot':
        this.#receive(message.part.length);
        this.#documents.under(message.channel, (entry) => this.#credit.handOver(entry.handleSnapshot(message, now)));
        this.#announceCredit();
        break;
      case 'envelopes':
        this.#receive(message.envelopes.reduce((sum, envelope) => sum + envelope.length, 0));
        this.#documents.under(message.channel, (entry) => this.#credit.handOver(entry.handleEnvelopes(message)));
        this.#announceCredit();
        break;
      case 'closed':
        this.#documents.with(message.document, (entry) => entry.handleAgentsClosed(message));
        break;
      case 'bridge':
        this.#receive(message.part.length);
        this.#documents.under(message.channel, (entry) => this.#credit.handOver(entry.handleBridge(message)));
        this.#announceCredit();
        break;
      case 'safe':
        this.#documents.under(message.channel, (entry) => entry.handleSafe(message));
        return;
      case 'deleted':
        if (message.code === '') this.#documents.deleted(message.document);
        this.#deletions.handleDeleted(message, now);
        break;
      case 'space-heads': {
        // Taken in at once by the owner: nothing of it is outstanding.
        this.#receive(spaceCost_bytes(message.entries));
        this.#announceCredit();
        this.#spaces.handleHeads(message, now);
        break;
      }
      case 'ack':
        this.#documents.under(message.channel, (entry) => entry.handleAck(message));
        break;
      case 'refusal':
        this.#documents.under(message.channel, (entry) => entry.handleRefusal(message, now));
        break;
      case 'error':
        if (message.channel !== 0) this.#documents.under(message.channel, (entry) => entry.handleError(message, now));
        else this.#documents.with(message.document, (entry) => entry.handleCloseFailed(message, now));
        break;
      case 'presence': {
        const { channel, client, state, gone } = message;
        this.#documents.under(channel, ({ id: document }) => {
          this.#effects.push({ type: 'presence', document, client, state: gone ? undefined : state.slice() });
        });
        return;
      }
      default:
        throw violation('a message of a server', message.type);
    }
    this.#answeredAt = now;
  }

  #receive(bytes: number): void {
    if (this.#credit.receive(bytes, maxFrameBytes)) return;
    throw new JoineryError('flow-control', {
      expected: 'no more bytes than were granted',
      got: `${bytes} more`,
      remedy: 'The link is closed and everything resumed.',
    });
  }

  #announceCredit(): void {
    if (!this.#link.ready) return;
    const bytes = this.#credit.announcement();
    if (bytes !== undefined) this.#link.send({ type: 'credit', bytes });
  }
}

function violation(expected: string, got: string): JoineryError {
  return new JoineryError('protocol-violation', { expected, got, remedy: 'The link is opened again by itself.' });
}

function channelsUsedUp(limit: number): JoineryError {
  return new JoineryError('limit-exceeded', {
    expected: `at most ${limit} subscriptions over one link`,
    got: 'one more',
    remedy: 'Another link is opened by itself.',
  });
}
