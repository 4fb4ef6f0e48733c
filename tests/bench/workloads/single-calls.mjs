// What one call costs where much is there already, with its update: typical ones, and the slowest.

import { sample } from '../measure.mjs';
import { mulberry32 } from '../trace.mjs';

const calls = 5_000;
const length = 100_000;
const nothing = () => {};

/** @type {readonly import('./workload.mjs').Workload[]} */
export const singleCalls = [
  {
    name: 'single-sets',
    needs: 'map',
    cells: {
      // A number under one of 1,000 keys.
      'map set': (library) => {
        const random = mulberry32(1);
        const replica = library.create({ send: nothing });
        let call = 0;
        return sample(calls, () => replica.set(`key ${Math.floor(random() * 1000)}`, call++));
      },
    },
  },
  {
    name: 'single-inserts',
    needs: 'text',
    cells: {
      // One character at random places: what one key press costs.
      'insert in 100,000 characters': (library) => {
        const random = mulberry32(1);
        const replica = library.create({ send: nothing });
        const letters = Array.from({ length }, () => String.fromCharCode(97 + Math.floor(random() * 26)));
        replica.edit(0, 0, letters.join(''));
        let now = length;
        const samples = sample(calls, () => {
          replica.edit(Math.floor(random() * now), 0, 'x');
          now += 1;
        });
        if (replica.text().length !== now) throw new Error(`expected ${now} characters: the result is wrong`);
        return samples;
      },
    },
  },
];
