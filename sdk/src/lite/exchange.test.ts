// Replicas of joinery/lite and of joinery/core edit one document and exchange what they wrote in every form there is: they come to the
// same bytes. What the lite core hasn't is refused, and nothing of it is left.

import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Bridge } from '../core/bridge.ts';
import * as core from '../core/index.ts';
import { CoreModule } from '../core/module.ts';
import { coresOf } from './core.ts';
import { handles } from './handles.ts';
import {
  type CounterHandle,
  type Handle,
  init,
  type ListHandle,
  type MapHandle,
  Replica,
  type SetHandle,
} from './index.ts';

beforeAll(() => Promise.all([init(), core.init()]));

/** [who, what, where, with what] */
type Edit = readonly [author: number, verb: number, at: number, value: number];

const kinds = ['map', 'list', 'counter', 'set'] as const;

/** Some container of the document: every second step down leads into what is there. */
function pick(replica: Replica, at: number): Handle {
  let handle: Handle = replica.root;
  for (let rest = at; rest > 0; rest = Math.floor(rest / 3)) {
    const inner: Handle[] = [];
    if (handle.kind === 'map') for (const key of handle.keys()) note(inner, handle.get(key));
    if (handle.kind === 'list') for (let index = 0; index < handle.length; index += 1) note(inner, handle.get(index));
    const next: Handle | undefined = inner[rest % Math.max(1, inner.length)];
    if (next === undefined) return handle;
    handle = next;
  }
  return handle;
}

function note(inner: Handle[], found: unknown): void {
  if (found instanceof Object && 'resolve' in found) inner.push(found as Handle);
}

const verbs: { readonly [kind in Handle['kind']]: (handle: never, verb: number, value: number) => void } = {
  map: (map: MapHandle, verb, value) => {
    const key = `k${value % 4}`;
    if (verb % 5 === 0) map.delete(key);
    else if (verb % 5 === 1) map.create(key, kinds[value % 4] ?? 'map');
    else if (verb % 5 === 2) map.list(key).push(value);
    else map.set(key, value % 3 === 0 ? { deep: ['ü'.repeat(value)] } : value);
  },
  list: (list: ListHandle, verb, value) => {
    const at = value % (list.length + 1);
    if (at === list.length || verb % 7 === 0) list.insert(at, value);
    else if (verb % 7 === 1) list.delete(at, Math.min(1 + (value % 3), list.length - at));
    else if (verb % 7 === 2) list.move(at, value % list.length);
    else if (verb % 7 === 3) list.setContainer(at, kinds[value % 4] ?? 'map');
    else if (verb % 7 === 4) list.insertContainer(at, kinds[value % 4] ?? 'map');
    else if (verb % 7 === 5) list.set(at, `v${value}`);
    else list.push([value, null]);
  },
  counter: (counter: CounterHandle, verb, value) => counter.increment(verb % 2 === 0 ? value : -value),
  set: (set: SetHandle, verb, value) => {
    if (verb % 3 === 0) set.delete(value % 5);
    else set.add(value % 5);
  },
};

function edit(replica: Replica, [, verb, at, value]: Edit): void {
  const handle = pick(replica, at);
  verbs[handle.kind](handle as never, verb, value);
}

function taken(replica: Replica): Uint8Array[] {
  const updates: Uint8Array[] = [];
  for (let update = replica.takeUpdate(); update !== undefined; update = replica.takeUpdate()) updates.push(update);
  return updates;
}

const edits = fc.array(fc.tuple(fc.nat(3), fc.nat(20), fc.nat(200), fc.nat(30)), { minLength: 5, maxLength: 80 });
const seed = 20_261_122;

describe('lite and full replicas', () => {
  it('come to the same bytes, whichever way they meet', () => {
    fc.assert(
      fc.property(edits, (script) => {
        let now = 1_000;
        const options = (agent: bigint) => ({ agent, now: () => (now += 1), trustStamps: true });
        // The two of each pair do the same, as the same agent, and are never told of each other.
        const lite = [1n, 2n, 3n, 4n].map((agent) => new Replica(options(agent)));
        const full = [1n, 2n, 3n, 4n].map((agent) => new core.Replica(options(agent)) as unknown as Replica);
        for (const [index, step] of script.entries()) {
          const author = step[0];
          for (const replicas of [lite, full]) {
            now = 1_000 + index * 10;
            edit(replicas[author] as Replica, step);
          }
          const [mine, twin] = [lite[author] as Replica, full[author] as Replica];
          const updates = taken(mine);
          expect(taken(twin)).toEqual(updates);
          // Some hear of it by envelopes, of what either wrote; some by a difference, or a whole state, of the other build.
          const other = (author + 1 + (step[1] % 3)) % 4;
          const [reader, full_reader] = [lite[other] as Replica, full[other] as Replica];
          if (step[3] % 3 === 0) {
            const since = reader.version();
            reader.applyUpdate(twin.exportUpdate(since));
            full_reader.applyUpdate(mine.exportUpdate(since));
          } else if (step[3] % 3 === 1) {
            reader.applyUpdate(twin.encodeSnapshot());
            full_reader.applyUpdate(mine.encodeSnapshot());
          } else {
            for (const replica of [reader, full_reader]) replica.applyUpdates(updates);
          }
          expect(reader.encodeSnapshot()).toEqual(full_reader.encodeSnapshot());
          expect(reader.toJSON()).toEqual(full_reader.toJSON());
        }
        const whole = lite[0] as Replica;
        for (const replica of full) whole.applyUpdate(replica.encodeSnapshot());
        const fresh = Replica.load(whole.encodeSnapshot());
        const full_fresh = core.Replica.load(whole.encodeSnapshot());
        for (const replica of lite) {
          replica.applyUpdate(whole.exportUpdate(replica.version()));
          expect(replica.pendingCount).toBe(0);
          expect(replica.encodeSnapshot()).toEqual(whole.encodeSnapshot());
        }
        expect(fresh.encodeSnapshot()).toEqual(whole.encodeSnapshot());
        expect(full_fresh.encodeSnapshot()).toEqual(whole.encodeSnapshot());
        expect(fresh.toJSON()).toEqual(full_fresh.toJSON());
        for (const replica of [...lite, ...full, fresh, full_fresh]) replica.free();
      }),
      { seed, numRuns: 150 },
    );
  });
});

const unsupported: Readonly<Record<string, (replica: core.Replica) => void>> = {
  'a text': (replica) => replica.text('body').insert(0, 'hello'),
  'a text in a list in a map': (replica) => replica.map('m').list('l').insertContainer(0, 'text'),
  'a tree': (replica) => void replica.tree('t').create(null, 0),
  'a graph': (replica) => void replica.graph('g').addNode(),
  'an empty text': (replica) => void replica.root.create('body', 'text'),
  'the end of a text': (replica) => {
    replica.root.create('k', 'text');
    replica.root.set('k', 1);
  },
};

describe.each(Object.entries(unsupported))('%s', (_, write) => {
  it.each(['envelope', 'difference', 'state'] as const)('is refused in a %s, and changes nothing', (form) => {
    const writer = new core.Replica({ agent: 1n, now: () => 1_000 });
    const reader = new Replica({ agent: 2n, now: () => 2_000 });
    writer.root.set('before', 1);
    reader.applyUpdates(taken(writer as unknown as Replica));
    reader.list('own').push(true);
    const [state, version, json] = [reader.encodeSnapshot(), reader.version(), reader.toJSON()];
    write(writer);
    const bytes = {
      envelope: () => writer.takeUpdate(),
      difference: () => writer.exportUpdate(version),
      state: () => writer.encodeSnapshot(),
    }[form]();
    expect(() => reader.applyUpdate(bytes ?? new Uint8Array())).toThrow(
      expect.objectContaining({ code: 'unsupported-container', retryable: false }),
    );
    expect([reader.encodeSnapshot(), reader.version(), reader.toJSON()]).toEqual([state, version, json]);
    expect(reader.pendingCount).toBe(0);
    for (const replica of [writer, reader]) replica.free();
  });
});

it('refuses an envelope that names its text by a tag alone', () => {
  const writer = new core.Replica({ agent: 1n, now: () => 1_000 });
  writer.text('body').insert(0, 'hello');
  writer.takeUpdate();
  writer.text('body').insert(5, '!');
  const reader = new Replica({ now: () => 2_000 });
  const keystroke = writer.takeUpdate() ?? new Uint8Array();
  expect(() => reader.applyUpdate(keystroke)).toThrow(expect.objectContaining({ code: 'unsupported-container' }));
  expect(reader.pendingCount).toBe(0);
  for (const replica of [writer, reader]) replica.free();
});

it('refuses a kind that it has not, and what was freed', () => {
  const replica = new Replica();
  expect(() => replica.root.create('body', 'text' as 'map')).toThrow(
    expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining('map, list, counter, set') }),
  );
  expect(() => replica.list('l').get(0)).not.toThrow();
  expect(() => replica.list('l').insert(3, 1)).toThrow(expect.objectContaining({ code: 'index-out-of-range' }));
  expect(() => replica.applyUpdate(Uint8Array.of(1, 2, 3))).toThrow(
    expect.objectContaining({ code: 'invalid-snapshot', message: expect.stringContaining('expected') }),
  );
  expect(replica.toJSON()).toEqual({});
  replica.free();
  expect(() => replica.toJSON()).toThrow(expect.objectContaining({ code: 'freed' }));
});

it('keeps every replica apart, also in the place of a freed one', () => {
  const replicas = Array.from({ length: 100 }, (_, index) => {
    const replica = new Replica({ now: () => 1_000 });
    replica.map('m').set('index', index);
    if (index % 3 === 0) replica.free();
    return replica;
  });
  for (const [index, replica] of replicas.entries()) {
    if (index % 3 === 0) continue;
    expect(replica.toJSON()).toEqual({ m: { index } });
    replica.free();
  }
});

it('takes no more memory for the same again', async () => {
  const { exports } = await WebAssembly.instantiate(await init(), {});
  const module = new CoreModule(exports.memory as WebAssembly.Memory, coresOf(exports), handles);
  const pages = () => (exports.memory as WebAssembly.Memory).buffer.byteLength / 65_536;
  const again = () => {
    const bridge = new Bridge(module, { agent: 1n, now: () => 1_000 });
    const list = bridge.open<MapHandle>('map', 0).list('l');
    for (let index = 0; index < 3_000; index += 1) list.insert(index >> 1, `a value of some length: ${index}`);
    list.delete(0, 1_000);
    bridge.free();
  };
  again();
  again();
  const before = pages();
  for (let round = 0; round < 20; round += 1) again();
  expect(pages()).toBe(before);
});
