// Documents with a schema, by three validators as they are installed: what is refused and what it leaves behind, what comes from
// others, and which types follow. Where nothing depends on the validator, a plain one of the test's own is used.

import { type } from 'arktype';
import * as v from 'valibot';
import { afterEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
import * as z from 'zod';
import type { DocumentHandle } from './documents/document.ts';
import { SchemaViolation } from './documents/schema.ts';
import type { StandardResult, StandardSchema } from './documents/standard-schema.ts';
import { World } from './testing/world.ts';

interface Item {
  title: string;
  done?: boolean;
}

interface List {
  name: string;
  items: Item[];
}

const validators = {
  zod: z.object({
    name: z.string(),
    items: z.array(z.object({ title: z.string().min(1), done: z.boolean().exactOptional() })),
  }),
  valibot: v.object({
    name: v.string(),
    items: v.array(v.object({ title: v.pipe(v.string(), v.minLength(1)), done: v.exactOptional(v.boolean()) })),
  }),
  arktype: type({ name: 'string', items: type({ title: 'string >= 1', 'done?': 'boolean' }).array() }),
} satisfies Record<string, StandardSchema<List>>;

/** A validator that says what a function says, and counts how often it was asked. */
function own<T extends object>(validate: (value: T) => StandardResult | Promise<StandardResult>) {
  const asked = vi.fn((value: unknown) => validate(value as T));
  const schema: StandardSchema<T> = { '~standard': { version: 1, vendor: 'own', validate: asked } };
  return { schema, asked };
}

/** Fits while `x` is a number below 10. */
const small = () =>
  own<{ x: number; rest?: unknown }>(({ x }) => {
    if (typeof x === 'number' && x < 10) return {};
    return { issues: [{ message: 'Expected a small number.', path: ['x'] }] };
  });

function violationOf(run: () => unknown): SchemaViolation {
  try {
    run();
  } catch (error) {
    if (error instanceof SchemaViolation) return error;
    throw error;
  }
  throw new Error('Expected a SchemaViolation, got nothing.');
}

async function open<T extends object>(world: World, schema: StandardSchema<T>): Promise<DocumentHandle<T>> {
  const list = world.client().document('list', { schema });
  await world.time.settled(list.loaded);
  return list;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(Object.entries(validators))('a schema of %s', (vendor, schema: StandardSchema<List>) => {
  test('lets through what fits, by a value or a recipe', async () => {
    const world = await World.create();
    const list = await open(world, schema);
    list.update({ name: 'Groceries', items: [{ title: 'Milk' }] });
    list.update((draft) => {
      draft.items.push({ title: 'Tea', done: true });
      const [milk] = draft.items;
      if (milk !== undefined) milk.done = false;
    });
    await world.untilSynced();
    const expected = {
      name: 'Groceries',
      items: [
        { title: 'Milk', done: false },
        { title: 'Tea', done: true },
      ],
    };
    expect(world.server.value('list')).toEqual(expected);
    expect(list.value).toEqual(expected);
    expect(list.issues).toEqual([]);
  });

  test('refuses what does not, names the place, and nothing has changed', async () => {
    const world = await World.create();
    const client = world.client();
    const list = client.document('list', { schema });
    await world.time.settled(list.loaded);
    await world.time.settled(list.update({ name: 'Groceries', items: [{ title: 'Milk' }] }).synced);
    const { value } = list;
    const { status } = client;
    const heard = vi.fn();
    list.subscribe(heard);
    list.observe(heard);
    heard.mockClear();
    const log = world.server.log('list').length;

    const error = violationOf(() =>
      list.update((draft) => {
        draft.name = 'Changed';
        draft.items.unshift({ title: '' });
        (draft.items[1] as { done: unknown }).done = 'yes';
      }),
    );
    expect(error.code).toBe('schema-violation');
    expect(error.issues.map(({ path }) => path)).toEqual([
      ['items', 0, 'title'],
      ['items', 1, 'done'],
    ]);
    expect(error.message).toContain('items[0].title');
    expect(error.message).toContain('items[1].done');
    expect(error.message).toContain(vendor);
    const second = violationOf(() => list.update({ name: 5 } as never));
    expect(second.issues).toMatchObject([{ path: ['name'] }]);
    violationOf(() => list.update({ items: undefined }));

    await world.time.advance(1_000);
    expect(list.value).toBe(value);
    expect(client.status).toBe(status);
    expect(heard).not.toHaveBeenCalled();
    expect(world.server.log('list')).toHaveLength(log);
    // And it goes on.
    await world.time.settled(list.update({ name: 'Shopping' }).synced);
    expect(world.server.value('list')).toMatchObject({ name: 'Shopping' });
  });
});

describe('what is stored', () => {
  test('is the input, without what a schema makes of it', async () => {
    const world = await World.create();
    const schema = z.object({
      name: z.string().transform((name) => name.length),
      at: z.string().default('now'),
    });
    const list = world.client().document('list', { schema });
    await world.time.settled(list.loaded);
    expectTypeOf(list.value).toEqualTypeOf<{ name: string; at?: string | undefined } | undefined>();
    await world.time.settled(list.update({ name: 'Groceries' }).synced);
    expect([list.value, world.server.value('list')]).toEqual([{ name: 'Groceries' }, { name: 'Groceries' }]);
  });

  test('is looked at once for each update, as it will be, and not where an update changes nothing', async () => {
    const world = await World.create();
    const { schema, asked } = small();
    const document = await open(world, schema);
    document.update({ x: 1, rest: { deep: [1, 2] } });
    expect(asked.mock.calls).toEqual([[{ x: 1, rest: { deep: [1, 2] } }]]);
    for (let x = 2; x < 8; x += 1) document.update({ x });
    expect(asked).toHaveBeenCalledTimes(7);
    document.update((draft) => {
      draft.x = 8;
      draft.x = 9;
      draft.rest = [];
    });
    expect(asked).toHaveBeenCalledTimes(8);
    expect(asked).toHaveBeenLastCalledWith(document.value);
    document.update((draft) => void draft.rest);
    document.update(() => {});
    expect(asked).toHaveBeenCalledTimes(8);
  });

  test('what was given before the document was loaded is looked at then: its receipt says so', async () => {
    const world = await World.create();
    const { schema } = small();
    const client = world.client();
    const document = client.document('list', { schema });
    const [good, bad] = [document.update({ x: 1 }), document.update({ x: 10 })];
    const refused = bad.durable.then(
      () => undefined,
      (error: unknown) => error,
    );
    await world.time.settled(good.synced);
    expect(await world.time.settled(refused)).toBeInstanceOf(SchemaViolation);
    expect(world.server.value('list')).toEqual({ x: 1 });
    await world.untilSynced();
  });

  test('keystrokes in a text of the same document cost nothing', async () => {
    const world = await World.create();
    const { schema, asked } = small();
    const client = world.client();
    const document = client.document('list', { schema });
    const text = client.text('list', 'body');
    await world.time.settled(document.loaded);
    document.update({ x: 1 });
    asked.mockClear();
    for (let count = 0; count < 100; count += 1) text.insert(0, 'x');
    expect(asked).not.toHaveBeenCalled();
    expect(document.issues).toEqual([]);
    expect(asked).toHaveBeenCalledTimes(1);
  });
});

describe('what others write', () => {
  test('is never refused, and seen by `issues`: the same array for the same value', async () => {
    const world = await World.create();
    const list = await open<List>(world, validators.zod);
    expect(world.client().document('elsewhere').issues).toEqual([]);
    await world.time.settled(list.update({ name: 'Groceries', items: [] }).synced);
    const fits = list.issues;
    expect(fits).toEqual([]);
    const other = world.client().document<{ name?: unknown; items?: unknown }>('list');
    await world.time.until(() => other.value?.name !== undefined);
    await world.time.settled(other.update({ name: 7, items: [{ title: 3 }, { title: 'Tea' }] }).synced);
    await world.time.until(() => (list.value as { name: unknown } | undefined)?.name === 7);
    const { issues } = list;
    expect(issues.map(({ path }) => path)).toEqual([['name'], ['items', 0, 'title']]);
    expect(list.issues).toBe(issues);
    expect(Object.isFrozen(issues) && Object.isFrozen(issues[0])).toBe(true);
  });

  test.each(Object.entries(validators))(
    'can be mended step by step, and nothing made worse meanwhile: %s',
    async (_, schema: StandardSchema<List>) => {
      const world = await World.create();
      const list = await open(world, schema);
      await world.time.settled(list.update({ name: 'Groceries', items: [] }).synced);
      const other = world.client().document<{ name?: unknown; items?: unknown }>('list');
      await world.time.until(() => other.value?.name !== undefined);
      other.update({ name: 7, items: [{ title: 3 }, { title: 4 }] });
      await world.time.until(() => list.issues.length === 3);
      // What is broken stays so, at another index.
      list.update((draft) => void draft.items.unshift({ title: 'Tea' }));
      violationOf(() => list.update((draft) => void draft.items.push({ title: 5 } as never)));
      violationOf(() => list.update((draft) => void draft.items.push({ title: 'x', done: 1 } as never)));
      list.update({ name: 'Groceries' });
      expect(list.issues).toHaveLength(2);
      violationOf(() => list.update({ name: 8 } as never));
      list.update((draft) => void draft.items.splice(1, 2));
      expect([list.issues, list.value]).toEqual([[], { name: 'Groceries', items: [{ title: 'Tea' }] }]);
    },
  );

  test('a document that nobody has written to is not broken: the first write makes it whole', async () => {
    const world = await World.create();
    const list = await open<List>(world, validators.zod);
    expect(violationOf(() => list.update({ name: 'Groceries' })).issues).toMatchObject([{ path: ['items'] }]);
    expect(list.value).toEqual({});
    list.update({ name: 'Groceries', items: [] });
    expect(list.issues).toEqual([]);
  });
});

describe('a schema that can’t be used', () => {
  test('because it is asynchronous: is refused when it answers with a promise, and nothing is written', async () => {
    const world = await World.create();
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const schema = z.object({ x: z.number().refine(async (x) => x < 10) });
    const document = await open(world, schema);
    // No mock, which would look at the promise itself.
    const validate = (): Promise<StandardResult> => Promise.reject(new Error('too late'));
    const rejecting = await open<{ x: number }>(world, { '~standard': { version: 1, vendor: 'own', validate } });
    for (const one of [document, rejecting]) {
      expect(() => one.update({ x: 1 })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
      expect(one.value).toEqual({});
    }
    expect(() => rejecting.issues).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    await world.time.advance(100);
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  test('because it is none: is refused when the document is opened, which then is not open', async () => {
    const world = await World.create();
    const client = world.client();
    const version2 = { '~standard': { version: 2, vendor: 'x', validate: () => ({}) } };
    for (const schema of [{}, () => true, 'string', null, version2, { '~standard': { version: 1 } }]) {
      const given = { schema: schema as unknown as StandardSchema<object> };
      expect(() => client.document('list', given)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    }
  });

  test('because it answers with nothing: is refused, and nothing is written', async () => {
    const world = await World.create();
    for (const answer of [undefined, null, true]) {
      const validate = (): StandardResult => answer as unknown as StandardResult;
      const document = await open<{ x: number }>(world, { '~standard': { version: 1, vendor: 'own', validate } });
      const refused = expect.objectContaining({ code: 'invalid-option' });
      expect(() => document.update({ x: 1 })).toThrow(refused);
      expect(() => document.issues).toThrow(refused);
      expect(document.value).toEqual({});
    }
  });

  test('because it throws: what it throws comes out, and nothing is written', async () => {
    const world = await World.create();
    const bug = new Error('a bug of the validator');
    const { schema } = own<{ x: number }>(() => {
      throw bug;
    });
    const document = await open(world, schema);
    expect(() => document.update({ x: 1 })).toThrow(bug);
    expect(document.value).toEqual({});
  });
});

describe('issues', () => {
  test('are bounded, whatever a validator says, and their paths are keys', async () => {
    const world = await World.create();
    const { schema } = own<{ x?: number }>(() => ({
      issues: Array.from({ length: 5_000 }, (_, index) => ({
        message: 'm'.repeat(1_000),
        path: [{ key: 'a b' }, Symbol('s'), index, '0'],
      })),
    }));
    const document = await open(world, schema);
    const { issues, message } = violationOf(() => document.update({ x: 1 }));
    expect(issues).toHaveLength(100);
    expect(issues[1]?.path).toEqual(['a b', 'Symbol(s)', 1, '0']);
    expect(message.length).toBeLessThan(2_500);
    expect(message).toContain('["a b"]["Symbol(s)"][0]["0"]');
  });

  test('of a validator that names none are one all the same', async () => {
    const world = await World.create();
    const document = await open(world, own<{ x?: number }>(() => ({ issues: [] })).schema);
    expect(violationOf(() => document.update({ x: 1 })).issues).toHaveLength(1);
  });
});

describe('types', () => {
  test('come from the schema, by every validator', async () => {
    const world = await World.create();
    const client = world.client();
    const byZod = client.document('a', { schema: validators.zod });
    const byValibot = client.document('b', { schema: validators.valibot });
    const byArktype = client.document('c', { schema: validators.arktype });
    expectTypeOf(byZod).toEqualTypeOf<DocumentHandle<List>>();
    expectTypeOf(byValibot).toEqualTypeOf<DocumentHandle<List>>();
    expectTypeOf(byArktype).toEqualTypeOf<DocumentHandle<List>>();
    expectTypeOf(byZod.value).toEqualTypeOf<List | undefined>();
    type Change = Parameters<typeof byZod.update>[0];
    expectTypeOf<{ name: string }>().toExtend<Change>();
    expectTypeOf<{ name: number }>().not.toExtend<Change>();
    // Without one all is as it was.
    expectTypeOf(client.document('d')).toEqualTypeOf<DocumentHandle<Record<string, unknown>>>();
    expectTypeOf(client.document<List>('e')).toEqualTypeOf<DocumentHandle<List>>();
    // @ts-expect-error: a document is an object
    client.document('f', { schema: z.string() });
    // @ts-expect-error: the type that is named is not the schema's
    client.document<{ other: string }>('g', { schema: validators.zod });
  });
});
