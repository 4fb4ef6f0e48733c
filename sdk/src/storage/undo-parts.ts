// What an undo stack is about, as the paths of parts of a document, and which of two stacks can be about the same. Here, since storage
// is asked to keep those that can't.

/** Parts as paths of keys; none: the whole document. A stack's name is this as JSON. */
export type Parts = readonly (readonly string[])[];

export function covers(outer: readonly string[], inner: readonly string[], orSame: boolean): boolean {
  if (outer.length > inner.length || (outer.length === inner.length && !orSame)) return false;
  return outer.every((key, at) => key === inner[at]);
}

/** Whether something can be in both. */
export function overlap(a: Parts, b: Parts): boolean {
  if (a.length === 0 || b.length === 0) return true;
  return a.some((one) => b.some((other) => covers(one, other, true) || covers(other, one, true)));
}

/** The parts that a name tells; of one that tells none it can be anything. */
export function partsIn(name: string): Parts {
  try {
    const parts: unknown = JSON.parse(name);
    const isPath = (path: unknown): boolean => Array.isArray(path) && path.every((key) => typeof key === 'string');
    return Array.isArray(parts) && parts.every(isPath) ? (parts as Parts) : [];
  } catch {
    return [];
  }
}
