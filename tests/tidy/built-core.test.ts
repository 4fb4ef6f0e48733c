// The committed WebAssembly module is what the Rust sources say. It compares hashes; .ci/run builds it again.

import { expect, test } from 'vitest';
import { findStaleness } from '../../scripts/core-stamp.mjs';

test('the built core is not older than its sources', () => {
  expect(findStaleness()).toBeUndefined();
});
