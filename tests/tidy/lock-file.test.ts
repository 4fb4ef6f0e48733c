// package-lock.json works on every platform, not only on the one where it was written: a registry that lacks one platform's
// package makes npm leave it out without a word, and `npm ci` then fails for everybody.

import { expect, test } from 'vitest';
import { readText } from './repository.ts';

interface LockedPackage {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly resolved?: string;
  readonly link?: boolean;
}

const lock: { packages: Record<string, LockedPackage> } = JSON.parse(readText('package-lock.json'));
const packages = Object.entries(lock.packages);

test('names the optional packages of every platform', () => {
  const missing = packages.flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !packages.some(([other]) => other.endsWith(`node_modules/${name}`)))
      .map((name) => `${path} needs ${name}; take a version of which every platform's package is published`),
  );
  expect(missing).toEqual([]);
});

test('names no registry but the public one', () => {
  const foreign = packages
    .filter(([, { resolved, link }]) => !link && resolved !== undefined)
    .filter(([, { resolved }]) => !resolved?.startsWith('https://registry.npmjs.org/'));
  expect(foreign.map(([path]) => path)).toEqual([]);
});
