// The public names of `joinery/node`: the client for scripts, servers and tests that run in Node. Handles, errors and all other
// names are those of `joinery`.

export { FolderStorage, type FolderStorageOptions } from './folder-storage.ts';
export { createClient, type NodeClient, type NodeClientOptions } from './node-client.ts';
