// All cases of the growth table.

import { documentCases } from './document-cases.mjs';
import { textCases } from './text-cases.mjs';

/** @type {readonly import('./case.mjs').GrowthCase[]} */
export const growthCases = [...textCases, ...documentCases];
