/** What a page of a space's heads costs of the credit: both ends count the same, without measuring frames. */

import type { SpaceHead } from '../messages.ts';

/** Numbers and tags of one entry, about. */
const entryCost_bytes = 24;

export function spaceCost_bytes(entries: readonly SpaceHead[]): number {
  return entries.reduce((sum, { document }) => sum + document.length + entryCost_bytes, entryCost_bytes);
}
