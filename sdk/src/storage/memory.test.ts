// Runs the storage contract's suite against storage in memory.

import { describe, test } from 'vitest';
import { memoryHarness } from '../testing/memory-harness.ts';
import { storageSuite } from '../testing/storage-suite.ts';

describe('storage in memory', () => {
  for (const { name, run } of storageSuite) test(name, () => run(memoryHarness()));
});
