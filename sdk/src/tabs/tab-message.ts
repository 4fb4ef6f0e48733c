// What tabs of one group say to each other: plain data for a BroadcastChannel, and the reader that takes nothing on trust.
// Another tab may run another version of this code: what it says in another format, or wrongly, is not heard.

import { maxPresenceBytes } from '@joinery/protocol';
import type { PresenceBody } from '../presence/relay.ts';

/** Raised when an older tab could misunderstand; tabs of different formats don't hear each other, which is harmless. */
export const tabFormat = 4;

/** One message carries at most so many bytes of envelopes, one larger envelope never. */
export const messageLimit_bytes = 256 * 1024;
/** And so many items, or names of documents. */
export const messageLimit_count = 1_024;
/** Documents named as pending in a leader's state; the rest is a sum. */
export const pendingLimit_count = 256;
/** Seqs in one item. */
const seqLimit_count = 8_192;
/** As many as the server tells at once. */
const headLimit_count = 4_096;
const spaceLimit_count = 64;
const textLimit_chars = 4_096;

export interface TabError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** What one tab has to tell of one document, with the incarnation and the epoch (0: none is known) that it is of. */
export type TabItem =
  /** New envelopes: `local` ones are in storage and perhaps not at the server; the others came from the server. */
  | {
      readonly type: 'envelopes';
      readonly document: string;
      readonly incarnation: number;
      readonly epoch: number;
      readonly local: boolean;
      readonly at_ms: number;
      /** What was added to this device's clock when the local ones were written. */
      readonly clockOffset_ms: number;
      readonly envelopes: readonly Uint8Array[];
    }
  /** Storage has something new: up to this version, or unknown what. */
  | {
      readonly type: 'records';
      readonly document: string;
      readonly incarnation: number;
      readonly epoch: number;
      readonly version: Uint8Array | undefined;
    }
  /** The server has these. */
  | {
      readonly type: 'synced';
      readonly document: string;
      readonly incarnation: number;
      readonly epoch: number;
      readonly acknowledged: readonly TabAcknowledgement[];
    };

export interface TabAcknowledgement {
  readonly agent: bigint;
  readonly to: number;
  readonly position: number;
}

/** What a leader does for all, as far as others show it. */
export interface LeaderState {
  readonly connection: { readonly state: 'offline' | 'connecting' | 'online'; readonly lastError?: TabError };
  /** What to add to this device's clock to get the server's. */
  readonly clockOffset_ms: number | undefined;
  readonly counted: boolean;
  readonly pending: readonly { readonly document: string; readonly envelopes: number; readonly oldestAt_ms: number }[];
  /** Of what is not in the list. */
  readonly morePending: { readonly envelopes: number; readonly oldestAt_ms: number };
  readonly trouble: { readonly error: TabError; readonly blocked: boolean } | undefined;
}

/** A document that a tab has open, and of each agent what it waits for the server to have. */
export interface Hold {
  readonly document: string;
  readonly awaited: readonly (readonly [agent: bigint, to: number])[];
}

export interface TabSpaceHead {
  readonly document: string;
  readonly epoch: number;
  readonly head: number;
  readonly deleted: boolean;
}

/** `kept`: in storage, and to be brought to the server; the other two are final. */
export type DeletionState = 'kept' | 'done' | 'refused';

export type TabBody =
  /** A new tab: whoever leads says so. */
  | { readonly type: 'hello' }
  /** A follower is still there, and wants this of the connection; `introduces`: what it holds follows. */
  | { readonly type: 'alive'; readonly connected: boolean; readonly introduces: boolean }
  | { readonly type: 'bye' }
  /** Nothing of these data is to stay on the device: who has them open stores nothing more. */
  | { readonly type: 'wiped' }
  /** A leader is there, or (`claims`) in a moment; with what it shows, where that has changed. */
  | { readonly type: 'beat'; readonly claims: boolean; readonly state: LeaderState | undefined }
  /** To one tab: say what you hold. */
  | { readonly type: 'ask'; readonly to: string }
  /** Begin to connect anew, although nothing else has changed. */
  | { readonly type: 'connect' }
  | { readonly type: 'hold'; readonly holds: readonly Hold[] }
  | { readonly type: 'release'; readonly documents: readonly string[] }
  /** All spaces that a tab has open. */
  | { readonly type: 'spaces'; readonly spaces: readonly string[] }
  /** To the leader: delete this document. */
  | { readonly type: 'delete'; readonly document: string }
  /** From the leader: what the server says of a space; without heads: all that was told is stored, and is to be read. */
  | {
      readonly type: 'space';
      readonly space: string;
      readonly token: number;
      readonly complete: boolean;
      readonly heads: readonly TabSpaceHead[] | undefined;
    }
  /** From the leader: how far a deletion has come. */
  | {
      readonly type: 'deletion';
      readonly document: string;
      readonly state: DeletionState;
      readonly error: TabError | undefined;
    }
  /** From the leader: this is known to be deleted, for who has opened it since that was told. */
  | { readonly type: 'deleted'; readonly document: string }
  | PresenceBody
  | { readonly type: 'news'; readonly items: readonly TabItem[] }
  /** The rejected list in storage has changed. */
  | { readonly type: 'rejections' }
  /** More has happened than could be told: look into storage. */
  | { readonly type: 'overflow' };

export type TabMessage = TabBody & {
  readonly joinery: number;
  readonly tab: string;
  /** The leader's own term; 0 from who doesn't lead. */
  readonly term: number;
};

/** The message as it goes to the channel. */
export function tabMessage(body: TabBody, tab: string, term: number): TabMessage {
  return { ...body, joinery: tabFormat, tab, term };
}

/** The message, or undefined when it isn't one of this format. */
export function readTabMessage(data: unknown): TabMessage | undefined {
  if (!isRecord(data) || data.joinery !== tabFormat) return undefined;
  if (!isName(data.tab) || !isCount(data.term)) return undefined;
  return isBody(data) ? (data as unknown as TabMessage) : undefined;
}

/** The format of a message that another version of this code has sent; undefined where it is none of another one. */
export function foreignFormat(data: unknown): number | undefined {
  if (!isRecord(data) || !isCount(data.joinery) || data.joinery === tabFormat) return undefined;
  return data.joinery as number;
}

function isBody(data: Fields): boolean {
  switch (data.type) {
    case 'hello':
    case 'bye':
    case 'wiped':
    case 'connect':
    case 'rejections':
    case 'overflow':
      return true;
    case 'alive':
      return typeof data.connected === 'boolean' && typeof data.introduces === 'boolean';
    case 'ask':
      return isName(data.to);
    case 'beat':
      return typeof data.claims === 'boolean' && (data.state === undefined || isLeaderState(data.state));
    case 'hold':
      return isList(data.holds, messageLimit_count, isHold);
    case 'release':
      return isList(data.documents, messageLimit_count, isName);
    case 'spaces':
      return isList(data.spaces, spaceLimit_count, isSpace);
    case 'delete':
    case 'deleted':
      return isName(data.document);
    case 'space':
      if (!isSpace(data.space) || !isCount(data.token) || typeof data.complete !== 'boolean') return false;
      return data.heads === undefined || isList(data.heads, headLimit_count, isHead);
    case 'deletion': {
      const isState = isOneOf(data.state, ['kept', 'done', 'refused']);
      return isName(data.document) && isState && (data.error === undefined || isError(data.error));
    }
    case 'presence': {
      if (!isName(data.document) || typeof data.client !== 'string' || data.client.length > textLimit_chars)
        return false;
      return (
        data.message === undefined || (isBytes(data.message) && (data.message as Uint8Array).length <= maxPresenceBytes)
      );
    }
    case 'presence-open':
      return isList(data.documents, messageLimit_count, isName);
    case 'news':
      return isList(data.items, messageLimit_count, isItem);
    default:
      return false;
  }
}

function isItem(item: unknown): boolean {
  if (!isRecord(item) || !isName(item.document) || !isCount(item.incarnation) || !isCount(item.epoch)) return false;
  switch (item.type) {
    case 'envelopes': {
      const { local, at_ms, clockOffset_ms, envelopes } = item;
      const isTimed = isCount(at_ms) && Number.isSafeInteger(clockOffset_ms);
      if (typeof local !== 'boolean' || !isTimed || !isList(envelopes, messageLimit_count, isBytes)) return false;
      return (envelopes as Uint8Array[]).reduce((sum, { length }) => sum + length, 0) <= messageLimit_bytes;
    }
    case 'records':
      return item.version === undefined || isBytes(item.version);
    case 'synced':
      return isList(item.acknowledged, seqLimit_count, isAcknowledgement);
    default:
      return false;
  }
}

function isLeaderState(state: unknown): boolean {
  if (!isRecord(state)) return false;
  const { connection, clockOffset_ms, counted, pending, morePending, trouble } = state;
  if (!isRecord(connection) || !isRecord(morePending) || typeof counted !== 'boolean') return false;
  const isConnection =
    isOneOf(connection.state, ['offline', 'connecting', 'online']) &&
    (connection.lastError === undefined || isError(connection.lastError));
  const isTrouble =
    trouble === undefined || (isRecord(trouble) && isError(trouble.error) && typeof trouble.blocked === 'boolean');
  const isOffset = clockOffset_ms === undefined || Number.isFinite(clockOffset_ms);
  const isRest = isCount(morePending.envelopes) && typeof morePending.oldestAt_ms === 'number';
  return isConnection && isTrouble && isOffset && isRest && isList(pending, pendingLimit_count, isPending);
}

function isPending(entry: unknown): boolean {
  if (!isRecord(entry)) return false;
  return isName(entry.document) && isCount(entry.envelopes) && typeof entry.oldestAt_ms === 'number';
}

function isHold(hold: unknown): boolean {
  return isRecord(hold) && isName(hold.document) && isList(hold.awaited, seqLimit_count, isAgentSeq);
}

function isSpace(space: unknown): boolean {
  return space === '' || isName(space);
}

function isHead(head: unknown): boolean {
  if (!isRecord(head) || typeof head.deleted !== 'boolean') return false;
  return isName(head.document) && isCount(head.epoch) && isCount(head.head);
}

function isAgentSeq(seq: unknown): boolean {
  return Array.isArray(seq) && seq.length === 2 && isAgent(seq[0]) && isCount(seq[1]);
}

function isAcknowledgement(given: unknown): boolean {
  return isRecord(given) && isAgent(given.agent) && isCount(given.to) && isCount(given.position);
}

function isError(error: unknown): boolean {
  if (!isRecord(error) || typeof error.retryable !== 'boolean') return false;
  return isName(error.code) && typeof error.message === 'string' && error.message.length <= textLimit_chars;
}

type Fields = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function isList(value: unknown, limit: number, each: (item: unknown) => boolean): boolean {
  if (!Array.isArray(value) || value.length > limit) return false;
  // Item by item: `every` would pass over holes.
  for (const item of value) if (!each(item)) return false;
  return true;
}

function isOneOf(value: unknown, names: readonly string[]): boolean {
  return typeof value === 'string' && names.includes(value);
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= textLimit_chars;
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isAgent(value: unknown): boolean {
  return typeof value === 'bigint' && value >= 0n && value < 2n ** 64n;
}

function isBytes(value: unknown): boolean {
  return value instanceof Uint8Array;
}
