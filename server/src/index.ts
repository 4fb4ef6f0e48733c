/** The public names of `@joinery/server`. */

export { JoineryError } from '@joinery/protocol';
export type { Accept, ProposedChange } from './documents/acceptance.ts';
export type { AcceptDeletion } from './documents/documents.ts';
export { type ServerLimits, type ServerOptions, serverLimitDefaults } from './options.ts';
export { createServer, type Server } from './server.ts';
export { type BackupSummary, backup, restore } from './storage/sqlite-backup.ts';
