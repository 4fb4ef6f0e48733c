// What documents should hold, worked out the naive way: from the list of all writes and nothing else. It shares no code with
// the core, merges nothing and keeps no state of a document: given a version, it looks through every write that the version
// covers and says what is wrong with a content.
//
// Every inserted or set value is a token that is used once in a run, so an effect can be told from any other. Where several
// outcomes are right (two tabs set one key) it accepts each of them: that all replicas choose the same one is for the
// checker that compares states of one version.

import { deletedNodes } from './changes.ts';
import { History, type Moment } from './history.ts';
import type { Content, Operation, Version } from './log.ts';
import { checkMarks } from './marks.ts';
import { append, checkRegister, Removals, type Violation, type Write } from './rules.ts';
import { checkItems, checkText } from './sequences.ts';
import { checkGraph, checkTree } from './trees.ts';

export class Model extends History {
  /** The value of a list's element → the token that the element was made with. */
  readonly #elementOf = new Map<string, string>();

  override add(operation: Operation): void {
    super.add(operation);
    for (const change of operation.changes) {
      if (change.type === 'add') this.#elementOf.set(change.element, change.element);
      if (change.type === 'change') this.#elementOf.set(change.token, change.element);
    }
  }

  /** The token that the element was made with that shows this value now. */
  elementOf(value: string): string | undefined {
    return this.#elementOf.get(value);
  }

  /** What is wrong with a content at a version. */
  checkContent(document: string, version: Version, content: Content): Violation | undefined {
    const moment = this.at(document, version);
    const removals = removalsIn(moment);
    return (
      checkText(moment, content.text) ??
      checkCounter(moment, content.counter) ??
      checkFields(moment, content.fields) ??
      checkItems(moment, content.items, (value) => this.elementOf(value)) ??
      checkMarks(moment, this.operations(document), content.runs) ??
      checkTree(moment, removals, content.tree) ??
      checkGraph(moment, removals, content.graph)
    );
  }
}

/** Which nodes and edges were deleted. */
function removalsIn({ covered, mayHaveLeft }: Moment): Removals {
  const removals = new Removals();
  for (const one of covered) {
    for (const token of deletedNodes(one.operation)) removals.add(token, one.isPart || mayHaveLeft(token, one));
  }
  return removals;
}

function checkCounter({ covered }: Moment, value: number): Violation | undefined {
  let sum = 0;
  /** What copies may add. */
  let more = 0;
  let uncertain = false;
  for (const { operation, isPart, copies } of covered) {
    for (const change of operation.changes) {
      if (change.type !== 'count') continue;
      sum += change.amount;
      more += change.amount * (copies - 1);
      uncertain ||= isPart;
    }
  }
  if ((value >= sum || uncertain) && value <= sum + more) return undefined;
  return { property: 'effectExactlyOnce', message: `the counter is ${value}, its increments sum up to ${sum}` };
}

function checkFields({ covered, follows }: Moment, fields: Readonly<Record<string, unknown>>): Violation | undefined {
  const writes = new Map<string, Write[]>();
  for (const { operation, isPart, restoredBy, copies } of covered) {
    const isCopied = copies > 1;
    for (const change of operation.changes) {
      if (change.type === 'set') {
        append(writes, change.key, { operation, token: change.token, isPart, restoredBy, isCopied });
      }
    }
  }
  for (const [key, list] of writes) {
    const wrong = checkRegister(`field ${key}`, fields[key], list, follows);
    if (wrong !== undefined) return wrong;
  }
  const stranger = Object.keys(fields).find((key) => !writes.has(key));
  if (stranger === undefined) return undefined;
  return { property: 'causeBeforeEffect', message: `field ${stranger} is there and its write isn't` };
}
