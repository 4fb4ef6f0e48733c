// Checkers of deleted documents. They read what the server and the apps say of deletions, and know nothing of content.

import type { MakeChecker } from './checker.ts';

/** What is deleted takes no write and shows nothing any more, unless a restored backup is older than that; nobody else deletes. */
export const deletedDocumentsStay: MakeChecker = () => {
  const asked = new Set<string>();
  const deleted = new Set<string>();
  return {
    look({ record }) {
      if (record.type === 'deletion' && record.state === 'asked') asked.add(record.document);
      else if (record.type === 'deleted') {
        deleted.add(record.document);
        if (!asked.has(record.document)) return `${record.document} was deleted, and no app has asked for it`;
      } else if (record.type === 'restored') for (const document of record.undoneDeletions) deleted.delete(document);
      else if (record.type === 'committed' && deleted.has(record.document)) {
        return `position ${record.position} of ${record.document} was committed, which is deleted`;
      } else if (record.type === 'final' && deleted.has(record.document)) {
        const { text, counter, fields, items } = record.content;
        if (text !== '' || counter !== 0 || items.length > 0 || Object.keys(fields).length > 0) {
          return `${record.where} shows ${record.document}, which is deleted`;
        }
      }
      return undefined;
    },
  };
};

/** A deletion that is called synced is done at the server, and not before. */
export const deletionsNeverEarly: MakeChecker = () => {
  const deleted = new Set<string>();
  return {
    look({ record }) {
      if (record.type === 'deleted') deleted.add(record.document);
      else if (record.type === 'deletion' && record.state === 'synced' && !deleted.has(record.document)) {
        return `the deletion of ${record.document} is called synced, and the server has not done it`;
      }
      return undefined;
    },
  };
};

/**
 * A deletion that is called durable is done at the server in the end, and what it was done to is there no more. A restored
 * backup may have brought back what was deleted since it was made.
 */
export const deletionsKept: MakeChecker = () => {
  /** Tab and document of an app that waits for it. */
  const asked = new Set<string>();
  const promised = new Map<string, { readonly document: string; readonly promise: string }>();
  const deleted = new Set<string>();
  let healed = false;
  return {
    look({ record }) {
      if (record.type === 'healed') healed = true;
      else if (record.type === 'deleted') deleted.add(record.document);
      else if (record.type === 'restored') {
        for (const document of record.undoneDeletions) {
          deleted.delete(document);
          for (const key of asked) if (key.endsWith(` ${document}`)) asked.delete(key);
          for (const [key, one] of promised) if (one.document === document) promised.delete(key);
        }
      } else if (record.type === 'deletion') {
        const { tab, document, state } = record;
        const key = `${tab} ${document}`;
        if (state === 'asked') asked.add(key);
        else if (state !== 'refused' && asked.has(key)) promised.set(key, { document, promise: `${state} in ${tab}` });
      }
      return undefined;
    },
    end() {
      if (!healed) return undefined;
      for (const { document, promise } of promised.values()) {
        if (!deleted.has(document)) return `the deletion of ${document} was called ${promise}, and it is not done`;
      }
      return undefined;
    },
  };
};
