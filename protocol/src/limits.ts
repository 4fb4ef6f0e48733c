/**
 * The bounds that both ends of a link agree on. A frame that passes one is refused as a whole; nothing of it is used.
 */

/** The largest frame, in bytes: an envelope of the largest size and what a frame adds, with room for small ones. */
export const maxFrameBytes = 2 * 1024 * 1024;
/** A document's id is 1 to so many bytes of UTF-8. */
export const maxDocumentIdBytes = 256;
/** Envelopes in one frame. */
export const maxEnvelopesPerFrame = 4_096;
/** The highest channel: so many subscriptions over one link. Then another link is opened. */
export const maxChannel = 2 ** 32 - 1;
/** Documents in one `Subscribe`. */
export const maxSubscriptionsPerFrame = 1_024;
/** Ranges in one `Ack`. */
export const maxRangesPerAck = 4_096;
/** Container types that a hello may list. */
export const maxKnownTypes = 64;
/** A container type's name, in bytes. */
export const maxTypeNameBytes = 32;
/** A client's name, a user's name, an error's code, in bytes. */
export const maxNameBytes = 256;
/** An error's message, in bytes; longer ones are cut by the sender. */
export const maxErrorMessageBytes = 2_048;
/** A token, in bytes. */
export const maxTokenBytes = 16 * 1024;
/** A version vector, in bytes. */
export const maxVersionBytes = 1024 * 1024;
/** One part of a snapshot, in bytes. */
export const maxSnapshotPartBytes = 256 * 1024;
/** What a client says about itself to the others of a document, in bytes. */
export const maxPresenceBytes = 4 * 1024;
/** Agents in one `Close` or `Closed`. */
export const maxAgentsPerClose = 1_024;
/** Documents in one `SpaceHeads`. */
export const maxEntriesPerSpaceHeads = 4_096;
/** The `safe` position of a server that makes no backups: whatever is committed is safe. */
export const everythingSafe = Number.MAX_SAFE_INTEGER;
