/** The contract of server/src/storage/storage.ts as tests: every storage runs them. */

import { everythingSafe, type JoineryError } from '@joinery/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AgentHead, type Append, bridgesKept, type Storage, type StoredEnvelope } from '../storage/storage.ts';

export interface StorageUnderTest {
  open(): Promise<Storage>;
  /** Opens the same data again, as after a restart; the earlier one is closed. */
  reopen(): Promise<Storage>;
  /** Makes a backup of what there is, replacing the one before. */
  backUp(): Promise<void>;
  /** Opens the last backup, restored in the place of the data. */
  restore(): Promise<Storage>;
  cleanUp(): Promise<void>;
}

const envelope = (agent: bigint, from: number, to: number, size = 4): StoredEnvelope => ({
  agent,
  from,
  to,
  bytes: new Uint8Array(size).fill(to),
  user: 'ada',
});
/** Of an agent that `ada` wrote with. */
const agentHead = (seq: number, position: number, epoch: number): AgentHead => ({
  seq,
  position,
  epoch,
  user: 'ada',
  closed: false,
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
          [1n, agentHead(5, 3, epoch)],
          [2n, agentHead(1, 2, epoch)],
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
      expect(await storage.head('a')).toEqual({
        epoch,
        head: 1,
        base: 0,
        snapshot: undefined,
        safe: everythingSafe,
        deleted: false,
      });
      expect(await storage.agents('a')).toEqual(new Map([[1n, agentHead(1, 1, epoch)]]));
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
      expect(await storage.head('a')).toEqual({
        epoch,
        head: 1,
        base: 0,
        snapshot: undefined,
        safe: everythingSafe,
        deleted: false,
      });
      expect((await storage.head('b')).head).toBe(0);
      expect(await storage.agents('a')).toEqual(new Map([[1n, agentHead(1, 1, epoch)]]));
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

    it('lets go of what a snapshot of the epoch stands for, and of nothing else', async () => {
      for (let after = 0; after < 5; after += 1) await append('a', after, envelope(1n, after, after + 1));
      await append('b', 0, envelope(1n, 0, 1));
      const { epoch } = await storage.head('a');
      const before = await storage.load('a');
      const { change } = await storage.pulse();
      expect(await storage.compact('a', epoch, 3)).toBe(0);
      await storage.putSnapshot('a', { epoch, position: 4, bytes: Uint8Array.of(4) });
      for (const [of, upTo] of [
        [epoch + 1, 3],
        [epoch - 1, 3],
        [epoch, 5],
        [epoch, 0],
      ] as const) {
        expect(await storage.compact('a', of, upTo)).toBe(0);
      }
      expect(await storage.read('a', epoch, 0, everything)).toHaveLength(5);
      expect(await storage.compact('a', epoch, 3)).toBe(3);
      expect(await storage.compact('a', epoch, 2)).toBe(3);
      storage = await world.reopen();
      const { head, agents } = await storage.load('a');
      expect(head).toEqual({ ...before.head, base: 3, snapshot: { position: 4, size_bytes: 1 } });
      expect(agents).toEqual(before.agents);
      expect((await storage.pulse()).change).toBe(change);
      for (const after of [0, 2]) expect(await storage.read('a', epoch, after, everything)).toEqual([]);
      expect((await storage.read('a', epoch, 3, everything)).map((bytes) => bytes[0])).toEqual([4, 5]);
      expect(await append('a', 5, envelope(1n, 5, 6))).toBe('committed');
      expect(await storage.compact('a', epoch, 4)).toBe(4);
      expect((await storage.read('a', epoch, 4, everything)).map((bytes) => bytes[0])).toEqual([5, 6]);
      expect(await storage.read('b', epoch, 0, everything)).toHaveLength(1);
      expect(await storage.compact('never', epoch, 1)).toBe(0);
    });

    it('lets go of nothing that lies beyond the head, whatever snapshot says so', async () => {
      await append('a', 0, envelope(1n, 0, 1));
      const { epoch } = await storage.head('a');
      await storage.putSnapshot('a', { epoch, position: 9, bytes: Uint8Array.of(1) });
      expect(await storage.compact('a', epoch, 2)).toBe(0);
      expect(await append('a', 1, envelope(1n, 1, 2))).toBe('committed');
    });

    it('restores a compacted document as it was', async () => {
      for (let after = 0; after < 3; after += 1) await append('a', after, envelope(1n, after, after + 1));
      const { epoch } = await storage.head('a');
      await storage.putSnapshot('a', { epoch, position: 2, bytes: Uint8Array.of(2) });
      await storage.compact('a', epoch, 2);
      await world.backUp();
      storage = await world.restore();
      const head = await storage.head('a');
      expect(head).toMatchObject({ base: 2, head: 3, snapshot: { position: 2 } });
      expect((await storage.read('a', head.epoch, 2, everything)).map((bytes) => bytes[0])).toEqual([3]);
      expect(await append('a', 3, envelope(1n, 3, 4))).toBe('committed');
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
      const agent = 2n ** 64n - 1n;
      const big = { ...envelope(agent, 4_294_967_290, 4_294_967_294), bytes: new Uint8Array(1_048_576) };
      big.bytes[1_048_575] = 9;
      await append('a', 0, big, { ...envelope(agent, 0, 4_294_967_290) });
      expect((await storage.head('a')).head).toBe(0);
      await append('a', 0, envelope(agent, 0, 4_294_967_290), big);
      const { epoch } = await storage.head('a');
      expect(await storage.agents('a')).toEqual(new Map([[agent, agentHead(big.to, 2, epoch)]]));
      const [, bytes] = await storage.read('a', epoch, 0, everything);
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
      expect((await storage.agents('a')).get(2n)).toEqual(agentHead(4, 2, before.epoch));
      expect((await storage.snapshot('a'))?.position).toBe(1);
      expect(await append('a', 2, envelope(2n, 4, 5))).toBe('committed');
      await storage.check();
    });

    describe('agents', () => {
      const codeOf = (run: Promise<unknown>): Promise<string> =>
        run.then(
          () => 'no error',
          (error: JoineryError) => error.code,
        );

      it('belong to the user who first brought something of theirs', async () => {
        await append('a', 0, envelope(1n, 0, 1));
        expect(await append('a', 1, { ...envelope(1n, 1, 2), user: 'grace' })).toBe('stale');
        expect(await append('a', 1, { ...envelope(2n, 0, 1), user: 'grace' })).toBe('committed');
        expect((await storage.agents('a')).get(2n)?.user).toBe('grace');
        expect(await append('b', 0, { ...envelope(1n, 0, 1), user: 'grace' })).toBe('committed');
      });

      it('take an envelope only where the last one ended', async () => {
        expect(await append('a', 0, envelope(1n, 1, 2))).toBe('stale');
        expect(await append('a', 0, envelope(1n, 0, 1), envelope(1n, 0, 1))).toBe('stale');
        expect(await append('a', 0, envelope(1n, 0, 2))).toBe('committed');
        expect(await append('a', 1, envelope(1n, 1, 3))).toBe('stale');
      });

      it('are closed for ever, with their last seq; those that never wrote too', async () => {
        await append('a', 0, envelope(1n, 0, 3));
        const { epoch } = await storage.head('a');
        for (let round = 0; round < 2; round += 1) {
          const closed = await storage.closeAgents('a', [1n, 2n], 'ada');
          expect(closed.epoch).toBe(epoch);
          expect([...closed.last]).toEqual([
            [1n, 3],
            [2n, 0],
          ]);
          expect(await append('a', 1, envelope(1n, 3, 4))).toBe('stale');
          expect(await append('a', 1, envelope(2n, 0, 1))).toBe('stale');
          storage = await world.reopen();
        }
        expect((await storage.agents('a')).get(1n)).toMatchObject({ seq: 3, closed: true });
        expect(await append('a', 1, envelope(3n, 0, 1))).toBe('committed');
      });

      it('can be closed before the document was ever written to', async () => {
        expect([...(await storage.closeAgents('a', [1n], 'ada')).last]).toEqual([[1n, 0]]);
        expect(await append('a', 0, envelope(1n, 0, 1))).toBe('stale');
        expect(await append('a', 0, envelope(2n, 0, 1))).toBe('committed');
      });

      it('are closed by their user only, all or none', async () => {
        await append('a', 0, envelope(1n, 0, 1), { ...envelope(2n, 0, 1), user: 'grace' });
        expect(await codeOf(storage.closeAgents('a', [1n, 2n], 'ada'))).toBe('forbidden');
        expect((await storage.agents('a')).get(1n)?.closed).toBe(false);
        await storage.closeAgents('a', [5n], 'ada');
        expect(await codeOf(storage.closeAgents('a', [5n], 'grace'))).toBe('forbidden');
      });

      it('match the head that they are loaded with', async () => {
        await append('a', 0, envelope(1n, 0, 1));
        const [loaded] = await Promise.all([storage.load('a'), append('a', 1, envelope(1n, 1, 2))]);
        expect(loaded.agents.get(1n)?.seq).toBe(loaded.head.head);
        expect(await storage.load('never')).toMatchObject({ head: { head: 0 }, agents: new Map() });
      });
    });

    describe('epochs', () => {
      const enter = async (document: string, next: number, agent: bigint) => {
        const { epoch, head } = await storage.head(document);
        const [bridge, state] = [Uint8Array.of(1, next % 256), Uint8Array.of(2, next % 256)];
        return storage.trim({ document, epoch, head, next, agent, seq: 5, bridge, state });
      };

      it('begin with one state at position 1, and keep what ever was taken of an agent', async () => {
        await append('a', 0, envelope(1n, 0, 3), envelope(2n, 0, 1));
        const { epoch } = await storage.head('a');
        await storage.closeAgents('a', [2n], 'ada');
        expect(await enter('a', epoch + 7, 99n)).toBe('committed');
        for (let round = 0; round < 2; round += 1) {
          expect(await storage.head('a')).toEqual({
            epoch: epoch + 7,
            head: 1,
            base: 1,
            snapshot: { position: 1, size_bytes: 2 },
            safe: everythingSafe,
            deleted: false,
          });
          expect(await storage.agents('a')).toEqual(
            new Map([
              [1n, agentHead(3, 1, epoch)],
              [2n, { ...agentHead(1, 2, epoch), closed: true }],
              [99n, { ...agentHead(5, 1, epoch + 7), user: undefined, closed: true }],
            ]),
          );
          expect(await storage.read('a', epoch, 0, everything)).toEqual([]);
          expect(await storage.read('a', epoch + 7, 0, everything)).toEqual([]);
          storage = await world.reopen();
        }
        // An agent of the earlier epoch has no place in this one.
        expect(await append('a', 1, envelope(1n, 3, 4))).toBe('stale');
        expect(await append('a', 1, envelope(3n, 0, 1))).toBe('committed');
        expect((await storage.read('a', epoch + 7, 1, everything)).length).toBe(1);
      });

      it('are entered only from where their author knew the document', async () => {
        await append('a', 0, envelope(1n, 0, 1));
        const { epoch } = await storage.head('a');
        const trim = { document: 'a', epoch, head: 1, next: epoch + 1, agent: 9n, seq: 1 };
        const states = { bridge: Uint8Array.of(1), state: Uint8Array.of(2) };
        expect(await storage.trim({ ...trim, ...states, head: 0 })).toBe('stale');
        expect(await storage.trim({ ...trim, ...states, epoch: epoch - 1 })).toBe('stale');
        expect(await storage.trim({ ...trim, ...states, document: 'never' })).toBe('stale');
        expect(await storage.bridges('a', 0)).toEqual([]);
        expect(await storage.trim({ ...trim, ...states })).toBe('committed');
        expect(await append('a', 1, envelope(2n, 0, 1))).toBe('committed');
        expect(await storage.trim({ ...trim, ...states })).toBe('stale');
        // What was made of the epoch before comes too late.
        await storage.putSnapshot('a', { epoch, position: 9, bytes: Uint8Array.of(9) });
        expect((await storage.snapshot('a'))?.position).toBe(1);
      });

      it('keep the last states of the last few as bridges, oldest first', async () => {
        await append('a', 0, envelope(1n, 0, 1));
        const first = (await storage.head('a')).epoch;
        for (let index = 1; index <= bridgesKept + 2; index += 1) await enter('a', first + index, BigInt(100 + index));
        const bridges = await storage.bridges('a', 0);
        expect(bridges.map(({ epoch, agent }) => [epoch - first, agent])).toEqual(
          Array.from({ length: bridgesKept }, (_, index) => [index + 2, BigInt(103 + index)]),
        );
        const last = await storage.bridges('a', first + bridgesKept + 1);
        expect(last.map(({ epoch }) => epoch - first)).toEqual([bridgesKept + 1]);
        expect(last[0]?.bytes).toEqual(Uint8Array.of(1, (first + bridgesKept + 2) % 256));
        expect(await storage.bridges('never', 0)).toEqual([]);
      });
    });

    describe('a deletion', () => {
      it('is for ever', async () => {
        await append('a', 0, envelope(1n, 0, 1));
        const { epoch } = await storage.head('a');
        expect(await storage.delete('a')).toBe(true);
        for (let round = 0; round < 2; round += 1) {
          expect(await storage.delete('a')).toBe(false);
          expect(await storage.head('a')).toMatchObject({ head: 0, deleted: true, snapshot: undefined });
          expect(await storage.read('a', epoch, 0, everything)).toEqual([]);
          expect(await storage.agents('a')).toEqual(new Map());
          expect(await append('a', 0, envelope(1n, 0, 1))).toBe('stale');
          await expect(storage.closeAgents('a', [1n], 'ada')).rejects.toMatchObject({ code: 'document-deleted' });
          storage = await world.reopen();
        }
      });

      it('holds for a document that was never written to', async () => {
        expect(await storage.delete('a')).toBe(true);
        expect(await append('a', 0, envelope(1n, 0, 1))).toBe('stale');
      });
    });

    describe('changes', () => {
      const all = async (after: number, space?: string, limit = 100) => {
        return storage.changes({ after, limit, ...(space === undefined ? {} : { space }) });
      };

      it('tell each document once, by its last change, from a token on', async () => {
        for (const id of ['s/a', 's/b', 't/a', 'x', 's/c']) await append(id, 0, envelope(1n, 0, 1));
        await append('s/a', 1, envelope(1n, 1, 2));
        const told = await all(0);
        expect(told.entries.map(({ document, head }) => [document, head])).toEqual([
          ['s/b', 1],
          ['t/a', 1],
          ['x', 1],
          ['s/c', 1],
          ['s/a', 2],
        ]);
        expect(told).toMatchObject({ more: false, restarted: false });
        expect((await all(0, 's')).entries.map(({ document }) => document)).toEqual(['s/b', 's/c', 's/a']);
        expect((await all(0, '')).entries.map(({ document }) => document)).toEqual(['x']);
        expect(await all(told.token, 's')).toEqual({ token: told.token, entries: [], more: false, restarted: false });
        await storage.delete('s/b');
        expect((await all(told.token, 's')).entries).toMatchObject([{ document: 's/b', deleted: true }]);
        expect((await storage.pulse()).change).toBeGreaterThan(told.token);
      });

      it('come in pages that leave nothing out', async () => {
        for (let index = 0; index < 7; index += 1) await append(`s/${index}`, 0, envelope(1n, 0, 1));
        const seen: string[] = [];
        let token = 0;
        for (let more = true; more; ) {
          const page = await all(token, 's', 3);
          seen.push(...page.entries.map(({ document }) => document));
          expect(page.token).toBeGreaterThan(token);
          ({ token, more } = page);
        }
        expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6].map((index) => `s/${index}`));
      });

      it('begin anew for a token that was never given', async () => {
        await append('s/a', 0, envelope(1n, 0, 1));
        const { token } = await all(0);
        for (const unknown of [1, token + 1, Number.MAX_SAFE_INTEGER]) {
          const page = await all(unknown, 's');
          expect(page.restarted).toBe(true);
          expect(page.entries).toHaveLength(1);
        }
      });

      it('tell of no document that was only asked for, closed or backed up', async () => {
        await storage.closeAgents('a', [1n], 'ada');
        await world.backUp();
        expect((await all(0)).entries).toEqual([]);
      });
    });

    describe('a backup', () => {
      it('makes safe what it holds, and nothing that comes later', async () => {
        await append('a', 0, envelope(1n, 0, 1));
        expect((await storage.head('a')).safe).toBe(everythingSafe);
        const before = await storage.pulse();
        await world.backUp();
        expect((await storage.pulse()).backups).toBeGreaterThan(before.backups);
        expect((await storage.pulse()).change).toBe(before.change);
        await append('a', 1, envelope(1n, 1, 2));
        expect((await storage.head('a')).safe).toBe(1);
        expect((await storage.head('never')).safe).toBe(0);
        await world.backUp();
        expect((await storage.head('a')).safe).toBe(2);
        const { epoch, head } = await storage.head('a');
        const states = { bridge: Uint8Array.of(1), state: Uint8Array.of(2) };
        await storage.trim({ document: 'a', epoch, head, next: epoch + 1, agent: 9n, seq: 1, ...states });
        expect((await storage.head('a')).safe).toBe(0);
      });

      it('comes back in an epoch that nobody has seen, with everything that it held', async () => {
        await append('s/a', 0, envelope(1n, 0, 3));
        const { epoch } = await storage.head('s/a');
        await storage.putSnapshot('s/a', { epoch, position: 1, bytes: Uint8Array.of(7) });
        await append('s/b', 0, envelope(1n, 0, 1));
        const old = await storage.head('s/b');
        const states = { bridge: Uint8Array.of(1), state: Uint8Array.of(2) };
        await storage.trim({ document: 's/b', ...old, next: epoch + 1, agent: 9n, seq: 1, ...states });
        await storage.delete('gone');
        await world.backUp();
        await append('s/a', 1, envelope(1n, 3, 4), envelope(2n, 0, 1));
        const { token } = await storage.changes({ after: 0, limit: 10 });
        const never = (await storage.head('never')).epoch;

        storage = await world.restore();
        const head = await storage.head('s/a');
        expect(head.epoch).toBeGreaterThan(Math.max(epoch + 1, never));
        expect(head).toMatchObject({ head: 1, safe: 1, snapshot: { position: 1 }, deleted: false });
        expect(await storage.agents('s/a')).toEqual(new Map([[1n, agentHead(3, 1, head.epoch)]]));
        expect((await storage.read('s/a', head.epoch, 0, everything)).length).toBe(1);
        expect(await storage.read('s/a', epoch, 0, everything)).toEqual([]);
        expect((await storage.head('never')).epoch).toBeGreaterThan(never);
        // Ids are those of the trim before: its bridge still leads here, and an agent from before it is still out.
        expect(await storage.head('s/b')).toMatchObject({ base: 1, head: 1, safe: 1 });
        expect((await storage.bridges('s/b', epoch)).map((bridge) => bridge.agent)).toEqual([9n]);
        expect(await append('s/b', 1, envelope(1n, 1, 2))).toBe('stale');
        expect((await storage.head('gone')).deleted).toBe(true);
        const changes = await storage.changes({ space: 's', after: token, limit: 10 });
        expect(changes.restarted).toBe(true);
        expect(changes.entries).toHaveLength(2);
        expect((await storage.changes({ space: 's', after: changes.token, limit: 10 })).restarted).toBe(false);
        // And it goes on.
        expect(await append('s/a', 1, envelope(1n, 3, 9))).toBe('committed');
        expect((await storage.head('s/a')).safe).toBe(1);
      });
    });
  });
}
