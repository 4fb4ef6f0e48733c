/**
 * A core in the module of core-rs/crates/lite, with the methods that the full one has. Only numbers cross, so there is no generated
 * glue: each method is an export, to which the replica's number is given first.
 */

import type { BasicCore } from '../core/module.ts';

/** What isn't asked of one replica; see exports.rs. */
interface OwnExports {
  readonly memory: WebAssembly.Memory;
  create(): number;
  release(replica: number): void;
  explain(replica: number): void;
  output_pointer(replica: number): number;
  output_length(replica: number): number;
}

/** Why the last call was refused: the code, a line feed, the message. */
function explained(exports: OwnExports, replica: number): string[] {
  exports.explain(replica);
  const start = exports.output_pointer(replica);
  const bytes = new Uint8Array(exports.memory.buffer, start, exports.output_length(replica));
  return new TextDecoder().decode(bytes).split('\n');
}

/** Makes what makes cores. */
export function coresOf(instance: WebAssembly.Exports): () => BasicCore {
  const exports = instance as unknown as OwnExports;
  const forgotten = new FinalizationRegistry<number>((replica) => exports.release(replica));

  class LiteCore {
    readonly replica = exports.create();

    constructor() {
      forgotten.register(this, this.replica, this);
    }

    free(): void {
      forgotten.unregister(this);
      exports.release(this.replica);
    }

    error_code(): string {
      return explained(exports, this.replica)[0] ?? '';
    }

    error_message(): string {
      return explained(exports, this.replica)[1] ?? '';
    }
  }

  for (const [name, call] of Object.entries(instance)) {
    if (typeof call !== 'function' || name in exportsApart) continue;
    Object.defineProperty(LiteCore.prototype, name, {
      value(this: LiteCore, first?: unknown, second?: unknown, third?: unknown, fourth?: unknown): unknown {
        return call(this.replica, first, second, third, fourth);
      },
    });
  }
  return () => new LiteCore() as unknown as BasicCore;
}

/** Exports that are no methods. */
const exportsApart = { create: true, release: true, explain: true };
