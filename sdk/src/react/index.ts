// The public names of `joinery/react`, and nothing else.

export {
  type SyncCounter,
  type SyncPresence,
  type SyncText,
  type SyncUndo,
  usePresence,
  useSyncCounter,
  useSyncDocument,
  useSyncStatus,
  useSyncText,
  useUndo,
} from './hooks.ts';
export { JoineryProvider, type JoineryProviderProps, useJoineryClient } from './provider.ts';
