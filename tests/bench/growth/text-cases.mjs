// How texts grow: typed forwards, backwards and anywhere, deleted, marked, and all at one place by a hundred thousand people.

import { mulberry32 } from '../trace.mjs';
import { agentOf, check, fresh, joined, loaded, state, taken, written } from './case.mjs';

const chunk = 'The quick brown fox jumps over the lazy dog. '.repeat(200);

/** @param {number} length */
function prose(length) {
  return chunk.repeat(Math.ceil(length / chunk.length)).slice(0, length);
}

/** @param {number} size */
function longText(size) {
  return state((replica) => replica.text('t').insert(0, prose(size)));
}

/** Insertions of one character, at the place that `at` says of a length. @param {(length: number) => number} at */
function typed(at) {
  return (/** @type {number} */ size) => () => {
    const replica = fresh();
    const text = replica.text('t');
    for (let length = 0; length < size; length += 1) {
      text.insert(at(length), 'x');
      // As whoever sends what is typed.
      if (length % 1000 === 999) taken(replica);
    }
    check(text.length, size);
  };
}

/** @param {number} size how many agents @param {string} typed what each types @param {boolean} isBackwards */
function atOnePlace(size, typed, isBackwards) {
  const base = state((replica) => replica.text('t').insert(0, 'ab'));
  const updates = written(base, size, (replica) => {
    const text = replica.text('t');
    for (let count = 0; count < typed.length; count += 1) {
      text.insert(isBackwards ? 1 : 1 + count, typed[isBackwards ? typed.length - 1 - count : count] ?? '');
    }
  });
  return { base, updates };
}

/** @param {import('joinery/core').Replica} replica @param {number} length */
function checkLength(replica, length) {
  check(replica.text('t').length, length);
  check(replica.pendingCount, 0);
}

/** A text of `size` characters in which a fifth of them was inserted, each by itself, anywhere. @param {number} size */
function scattered(size) {
  const random = mulberry32(7);
  return state((replica) => {
    const text = replica.text('t');
    text.insert(0, prose(size));
    for (let count = 0; count < size / 5; count += 1) text.insert(Math.floor(random() * text.length), 'x');
  });
}

/** @type {readonly import('./case.mjs').GrowthCase[]} */
export const textCases = [
  {
    name: 'text inserted at once, read, saved, loaded',
    size: 2_500_000,
    prepare: (size) => {
      const content = prose(size);
      return () => {
        const replica = fresh();
        replica.text('t').insert(0, content);
        const again = loaded(replica.encodeSnapshot());
        check(again.text('t').toString() === content, true);
      };
    },
  },
  { name: 'text typed forwards', size: 2_500_000, prepare: typed((length) => length) },
  { name: 'text typed backwards', size: 250_000, prepare: typed(() => 0) },
  {
    name: 'text typed anywhere',
    size: 100_000,
    prepare: (size) => {
      const random = mulberry32(1);
      return typed((length) => Math.floor(random() * (length + 1)))(size);
    },
  },
  {
    name: 'text deleted, a character at a time, anywhere',
    size: 100_000,
    prepare: (size) => {
      const replica = loaded(longText(size));
      const random = mulberry32(1);
      return () => {
        const text = replica.text('t');
        for (let length = size; length > 0; length -= 1) text.delete(Math.floor(random() * length), 1);
        checkLength(replica, 0);
      };
    },
  },
  {
    name: 'a character typed and deleted at one place, again and again',
    size: 100_000,
    prepare: (size) => () => {
      const replica = fresh();
      const text = replica.text('t');
      text.insert(0, 'ab');
      for (let count = 0; count < size; count += 1) {
        text.insert(1, 'x');
        text.delete(1, 1);
      }
      checkLength(replica, 2);
    },
  },
  {
    name: 'inserts of as many agents at one place, joined one by one',
    size: 25_000,
    prepare: (size) => {
      const { base, updates } = atOnePlace(size, 'x', false);
      return () => checkLength(joined(base, updates), size + 2);
    },
  },
  {
    name: 'three characters of as many agents at one place, typed backwards',
    size: 10_000,
    prepare: (size) => {
      const { base, updates } = atOnePlace(size, 'xyz', true);
      return () => checkLength(joined(base, updates), 3 * size + 2);
    },
  },
  {
    name: 'inserts of as many agents at index 0 of an empty document',
    size: 25_000,
    prepare: (size) => {
      const updates = written(undefined, size, (replica) => replica.text('t').insert(0, 'x'));
      return () => checkLength(joined(undefined, updates), size);
    },
  },
  {
    name: 'inserts of as many agents at one place, joined as a state',
    size: 25_000,
    prepare: (size) => {
      const { base, updates } = atOnePlace(size, 'x', false);
      const ours = joined(base, updates.slice(0, size / 2));
      const theirs = joined(base, updates.slice(size / 2)).encodeSnapshot();
      return () => {
        ours.applyUpdate(theirs);
        checkLength(ours, size + 2);
      };
    },
  },
  {
    name: 'inserts of as many agents at one place, saved and loaded',
    size: 25_000,
    prepare: (size) => {
      const { base, updates } = atOnePlace(size, 'x', false);
      const replica = joined(base, updates);
      return () => checkLength(loaded(replica.encodeSnapshot()), size + 2);
    },
  },
  {
    name: 'a range marked and unmarked again and again',
    size: 4_000,
    prepare: (size) => {
      const replica = loaded(longText(10_000));
      return () => {
        const text = replica.text('t');
        for (let count = 0; count < size / 2; count += 1) {
          text.mark(2_000, 8_000, 'bold', true);
          text.unmark(2_000, 8_000, 'bold');
        }
        check(text.toDelta().length, 1);
      };
    },
  },
  {
    name: 'marks beside each other, and the delta',
    size: 20_000,
    prepare: (size) => {
      const replica = loaded(longText(size * 4));
      return () => {
        const text = replica.text('t');
        for (let count = 0; count < size; count += 1) text.mark(count * 4, count * 4 + 2, 'bold', true);
        check(text.toDelta().length, 2 * size);
      };
    },
  },
  {
    name: 'marks that overlap, with ten values, in an edited text',
    size: 10_000,
    prepare: (size) => {
      const replica = loaded(scattered(size));
      const random = mulberry32(3);
      return () => {
        const text = replica.text('t');
        for (let count = 0; count < size; count += 1) {
          const from = Math.floor(random() * (text.length - 1));
          const to = Math.min(text.length, from + 1 + Math.floor(random() * 200));
          text.mark(from, to, 'color', Math.floor(random() * 10));
        }
        check(text.toDelta().length > 2, true);
      };
    },
  },
  {
    name: 'older marks of the whole text joined below newer small ones',
    size: 2_000,
    prepare: (size) => {
      const base = longText(size * 4);
      const newer = loaded(base, agentOf(1), 2_000_000);
      for (let count = 0; count < size; count += 1) newer.text('t').mark(count * 4, count * 4 + 2, 'color', 'red');
      const older = loaded(base, agentOf(2), 1_000_000);
      // Of two values in turn, so that none is superfluous.
      for (let count = 0; count < size; count += 1) older.text('t').mark(0, size * 4, 'color', count % 2);
      const reader = joined(base, taken(newer));
      const updates = taken(older);
      return () => {
        for (const update of updates) reader.applyUpdate(update);
        check(reader.text('t').toDelta().length, 2 * size);
      };
    },
  },
];
