// The public names of `joinery`, and nothing else.

export { JoineryError } from '@joinery/protocol';
export { type Client, type ClientOptions, createClient } from './client.ts';
export { applyPatches } from './core/apply-patches.ts';
export type { Change } from './core/change.ts';
export type { GraphEdge, GraphValue, TreeNode } from './core/index.ts';
export type { Attributes, DeltaStep, Embed, Expand, ExpandTable, TextRun } from './core/marks.ts';
export type { GraphItem, Patch, PatchOrigin, PatchPath } from './core/patches.ts';
export type { ObservedOrigin, PatchListener } from './documents/access.ts';
export type { CounterDocument } from './documents/counter.ts';
export type { DocumentHandle, Draft, Partially } from './documents/document.ts';
export type { GraphDocument } from './documents/graph.ts';
export type { NodeChange } from './documents/node-data.ts';
export type { Created } from './documents/open-nodes.ts';
export type { Receipt, ReceiptState } from './documents/receipt.ts';
export type { TextDocument, TextOptions } from './documents/text.ts';
export type { TreeDocument } from './documents/tree.ts';
export type { Peer } from './presence/peers.ts';
export type { Presence } from './presence/presence.ts';
export type { Deletion, Space, SpacePage } from './spaces/space.ts';
export type { Storage } from './storage/storage.ts';
export type { ExportedDocument } from './sync/export-link.ts';
export type { RejectedList, RejectedWriteEntry } from './sync/rejected-list.ts';
export type { ClientEvent, ClientStatus, ConnectionStatus, StorageStatus, SyncStatus } from './sync/status.ts';
export type { StorageEstimate } from './sync/storage-guard.ts';
export { UnsyncedWork } from './sync/unsynced-work.ts';
export type { Transport } from './transport/transport.ts';
export type { WebSocketConstructor } from './transport/websocket.ts';
