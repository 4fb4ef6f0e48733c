// Storages that an app names: what a client makes of names that only a worker of the app's own knows.

import { describe, expect, test } from 'vitest';
import { createClient } from './client.ts';

describe('a storage of an app’s worker', () => {
  test('needs a worker of the app’s', () => {
    const url = 'ws://localhost:9/sync';
    expect(() => createClient({ url, storage: 'mine' })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  test('is never replaced by memory where that worker doesn’t run', async () => {
    const worker = (): Worker => {
      throw new Error('No workers here.');
    };
    const client = createClient({ url: 'ws://localhost:9/sync', storage: 'mine', worker, connect: false });
    const failed = (): boolean => client.status.storage.state === 'failed';
    await new Promise<void>((resolve) => {
      if (failed()) resolve();
      else client.subscribeStatus(() => failed() && resolve());
    });
    expect(client.status.storage).toMatchObject({ mode: 'mine', lastError: { code: 'storage-unavailable' } });
    await expect(client.close()).rejects.toMatchObject({ code: 'storage-unavailable' });
  });
});
