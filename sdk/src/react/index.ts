// The public names of `joinery/react`, and nothing else.

export {
  type SyncCounter,
  type SyncPresence,
  type SyncText,
  usePresence,
  useSyncCounter,
  useSyncDocument,
  useSyncStatus,
  useSyncText,
} from './hooks.ts';
export { JoineryProvider, type JoineryProviderProps, useJoineryClient } from './provider.ts';
