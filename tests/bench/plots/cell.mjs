// One point of a plot, in a process of its own. It prints one line of JSON.
//
//   node --expose-gc cell.mjs '{"axis": "size", "amount": 12500, "library": "yjs"}'

import { openLibrary } from '../libraries/library.mjs';
import { watchMemories } from '../measure.mjs';
import { axes, measurePoint } from './axes.mjs';

/** @type {{ axis: string, amount: number, library: string }} */
const options = JSON.parse(process.argv[2] ?? '{}');
const axis = axes[options.axis];
if (axis === undefined) throw new Error(`expected an axis of ${Object.keys(axes).join(', ')}, got "${options.axis}"`);
watchMemories();
const library = await openLibrary(options.library);
await library.init();
console.log(JSON.stringify(measurePoint(library, axis, options.amount)));
