// Generated from proto/*.proto by scripts/generate.mjs with the compiler of pbf. Do not edit.
// It trusts its input: src/codec.ts checks the bytes first.

import type { PbfReader, PbfWriter } from 'pbf';

export interface Ack {
  ranges: AckRange[];
}

export interface AckRange {
  agent?: Uint8Array | undefined;
  to: number;
  position: number;
  count: number;
}

export interface Authenticate {
  token: string;
}

export interface Authenticated {
  user: string;
  expiresMs: number;
}

export interface Bridge {
  epoch: number;
  agent?: Uint8Array | undefined;
  totalBytes: number;
  offset: number;
  part?: Uint8Array | undefined;
}

export interface ClientHello {
  protocolMin: number;
  protocolMax: number;
  knownTypes: string[];
  name: string;
  creditBytes: number;
}

export interface Close {
  document: string;
  epoch: number;
  agents: Uint8Array[];
}

export interface Closed {
  document: string;
  epoch: number;
  agents: ClosedAgent[];
}

export interface ClosedAgent {
  agent?: Uint8Array | undefined;
  last: number;
}

export interface Credit {
  bytes: number;
}

export interface DeleteDocument {
  document: string;
}

export interface Deleted {
  document: string;
  code: string;
  message: string;
}

export interface Envelopes {
  firstPosition: number;
  envelopes: Uint8Array[];
}

export interface Error {
  code: string;
  message: string;
  retryable: boolean;
  document: string;
  epoch: number;
}

export interface FollowSpace {
  space: string;
  token: number;
}

export interface Frame {
  clientHello?: ClientHello | undefined;
  serverHello?: ServerHello | undefined;
  authenticate?: Authenticate | undefined;
  authenticated?: Authenticated | undefined;
  subscribe?: Subscribe | undefined;
  unsubscribe?: Unsubscribe | undefined;
  subscribed?: Subscribed | undefined;
  snapshot?: Snapshot | undefined;
  envelopes?: Envelopes | undefined;
  ack?: Ack | undefined;
  refusal?: Refusal | undefined;
  presence?: Presence | undefined;
  error?: Error | undefined;
  credit?: Credit | undefined;
  close?: Close | undefined;
  closed?: Closed | undefined;
  bridge?: Bridge | undefined;
  safe?: Safe | undefined;
  deleteDocument?: DeleteDocument | undefined;
  deleted?: Deleted | undefined;
  followSpace?: FollowSpace | undefined;
  unfollowSpace?: UnfollowSpace | undefined;
  spaceHeads?: SpaceHeads | undefined;
  ping?: Ping | undefined;
  pong?: Pong | undefined;
  channel: number;
  number: number;
  body?: 'clientHello' | 'serverHello' | 'authenticate' | 'authenticated' | 'subscribe' | 'unsubscribe' | 'subscribed' | 'snapshot' | 'envelopes' | 'ack' | 'refusal' | 'presence' | 'error' | 'credit' | 'close' | 'closed' | 'bridge' | 'safe' | 'deleteDocument' | 'deleted' | 'followSpace' | 'unfollowSpace' | 'spaceHeads' | 'ping' | 'pong' | undefined;
}

export interface Ping {
  nonce: number;
}

export interface Pong {
  nonce: number;
  serverTimeMs: number;
}

export interface Presence {
  client: string;
  state?: Uint8Array | undefined;
  gone: boolean;
}

export interface Refusal {
  agent?: Uint8Array | undefined;
  from: number;
  to: number;
  code: string;
  message: string;
  last: number;
  missingAgent?: Uint8Array | undefined;
  missingSeq: number;
  serverTimeMs: number;
}

export interface Safe {
  position: number;
}

export interface ServerHello {
  protocol: number;
  knownTypes: string[];
  serverTimeMs: number;
  windowBytes: number;
  maxFrameBytes: number;
  session: string;
}

export interface Snapshot {
  position: number;
  totalBytes: number;
  offset: number;
  part?: Uint8Array | undefined;
  delta: boolean;
}

export interface SpaceHead {
  document: string;
  epoch: number;
  head: number;
  deleted: boolean;
}

export interface SpaceHeads {
  space: string;
  token: number;
  entries: SpaceHead[];
  more: boolean;
  restarted: boolean;
  code: string;
  message: string;
}

export interface Subscribe {
  subscriptions: Subscription[];
}

export interface Subscribed {
  epoch: number;
  head: number;
  version?: Uint8Array | undefined;
  position: number;
  snapshotFollows: boolean;
  safe: number;
}

export interface Subscription {
  channel: number;
  document: string;
  epoch: number;
  position: number;
  version?: Uint8Array | undefined;
  bridgeFrom: number;
}

export interface UnfollowSpace {
  space: string;
}

export interface Unsubscribe {
  channel: number;
}

export function readFrame(pbf: PbfReader, end?: number): Frame {
    const obj: Frame = {clientHello: undefined, body: undefined, serverHello: undefined, authenticate: undefined, authenticated: undefined, subscribe: undefined, unsubscribe: undefined, subscribed: undefined, snapshot: undefined, envelopes: undefined, ack: undefined, refusal: undefined, presence: undefined, error: undefined, credit: undefined, close: undefined, closed: undefined, bridge: undefined, safe: undefined, deleteDocument: undefined, deleted: undefined, followSpace: undefined, unfollowSpace: undefined, spaceHeads: undefined, ping: undefined, pong: undefined, channel: 0, number: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) { obj.clientHello = readClientHello(pbf, pbf.readVarint() + pbf.pos); obj.body = "clientHello"; }
        else if (field === 2) { obj.serverHello = readServerHello(pbf, pbf.readVarint() + pbf.pos); obj.body = "serverHello"; }
        else if (field === 3) { obj.authenticate = readAuthenticate(pbf, pbf.readVarint() + pbf.pos); obj.body = "authenticate"; }
        else if (field === 4) { obj.authenticated = readAuthenticated(pbf, pbf.readVarint() + pbf.pos); obj.body = "authenticated"; }
        else if (field === 5) { obj.subscribe = readSubscribe(pbf, pbf.readVarint() + pbf.pos); obj.body = "subscribe"; }
        else if (field === 6) { obj.unsubscribe = readUnsubscribe(pbf, pbf.readVarint() + pbf.pos); obj.body = "unsubscribe"; }
        else if (field === 7) { obj.subscribed = readSubscribed(pbf, pbf.readVarint() + pbf.pos); obj.body = "subscribed"; }
        else if (field === 8) { obj.snapshot = readSnapshot(pbf, pbf.readVarint() + pbf.pos); obj.body = "snapshot"; }
        else if (field === 9) { obj.envelopes = readEnvelopes(pbf, pbf.readVarint() + pbf.pos); obj.body = "envelopes"; }
        else if (field === 10) { obj.ack = readAck(pbf, pbf.readVarint() + pbf.pos); obj.body = "ack"; }
        else if (field === 11) { obj.refusal = readRefusal(pbf, pbf.readVarint() + pbf.pos); obj.body = "refusal"; }
        else if (field === 12) { obj.presence = readPresence(pbf, pbf.readVarint() + pbf.pos); obj.body = "presence"; }
        else if (field === 13) { obj.error = readError(pbf, pbf.readVarint() + pbf.pos); obj.body = "error"; }
        else if (field === 16) { obj.credit = readCredit(pbf, pbf.readVarint() + pbf.pos); obj.body = "credit"; }
        else if (field === 17) { obj.close = readClose(pbf, pbf.readVarint() + pbf.pos); obj.body = "close"; }
        else if (field === 18) { obj.closed = readClosed(pbf, pbf.readVarint() + pbf.pos); obj.body = "closed"; }
        else if (field === 19) { obj.bridge = readBridge(pbf, pbf.readVarint() + pbf.pos); obj.body = "bridge"; }
        else if (field === 20) { obj.safe = readSafe(pbf, pbf.readVarint() + pbf.pos); obj.body = "safe"; }
        else if (field === 21) { obj.deleteDocument = readDeleteDocument(pbf, pbf.readVarint() + pbf.pos); obj.body = "deleteDocument"; }
        else if (field === 22) { obj.deleted = readDeleted(pbf, pbf.readVarint() + pbf.pos); obj.body = "deleted"; }
        else if (field === 23) { obj.followSpace = readFollowSpace(pbf, pbf.readVarint() + pbf.pos); obj.body = "followSpace"; }
        else if (field === 24) { obj.unfollowSpace = readUnfollowSpace(pbf, pbf.readVarint() + pbf.pos); obj.body = "unfollowSpace"; }
        else if (field === 25) { obj.spaceHeads = readSpaceHeads(pbf, pbf.readVarint() + pbf.pos); obj.body = "spaceHeads"; }
        else if (field === 26) { obj.ping = readPing(pbf, pbf.readVarint() + pbf.pos); obj.body = "ping"; }
        else if (field === 27) { obj.pong = readPong(pbf, pbf.readVarint() + pbf.pos); obj.body = "pong"; }
        else if (field === 14) obj.channel = pbf.readVarint();
        else if (field === 15) obj.number = pbf.readVarint();
    }
    return obj;
}
export function writeFrame(obj: Frame, pbf: PbfWriter): void {
    if (obj.clientHello) pbf.writeMessage(1, writeClientHello, obj.clientHello);
    if (obj.serverHello) pbf.writeMessage(2, writeServerHello, obj.serverHello);
    if (obj.authenticate) pbf.writeMessage(3, writeAuthenticate, obj.authenticate);
    if (obj.authenticated) pbf.writeMessage(4, writeAuthenticated, obj.authenticated);
    if (obj.subscribe) pbf.writeMessage(5, writeSubscribe, obj.subscribe);
    if (obj.unsubscribe) pbf.writeMessage(6, writeUnsubscribe, obj.unsubscribe);
    if (obj.subscribed) pbf.writeMessage(7, writeSubscribed, obj.subscribed);
    if (obj.snapshot) pbf.writeMessage(8, writeSnapshot, obj.snapshot);
    if (obj.envelopes) pbf.writeMessage(9, writeEnvelopes, obj.envelopes);
    if (obj.ack) pbf.writeMessage(10, writeAck, obj.ack);
    if (obj.refusal) pbf.writeMessage(11, writeRefusal, obj.refusal);
    if (obj.presence) pbf.writeMessage(12, writePresence, obj.presence);
    if (obj.error) pbf.writeMessage(13, writeError, obj.error);
    if (obj.credit) pbf.writeMessage(16, writeCredit, obj.credit);
    if (obj.close) pbf.writeMessage(17, writeClose, obj.close);
    if (obj.closed) pbf.writeMessage(18, writeClosed, obj.closed);
    if (obj.bridge) pbf.writeMessage(19, writeBridge, obj.bridge);
    if (obj.safe) pbf.writeMessage(20, writeSafe, obj.safe);
    if (obj.deleteDocument) pbf.writeMessage(21, writeDeleteDocument, obj.deleteDocument);
    if (obj.deleted) pbf.writeMessage(22, writeDeleted, obj.deleted);
    if (obj.followSpace) pbf.writeMessage(23, writeFollowSpace, obj.followSpace);
    if (obj.unfollowSpace) pbf.writeMessage(24, writeUnfollowSpace, obj.unfollowSpace);
    if (obj.spaceHeads) pbf.writeMessage(25, writeSpaceHeads, obj.spaceHeads);
    if (obj.ping) pbf.writeMessage(26, writePing, obj.ping);
    if (obj.pong) pbf.writeMessage(27, writePong, obj.pong);
    if (obj.channel) pbf.writeVarintField(14, obj.channel);
    if (obj.number) pbf.writeVarintField(15, obj.number);
}

export function readAckRange(pbf: PbfReader, end?: number): AckRange {
    const obj: AckRange = {agent: undefined, to: 0, position: 0, count: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.agent = pbf.readBytes();
        else if (field === 2) obj.to = pbf.readVarint();
        else if (field === 3) obj.position = pbf.readVarint();
        else if (field === 4) obj.count = pbf.readVarint();
    }
    return obj;
}
export function writeAckRange(obj: AckRange, pbf: PbfWriter): void {
    if (obj.agent != null) pbf.writeBytesField(1, obj.agent);
    if (obj.to) pbf.writeVarintField(2, obj.to);
    if (obj.position) pbf.writeVarintField(3, obj.position);
    if (obj.count) pbf.writeVarintField(4, obj.count);
}

export function readAck(pbf: PbfReader, end?: number): Ack {
    const obj: Ack = {ranges: []};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.ranges.push(readAckRange(pbf, pbf.readVarint() + pbf.pos));
    }
    return obj;
}
export function writeAck(obj: Ack, pbf: PbfWriter): void {
    if (obj.ranges) for (const item of obj.ranges) pbf.writeMessage(1, writeAckRange, item);
}

export function readAuthenticate(pbf: PbfReader, end?: number): Authenticate {
    const obj: Authenticate = {token: ""};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.token = pbf.readString();
    }
    return obj;
}
export function writeAuthenticate(obj: Authenticate, pbf: PbfWriter): void {
    if (obj.token) pbf.writeStringField(1, obj.token);
}

export function readAuthenticated(pbf: PbfReader, end?: number): Authenticated {
    const obj: Authenticated = {user: "", expiresMs: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.user = pbf.readString();
        else if (field === 2) obj.expiresMs = pbf.readVarint();
    }
    return obj;
}
export function writeAuthenticated(obj: Authenticated, pbf: PbfWriter): void {
    if (obj.user) pbf.writeStringField(1, obj.user);
    if (obj.expiresMs) pbf.writeVarintField(2, obj.expiresMs);
}

export function readBridge(pbf: PbfReader, end?: number): Bridge {
    const obj: Bridge = {epoch: 0, agent: undefined, totalBytes: 0, offset: 0, part: undefined};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.epoch = pbf.readVarint();
        else if (field === 2) obj.agent = pbf.readBytes();
        else if (field === 3) obj.totalBytes = pbf.readVarint();
        else if (field === 4) obj.offset = pbf.readVarint();
        else if (field === 5) obj.part = pbf.readBytes();
    }
    return obj;
}
export function writeBridge(obj: Bridge, pbf: PbfWriter): void {
    if (obj.epoch) pbf.writeVarintField(1, obj.epoch);
    if (obj.agent != null) pbf.writeBytesField(2, obj.agent);
    if (obj.totalBytes) pbf.writeVarintField(3, obj.totalBytes);
    if (obj.offset) pbf.writeVarintField(4, obj.offset);
    if (obj.part != null) pbf.writeBytesField(5, obj.part);
}

export function readClose(pbf: PbfReader, end?: number): Close {
    const obj: Close = {document: "", epoch: 0, agents: []};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.document = pbf.readString();
        else if (field === 2) obj.epoch = pbf.readVarint();
        else if (field === 3) obj.agents.push(pbf.readBytes());
    }
    return obj;
}
export function writeClose(obj: Close, pbf: PbfWriter): void {
    if (obj.document) pbf.writeStringField(1, obj.document);
    if (obj.epoch) pbf.writeVarintField(2, obj.epoch);
    if (obj.agents) for (const item of obj.agents) pbf.writeBytesField(3, item);
}

export function readClosedAgent(pbf: PbfReader, end?: number): ClosedAgent {
    const obj: ClosedAgent = {agent: undefined, last: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.agent = pbf.readBytes();
        else if (field === 2) obj.last = pbf.readVarint();
    }
    return obj;
}
export function writeClosedAgent(obj: ClosedAgent, pbf: PbfWriter): void {
    if (obj.agent != null) pbf.writeBytesField(1, obj.agent);
    if (obj.last) pbf.writeVarintField(2, obj.last);
}

export function readClosed(pbf: PbfReader, end?: number): Closed {
    const obj: Closed = {document: "", epoch: 0, agents: []};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.document = pbf.readString();
        else if (field === 2) obj.epoch = pbf.readVarint();
        else if (field === 3) obj.agents.push(readClosedAgent(pbf, pbf.readVarint() + pbf.pos));
    }
    return obj;
}
export function writeClosed(obj: Closed, pbf: PbfWriter): void {
    if (obj.document) pbf.writeStringField(1, obj.document);
    if (obj.epoch) pbf.writeVarintField(2, obj.epoch);
    if (obj.agents) for (const item of obj.agents) pbf.writeMessage(3, writeClosedAgent, item);
}

export function readCredit(pbf: PbfReader, end?: number): Credit {
    const obj: Credit = {bytes: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.bytes = pbf.readVarint();
    }
    return obj;
}
export function writeCredit(obj: Credit, pbf: PbfWriter): void {
    if (obj.bytes) pbf.writeVarintField(1, obj.bytes);
}

export function readDeleteDocument(pbf: PbfReader, end?: number): DeleteDocument {
    const obj: DeleteDocument = {document: ""};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.document = pbf.readString();
    }
    return obj;
}
export function writeDeleteDocument(obj: DeleteDocument, pbf: PbfWriter): void {
    if (obj.document) pbf.writeStringField(1, obj.document);
}

export function readDeleted(pbf: PbfReader, end?: number): Deleted {
    const obj: Deleted = {document: "", code: "", message: ""};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.document = pbf.readString();
        else if (field === 2) obj.code = pbf.readString();
        else if (field === 3) obj.message = pbf.readString();
    }
    return obj;
}
export function writeDeleted(obj: Deleted, pbf: PbfWriter): void {
    if (obj.document) pbf.writeStringField(1, obj.document);
    if (obj.code) pbf.writeStringField(2, obj.code);
    if (obj.message) pbf.writeStringField(3, obj.message);
}

export function readEnvelopes(pbf: PbfReader, end?: number): Envelopes {
    const obj: Envelopes = {firstPosition: 0, envelopes: []};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.firstPosition = pbf.readVarint();
        else if (field === 2) obj.envelopes.push(pbf.readBytes());
    }
    return obj;
}
export function writeEnvelopes(obj: Envelopes, pbf: PbfWriter): void {
    if (obj.firstPosition) pbf.writeVarintField(1, obj.firstPosition);
    if (obj.envelopes) for (const item of obj.envelopes) pbf.writeBytesField(2, item);
}

export function readError(pbf: PbfReader, end?: number): Error {
    const obj: Error = {code: "", message: "", retryable: false, document: "", epoch: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.code = pbf.readString();
        else if (field === 2) obj.message = pbf.readString();
        else if (field === 3) obj.retryable = pbf.readBoolean();
        else if (field === 4) obj.document = pbf.readString();
        else if (field === 5) obj.epoch = pbf.readVarint();
    }
    return obj;
}
export function writeError(obj: Error, pbf: PbfWriter): void {
    if (obj.code) pbf.writeStringField(1, obj.code);
    if (obj.message) pbf.writeStringField(2, obj.message);
    if (obj.retryable) pbf.writeBooleanField(3, obj.retryable);
    if (obj.document) pbf.writeStringField(4, obj.document);
    if (obj.epoch) pbf.writeVarintField(5, obj.epoch);
}

export function readClientHello(pbf: PbfReader, end?: number): ClientHello {
    const obj: ClientHello = {protocolMin: 0, protocolMax: 0, knownTypes: [], name: "", creditBytes: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.protocolMin = pbf.readVarint();
        else if (field === 2) obj.protocolMax = pbf.readVarint();
        else if (field === 3) obj.knownTypes.push(pbf.readString());
        else if (field === 4) obj.name = pbf.readString();
        else if (field === 5) obj.creditBytes = pbf.readVarint();
    }
    return obj;
}
export function writeClientHello(obj: ClientHello, pbf: PbfWriter): void {
    if (obj.protocolMin) pbf.writeVarintField(1, obj.protocolMin);
    if (obj.protocolMax) pbf.writeVarintField(2, obj.protocolMax);
    if (obj.knownTypes) for (const item of obj.knownTypes) pbf.writeStringField(3, item);
    if (obj.name) pbf.writeStringField(4, obj.name);
    if (obj.creditBytes) pbf.writeVarintField(5, obj.creditBytes);
}

export function readServerHello(pbf: PbfReader, end?: number): ServerHello {
    const obj: ServerHello = {protocol: 0, knownTypes: [], serverTimeMs: 0, windowBytes: 0, maxFrameBytes: 0, session: ""};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.protocol = pbf.readVarint();
        else if (field === 2) obj.knownTypes.push(pbf.readString());
        else if (field === 3) obj.serverTimeMs = pbf.readVarint();
        else if (field === 4) obj.windowBytes = pbf.readVarint();
        else if (field === 5) obj.maxFrameBytes = pbf.readVarint();
        else if (field === 6) obj.session = pbf.readString();
    }
    return obj;
}
export function writeServerHello(obj: ServerHello, pbf: PbfWriter): void {
    if (obj.protocol) pbf.writeVarintField(1, obj.protocol);
    if (obj.knownTypes) for (const item of obj.knownTypes) pbf.writeStringField(2, item);
    if (obj.serverTimeMs) pbf.writeVarintField(3, obj.serverTimeMs);
    if (obj.windowBytes) pbf.writeVarintField(4, obj.windowBytes);
    if (obj.maxFrameBytes) pbf.writeVarintField(5, obj.maxFrameBytes);
    if (obj.session) pbf.writeStringField(6, obj.session);
}

export function readPing(pbf: PbfReader, end?: number): Ping {
    const obj: Ping = {nonce: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.nonce = pbf.readVarint();
    }
    return obj;
}
export function writePing(obj: Ping, pbf: PbfWriter): void {
    if (obj.nonce) pbf.writeVarintField(1, obj.nonce);
}

export function readPong(pbf: PbfReader, end?: number): Pong {
    const obj: Pong = {nonce: 0, serverTimeMs: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.nonce = pbf.readVarint();
        else if (field === 2) obj.serverTimeMs = pbf.readVarint();
    }
    return obj;
}
export function writePong(obj: Pong, pbf: PbfWriter): void {
    if (obj.nonce) pbf.writeVarintField(1, obj.nonce);
    if (obj.serverTimeMs) pbf.writeVarintField(2, obj.serverTimeMs);
}

export function readPresence(pbf: PbfReader, end?: number): Presence {
    const obj: Presence = {client: "", state: undefined, gone: false};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.client = pbf.readString();
        else if (field === 2) obj.state = pbf.readBytes();
        else if (field === 3) obj.gone = pbf.readBoolean();
    }
    return obj;
}
export function writePresence(obj: Presence, pbf: PbfWriter): void {
    if (obj.client) pbf.writeStringField(1, obj.client);
    if (obj.state != null) pbf.writeBytesField(2, obj.state);
    if (obj.gone) pbf.writeBooleanField(3, obj.gone);
}

export function readRefusal(pbf: PbfReader, end?: number): Refusal {
    const obj: Refusal = {agent: undefined, from: 0, to: 0, code: "", message: "", last: 0, missingAgent: undefined, missingSeq: 0, serverTimeMs: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.agent = pbf.readBytes();
        else if (field === 2) obj.from = pbf.readVarint();
        else if (field === 3) obj.to = pbf.readVarint();
        else if (field === 4) obj.code = pbf.readString();
        else if (field === 5) obj.message = pbf.readString();
        else if (field === 6) obj.last = pbf.readVarint();
        else if (field === 7) obj.missingAgent = pbf.readBytes();
        else if (field === 8) obj.missingSeq = pbf.readVarint();
        else if (field === 9) obj.serverTimeMs = pbf.readVarint();
    }
    return obj;
}
export function writeRefusal(obj: Refusal, pbf: PbfWriter): void {
    if (obj.agent != null) pbf.writeBytesField(1, obj.agent);
    if (obj.from) pbf.writeVarintField(2, obj.from);
    if (obj.to) pbf.writeVarintField(3, obj.to);
    if (obj.code) pbf.writeStringField(4, obj.code);
    if (obj.message) pbf.writeStringField(5, obj.message);
    if (obj.last) pbf.writeVarintField(6, obj.last);
    if (obj.missingAgent != null) pbf.writeBytesField(7, obj.missingAgent);
    if (obj.missingSeq) pbf.writeVarintField(8, obj.missingSeq);
    if (obj.serverTimeMs) pbf.writeVarintField(9, obj.serverTimeMs);
}

export function readSafe(pbf: PbfReader, end?: number): Safe {
    const obj: Safe = {position: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.position = pbf.readVarint();
    }
    return obj;
}
export function writeSafe(obj: Safe, pbf: PbfWriter): void {
    if (obj.position) pbf.writeVarintField(1, obj.position);
}

export function readSnapshot(pbf: PbfReader, end?: number): Snapshot {
    const obj: Snapshot = {position: 0, totalBytes: 0, offset: 0, part: undefined, delta: false};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.position = pbf.readVarint();
        else if (field === 2) obj.totalBytes = pbf.readVarint();
        else if (field === 3) obj.offset = pbf.readVarint();
        else if (field === 4) obj.part = pbf.readBytes();
        else if (field === 5) obj.delta = pbf.readBoolean();
    }
    return obj;
}
export function writeSnapshot(obj: Snapshot, pbf: PbfWriter): void {
    if (obj.position) pbf.writeVarintField(1, obj.position);
    if (obj.totalBytes) pbf.writeVarintField(2, obj.totalBytes);
    if (obj.offset) pbf.writeVarintField(3, obj.offset);
    if (obj.part != null) pbf.writeBytesField(4, obj.part);
    if (obj.delta) pbf.writeBooleanField(5, obj.delta);
}

export function readFollowSpace(pbf: PbfReader, end?: number): FollowSpace {
    const obj: FollowSpace = {space: "", token: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.space = pbf.readString();
        else if (field === 2) obj.token = pbf.readVarint();
    }
    return obj;
}
export function writeFollowSpace(obj: FollowSpace, pbf: PbfWriter): void {
    if (obj.space) pbf.writeStringField(1, obj.space);
    if (obj.token) pbf.writeVarintField(2, obj.token);
}

export function readUnfollowSpace(pbf: PbfReader, end?: number): UnfollowSpace {
    const obj: UnfollowSpace = {space: ""};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.space = pbf.readString();
    }
    return obj;
}
export function writeUnfollowSpace(obj: UnfollowSpace, pbf: PbfWriter): void {
    if (obj.space) pbf.writeStringField(1, obj.space);
}

export function readSpaceHead(pbf: PbfReader, end?: number): SpaceHead {
    const obj: SpaceHead = {document: "", epoch: 0, head: 0, deleted: false};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.document = pbf.readString();
        else if (field === 2) obj.epoch = pbf.readVarint();
        else if (field === 3) obj.head = pbf.readVarint();
        else if (field === 4) obj.deleted = pbf.readBoolean();
    }
    return obj;
}
export function writeSpaceHead(obj: SpaceHead, pbf: PbfWriter): void {
    if (obj.document) pbf.writeStringField(1, obj.document);
    if (obj.epoch) pbf.writeVarintField(2, obj.epoch);
    if (obj.head) pbf.writeVarintField(3, obj.head);
    if (obj.deleted) pbf.writeBooleanField(4, obj.deleted);
}

export function readSpaceHeads(pbf: PbfReader, end?: number): SpaceHeads {
    const obj: SpaceHeads = {space: "", token: 0, entries: [], more: false, restarted: false, code: "", message: ""};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.space = pbf.readString();
        else if (field === 2) obj.token = pbf.readVarint();
        else if (field === 3) obj.entries.push(readSpaceHead(pbf, pbf.readVarint() + pbf.pos));
        else if (field === 4) obj.more = pbf.readBoolean();
        else if (field === 5) obj.restarted = pbf.readBoolean();
        else if (field === 6) obj.code = pbf.readString();
        else if (field === 7) obj.message = pbf.readString();
    }
    return obj;
}
export function writeSpaceHeads(obj: SpaceHeads, pbf: PbfWriter): void {
    if (obj.space) pbf.writeStringField(1, obj.space);
    if (obj.token) pbf.writeVarintField(2, obj.token);
    if (obj.entries) for (const item of obj.entries) pbf.writeMessage(3, writeSpaceHead, item);
    if (obj.more) pbf.writeBooleanField(4, obj.more);
    if (obj.restarted) pbf.writeBooleanField(5, obj.restarted);
    if (obj.code) pbf.writeStringField(6, obj.code);
    if (obj.message) pbf.writeStringField(7, obj.message);
}

export function readSubscription(pbf: PbfReader, end?: number): Subscription {
    const obj: Subscription = {channel: 0, document: "", epoch: 0, position: 0, version: undefined, bridgeFrom: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.channel = pbf.readVarint();
        else if (field === 2) obj.document = pbf.readString();
        else if (field === 3) obj.epoch = pbf.readVarint();
        else if (field === 4) obj.position = pbf.readVarint();
        else if (field === 5) obj.version = pbf.readBytes();
        else if (field === 6) obj.bridgeFrom = pbf.readVarint();
    }
    return obj;
}
export function writeSubscription(obj: Subscription, pbf: PbfWriter): void {
    if (obj.channel) pbf.writeVarintField(1, obj.channel);
    if (obj.document) pbf.writeStringField(2, obj.document);
    if (obj.epoch) pbf.writeVarintField(3, obj.epoch);
    if (obj.position) pbf.writeVarintField(4, obj.position);
    if (obj.version != null) pbf.writeBytesField(5, obj.version);
    if (obj.bridgeFrom) pbf.writeVarintField(6, obj.bridgeFrom);
}

export function readSubscribe(pbf: PbfReader, end?: number): Subscribe {
    const obj: Subscribe = {subscriptions: []};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.subscriptions.push(readSubscription(pbf, pbf.readVarint() + pbf.pos));
    }
    return obj;
}
export function writeSubscribe(obj: Subscribe, pbf: PbfWriter): void {
    if (obj.subscriptions) for (const item of obj.subscriptions) pbf.writeMessage(1, writeSubscription, item);
}

export function readUnsubscribe(pbf: PbfReader, end?: number): Unsubscribe {
    const obj: Unsubscribe = {channel: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.channel = pbf.readVarint();
    }
    return obj;
}
export function writeUnsubscribe(obj: Unsubscribe, pbf: PbfWriter): void {
    if (obj.channel) pbf.writeVarintField(1, obj.channel);
}

export function readSubscribed(pbf: PbfReader, end?: number): Subscribed {
    const obj: Subscribed = {epoch: 0, head: 0, version: undefined, position: 0, snapshotFollows: false, safe: 0};
    let field;
    while ((field = pbf.nextField(end))) {
        if (field === 1) obj.epoch = pbf.readVarint();
        else if (field === 2) obj.head = pbf.readVarint();
        else if (field === 3) obj.version = pbf.readBytes();
        else if (field === 4) obj.position = pbf.readVarint();
        else if (field === 5) obj.snapshotFollows = pbf.readBoolean();
        else if (field === 6) obj.safe = pbf.readVarint();
    }
    return obj;
}
export function writeSubscribed(obj: Subscribed, pbf: PbfWriter): void {
    if (obj.epoch) pbf.writeVarintField(1, obj.epoch);
    if (obj.head) pbf.writeVarintField(2, obj.head);
    if (obj.version != null) pbf.writeBytesField(3, obj.version);
    if (obj.position) pbf.writeVarintField(4, obj.position);
    if (obj.snapshotFollows) pbf.writeBooleanField(5, obj.snapshotFollows);
    if (obj.safe) pbf.writeVarintField(6, obj.safe);
}
