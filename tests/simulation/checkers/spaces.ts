// Checkers of a space's list, as apps have gone through it.

import { spareDevice } from '../choices.ts';
import type { LogEntry } from '../log.ts';
import type { Checker, MakeChecker } from './checker.ts';

const deviceOf = (tab: string): string => tab.slice(0, 1);
/** It has what another one had. */
const cloned = deviceOf(spareDevice);

/**
 * When all is healed each tab has the whole list: what the server has, in order. What an app has opened on the device may
 * stand there as well, though nobody has ever written to it, or nothing that the server took.
 */
export const listsWhatIsThere: MakeChecker = (): Checker => {
  const opened = new Set<string>();
  const deleted = new Set<string>();
  let server: readonly string[] = [];
  return {
    look({ record }) {
      if (record.type === 'opened') {
        for (const device of [deviceOf(record.tab), cloned]) opened.add(`${device} ${record.document}`);
      } else if (record.type === 'deleted') deleted.add(record.document);
      else if (record.type === 'restored') for (const document of record.undoneDeletions) deleted.delete(document);
      else if (record.type === 'last-listed') {
        const { where, complete, documents } = record;
        if (where === 'server') {
          server = documents;
          return undefined;
        }
        if (!complete) return `${where} has no whole list, long after all was healed`;
        const missing = server.find((document) => !documents.includes(document));
        if (missing !== undefined) return `${where} doesn't list ${missing}: ${documents.join(', ')}`;
        const more = documents.filter((document) => !server.includes(document));
        const wrong = more.find((one) => deleted.has(one) || !opened.has(`${deviceOf(where)} ${one}`));
        if (wrong !== undefined) return `${where} lists ${wrong}, and the server has ${server.join(', ')}`;
      }
      return undefined;
    },
  };
};

/** A list is in order and has nothing twice. What an app has deleted has left its list at once. */
export const listsAreInOrder: MakeChecker = (): Checker => {
  const gone = new Map<string, Set<string>>();
  return {
    look({ record }: LogEntry) {
      if (record.type === 'restored') gone.clear();
      else if (record.type === 'deletion' && record.state === 'durable') {
        const key = `${record.tab} ${record.life}`;
        gone.set(key, (gone.get(key) ?? new Set()).add(record.document));
      } else if (record.type === 'listed') {
        const { where, life, documents } = record;
        const index = documents.findIndex((document, at) => at > 0 && document <= (documents[at - 1] ?? ''));
        if (index > 0) return `${where} lists ${documents[index]} behind ${documents[index - 1]}`;
        const known = gone.get(`${where} ${life}`);
        const wrong = documents.find((document) => known?.has(document));
        if (wrong !== undefined) return `${where} lists ${wrong}, which it has deleted`;
      }
      return undefined;
    },
  };
};
