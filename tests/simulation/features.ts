// What a seed may switch on beside faults. A seed draws each one that is on by default; a regression names those that it needs.

/**
 * By name: whether seeds draw it. One that is off serves in runs that name it (`npm run simulate -- --features trims`), and
 * says what still fails with it: either the code under test or what the model expects of it is wrong, and nobody has found
 * out which. None is to be called covered before it is on.
 *
 * What makes unsynced writes anew is drawn only together with `leaders`: without, the two tabs on one disk have a session
 * each and don't hear of one another, and one may show for a moment what the other has made anew.
 */
export const features = {
  /** Tabs of a device share one storage, elect a leader by a lock and talk over a channel. */
  leaders: true,
  /** The host refuses some values, and writes to some documents for a while. */
  refusals: true,
  /** Two nodes serve one database. */
  nodes: true,
  /** Device clocks are off by up to a day, and jump. */
  clocks: true,
  /** Documents are trimmed at any moment: with clients online, offline, in the middle of something. */
  trims: true,
  /** Backups are made, and the database goes back to the last one: each author brings back what it lacks. */
  restores: true,
  /** Documents are deleted by any tab at any moment. An app closes a document when it hears that it was deleted. */
  deletions: true,
  /** Some documents belong to a space that tabs follow, and most of those are open nowhere. */
  spaces: true,
  /** Users move elements of lists, too. */
  moves: true,
  /** Users mark words of texts, and take marks off. */
  marks: true,
  /** Users build trees. */
  trees: true,
  /** And graphs. */
  graphs: true,
  /**
   * Profiles are cloned also where unsynced writes are made anew. A copy can't be told from a device that crashed between the
   * closing of its agents and its swap, so both make them anew: of what was written before, each copy's is there once.
   */
  clones: true,
} as const satisfies Readonly<Record<string, boolean>>;

export type Feature = keyof typeof features;
