// Structural sharing: a new value takes over the parts of the old one that are equal, so that whoever compares by
// identity sees what changed and nothing else. And it is frozen: a value belongs to everybody who reads it.

/**
 * Returns `next` with equal parts replaced by those of `previous`; the whole `previous` when all is equal. What is new is
 * frozen. Both are plain data as `Replica.toJSON()` gives it; `next` must belong to nobody else.
 */
export function shareValue(previous: unknown, next: unknown): unknown {
  if (Object.is(previous, next)) return previous;
  if (typeof next !== 'object' || next === null) return next;
  if (next instanceof Uint8Array) return equalValues(previous, next) ? previous : next;
  if (Array.isArray(next)) return shareArray(Array.isArray(previous) ? previous : undefined, next);
  return shareRecord(isRecord(previous) ? previous : undefined, next as Record<string, unknown>);
}

/** Whether two plain values are the same data. */
export function equalValues(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    if (!(a instanceof Uint8Array && b instanceof Uint8Array) || a.length !== b.length) return false;
    return a.every((byte, index) => byte === b[index]);
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((value, index) => equalValues(value, b[index]));
  }
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && equalValues(a[key], b[key]));
}

/** Elements that are equal from the front and from the back are kept; what is between is compared place by place. */
function shareArray(previous: readonly unknown[] | undefined, next: unknown[]): unknown {
  if (previous === undefined) {
    for (let index = 0; index < next.length; index += 1) next[index] = shareValue(undefined, next[index]);
    return Object.freeze(next);
  }
  const shorter = Math.min(previous.length, next.length);
  let front = 0;
  while (front < shorter && equalValues(previous[front], next[front])) {
    next[front] = previous[front];
    front += 1;
  }
  if (front === previous.length && front === next.length) return previous;
  let back = 0;
  while (back < shorter - front && equalValues(previous[previous.length - 1 - back], next[next.length - 1 - back])) {
    next[next.length - 1 - back] = previous[previous.length - 1 - back];
    back += 1;
  }
  for (let index = front; index < next.length - back; index += 1) {
    next[index] = shareValue(index < previous.length - back ? previous[index] : undefined, next[index]);
  }
  return Object.freeze(next);
}

function shareRecord(previous: Record<string, unknown> | undefined, next: Record<string, unknown>): unknown {
  const keys = Object.keys(next);
  let same = previous !== undefined && Object.keys(previous).length === keys.length;
  for (const key of keys) {
    const known = previous !== undefined && Object.hasOwn(previous, key);
    const shared = shareValue(known ? previous[key] : undefined, next[key]);
    if (!known || shared !== previous[key]) same = false;
    // Keys are data: `__proto__` must stay a key like any other.
    if (shared !== next[key]) Object.defineProperty(next, key, { value: shared, enumerable: true });
  }
  return same ? previous : Object.freeze(next);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
