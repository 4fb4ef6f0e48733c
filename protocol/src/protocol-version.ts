/**
 * The protocol's version number and its history. Whoever changes a file in proto/ raises the number, adds a line here
 * and writes the new hash into protocol-version.test.ts, which fails until then.
 *
 * - 1: the first.
 * - 2: frames are numbered, so that one that is lost, doubled or overtaken on a living link is found out.
 * - 3: each subscription is a channel: a number that frames carry in place of the document's id and epoch.
 */

/** The version that this code speaks. */
export const protocolVersion = 3;
/** The lowest version that this code still speaks. */
export const protocolVersionMin = 3;

/** The version that both ends speak: the highest that both know, or undefined when there is none. */
export function negotiate(min: number, max: number): number | undefined {
  const highest = Math.min(max, protocolVersion);
  return highest >= Math.max(min, protocolVersionMin) ? highest : undefined;
}
