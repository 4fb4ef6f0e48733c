// What the storage asks of a SQLite, whichever runs it: a synchronous one. It knows no table.

export type SqlValue = string | number | Uint8Array;

/** A statement, prepared once. */
export interface SqlStatement {
  run(...values: SqlValue[]): void;
  /** Rows as arrays, their blobs as bytes of their own. */
  all(...values: SqlValue[]): SqlValue[][];
}

/** An open database. What it throws is a JoineryError: `storage-full`, `storage-locked`, `storage-corrupt` or `storage-failed`. */
export interface SqlDatabase {
  /** The same statement for the same text. */
  prepare(sql: string): SqlStatement;
  /** One or several statements without values. */
  execute(sql: string): void;
  /** False where a failure has rolled back already. */
  readonly inTransaction: boolean;
  close(): void;
}
