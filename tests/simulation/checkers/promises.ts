// Checkers of what apps are promised: receipts, durability, refusals that are told, rights that are kept.

import type { EnvelopeRange, LogRecord, Operation } from '../log.ts';
import type { Model } from '../model.ts';
import type { MakeChecker } from './checker.ts';

/** Document and agent → the highest seq that was told of. */
class Reached {
  readonly #seqs = new Map<string, number>();

  add(place: string, { document, agent, to }: EnvelopeRange): void {
    const key = `${place} ${document} ${agent}`;
    this.#seqs.set(key, Math.max(to, this.#seqs.get(key) ?? 0));
  }

  has(place: string, { document, agent, to }: { document: string; agent: bigint; to: number }): boolean {
    return (this.#seqs.get(`${place} ${document} ${agent}`) ?? 0) >= to;
  }
}

const server = 'server';

/** Whether one of an operation's names is in what was told of. */
const reaches = (model: Model, reached: Reached, place: string, operation: Operation): boolean =>
  model.namesOf(operation).some(({ agent, to }) => reached.has(place, { document: operation.document, agent, to }));

/** Whether ranges that were told of touch one of an operation's names. */
const touches = (model: Model, ranges: readonly EnvelopeRange[], operation: Operation): boolean =>
  model
    .namesOf(operation)
    .some((name) =>
      ranges.some(
        ({ document, agent, from, to }) =>
          document === operation.document && agent === name.agent && from < name.to && to > name.from,
      ),
    );

/** Operations that were at the server, also before a restored backup, when their document was deleted: they are gone with it. */
class GoneWithDocuments {
  readonly #model: Model;
  readonly #committed = new Reached();
  readonly #gone = new Set<number>();

  constructor(model: Model) {
    this.#model = model;
  }

  look(record: LogRecord): void {
    if (record.type === 'committed') this.#committed.add(server, record);
    if (record.type !== 'deleted') return;
    for (const operation of this.#model.operations(record.document)) {
      if (reaches(this.#model, this.#committed, server, operation)) this.#gone.add(operation.id);
    }
  }

  has({ id }: Operation): boolean {
    return this.#gone.has(id);
  }
}

/** `durable`: on the device's disk, or at the server. `synced`: committed at the server. Not before. */
export const receiptsNeverEarly: MakeChecker = (model) => {
  const operations = new Map<number, Operation>();
  const reached = new Reached();
  return {
    look({ record }) {
      if (record.type === 'write') operations.set(record.operation.id, record.operation);
      else if (record.type === 'stored') reached.add(record.device, record);
      else if (record.type === 'committed') reached.add(server, record);
      else if (record.type === 'receipt' && record.state !== 'rejected') {
        const operation = operations.get(record.operation);
        if (operation === undefined || reaches(model, reached, server, operation)) return undefined;
        if (model.isVoid(operation)) return undefined;
        if (record.state === 'synced') return `operation ${operation.id} is called synced, and isn't at the server`;
        const device = operation.tab.slice(0, 1);
        if (!reaches(model, reached, device, operation))
          return `operation ${operation.id} is called durable, and isn't on ${device}`;
      }
      return undefined;
    },
  };
};

/**
 * What was called durable or synced is at the server in the end, or an app was told that it never will be; what the harness
 * destroyed is nobody's fault.
 */
export const nothingPromisedLost: MakeChecker = (model) => {
  const operations = new Map<number, Operation>();
  const promised = new Map<number, string>();
  const rejected = new Set<number>();
  const gone: EnvelopeRange[] = [];
  const stored = new Reached();
  const finals = new Map<string, ReadonlyMap<bigint, number>>();
  const withDocuments = new GoneWithDocuments(model);
  let restored = false;
  return {
    look({ record }) {
      withDocuments.look(record);
      if (record.type === 'write') operations.set(record.operation.id, record.operation);
      else if (record.type === 'destroyed' || record.type === 'surfaced') gone.push(record);
      else if (record.type === 'stored') stored.add(record.device, record);
      else if (record.type === 'restored') restored = true;
      else if (record.type === 'receipt') {
        if (record.state === 'rejected') rejected.add(record.operation);
        else promised.set(record.operation, record.state);
      } else if (record.type === 'final' && record.where === server && record.version !== undefined) {
        finals.set(record.document, record.version);
      }
      return undefined;
    },
    end() {
      for (const [id, state] of promised) {
        const operation = operations.get(id);
        if (operation === undefined || rejected.has(id) || model.isVoid(operation)) continue;
        if (withDocuments.has(operation)) continue;
        const { document, tab } = operation;
        if (model.has(finals.get(document) ?? new Map(), operation)) continue;
        // The author's disk never had it: a server that lost it in a restored backup can't get it back.
        if (restored && !reaches(model, stored, tab.slice(0, 1), operation)) continue;
        if (touches(model, gone, operation)) continue;
        return `operation ${id} (${document}) was called ${state}, and is not at the server in the end`;
      }
      return undefined;
    },
  };
};

/** Nothing is committed that the host was not asked about, or has refused since it last took it. */
export const noWriteWithoutRight: MakeChecker = () => {
  const answers = new Map<string, boolean>();
  let isAsked = false;
  const keyOf = ({ document, agent, from }: EnvelopeRange): string => `${document} ${agent} ${from}`;
  return {
    look({ record }) {
      if (record.type === 'asked') {
        isAsked = true;
        answers.set(keyOf(record), record.taken);
      } else if (record.type === 'committed' && isAsked && answers.get(keyOf(record)) !== true) {
        return `position ${record.position} of ${record.document} was committed, and the host has not taken it`;
      }
      return undefined;
    },
  };
};

/** Answers that are no refusal of what was written: it is brought again in another form. */
const formal = new Set(['clock', 'closed-agent', 'epoch-changed']);

/** What the server refuses for good of that which a device holds is told of to an app there. */
export const refusalSurfaces: MakeChecker = (model) => {
  const refused: (EnvelopeRange & { readonly code: string })[] = [];
  const told: EnvelopeRange[] = [];
  const rejected = new Set<number>();
  const stored = new Reached();
  const operations: Operation[] = [];
  const finals = new Map<string, ReadonlyMap<bigint, number>>();
  const withDocuments = new GoneWithDocuments(model);
  return {
    look({ record }) {
      withDocuments.look(record);
      if (record.type === 'write') operations.push(record.operation);
      else if (record.type === 'refused' && !formal.has(record.code)) refused.push(record);
      else if (record.type === 'surfaced' || record.type === 'destroyed') told.push(record);
      else if (record.type === 'stored') stored.add(record.device, record);
      else if (record.type === 'receipt' && record.state === 'rejected') rejected.add(record.operation);
      else if (record.type === 'final' && record.where === server && record.version !== undefined) {
        finals.set(record.document, record.version);
      }
      return undefined;
    },
    end() {
      for (const operation of operations) {
        if (rejected.has(operation.id) || model.isVoid(operation) || !touches(model, refused, operation)) continue;
        if (touches(model, told, operation)) continue;
        // It was asked for again when it was allowed.
        if (withDocuments.has(operation)) continue;
        if (model.has(finals.get(operation.document) ?? new Map(), operation)) continue;
        const device = operation.tab.slice(0, 1);
        if (!reaches(model, stored, device, operation)) continue;
        return `operation ${operation.id} of ${operation.document} was refused, and no app was told`;
      }
      return undefined;
    },
  };
};
