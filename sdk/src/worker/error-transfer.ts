// Lets errors keep their class and code when Comlink carries them between threads. Both sides import this for its effect.

import { JoineryError } from '@joinery/protocol';
import { type TransferHandler, transferHandlers } from 'comlink';

/** Comlink wraps what a call threw in an object of its own; only its shape is known here. */
interface Thrown {
  readonly value: unknown;
}

interface SerializedThrown {
  readonly isJoineryError: boolean;
  readonly code: string;
  readonly retryable: boolean;
  readonly message: string;
  readonly other: unknown;
}

/** Registers the handler; calling it again does no harm. */
export function keepErrorsTyped(): void {
  const original = transferHandlers.get('throw') as TransferHandler<Thrown, unknown> | undefined;
  if (original === undefined || registered.has(original)) return;
  const handler: TransferHandler<Thrown, SerializedThrown> = {
    canHandle: (value): value is Thrown => original.canHandle(value),
    serialize(thrown) {
      const { value } = thrown;
      if (value instanceof JoineryError) {
        const { code, retryable, message } = value;
        return [{ isJoineryError: true, code, retryable, message, other: undefined }, []];
      }
      const [other, transferables] = original.serialize(thrown);
      return [{ isJoineryError: false, code: '', retryable: false, message: '', other }, transferables];
    },
    deserialize({ isJoineryError, code, retryable, message, other }) {
      if (isJoineryError) throw new JoineryError(code, message, { retryable });
      return original.deserialize(other);
    },
  };
  registered.add(handler);
  transferHandlers.set('throw', handler);
}

const registered = new WeakSet<object>();
