// Random recipes that hold references and put them anywhere: a draft must come to what plain data comes to, and a circle
// must be refused.

import { beforeAll, describe, expect, test } from 'vitest';
import { init, Replica } from '../core/index.ts';
import { seededRandom } from '../testing/random.ts';
import { runRecipe } from './draft.ts';
import { shareValue } from './shared-value.ts';

beforeAll(() => init());

// biome-ignore lint/suspicious/noExplicitAny: recipes in tests edit data of every shape
type Anything = any;

/** Does the recipe, and returns what was said that would come of it. */
function update(replica: Replica, recipe: (draft: Anything) => void): unknown {
  let next: unknown;
  const current = shareValue(undefined, replica.toJSON()) as object;
  const check = (given: object): void => {
    next = given;
  };
  runRecipe(replica.root, recipe as (draft: never) => void, { current, check });
  return next;
}

describe('random recipes that hold references', () => {
  test('do to a draft what they do to plain data, 2,200 times', { timeout: 60_000 }, () => {
    let circles = 0;
    for (let seed = 1; seed <= 220; seed += 1) {
      let replica = new Replica();
      let plain: Anything = {};
      for (let round = 0; round < 10; round += 1) {
        const recipe = randomRecipe(seed * 1_000 + round);
        const where = `seed ${seed}, round ${round}`;
        const before = canonical(replica.toJSON());
        const changed = structuredClone(plain);
        const log = recipe(changed);
        let expected: string | undefined;
        try {
          expected = canonical(JSON.parse(JSON.stringify(changed)));
        } catch {
          // A circle: plain data can hold one, a document can't.
        }
        if (expected === undefined) {
          circles += 1;
          expect(() => update(replica, recipe), where).toThrow(expect.objectContaining({ code: 'invalid-value' }));
          same(canonical(replica.toJSON()), before, where);
          continue;
        }
        const said = update(replica, (draft) => {
          same(recipe(draft), log, `${where}, what the methods return`);
          same(canonical(draft), expected as string, `${where}, seen from inside`);
        });
        same(canonical(replica.toJSON()), expected, where);
        same(canonical(said), expected, `${where}, as it was said before`);
        plain = JSON.parse(expected);
        // Values that were put at several places multiply.
        if (expected.length > 2_000) {
          replica.free();
          [replica, plain] = [new Replica(), {}];
        }
      }
      const other = new Replica();
      other.applyUpdate(replica.exportUpdate());
      same(canonical(other.toJSON()), canonical(replica.toJSON()), `seed ${seed}, at another replica`);
      other.free();
      replica.free();
    }
    expect(circles).toBeGreaterThan(50);
    expect(circles).toBeLessThan(1_000);
  });
});

function same(found: string, expected: string, where: string): void {
  if (found !== expected) throw new Error(`${where}: ${found} is not ${expected}`);
}

/** Random edits through whatever was seen so far, at its place or not. Returns what the methods returned. */
function randomRecipe(seed: number): (draft: Anything) => string {
  return (draft) => {
    const random = seededRandom(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    const key = (): string => ['a', 'b', 'c', '__proto__'][below(16) === 0 ? 3 : below(3)] as string;
    const held: Anything[] = [draft];
    const log: unknown[] = [];
    const pick = (): Anything => held[below(held.length)];
    const hold = (value: Anything): void => {
      if (typeof value === 'object' && value !== null) held.push(value);
    };
    const make = (depth: number): Anything => {
      const choice = below(depth > 1 ? 3 : 6);
      if (choice === 3) return Array.from({ length: below(4) }, () => make(depth + 1));
      if (choice > 3) return Object.fromEntries(['a', 'b', 'c'].slice(below(3)).map((name) => [name, make(depth + 1)]));
      return [below(3), `s${below(3)}`, null][choice];
    };
    /** A new value, or one that is already somewhere; rarely the latter, for most make circles. */
    const value = (): Anything => {
      const given = below(3) === 0 && held.length > 1 ? held[1 + below(held.length - 1)] : make(0);
      hold(given);
      return given;
    };
    for (let step = 0; step < 8; step += 1) {
      const at = pick();
      const members = Object.keys(at).sort();
      if (members.length > 0) hold(own(at, members[below(members.length)] as string));
      if (Array.isArray(at)) editArray(at, below, value, (result) => log.push(outline(result)));
      else editObject(at, below, key, value);
    }
    return JSON.stringify(log);
  };
}

function editObject(at: Anything, below: (limit: number) => number, key: () => string, value: () => Anything): void {
  const [first, second] = [key(), key()];
  switch (below(6)) {
    case 0:
      remove(at, first);
      break;
    case 1: {
      // A swap; where one of them is missing, a move.
      const [one, other] = [own(at, first), own(at, second)];
      for (const [name, moved] of [[first, other] as const, [second, one] as const]) {
        if (moved === undefined) remove(at, name);
        else put(at, name, moved);
      }
      break;
    }
    case 2: {
      const old = own(at, first);
      remove(at, first);
      if (old !== undefined) put(at, first, old);
      break;
    }
    default:
      put(at, first, value());
  }
}

function editArray(
  at: Anything[],
  below: (limit: number) => number,
  value: () => Anything,
  returned: (result: unknown) => void,
): void {
  const [first, second] = [below(at.length), below(at.length)];
  switch (below(14)) {
    case 0:
      returned(at.push(value()));
      break;
    case 1:
      returned(at.unshift(value(), value()));
      break;
    case 2:
      returned(at.splice(below(at.length + 1), below(3), value()));
      break;
    case 3:
      if (at.length > 0) at[first] = value();
      break;
    case 4:
      at.reverse();
      break;
    case 5:
      at.sort((a, b) => (rank(a) < rank(b) ? -1 : Number(rank(a) > rank(b))));
      break;
    case 6:
      returned(at.pop());
      break;
    case 7:
      if (at.length > 0) at.push(at.shift());
      break;
    case 8:
    case 9:
      if (at.length > 0) [at[first], at[second]] = [at[second], at[first]];
      break;
    case 10:
      at.copyWithin(first, second, second + below(3));
      break;
    case 11:
      at.fill(value(), first, first + below(3));
      break;
    case 12:
      if (at.length > 1) at.splice(second, 0, ...at.splice(first, 2));
      break;
    default:
      at.length = below(at.length + 1);
  }
}

/** `__proto__` is a key of drafts; with plain data it takes these three. */
function own(at: Anything, key: string): Anything {
  return Object.getOwnPropertyDescriptor(at, key)?.value;
}

function put(at: Anything, key: string, value: unknown): void {
  Object.defineProperty(at, key, { value, writable: true, enumerable: true, configurable: true });
}

function remove(at: Anything, key: string): void {
  Reflect.deleteProperty(at, key);
}

/** Says something of a value without going into it: it may hold itself. */
function outline(value: Anything): unknown {
  if (Array.isArray(value)) return value.map(rank);
  return rank(value);
}

function rank(value: Anything): string {
  if (typeof value !== 'object' || value === null) return `0 ${String(value)}`;
  return `${Array.isArray(value) ? 1 : 2} ${Object.keys(value).length}`;
}

/** As text, with the keys of objects in order, for replicas don't keep the order of keys. */
function canonical(value: Anything): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((key) => `${JSON.stringify(key)}:${canonical(own(value, key))}`).join()}}`;
}
