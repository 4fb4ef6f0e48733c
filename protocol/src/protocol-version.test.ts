/** Pins the schema: whoever changes a .proto file has to raise the version, or say here that nothing on the wire changed. */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { generate } from '../scripts/generate.mjs';
import { negotiate, protocolVersion, protocolVersionMin } from './protocol-version.ts';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Version → the hash of its schema. */
const pinned: Record<number, string> = {
  1: '3b26e41868e1e5298c0c79beddbde4789569106d4e27bcde0218776ba7726f9e',
  2: '1496d683ce3c6440e7061e6858e2d580ecfde494013260906a8e3de0917f6241',
  3: '00c593488d024d3b76c54e0e9d79976fc93f0466cd9c94f7a32d5d79793f8b0c',
};

it('has the schema that belongs to its version', () => {
  const hash = createHash('sha256');
  for (const name of readdirSync(path('../proto')).sort()) {
    // Comments and white space mean nothing on the wire.
    const source = readFileSync(path(`../proto/${name}`), 'utf8').replaceAll('\r', '');
    const text = source.replaceAll(/\/\/[^\n]*/g, '').replaceAll(/\s+/g, ' ');
    hash.update(`${name}\n${text.trim()}\n`);
  }
  expect(
    hash.digest('hex'),
    'A .proto file changed: raise protocolVersion, add a line to its history and the new hash to this test.',
  ).toBe(pinned[protocolVersion]);
});

it('has the generated code that belongs to the schema', () => {
  expect(
    readFileSync(path('./gen/frame.generated.ts'), 'utf8').replaceAll('\r', ''),
    'Run `npm run build:protocol`.',
  ).toBe(generate());
});

it('tells every version in its history', () => {
  const history = readFileSync(path('./protocol-version.ts'), 'utf8');
  for (let version = 1; version <= protocolVersion; version += 1) expect(history).toContain(` * - ${version}: `);
});

it('agrees on the highest version that both know', () => {
  expect(negotiate(protocolVersion, protocolVersion)).toBe(protocolVersion);
  expect(negotiate(0, protocolVersion + 5)).toBe(protocolVersion);
  expect(negotiate(protocolVersion + 1, protocolVersion + 5)).toBeUndefined();
  expect(negotiate(0, protocolVersionMin - 1)).toBeUndefined();
  expect(negotiate(protocolVersion, 0)).toBeUndefined();
});
