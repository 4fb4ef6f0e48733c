// The order of concurrent text, against Yjs: where nobody types at the same place as somebody else, both must come to the same
// text, whatever was typed and deleted in which direction. Where people do type at one place, the two may differ in whose part
// comes first; of ours is asked that each part stays in one piece, which Yjs promises only for what is typed forwards.

import { beforeAll, describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import { seededRandom } from '../../../protocol/src/testing/damage.ts';
import { init, Replica } from './index.ts';

beforeAll(() => init());

const sessions = 300 * Number(process.env.JOINERY_ROUNDS ?? 1);

/** One person, who does everything in both. */
class Person {
  readonly ours: Replica;
  readonly theirs = new Y.Doc();
  constructor(number: number, state: { ours: Uint8Array; theirs: Uint8Array } | undefined) {
    this.ours = new Replica({ agent: BigInt(number), now: () => 1_000, trustStamps: true });
    this.theirs.clientID = number;
    if (state === undefined) return;
    this.ours.applyUpdate(state.ours);
    Y.applyUpdate(this.theirs, state.theirs);
  }
  get text(): string {
    const text = this.ours.text('t').toString();
    expect(this.theirs.getText('t').toString()).toBe(text);
    return text;
  }
  insert(index: number, text: string): void {
    this.ours.text('t').insert(index, text);
    this.theirs.getText('t').insert(index, text);
  }
  delete(index: number, count: number): void {
    this.ours.text('t').delete(index, count);
    this.theirs.getText('t').delete(index, count);
  }
  state(): { ours: Uint8Array; theirs: Uint8Array } {
    return { ours: this.ours.exportUpdate(), theirs: Y.encodeStateAsUpdate(this.theirs) };
  }
  join({ ours, theirs }: { ours: Uint8Array; theirs: Uint8Array }): void {
    this.ours.applyUpdate(ours);
    Y.applyUpdate(this.theirs, theirs);
  }
  free(): void {
    this.ours.free();
    this.theirs.destroy();
  }
}

/** Everybody gets what everybody had. */
function meet(people: readonly Person[]): void {
  const states = people.map((person) => person.state());
  for (const person of people) for (const state of states) person.join(state);
}

/** Some people who have the same; what was deleted before left its trace. */
function begin(below: (limit: number) => number): Person[] {
  const first = new Person(1, undefined);
  for (let count = 0; count < 12; count += 1) {
    const { length } = first.text;
    first.insert(below(length + 1), 'abcdef'.slice(0, 1 + below(6)));
    if (length > 4 && below(3) === 0) first.delete(below(length - 2), 2);
  }
  // A person's own stretch of the text begins and ends with a letter that everybody leaves alone.
  first.insert(0, '[');
  first.insert(first.text.length, ']');
  const state = first.state();
  // Ids that differ, in any order.
  const people = Array.from({ length: 2 + below(2) }, (_, at) => new Person(100 + 10 * below(30) + at, state));
  first.free();
  return people;
}

describe('against Yjs', () => {
  it('the order is the same where nobody types at another one’s place', () => {
    for (let seed = 1; seed <= sessions; seed += 1) {
      const random = seededRandom(seed);
      const below = (limit: number): number => Math.floor(random() * limit);
      const people = begin(below);
      for (let round = 0; round < 3; round += 1) {
        const whole = people[0]?.text ?? '';
        const share = Math.floor(whole.length / people.length);
        for (const [at, person] of people.entries()) {
          // Within this stretch, its outermost letters left alone, so that no place in it is another one's.
          let [from, to] = [at * share + 1, (at + 1) * share - 1];
          for (let edit = 0; edit < 8 && from < to; edit += 1) {
            const index = from + below(to - from + 1);
            if (below(4) === 0 && index < to) {
              const count = 1 + below(Math.min(3, to - index));
              person.delete(index, count);
              to -= count;
              continue;
            }
            const isBackwards = below(2) === 0;
            for (let typed = 0; typed < 1 + below(5); typed += 1) {
              person.insert(isBackwards ? index : index + typed, String.fromCharCode(65 + below(26)));
              to += 1;
            }
          }
        }
        meet(people);
        // Each compares its own two; and all are one.
        expect(new Set(people.map((person) => person.text)).size, `seed ${seed}`).toBe(1);
      }
      for (const person of people) person.free();
    }
  });

  it('and where people type at one place, what each types stays in one piece', () => {
    for (let seed = 1; seed <= sessions; seed += 1) {
      const random = seededRandom(10_000 + seed);
      const below = (limit: number): number => Math.floor(random() * limit);
      const people = begin(below);
      const { length } = people[0]?.text ?? '';
      const index = 1 + below(length - 1);
      const words = people.map((person, at) => {
        const word = String(at).repeat(2 + below(6));
        const isBackwards = below(2) === 0;
        for (let typed = 0; typed < word.length; typed += 1) {
          person.ours.text('t').insert(isBackwards ? index : index + typed, String(at));
        }
        return word;
      });
      const updates = people.map((person) => person.ours.exportUpdate());
      const texts = people.map((person) => {
        person.ours.applyUpdates(updates);
        return person.ours.text('t').toString();
      });
      expect(new Set(texts).size, `seed ${seed}`).toBe(1);
      for (const word of words) expect(texts[0], `seed ${seed}`).toContain(word);
      expect(texts[0]).toHaveLength(length + words.join('').length);
      for (const person of people) person.free();
    }
  });
});
