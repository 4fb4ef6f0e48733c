/** The public names of `@joinery/protocol`. */

export { completeFrame, createCodec, type FrameCodec, type ProtobufLibrary, pbfCodec } from './codec.ts';
export { checkDocumentId, checkSpace, isDocumentId, spaceOf, utf8Length } from './document-id.ts';
export {
  type Dot,
  type EnvelopeFields,
  type EnvelopeHeader,
  isTimeless,
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
  isSendableCode,
  JoineryError,
  type JoineryErrorOptions,
} from './error.ts';
export type { Frame } from './gen/frame.generated.ts';
export {
  everythingSafe,
  maxAgentsPerClose,
  maxChannel,
  maxDocumentIdBytes,
  maxEntriesPerSpaceHeads,
  maxEnvelopesPerFrame,
  maxErrorMessageBytes,
  maxFrameBytes,
  maxNameBytes,
  maxPresenceBytes,
  maxSnapshotPartBytes,
  maxSubscriptionsPerFrame,
  maxVersionBytes,
} from './limits.ts';
export type { AckRange, Message, Refusal, SpaceHead, Subscription } from './messages.ts';
export { negotiate, protocolVersion, protocolVersionMin } from './protocol-version.ts';
export type {
  Acknowledged,
  AgentsClosed,
  Authenticated,
  Blocked,
  BridgeArrived,
  CaughtUp,
  ClientEffect,
  CloseLink,
  ConnectionChanged,
  ConnectionState,
  ConnectionStatus,
  DeletionRefused,
  DocumentDeleted,
  DocumentFailed,
  EnvelopesArrived,
  EpochChanged,
  NeedEnvelopes,
  NeedToken,
  OpenLink,
  PresenceArrived,
  Refused,
  ResumePoint,
  SafeMoved,
  SendFrame,
  ServerClock,
  SessionFailed,
  SnapshotArrived,
  SpaceChanged,
  SpaceFailed,
  Subscribed,
} from './session/client-effects.ts';
export {
  type ClientSessionLimits,
  type ClientSessionOptions,
  clientSessionDefaults,
} from './session/client-options.ts';
export { ClientSession } from './session/client-session.ts';
export type {
  Bridge,
  BroughtEnvelope,
  CheckToken,
  CloseAgents,
  CloseConnection,
  CloseDocument,
  Commit,
  CommittedEnvelope,
  DocumentState,
  FollowSpaceEffect,
  OpenDocument,
  PassPresence,
  ReadLog,
  ReadSpace,
  RequestDeletion,
  ServerEffect,
  ServerSendFrame,
  Settlement,
  SpacePage,
  SubmitEnvelopes,
  UnfollowSpaceEffect,
} from './session/server-effects.ts';
export {
  type ServerSessionLimits,
  type ServerSessionOptions,
  serverSessionDefaults,
} from './session/server-options.ts';
export { epochChanged, ServerSession } from './session/server-session.ts';
