// Checkers of what replicas hold: the same at one version, what the naive model expects, nothing before its cause, nothing
// that was deleted.

import type { Content, LogRecord, Version } from '../log.ts';
import type { Model } from '../model.ts';
import type { Property, Violation } from '../rules.ts';
import type { Checker, MakeChecker } from './checker.ts';

/** Two replicas, wherever and whenever, that have seen the same hold the same, to the byte. */
export const sameVersionSameState: MakeChecker = () => {
  const states = new Map<string, { readonly digest: string; readonly replica: number; readonly content: string }>();
  return {
    look({ record }) {
      if (record.type === 'state') {
        const key = nameOf(record.version);
        const content = JSON.stringify(record.content);
        const known = states.get(key);
        if (known === undefined) states.set(key, { digest: record.digest, replica: record.replica, content });
        else if (known.digest !== record.digest) {
          return `replicas ${known.replica} and ${record.replica} differ at one version: ${known.content} and ${content}`;
        }
      }
      return undefined;
    },
  };
};

/** What the model says of a state: asked once, for the checkers of three properties. */
const judged = new WeakMap<LogRecord, Violation | 'right'>();

const modelled = (property: Property): MakeChecker => {
  return (model): Checker => ({
    look({ record }) {
      if (record.type !== 'state') return undefined;
      let verdict = judged.get(record);
      if (verdict === undefined) {
        const { version, before, content } = record;
        verdict = model.checkVersion(version, before) ?? checkContent(model, version, content) ?? 'right';
        judged.set(record, verdict);
      }
      if (verdict === 'right' || verdict.property !== property) return undefined;
      return `replica ${record.replica}: ${verdict.message}`;
    },
  });
};

function checkContent(model: Model, version: Version, content: Content): Violation | undefined {
  const document = model.documentOf(version);
  return model.checkContent(document ?? '', version, content);
}

/** Also of the log: a document's epoch has each operation once, and none before its predecessor. */
export const effectExactlyOnce: MakeChecker = (model) => {
  const states = modelled('effectExactlyOnce')(model);
  const reached = new Map<string, number>();
  return {
    look(entry) {
      const { record } = entry;
      if (record.type !== 'committed') return states.look(entry);
      const { document, epoch, position, agent, from, to } = record;
      const key = `${epoch} ${document} ${agent}`;
      const before = reached.get(key);
      reached.set(key, Math.max(to, before ?? 0));
      // What an agent had before the epoch is in the epoch's first state.
      if (before === undefined || before === from) return undefined;
      return `position ${position} of ${document} has ${agent.toString(16)} from ${from} on, and the log had it up to ${before}`;
    },
  };
};
export const causeBeforeEffect = modelled('causeBeforeEffect');
export const deletedStaysDeleted = modelled('deletedStaysDeleted');

/** A version as a key: agents in order. */
function nameOf(version: Version): string {
  return Array.from(version, ([agent, seq]) => `${agent.toString(16)}:${seq}`)
    .sort()
    .join(' ');
}
