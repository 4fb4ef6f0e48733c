// What was written in a run, and by what names it goes: a write that is made anew has another one, each copy of a profile makes
// it anew for itself, and a trim has one name for all that it stands for. It says what a version covers, not what that should show.

import { deleted, makersOf } from './changes.ts';
import type { LogRecord, Operation, Version } from './log.ts';
import { type Covered, type Follows, type Misses, mayHaveMissed, type Violation } from './rules.ts';

/** What became of an operation when its envelope was made again. */
interface Alias {
  readonly agent: bigint;
  readonly from: number;
  readonly to: number;
  /** Not all of it came through. */
  readonly isPart: boolean;
  /** Some of it was in no replay yet: its effects may be there, and nothing is promised by that. */
  readonly isHalf: boolean;
  /** Whoever brought it back after a restored backup; undefined where nothing was restored before. */
  readonly restoredBy: string | undefined;
  /** It named what a trim had named, and the restored backup is older than that trim. */
  readonly isAstray: boolean;
}

type Name = Pick<Alias, 'agent' | 'from' | 'to'>;

/**
 * What became of one name. Where stamps would fall, a replay makes several envelopes of one, and each of them is replayed
 * alone, or refused: what they became together is the next name.
 */
interface Pieces {
  /** So many operations of it were in no replay yet. */
  left: number;
  /** Not all of it came through. */
  isPart: boolean;
  made: Name | undefined;
  /** The alias that tells of it so far. */
  alias: Alias | undefined;
}
type Replayed = Extract<LogRecord, { readonly type: 'replayed' }>;
type Restored = Extract<LogRecord, { readonly type: 'restored' }>;
type Trimmed = Extract<LogRecord, { readonly type: 'trimmed' }>;

/** Every version covers it. */
const nothingLeft = { agent: 0n, from: 0, to: 0 };

export const covers = (version: Version, { agent, to }: { readonly agent: bigint; readonly to: number }): boolean =>
  (version.get(agent) ?? 0) >= to;

/** How many operations two names have in common. */
const shared = (one: Name, other: Name): number =>
  one.agent === other.agent ? Math.max(0, Math.min(one.to, other.to) - Math.max(one.from, other.from)) : 0;

/** Of one document at one version. */
export interface Moment {
  readonly covered: readonly Covered[];
  readonly follows: Follows;
  readonly misses: Misses;
  /** Whether a deletion may have been about something else than what is shown of the token. */
  readonly mayHaveLeft: (token: string, deletion: Covered) => boolean;
}

export class History {
  readonly #documents = new Map<string, Operation[]>();
  readonly #documentOf = new Map<bigint, string>();
  readonly #ownNames = new Map<Operation, readonly Name[]>();
  readonly #void = new Set<Operation>();
  readonly #aliases = new Map<Operation, readonly Alias[]>();
  readonly #pieces = new Map<string, Pieces>();
  /** Agent → the devices that have stored what it wrote as their own: several where a profile was cloned after that. */
  readonly #devicesOf = new Map<bigint, Set<string>>();
  /** Agent → how far it was ever committed. */
  readonly #committed = new Map<bigint, number>();
  /** What was written on a device before it was cloned. */
  readonly #cloned = new Set<Operation>();
  #isRestored = false;
  /** Documents that a restored backup has taken back to before a trim. */
  readonly #undone = new Set<string>();
  readonly #trims = new Map<bigint, { readonly seq: number; readonly version: Version }>();
  readonly #expanded = new WeakMap<Version, Version>();

  add(operation: Operation): void {
    const operations = this.#documents.get(operation.document);
    if (operations === undefined) this.#documents.set(operation.document, [operation]);
    else operations.push(operation);
    this.#documentOf.set(operation.agent, operation.document);
  }

  /** Takes note that two devices have the same log from here on. */
  clone({ from }: { readonly from: string }): void {
    for (const operations of this.#documents.values()) {
      for (const operation of operations) if (operation.tab.startsWith(from)) this.#cloned.add(operation);
    }
  }

  /** Takes note of who has stored it. */
  store({ agent, device }: { readonly agent: bigint; readonly device: string }): void {
    const devices = this.#devicesOf.get(agent);
    if (devices === undefined) this.#devicesOf.set(agent, new Set([device]));
    else devices.add(device);
  }

  /** Takes note that the server has had it. */
  commit({ agent, to }: { readonly agent: bigint; readonly to: number }): void {
    this.#committed.set(agent, Math.max(to, this.#committed.get(agent) ?? 0));
  }

  /**
   * Of how many copies of a profile the operation is in what is covered: each may have it once. One that has not given it up
   * yet has it by the name that both had for it, beside what the other one has made anew.
   */
  #copies(operation: Operation, version: Version): number {
    if (!this.#cloned.has(operation)) return 1;
    const devices = this.#coveredNames(operation, version).map(({ agent }) => [
      ...(this.#devicesOf.get(agent) ?? [agent]),
    ]);
    const found = new Set<string | bigint>();
    for (const holders of devices.sort((a, b) => a.length - b.length)) {
      const another = holders.find((device) => !found.has(device));
      if (another !== undefined) found.add(another);
    }
    return Math.max(1, found.size);
  }

  /** Takes note that operations have other names as well. */
  replay(record: Replayed): void {
    const { agent, into, rejected } = record;
    const document = this.#documentOf.get(agent);
    if (document === undefined) return;
    if (into.to > into.from) this.#documentOf.set(into.agent, document);
    for (const operation of this.operations(document)) {
      this.#follow(operation, record);
      const known = this.#aliases.get(operation) ?? [];
      const name = [operation, ...known].find((range) => shared(range, record) > 0);
      if (name === undefined) continue;
      const wasPart = known.some((alias) => shared(alias, record) > 0 && alias.isPart);
      const pieces = this.#gather(`${operation.id} envelope`, name, record, into, rejected.length > 0);
      const { made, left, isPart } = pieces;
      const next = made ?? (left <= 0 && !isPart ? nothingLeft : undefined);
      if (next === undefined) continue;
      const others = known.filter((alias) => alias !== pieces.alias);
      const restoredBy = this.#isRestored ? operation.tab.slice(0, 1) : undefined;
      const isAstray = this.#undone.has(document);
      const isHalf = left > 0;
      pieces.alias = { ...next, isPart: isPart || isHalf || wasPart, isHalf, restoredBy, isAstray };
      this.#aliases.set(operation, [...others, pieces.alias]);
    }
  }

  /** Its names to the operation, not to the envelope; and whether it came to nothing without being rejected. */
  #follow(operation: Operation, record: Replayed): void {
    const { from, to, into, names, rejected } = record;
    const own = this.#ownNames.get(operation) ?? [operation];
    const name = own.find((range) => shared(range, record) > 0);
    if (name === undefined) return;
    const [first, last] = [Math.max(name.from, from), Math.min(name.to, to)];
    const seqs = names.slice(first - from, last - from).filter((seq) => seq > 0);
    const range = { agent: into.agent, from: Math.min(...seqs) - 1, to: Math.max(...seqs) };
    const isRejected = rejected.some((part) => part.to > name.from && part.from < name.to);
    const pieces = this.#gather(`${operation.id}`, name, record, range, isRejected);
    if (pieces.left > 0) return;
    if (pieces.made !== undefined) this.#ownNames.set(operation, [...own, pieces.made]);
    else if (!pieces.isPart) this.#void.add(operation);
  }

  /** Adds what a replay has made of a name, or of a piece of it, to what it has made of the pieces before. */
  #gather(whose: string, name: Name, record: Replayed, made: Name, isRejected: boolean): Pieces {
    const key = [whose, name.agent, name.from, name.to, record.into.agent].join();
    const pieces = this.#pieces.get(key) ?? {
      left: name.to - name.from,
      isPart: false,
      made: undefined,
      alias: undefined,
    };
    pieces.left -= shared(name, record);
    pieces.isPart ||= isRejected;
    if (made.to > made.from) pieces.made = { ...made, from: pieces.made?.from ?? made.from };
    this.#pieces.set(key, pieces);
    return pieces;
  }

  /** A replay found nothing of it left to do, what it was about being gone or refused: it is where its author wanted it. */
  isVoid(operation: Operation): boolean {
    return this.#void.has(operation);
  }

  /** Takes note that the server lacks what it once had: each author brings back its own. */
  restore({ undoneTrims }: Restored): void {
    this.#isRestored = true;
    for (const document of undoneTrims) this.#undone.add(document);
  }

  /** Takes note that one agent stands for a whole version from here on. */
  trim({ document, agent, seq, version }: Trimmed): void {
    this.#documentOf.set(agent, document);
    this.#trims.set(agent, { seq, version });
  }

  /** All names of an operation: its own, and what it became. One without seqs had nothing left to do. */
  namesOf(operation: Operation): readonly { readonly agent: bigint; readonly from: number; readonly to: number }[] {
    return [operation, ...(this.#aliases.get(operation) ?? []).filter(({ isHalf }) => !isHalf)];
  }

  /** Whether a version has the operation, under whatever name. */
  has(version: Version, operation: Operation): boolean {
    const all = this.#expand(version);
    return this.namesOf(operation).some((name) => covers(all, name));
  }

  operations(document: string): readonly Operation[] {
    return this.#documents.get(document) ?? [];
  }

  /** The document of which a replica with this version is; undefined when nobody has written to it. */
  documentOf(version: Version): string | undefined {
    for (const agent of version.keys()) {
      const document = this.#documentOf.get(agent);
      if (document !== undefined) return document;
    }
    return undefined;
  }

  /** What is wrong with a replica's version: parts of writes, unknown ones, effects without their causes. */
  checkVersion(given: Version, before: Version): Violation | undefined {
    const document = this.documentOf(given);
    for (const [agent, seq] of given) {
      const trim = this.#trims.get(agent);
      if (trim !== undefined && seq !== trim.seq) {
        return { property: 'effectExactlyOnce', message: `a part of a trimmed state is there: ${seq} of ${trim.seq}` };
      }
    }
    const version = this.#expand(given);
    for (const agent of version.keys()) {
      if (this.#documentOf.get(agent) !== document) {
        return { property: 'causeBeforeEffect', message: `agent ${agent.toString(16)} never wrote to ${document}` };
      }
    }
    for (const operation of this.operations(document ?? '')) {
      const { agent, from, to, id } = operation;
      const seq = version.get(agent) ?? 0;
      if (seq > from && seq < to) {
        return {
          property: 'effectExactlyOnce',
          message: `a part of operation ${id} (${from} to ${to}) is there: up to ${seq}`,
        };
      }
      if (seq < to || covers(before, operation)) continue;
      for (const [cause, needed] of operation.before) {
        if ((version.get(cause) ?? 0) >= needed) continue;
        return {
          property: 'causeBeforeEffect',
          message: `operation ${id} is there without what its author had seen: ${cause.toString(16)} up to ${needed}`,
        };
      }
    }
    return undefined;
  }

  /** What is there of a document at a version, and who had seen what of it. */
  at(document: string, given: Version): Moment {
    const version = this.#expand(given);
    const covered: Covered[] = [];
    for (const operation of this.operations(document)) {
      const isOriginal = covers(version, operation);
      const copies = this.#copies(operation, version);
      if (isOriginal) covered.push({ operation, isOriginal: copies === 1, isPart: false, copies });
      else {
        const aliases = this.#aliases.get(operation)?.filter((name) => name.to > name.from) ?? [];
        const alias = aliases.find((name) => covers(version, name));
        // Several envelopes were made of it, and some of them are there.
        const begun = alias ?? aliases.find(({ agent, from }) => (version.get(agent) ?? 0) > from);
        if (begun !== undefined) {
          const { restoredBy, isAstray } = begun;
          const isPart = alias === undefined || begun.isPart;
          covered.push({ operation, isOriginal, isPart, restoredBy, isAstray, copies });
        }
      }
    }
    const follows: Follows = (other, write) =>
      this.namesOf(write).some((name) => name.to > name.from && covers(this.#expand(other.before), name));
    const [misses, mayHaveLeft] = [this.#misses(version), this.#mayHaveLeft(covered, version)];
    return { covered, follows, misses, mayHaveLeft };
  }

  /** With what the trimmed states in it stand for. */
  #expand(version: Version): Version {
    if (this.#trims.size === 0) return version;
    const known = this.#expanded.get(version);
    if (known !== undefined) return known;
    const all = new Map<bigint, number>();
    const left = [version];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      for (const [agent, seq] of next) {
        const trim = this.#trims.get(agent);
        if (trim !== undefined && !all.has(agent)) left.push(trim.version);
        all.set(agent, Math.max(seq, all.get(agent) ?? 0));
      }
    }
    this.#expanded.set(version, all);
    return all;
  }

  #misses(version: Version): Misses {
    return (one, target) =>
      mayHaveMissed(one, target) ||
      (target?.copies === 1 && this.#isAnotherCopy(target.operation, one.operation, version));
  }

  /** Whether a deletion may have been about something else than what is shown of the token. */
  #mayHaveLeft(covered: readonly Covered[], version: Version): (token: string, deletion: Covered) => boolean {
    const makers = makersOf(covered);
    const misses = this.#misses(version);
    return (token, deletion) => {
      const { before, document } = deletion.operation;
      const maker = makers.get(token);
      if (deletion.isAstray || misses(deletion, maker)) return true;
      // Of several that its author saw it is not known which one was meant.
      if (maker !== undefined && this.#copies(maker.operation, this.#expand(before)) > 1) return true;
      // What a replay finds deleted it doesn't delete again, and a restored backup may lack whatever had done that.
      if (deletion.restoredBy === undefined) return false;
      return this.operations(document).some((one) => deleted(one).includes(token) && this.#isMissing(one, version));
    };
  }

  /**
   * What is covered of the one is what a copy of its author's profile has made anew, or is yet to give up, and knows nothing of the
   * other, which was done to its own: that was refused, say.
   */
  #isAnotherCopy(target: Operation, other: Operation, version: Version): boolean {
    if (!this.#cloned.has(target) || target === other) return false;
    const isMadeAnew = !covers(version, other);
    const isGivenUp = (name: Name): boolean =>
      isMadeAnew && !covers(this.#committed, name) && (this.#devicesOf.get(name.agent)?.size ?? 0) > 1;
    const shown = this.#coveredNames(target, version).filter((name) => !isGivenUp(name));
    const seen = this.#expand(other.before);
    if (shown.some((name) => covers(seen, name))) return false;
    const holders = (names: readonly Name[]): (string | bigint)[] =>
      names.flatMap(({ agent }): (string | bigint)[] => [...(this.#devicesOf.get(agent) ?? [agent])]);
    const known = new Set(holders(this.#coveredNames(other, version)));
    return !holders(shown).some((holder) => known.has(holder));
  }

  #coveredNames(operation: Operation, version: Version): Name[] {
    return this.namesOf(operation).filter((name) => name.to > name.from && covers(version, name));
  }

  /** Whether the server has had it, of whichever copy of its author's profile, and that one's is not in what is covered. */
  #isMissing(operation: Operation, version: Version): boolean {
    const names = this.namesOf(operation).filter((name) => name.to > name.from);
    const copies = (of: readonly Name[]): string[] =>
      of.flatMap(({ agent }) => [...(this.#devicesOf.get(agent) ?? [operation.tab.slice(0, 1)])]);
    const there = copies(names.filter((name) => covers(version, name)));
    return copies(names.filter((name) => covers(this.#committed, name))).some((device) => !there.includes(device));
  }
}
