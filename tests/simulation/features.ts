// What a seed may switch on beside faults. A seed draws each one that is on by default; a regression names those that it needs.

/**
 * By name: whether seeds draw it. One that is off serves in runs that name it (`npm run simulate -- --features trims`), and
 * says what still fails with it, in seeds 1 to 8: either the code under test or what the model expects of it is wrong, and
 * nobody has found out which. None is to be called covered before it is on.
 * Several together with `leaders` (seeds 1 to 46, the others 1 to 20): refusals and clocks come through, each alone; nodes too; 3 of 20
 * with trims and 5 of 20 with restores fail; refusals, clocks and nodes at once: 12 of 60. Without `leaders` two tabs on one disk
 * have a session each, and one may show for a moment what the other has replayed.
 * Profiles are never cloned with what makes unsynced writes anew: both copies do it, and the effect is there twice.
 */
export const features = {
  /** The host refuses some values, and writes to some documents for a while. Off: 6 of 8 show something twice. */
  refusals: false,
  /** Device clocks are off by up to a day, and jump. Off: 2 of 6 don't come to rest (quietAfterHealing). */
  clocks: false,
  /** Documents are trimmed at any moment: with clients online, offline, in the middle of something. Off: 1 of 8 shows deleted text. */
  trims: false,
  /** Backups are made, and the database goes back to one. Off: too few seeds were run. */
  restores: false,
  /** Tabs of a device share one storage, elect a leader by a lock and talk over a channel. Off: in 1 of 6 a tab stays behind. */
  leaders: false,
  /** Two nodes serve one database. Off: 6 of 6 pass; the table of planted bugs was found without it. */
  nodes: false,
} as const satisfies Readonly<Record<string, boolean>>;

export type Feature = keyof typeof features;
