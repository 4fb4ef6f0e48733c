// `@joinery/storage-sqlite/testing`: what the storage contract's suite (`storageSuite` of `joinery/testing`) needs to run on SQLite in a
// worker of a real browser.

import { type Namespace, systemEnvironment } from 'joinery/storage';
import { SqliteStorage } from './browser.ts';
import { openTurns } from './pool.ts';

export interface SqliteHarness {
  readonly storage: SqliteStorage;
  /** Flips a bit in the middle of one stored record of the area, behind the storage's back. */
  damage(namespace: Namespace, document: string, area: string): Promise<void>;
}

export function sqliteHarness(): SqliteHarness {
  const environment = systemEnvironment();
  return {
    storage: new SqliteStorage(environment),
    async damage(namespace, document, area) {
      const turns = await openTurns(environment, namespace);
      await turns.exclusive(({ database }) => {
        const found = database.prepare('SELECT rowid, record FROM records WHERE area = ? AND document = ?');
        const [[id, record] = []] = found.all(area, document);
        if (id === undefined || !(record instanceof Uint8Array)) {
          throw new Error(`Expected a ${area} record of ${document}, found none.`);
        }
        const middle = record.length >> 1;
        record[middle] = (record[middle] ?? 0) ^ 4;
        database.prepare('UPDATE records SET record = ? WHERE rowid = ?').run(record, id);
      });
      await turns.close();
    },
  };
}
