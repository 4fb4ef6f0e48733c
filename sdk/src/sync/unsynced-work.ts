// The error of a sign-out that would lose work: it says how much. It decides nothing.

import { JoineryError } from '@joinery/protocol';

/** There is work on this device that the server doesn't have. */
export class UnsyncedWork extends JoineryError {
  /** Batches of writes that are not yet committed by the server. */
  readonly pending: number;
  /** Entries of the rejected list. */
  readonly rejected: number;

  constructor(pending: number, rejected: number) {
    super('unsynced-work', {
      expected: 'everything on this device to be at the server',
      got: `${pending} pending and ${rejected} rejected writes that are not`,
      remedy: 'Wait until `status.sync.pending` is 0 and look at `rejected`, or sign out with `force`.',
    });
    this.pending = pending;
    this.rejected = rejected;
  }
}
