/** What one document of a client's session needs of the session, and what it takes of what all share. Types alone. */

import type { Message } from '../messages.ts';
import type { ClientDocument } from './client-document.ts';
import type { ClientEffect } from './client-effects.ts';
import type { ClientSessionLimits } from './client-options.ts';

/** What a document needs of its session. */
export interface DocumentContext {
  readonly limits: ClientSessionLimits;
  readonly random: () => number;
  emit(effect: ClientEffect): void;
  send(message: Message): void;
  /** Begins a subscription of the document over the link; returns its channel. */
  openChannel(document: ClientDocument): number;
  /** What still comes under it is nobody's. */
  endChannel(channel: number): void;
  /** How much may be asked for from the log now: what the server's window and the limits leave. */
  room(): Load;
  /** Takes note of the document's `load` and of what it waits for. */
  note(document: ClientDocument): void;
}

/** Envelopes that are on their way, or asked for from the log. */
export interface Load {
  readonly bytes: number;
  readonly count: number;
}
