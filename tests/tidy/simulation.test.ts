// What the simulator rests on: code that it runs takes time, chance, locks and channels as arguments; and what it changes in
// the sources (knobs, planted bugs) is still there to be changed, and nowhere in the sources themselves.

import { describe, expect, test } from 'vitest';
import { knobs, planted } from '../simulation/transforms.mjs';
import { isScript, listFiles, readText } from './repository.ts';

/** What a simulated world has in its place. */
const real: readonly (readonly [name: RegExp, instead: string])[] = [
  [/\bDate\.now\(|\bnew Date\(\)/, 'take the time from the environment'],
  [/\bperformance\.now\(/, 'take the time from the environment'],
  [/\bMath\.random\(/, 'take chance from the environment'],
  [/\bcrypto\.(getRandomValues|randomUUID)\(/, 'take chance from the environment'],
  [/\b(setTimeout|setInterval)\(/, 'take timers from the environment'],
  [/\bsetImmediate\(/, 'take tasks from the environment'],
  [/\bnavigator\.locks\b/, 'take locks as an argument'],
  [/\bnew (BroadcastChannel|MessageChannel|WebSocket|Worker)\(/, 'take channels and sockets as an argument'],
];

/** The parts that a simulation runs. */
const simulated =
  /^(tests\/simulation|sdk\/src|protocol\/src|server\/src\/documents|server\/src\/connection|server\/src\/storage\/memory)(\/.*)?\.ts$/;

/** Where the real ones come in, each with its reason. */
const entrances: Readonly<Record<string, string>> = {
  'sdk/src/environment.ts': 'the real environment',
  'sdk/src/core/bridge.ts': 'the defaults of a replica that is used alone',
  'sdk/src/worker/start-worker.ts': 'the worker',
  'sdk/src/storage/log-renewal.ts': 'a part of the storage of browsers; a simulation has disks of its own',
  'sdk/src/storage/one-at-a-time.ts': 'the same',
  'sdk/src/storage/store-mark.ts': 'an id that is only compared: nothing in a simulated world follows from which it is',
  'sdk/src/worker/worker-engine.ts': 'starts the worker',
  'sdk/src/testing/virtual-environment.ts': 'turns of the event loop between virtual events',
  'tests/simulation/drain.ts': 'turns of the event loop between virtual events',
};

const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');

describe('code that a simulation runs', () => {
  test('takes time, chance, timers, locks and channels as arguments', () => {
    const complaints: string[] = [];
    for (const path of listFiles().filter((file) => isScript(file) && simulated.test(file))) {
      if (path.endsWith('.test.ts') || path in entrances) continue;
      const text = withoutComments(readText(path));
      for (const [name, instead] of real) {
        const found = name.exec(text);
        if (found !== null) complaints.push(`${path}: ${found[0]}…: ${instead}`);
      }
    }
    expect(complaints).toEqual([]);
  });

  test('has entrances that are there, and that need to be', () => {
    for (const path of Object.keys(entrances)) {
      const text = withoutComments(readText(path));
      expect(real.some(([name]) => name.test(text)) ? path : `${path} needs no exception any more`).toBe(path);
    }
  });
});

describe('a change that only a simulation has', () => {
  const transforms = [...knobs, ...planted.flatMap((bug) => bug.transforms)];

  test.each(transforms.map((transform) => [transform.file, transform.find, transform] as const))(
    '%s: %s',
    (file, find, { replace }) => {
      const text = readText(file);
      expect(text.split(find)).toHaveLength(2);
      expect(replace).not.toBe(find);
    },
  );

  test('has a name of its own, and there are many', () => {
    const names = planted.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(15);
  });
});
