/** The public names of `@joinery/protocol`. */

export { createCodec, type FrameCodec, type ProtobufLibrary, pbfCodec } from './codec.ts';
export { checkDocumentId, isDocumentId, utf8Length } from './document-id.ts';
export {
  type Dot,
  type EnvelopeFields,
  type EnvelopeHeader,
  maxDeps,
  maxEnvelopeBytes,
  maxSeq,
  readEnvelope,
  writeEnvelope,
} from './envelope.ts';
export {
  asJoineryError,
  type ErrorCode,
  type ErrorParts,
  errorCodes,
  isErrorCode,
  JoineryError,
  type JoineryErrorOptions,
} from './error.ts';
export type { Frame } from './gen/frame.generated.ts';
export {
  maxDocumentIdBytes,
  maxEnvelopesPerFrame,
  maxErrorMessageBytes,
  maxFrameBytes,
  maxPresenceBytes,
  maxSnapshotPartBytes,
  maxSubscriptionsPerFrame,
  maxVersionBytes,
} from './limits.ts';
export type { AckRange, Message, Refusal, Subscription } from './messages.ts';
export { negotiate, protocolVersion, protocolVersionMin } from './protocol-version.ts';
export type {
  Acknowledged,
  Blocked,
  CaughtUp,
  ClientEffect,
  CloseLink,
  ConnectionChanged,
  ConnectionState,
  ConnectionStatus,
  DocumentFailed,
  EnvelopesArrived,
  EpochChanged,
  NeedEnvelopes,
  NeedToken,
  OpenLink,
  PresenceArrived,
  Refused,
  ResumePoint,
  SendFrame,
  ServerClock,
  SessionFailed,
  SnapshotArrived,
  Subscribed,
} from './session/client-effects.ts';
export {
  type ClientSessionLimits,
  type ClientSessionOptions,
  clientSessionDefaults,
} from './session/client-options.ts';
export { ClientSession } from './session/client-session.ts';
export type {
  BroughtEnvelope,
  CheckToken,
  CloseConnection,
  CloseDocument,
  Commit,
  CommittedEnvelope,
  DocumentState,
  OpenDocument,
  PassPresence,
  ReadLog,
  ServerEffect,
  ServerSendFrame,
  Settlement,
  SubmitEnvelopes,
} from './session/server-effects.ts';
export {
  type ServerSessionLimits,
  type ServerSessionOptions,
  serverSessionDefaults,
} from './session/server-options.ts';
export { epochChanged, ServerSession } from './session/server-session.ts';
