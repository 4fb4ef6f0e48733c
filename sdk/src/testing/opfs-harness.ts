// Runs the storage contract's suite on the origin private file system, in a worker of a real browser.

import { systemEnvironment } from '../environment.ts';
import type { SyncFile } from '../storage/log-file.ts';
import { decodeFrame, decodeHeader, frameHead_bytes, header_bytes } from '../storage/log-format.ts';
import { OpfsStorage, openFolder } from '../storage/opfs.ts';
import type { StorageHarness } from './storage-suite.ts';

export function opfsHarness(): StorageHarness {
  const environment = systemEnvironment();
  return {
    storage: new OpfsStorage(environment),
    async damage(namespace, document, area) {
      const folder = await openFolder(environment, namespace);
      await folder.exclusive(([file]) => damageLast(file, document, area));
      await folder.close();
    },
  };
}

/** Flips a bit of the last record of this area that a file of one generation has. */
function damageLast(file: SyncFile, document: string, area: string): void {
  const content = new Uint8Array(file.size());
  file.read(content, 0);
  const { salt = 0 } = decodeHeader(content) ?? {};
  let last: { readonly at: number; readonly length: number } | undefined;
  for (let at = header_bytes; at < content.length; ) {
    const length = frameHead_bytes + new DataView(content.buffer, at).getUint32(2, true);
    for (const { operation, at: within } of decodeFrame(salt, content.subarray(at, at + length)).found) {
      if (operation.kind !== 'put' || operation.document !== document || operation.area !== area) continue;
      last = { at: at + within, length: operation.record.length };
    }
    at += length;
  }
  if (last === undefined) throw new Error(`Expected a ${area} record of ${document}, found none.`);
  const middle = last.at + (last.length >> 1);
  file.write(Uint8Array.of((content[middle] ?? 0) ^ 4), middle);
  file.flush();
}
