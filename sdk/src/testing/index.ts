// The public names of `joinery/testing`: contract suites for those who implement a storage or a transport, and a network,
// a server and a clock in memory for those who test an app.

export { createClientIn } from '../client.ts';
export type {
  Channel,
  Environment,
  LockEvents,
  Locks,
  PageEnvironment,
  TabMemory,
  TabsEnvironment,
} from '../environment.ts';
export { MemoryStorage } from '../storage/memory.ts';
export { MemoryNetwork } from '../transport/memory.ts';
export { assert, assertEqual, assertRejects, type ContractCase } from './contract.ts';
export { ControlledStorage } from './controlled-storage.ts';
export { indexedDbHarness } from './indexeddb-harness.ts';
export { memoryHarness } from './memory-harness.ts';
export { MemoryServer, type MemoryServerOptions } from './memory-server.ts';
export { opfsHarness } from './opfs-harness.ts';
export { seededRandom } from './random.ts';
export { type StorageHarness, storageSuite } from './storage-suite.ts';
export { contentOf, fillStore, type StoreContent } from './store-content.ts';
export { type ServerEnd, type TransportHarness, transportSuite } from './transport-suite.ts';
export { VirtualDevice, type VirtualTab } from './virtual-device.ts';
export { VirtualEnvironment } from './virtual-environment.ts';
export { World, type WorldOptions } from './world.ts';
