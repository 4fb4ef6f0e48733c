// Runs the storage contract's suite on the origin private file system, in a worker of a real browser.

import { systemEnvironment } from '../environment.ts';
import type { SyncFile } from '../storage/log-file.ts';
import { OpfsStorage, openFolder } from '../storage/opfs.ts';
import { operationsOf } from './log-operations.ts';
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
  const last = operationsOf(content).findLast(
    ({ operation }) => operation.kind === 'put' && operation.document === document && operation.area === area,
  );
  if (last?.operation.kind !== 'put') throw new Error(`Expected a ${area} record of ${document}, found none.`);
  const middle = last.at + (last.operation.record.length >> 1);
  file.write(Uint8Array.of((content[middle] ?? 0) ^ 4), middle);
  file.flush();
}
