// What a row of the growth table has to say of itself, and what all of them need. A case prepares its input, which isn't
// measured, and gives back what is.

import { init, Replica } from 'joinery/core';

/**
 * @typedef {object} GrowthCase
 * @property {string} name
 * @property {number} size the smallest of the sizes it is measured at; the others are twice and four times that
 * @property {(size: number) => () => void} prepare gives what is measured; it throws where a result is wrong
 */

/** Base agents write what everybody starts from; the others' ids lie anywhere, as random ones do. */
const baseAgent = 1n;

export async function ready() {
  await init();
}

/** Small numbers spread over 64 bits, so that agents come in no order. @param {number} number */
export function agentOf(number) {
  return BigInt.asUintN(64, BigInt(number + 2) * 0x9e37_79b9_7f4a_7c15n) | 2n;
}

/** When everybody writes who says nothing else. */
const usual_ms = 1_000_000;

/** @param {bigint} [agent] @param {number} [now_ms] */
export function fresh(agent = baseAgent, now_ms = usual_ms) {
  return new Replica({ agent, trustStamps: true, now: () => now_ms });
}

/** @param {Uint8Array} state @param {bigint} [agent] a random one, if left out @param {number} [now_ms] */
export function loaded(state, agent, now_ms = usual_ms) {
  return Replica.load(state, { trustStamps: true, now: () => now_ms, ...(agent !== undefined && { agent }) });
}

/** Everything that was written since the last call. @param {Replica} replica */
export function taken(replica) {
  const updates = [];
  for (let update = replica.takeUpdate(); update !== undefined; update = replica.takeUpdate()) updates.push(update);
  return updates;
}

/**
 * So many replicas that start from the same state, each with what it writes there: an envelope each.
 * @param {Uint8Array | undefined} base
 * @param {number} count
 * @param {(replica: Replica, number: number) => void} write
 */
export function written(base, count, write) {
  const updates = [];
  for (let number = 0; number < count; number += 1) {
    const replica = base === undefined ? fresh(agentOf(number)) : loaded(base, agentOf(number));
    write(replica, number);
    updates.push(...taken(replica));
    replica.free();
  }
  return updates;
}

/** A replica that has joined these. @param {Uint8Array | undefined} base @param {readonly Uint8Array[]} updates */
export function joined(base, updates) {
  const replica = base === undefined ? fresh() : loaded(base);
  for (const update of updates) replica.applyUpdate(update);
  return replica;
}

/** A state that a replica is brought into. @param {(replica: Replica) => void} write */
export function state(write) {
  const replica = fresh();
  write(replica);
  const bytes = replica.encodeSnapshot();
  replica.free();
  return bytes;
}

/** A fast wrong answer is no result. @param {unknown} got @param {unknown} expected */
export function check(got, expected) {
  if (got !== expected) throw new Error(`expected ${String(expected)}, got ${String(got)}: the result is wrong`);
}
