/** The contract of server/src/storage/storage.ts as tests: every storage runs them. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Append, Storage, StoredEnvelope } from '../storage/storage.ts';

export interface StorageUnderTest {
  open(): Promise<Storage>;
  /** Opens the same data again, as after a restart; the earlier one is closed. */
  reopen(): Promise<Storage>;
  cleanUp(): Promise<void>;
}

const envelope = (agent: bigint, from: number, to: number, size = 4): StoredEnvelope => ({
  agent,
  from,
  to,
  bytes: new Uint8Array(size).fill(to),
});
const everything = { bytes: 1e9, count: 1e6 };

export function storageSuite(name: string, make: () => StorageUnderTest): void {
  describe(`storage: ${name}`, () => {
    let world: StorageUnderTest;
    let storage: Storage;

    beforeEach(async () => {
      world = make();
      storage = await world.open();
    });
    afterEach(async () => {
      await world.cleanUp();
    });

    const append = async (
      document: string,
      after: number,
      ...envelopes: StoredEnvelope[]
    ): Promise<'committed' | 'stale' | undefined> => {
      const { epoch } = await storage.head(document);
      return (await storage.append([{ document, epoch, after, envelopes }]))[0];
    };

    it('knows nothing of a document that was never written to, and writes nothing for asking', async () => {
      const { epoch, head } = await storage.head('a');
      expect(head).toBe(0);
      expect(epoch).toBeGreaterThan(0);
      expect(Number.isSafeInteger(epoch)).toBe(true);
      expect(await storage.agents('a')).toEqual(new Map());
      expect(await storage.read('a', epoch, 0, everything)).toEqual([]);
      expect(await storage.snapshot('a')).toBeUndefined();
    });

    it('gives dense positions from 1 and keeps each agent’s last seq', async () => {
      expect(await append('a', 0, envelope(1n, 0, 2), envelope(2n, 0, 1))).toBe('committed');
      expect(await append('a', 2, envelope(1n, 2, 5))).toBe('committed');
      const { epoch, head } = await storage.head('a');
      expect(head).toBe(3);
      expect(await storage.agents('a')).toEqual(
        new Map([
          [1n, { seq: 5, position: 3 }],
          [2n, { seq: 1, position: 2 }],
        ]),
      );
      expect((await storage.read('a', epoch, 0, everything)).map((bytes) => bytes[0])).toEqual([2, 1, 5]);
    });

    it('takes an append only at the head', async () => {
      expect(await append('a', 1, envelope(1n, 0, 1))).toBe('stale');
      expect(await append('a', 0, envelope(1n, 0, 1))).toBe('committed');
      expect(await append('a', 0, envelope(2n, 0, 1))).toBe('stale');
      const { epoch } = await storage.head('a');
      const other: Append = { document: 'a', epoch: epoch + 1, after: 1, envelopes: [envelope(2n, 0, 1)] };
      expect(await storage.append([other])).toEqual(['stale']);
      expect(await storage.head('a')).toEqual({ epoch, head: 1, snapshot: undefined });
      expect(await storage.agents('a')).toEqual(new Map([[1n, { seq: 1, position: 1 }]]));
    });

    it('commits what isn’t stale beside what is', async () => {
      const { epoch } = await storage.head('a');
      const appends = ['a', 'b', 'c'].map((document, index) => ({
        document,
        epoch,
        after: index === 1 ? 7 : 0,
        envelopes: [envelope(1n, 0, 1)],
      }));
      expect(await storage.append(appends)).toEqual(['committed', 'stale', 'committed']);
      expect((await storage.head('b')).head).toBe(0);
      expect((await storage.head('c')).head).toBe(1);
    });

    it('takes several appends to one document in one call', async () => {
      const { epoch } = await storage.head('a');
      const appends = [0, 1, 2].map((after) => ({
        document: 'a',
        epoch,
        after,
        envelopes: [envelope(1n, after, after + 1)],
      }));
      expect(await storage.append(appends)).toEqual(['committed', 'committed', 'committed']);
      expect((await storage.head('a')).head).toBe(3);
    });

    it('changes nothing when an append fails', async () => {
      await append('a', 0, envelope(1n, 0, 1));
      const { epoch } = await storage.head('a');
      const broken = { ...envelope(1n, 1, 2), bytes: undefined as unknown as Uint8Array };
      const call = storage.append([
        { document: 'b', epoch, after: 0, envelopes: [envelope(3n, 0, 1)] },
        { document: 'a', epoch, after: 1, envelopes: [envelope(2n, 0, 1), broken] },
      ]);
      await expect(call).rejects.toMatchObject({ name: 'JoineryError' });
      expect(await storage.head('a')).toEqual({ epoch, head: 1, snapshot: undefined });
      expect((await storage.head('b')).head).toBe(0);
      expect(await storage.agents('a')).toEqual(new Map([[1n, { seq: 1, position: 1 }]]));
      // And it goes on working.
      expect(await append('a', 1, envelope(2n, 0, 1))).toBe('committed');
    });

    it('reads within both limits, but one at least', async () => {
      await append('a', 0, ...[1, 2, 3, 4, 5].map((to) => envelope(1n, to - 1, to, 100)));
      const { epoch } = await storage.head('a');
      const read = async (after: number, bytes: number, count: number): Promise<(number | undefined)[]> =>
        (await storage.read('a', epoch, after, { bytes, count })).map((entry) => entry[0]);
      expect(await read(0, 299, 10)).toEqual([1, 2]);
      expect(await read(0, 300, 10)).toEqual([1, 2, 3]);
      expect(await read(0, 1, 10)).toEqual([1]);
      expect(await read(2, 1_000, 2)).toEqual([3, 4]);
      expect(await read(5, 1_000, 10)).toEqual([]);
      expect(await storage.read('a', epoch + 1, 0, everything)).toEqual([]);
    });

    it('keeps the latest snapshot', async () => {
      await append('a', 0, envelope(1n, 0, 1), envelope(1n, 1, 2));
      const { epoch } = await storage.head('a');
      const snapshot = (position: number) => ({ epoch, position, bytes: Uint8Array.of(position) });
      await storage.putSnapshot('a', snapshot(2));
      await storage.putSnapshot('a', snapshot(1));
      expect(await storage.snapshot('a')).toEqual(snapshot(2));
      expect((await storage.head('a')).snapshot).toEqual({ position: 2, size_bytes: 1 });
      expect((await storage.read('a', epoch, 0, everything)).length).toBe(2);
    });

    it('keeps big seqs, positions, agents and envelopes', async () => {
      const big = { agent: 2n ** 64n - 1n, from: 4_294_967_290, to: 4_294_967_294, bytes: new Uint8Array(1_048_576) };
      big.bytes[1_048_575] = 9;
      await append('a', 0, big);
      const { epoch } = await storage.head('a');
      expect(await storage.agents('a')).toEqual(new Map([[big.agent, { seq: big.to, position: 1 }]]));
      const [bytes] = await storage.read('a', epoch, 0, everything);
      expect(Buffer.compare(bytes ?? new Uint8Array(0), big.bytes)).toBe(0);
    });

    it.each(['../../etc/passwd', '__proto__', "'; DROP TABLE log; --", '€𝄞', 'x'.repeat(256)])(
      'takes %s as any other id',
      async (id) => {
        await append(id, 0, envelope(1n, 0, 1));
        expect((await storage.head(id)).head).toBe(1);
        expect((await storage.head('a')).head).toBe(0);
      },
    );

    it('has everything after a restart, in the same epoch', async () => {
      await append('a', 0, envelope(1n, 0, 1), envelope(2n, 0, 4));
      const { epoch } = await storage.head('a');
      await storage.putSnapshot('a', { epoch, position: 1, bytes: Uint8Array.of(7) });
      const before = await storage.head('a');
      storage = await world.reopen();
      expect(await storage.head('a')).toEqual(before);
      expect((await storage.head('never written')).epoch).toBe(before.epoch);
      expect((await storage.read('a', before.epoch, 0, everything)).length).toBe(2);
      expect((await storage.agents('a')).get(2n)).toEqual({ seq: 4, position: 2 });
      expect((await storage.snapshot('a'))?.position).toBe(1);
      expect(await append('a', 2, envelope(2n, 4, 5))).toBe('committed');
      await storage.check();
    });
  });
}
