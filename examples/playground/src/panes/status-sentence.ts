// A client's status as a sentence, for the line below a pane's title and for screen readers. Pure.

import type { ClientStatus } from 'joinery';

/** Says how things stand: the worst thing first, then the connection and what waits. */
export function statusSentence({ connection, sync, storage }: ClientStatus): string {
  if (storage.state === 'failed') {
    return 'This device can’t store writes right now. They are kept in memory and tried again.';
  }
  if (sync.state === 'blocked') return 'The server refused a write. It is kept here, and not sent again.';
  const waiting = sync.pending > 0;
  // Nothing is said to be synced before what waits in storage was counted: then the state is not `idle` either.
  if (connection.state === 'online' && sync.state === 'idle') return 'Online. Everything is synced.';
  if (connection.state === 'online') return waiting ? 'Online. Sending what was written.' : 'Online. Opening.';
  if (connection.state === 'connecting')
    return waiting ? 'Connecting. Your writes wait on this device.' : 'Connecting.';
  if (connection.paused) {
    return waiting
      ? 'Offline by choice. Your writes wait on this device.'
      : 'Offline by choice. Try writing something.';
  }
  return waiting ? 'No connection. Your writes wait on this device.' : 'No connection. Trying again by itself.';
}

export type Tone = 'calm' | 'waiting' | 'away' | 'wrong';

/** The one word that colours a pane: away from the server, waiting for it, in need of help, or none of these. */
export function statusTone({ connection, sync, storage }: ClientStatus): Tone {
  if (storage.state === 'failed' || sync.state === 'blocked') return 'wrong';
  if (connection.state === 'offline') return 'away';
  return connection.state === 'connecting' || sync.pending > 0 ? 'waiting' : 'calm';
}
