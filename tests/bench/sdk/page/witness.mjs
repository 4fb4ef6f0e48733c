// A worker that looks into the page's IndexedDB: storage seen from elsewhere, while the page does what it does.

import { find } from './find.mjs';

self.onmessage = async ({ data: { id, place, marker, within_ms } }) => {
  try {
    self.postMessage({ id, at_ms: await find(place, marker, within_ms) });
  } catch (error) {
    self.postMessage({ id, error: String(error) });
  }
};
