// Each checker on logs made by hand: one that it has nothing to say about, and those that it must not let pass.

import { expect, test } from 'vitest';
import type { Content, LogRecord, Operation } from '../log.ts';
import { Log } from '../log.ts';
import { Model } from '../model.ts';
import { type CheckerName, Watch } from './all.ts';

const agent = 7n;
const empty: Content = {
  text: '',
  counter: 0,
  fields: {},
  items: [],
  runs: [],
  tree: [],
  graph: { nodes: [], edges: [] },
};

const write = (id: number, from: number, to: number, changes: Operation['changes'], by = agent): LogRecord => ({
  type: 'write',
  operation: {
    id,
    tab: 'a1',
    document: 'notes',
    agent: by,
    from,
    to,
    before: from === 0 ? new Map() : new Map([[by, from]]),
    changes,
  },
});
const state = (seq: number, content: Partial<Content>, digest = `${seq}`, by = agent): LogRecord => ({
  type: 'state',
  replica: 1,
  version: seq === 0 ? new Map() : new Map([[by, seq]]),
  before: new Map(),
  content: { ...empty, ...content },
  digest,
  waiting: 0,
});
const range = { document: 'notes', agent, from: 0, to: 1 };
const stored: LogRecord = { type: 'stored', device: 'a', ...range };
const committed: LogRecord = { type: 'committed', epoch: 1, position: 1, user: 'eve', ...range };
const receipt = (promise: 'durable' | 'synced' | 'rejected'): LogRecord => ({
  type: 'receipt',
  operation: 1,
  state: promise,
});
const final = (where: string, content: Partial<Content>, seq = 1): LogRecord => ({
  type: 'final',
  where,
  document: 'notes',
  version: new Map([[agent, seq]]),
  content: { ...empty, ...content },
});
const settled = (pending: number): LogRecord => ({
  type: 'settled',
  tab: 'a1',
  connection: 'online',
  sync: pending > 0 ? 'pending' : 'idle',
  pending,
  storage: 'ready',
  errors: [],
});

const deletion = (state: 'asked' | 'durable' | 'synced'): LogRecord => ({
  type: 'deletion',
  tab: 'a1',
  life: 1,
  document: 'notes',
  state,
});
const deleted: LogRecord = { type: 'deleted', document: 'notes' };
const lastListed = (where: string, ...documents: string[]): LogRecord => ({
  type: 'last-listed',
  where,
  complete: true,
  documents,
});
const undone: LogRecord = { type: 'restored', undoneTrims: [], undoneDeletions: ['notes'] };

const insert = write(1, 0, 1, [{ type: 'insert', token: '<1>' }]);
const erase = write(2, 1, 2, [{ type: 'erase', token: '<1>' }]);

function failureOf(records: readonly LogRecord[]): CheckerName | undefined {
  const log = new Log({ now_ms: 0, events: 0 });
  const watch = new Watch(log, new Model());
  for (const record of records) log.add(record);
  watch.end();
  return watch.failure?.property;
}

test('a log without a fault has none', () => {
  const good = [insert, state(1, { text: '<1>' }), stored, receipt('durable'), committed, receipt('synced')];
  const end = [{ type: 'healed' } as const, settled(0), final('server', { text: '<1>' }), final('a1', { text: '<1>' })];
  expect(failureOf([...good, ...end])).toBeUndefined();
});

const rest: LogRecord[] = [{ type: 'healed' }, settled(0)];

test.each<[CheckerName, string, LogRecord[]]>([
  ['sameVersionSameState', 'two digests', [insert, state(1, { text: '<1>' }, 'x'), state(1, { text: '<1>' }, 'y')]],
  ['effectExactlyOnce', 'an effect twice', [insert, state(1, { text: '<1><1>' })]],
  ['effectExactlyOnce', 'an effect that is missing', [insert, state(1, {})]],
  [
    'effectExactlyOnce',
    'an operation twice in the log',
    [insert, committed, { ...committed, position: 2 } as LogRecord],
  ],
  [
    'effectExactlyOnce',
    'an operation in the log without the one before it',
    [insert, committed, { ...committed, position: 2, from: 2, to: 3 } as LogRecord],
  ],
  ['effectExactlyOnce', 'half a token', [insert, state(1, { text: '<1' })]],
  ['effectExactlyOnce', 'half an operation', [write(1, 0, 2, [{ type: 'count', amount: 5 }]), state(1, {})]],
  [
    'effectExactlyOnce',
    'an increment twice',
    [write(1, 0, 1, [{ type: 'count', amount: 5 }]), state(1, { counter: 10 })],
  ],
  [
    'effectExactlyOnce',
    'a token on the wrong side of its neighbour',
    [insert, write(2, 1, 2, [{ type: 'insert', token: '<2>', left: '<1>' }]), state(2, { text: '<2><1>' })],
  ],
  [
    'effectExactlyOnce',
    'an overwritten value',
    [
      write(1, 0, 1, [{ type: 'set', key: 'k', token: 'v1' }]),
      write(2, 1, 2, [{ type: 'set', key: 'k', token: 'v2' }]),
      state(2, { fields: { k: 'v1' } }),
    ],
  ],
  ['causeBeforeEffect', 'an effect whose write is not there', [insert, erase, state(0, { text: '<1>' })]],
  [
    'causeBeforeEffect',
    'a write without what its author had seen',
    [
      insert,
      {
        type: 'write',
        operation: { ...range, id: 2, tab: 'b1', agent: 9n, before: new Map([[agent, 1]]), changes: [] },
      },
      state(1, {}, 'x', 9n),
    ],
  ],
  ['deletedStaysDeleted', 'a deleted token', [insert, erase, state(2, { text: '<1>' })]],
  [
    'deletedStaysDeleted',
    'a deleted field',
    [
      write(1, 0, 1, [{ type: 'set', key: 'k', token: 'v1' }]),
      write(2, 1, 2, [{ type: 'set', key: 'k', token: undefined }]),
      state(2, { fields: { k: 'v1' } }),
    ],
  ],
  [
    'deletedStaysDeleted',
    'a removed element',
    [
      write(1, 0, 1, [{ type: 'add', element: 'e1' }]),
      write(2, 1, 2, [{ type: 'remove', element: 'e1' }]),
      state(2, { items: ['e1'] }),
    ],
  ],
  [
    'deletedStaysDeleted',
    'a removed element that was moved before',
    [
      write(1, 0, 1, [{ type: 'add', element: 'e1' }]),
      write(2, 1, 2, [{ type: 'add', element: 'e2', left: 'e1' }]),
      write(3, 2, 3, [{ type: 'move', element: 'e1', left: 'e2' }]),
      write(4, 3, 4, [{ type: 'remove', element: 'e1' }]),
      state(4, { items: ['e2', 'e1'] }),
    ],
  ],
  ...[['e1', 'e2'], ['e2'], ['e1', 'e2', 'e1']].map((items): [CheckerName, string, LogRecord[]] => [
    'effectExactlyOnce',
    `a moved element that is seen in ${items.join()}`,
    [
      write(1, 0, 1, [{ type: 'add', element: 'e1' }]),
      write(2, 1, 2, [{ type: 'add', element: 'e2', left: 'e1' }]),
      write(3, 2, 3, [{ type: 'move', element: 'e1', left: 'e2' }]),
      state(3, { items }),
    ],
  ]),
  [
    'quietAfterHealing',
    'a list that lacks a document',
    [...rest, lastListed('server', 'home/1'), lastListed('a1'), final('server', {})],
  ],
  [
    'quietAfterHealing',
    'a list that never becomes whole',
    [
      ...rest,
      lastListed('server'),
      { type: 'last-listed', where: 'a1', complete: false, documents: [] },
      final('server', {}),
    ],
  ],
  [
    'quietAfterHealing',
    'a list with a document that nobody has',
    [...rest, lastListed('server'), lastListed('a1', 'home/1'), final('server', {})],
  ],
  ['deletedStaysDeleted', 'a list out of order', [{ type: 'listed', where: 'a1', documents: ['home/2', 'home/1'] }]],
  [
    'deletedStaysDeleted',
    'a list with what the tab has deleted',
    [deletion('asked'), deletion('durable'), { type: 'listed', where: 'a1', life: 1, documents: ['notes'] }],
  ],
  ['deletedStaysDeleted', 'a write to a deleted document', [insert, deletion('asked'), deleted, committed]],
  ['deletedStaysDeleted', 'a deletion of nobody', [deleted]],
  [
    'deletedStaysDeleted',
    'a deleted document on a disk',
    [
      insert,
      deletion('asked'),
      deleted,
      ...[{ type: 'healed' } as const, settled(0)],
      final('disk a', { text: '<1>' }),
    ],
  ],
  ['receiptsNeverEarly', 'a deletion that the server has not done', [deletion('asked'), deletion('synced')]],
  ['nothingPromisedLost', 'a deletion', [deletion('asked'), deletion('durable'), { type: 'healed' }, settled(0)]],
  [
    'nothingPromisedLost',
    'a write that was never at the server when its document was deleted',
    [
      ...[insert, stored, receipt('durable'), deletion('asked'), deleted, { type: 'healed' } as const, settled(0)],
      final('server', {}, 0),
    ],
  ],
  ['receiptsNeverEarly', 'durable before it is stored', [insert, receipt('durable'), stored]],
  ['receiptsNeverEarly', 'synced before it is committed', [insert, stored, receipt('synced'), committed]],
  ['nothingPromisedLost', 'a durable write', [insert, stored, receipt('durable'), ...rest, final('server', {}, 0)]],
  ['nothingPromisedLost', 'a synced write', [insert, committed, receipt('synced'), ...rest, final('server', {}, 0)]],
  ['noWriteWithoutRight', 'a commit', [{ type: 'asked', taken: false, ...range }, committed]],
  ['refusalSurfaces', 'a silent refusal', [insert, stored, { type: 'refused', code: 'forbidden', ...range }, ...rest]],
  ['quietAfterHealing', 'something pending', [{ type: 'healed' }, settled(1)]],
  ['quietAfterHealing', 'tabs that differ', [...rest, final('server', {}), final('a1', { counter: 1 })]],
  ['quietAfterHealing', 'no end', [insert]],
  ['boundsHold', 'a frame that is too large', [{ type: 'frame', tab: 'a1', way: 'up', bytes: 1e9 }]],
  ['boundsHold', 'a queue that is too long', [{ ...state(0, {}), waiting: 1e6 } as LogRecord]],
  [
    'boundsHold',
    'a storm of attempts',
    Array.from({ length: 200 }, (): LogRecord => ({ type: 'connecting', tab: 'a1' })),
  ],
  ['boundsHold', 'an error that nobody foresaw', [{ type: 'fault', where: 'server', message: 'internal' }]],
])('%s finds %s', (property, _, records) => {
  expect(failureOf(records)).toBe(property);
});

test('what the harness destroyed, and what was refused and told of, is no loss', () => {
  const lost = [...rest, final('server', {}, 0)];
  expect(failureOf([insert, stored, receipt('durable'), { type: 'destroyed', device: 'a', ...range }, ...lost])).toBe(
    undefined,
  );
  const refused: LogRecord = { type: 'refused', code: 'forbidden', ...range };
  expect(failureOf([insert, stored, receipt('durable'), refused, receipt('rejected'), ...lost])).toBeUndefined();
});

test('what was at the server is gone with its document, and a restored backup may bring both back', () => {
  const known = [insert, stored, committed, receipt('synced'), deletion('asked'), deletion('durable'), deleted];
  expect(failureOf([...known, deletion('synced'), ...rest, final('server', {}, 0)])).toBeUndefined();
  const back = [{ ...committed, epoch: 2 } as LogRecord, ...rest, final('server', { text: '<1>' })];
  expect(failureOf([...known, undone, ...back])).toBeUndefined();
  expect(failureOf([...known, ...back])).toBe('deletedStaysDeleted');
  const another: LogRecord = { type: 'restored', undoneTrims: [], undoneDeletions: [] };
  expect(failureOf([...known, another, ...back])).toBe('deletedStaysDeleted');
});

test('each copy of a profile may make anew, once, what was written before it was cloned', () => {
  const again = (into: bigint, device: string): LogRecord[] => [
    {
      ...{ type: 'replayed', agent, from: 0, to: 1, into: { agent: into, from: 0, to: 1 }, names: [1], rejected: [] },
    } as LogRecord,
    { type: 'stored', device, document: 'notes', agent: into, from: 0, to: 1 },
  ];
  const shows = (text: string, counter: number, ...agents: bigint[]): LogRecord =>
    ({ ...state(1, { text, counter }), version: new Map(agents.map((one) => [one, 1])) }) as LogRecord;
  const made = write(1, 0, 1, [
    { type: 'insert', token: '<1>' },
    { type: 'count', amount: 5 },
  ]);
  const cloned: LogRecord = { type: 'cloned', from: 'a', to: 'd' };
  const both = [...again(3n, 'a'), ...again(4n, 'd')];
  expect(failureOf([made, stored, cloned, ...both, shows('<1><1>', 10, 3n, 4n), ...rest])).toBeUndefined();
  expect(failureOf([made, stored, ...both, shows('<1><1>', 10, 3n, 4n)])).toBe('effectExactlyOnce');
  expect(failureOf([made, stored, cloned, ...both, shows('<1><1><1>', 10, 3n, 4n)])).toBe('effectExactlyOnce');
  expect(failureOf([made, stored, cloned, ...both, shows('<1><1>', 15, 3n, 4n)])).toBe('effectExactlyOnce');
  // One of them makes it anew twice.
  const twice = [...again(3n, 'a'), ...again(5n, 'a')];
  expect(failureOf([made, stored, cloned, ...twice, shows('<1><1>', 10, 3n, 5n)])).toBe('effectExactlyOnce');
  // The copy has not given up what the other one has made anew.
  const copied: LogRecord = { type: 'stored', device: 'd', ...range };
  const first = [made, stored, cloned, copied, ...again(3n, 'a')];
  expect(failureOf([...first, shows('<1><1>', 10, agent, 3n), ...rest])).toBeUndefined();
  expect(failureOf([made, stored, cloned, ...again(3n, 'a'), shows('<1><1>', 10, agent, 3n)])).toBe(
    'effectExactlyOnce',
  );
  expect(failureOf([...first, ...again(4n, 'd'), shows('<1><1><1>', 10, agent, 3n, 4n)])).toBe('effectExactlyOnce');
});

test('what one copy of a profile does to what it has made anew is nothing to the other copy’s', () => {
  const again = (from: number, into: bigint, device: string): LogRecord[] => [
    {
      ...{
        type: 'replayed',
        agent,
        from,
        to: from + 1,
        into: { agent: into, from: 0, to: 1 },
        names: [1],
        rejected: [],
      },
    } as LogRecord,
    { type: 'stored', device, document: 'notes', agent: into, from: 0, to: 1 },
  ];
  const made = write(1, 0, 1, [{ type: 'insert', token: '<1>' }]);
  const mark = write(2, 1, 2, [{ type: 'mark', key: 'bold', token: 'm1', over: ['<1>'] }]);
  const erase = write(2, 1, 2, [{ type: 'erase', token: '<1>' }]);
  const cloned: LogRecord = { type: 'cloned', from: 'a', to: 'd' };
  const content = { text: '<1>', runs: [{ insert: '<1>' }] };
  const shows = (): LogRecord =>
    ({ ...state(1, content), version: new Map([3n, 4n].map((one) => [one, 1])) }) as LogRecord;
  const apart = [...again(0, 3n, 'a'), ...again(1, 4n, 'd')];
  expect(failureOf([made, mark, stored, cloned, ...apart, shows(), ...rest])).toBeUndefined();
  expect(failureOf([made, erase, stored, cloned, ...apart, shows(), ...rest])).toBeUndefined();
  const together = [...again(0, 3n, 'd'), ...again(1, 4n, 'd')];
  expect(failureOf([made, mark, stored, cloned, ...together, shows()])).toBe('effectExactlyOnce');
  expect(failureOf([made, erase, stored, cloned, ...together, shows()])).toBe('deletedStaysDeleted');
});

test('a change of an element that is there twice, of two copies of a profile, is about one of them', () => {
  const made = write(1, 0, 1, [{ type: 'add', element: 'e1' }]);
  const again = (into: bigint, device: string): LogRecord[] => [
    {
      ...{ type: 'replayed', agent, from: 0, to: 1, into: { agent: into, from: 0, to: 1 }, names: [1], rejected: [] },
    } as LogRecord,
    { type: 'stored', device, document: 'notes', agent: into, from: 0, to: 1 },
  ];
  const change = (id: number, token: string, over: string): LogRecord =>
    write(id, id - 2, id - 1, [{ type: 'change', element: 'e1', token, over }], 9n);
  const shows = (...items: string[]): LogRecord => {
    const version = new Map([3n, 4n, 9n].map((one) => [one, one === 9n ? 2 : 1]));
    return { ...state(1, { items }, items.join()), version } as LogRecord;
  };
  const both = [made, stored, { type: 'cloned', from: 'a', to: 'd' } as const, ...again(3n, 'a'), ...again(4n, 'd')];
  const apart = [...both, change(2, 'e2', 'e1'), change(3, 'e3', 'e1')];
  expect(failureOf([...apart, shows('e2', 'e3'), ...rest])).toBeUndefined();
  const one = [...both, change(2, 'e2', 'e1'), change(3, 'e3', 'e2')];
  expect(failureOf([...one, shows('e1', 'e3'), ...rest])).toBeUndefined();
  expect(failureOf([...one, shows('e1', 'e2')])).toBe('effectExactlyOnce');
});

test('of an operation that a replay has made several envelopes of, each is replayed with what it has', () => {
  const both = write(1, 0, 2, [
    { type: 'set', key: 'k', token: 'v1' },
    { type: 'add', element: 'e1' },
  ]);
  const later = write(2, 2, 3, [{ type: 'set', key: 'k', token: 'v2' }]);
  const again = (by: bigint, from: number, to: number, into: bigint, at: number, rejected = false): LogRecord => {
    const made = rejected ? 0 : to - from;
    const names = Array.from({ length: to - from }, (_, index) => (rejected ? 0 : at + index + 1));
    return {
      ...{ type: 'replayed', agent: by, from, to, into: { agent: into, from: at, to: at + made }, names },
      rejected: rejected ? [{ from, to }] : [],
    } as LogRecord;
  };
  const shows = (content: Partial<Content>, seq: number): LogRecord =>
    ({ ...state(1, content, `${seq}`), version: new Map([[4n, seq]]) }) as LogRecord;
  const first = [both, later, again(agent, 0, 2, 3n, 0), again(agent, 2, 3, 3n, 2)];
  const second = [...first, again(3n, 0, 1, 4n, 0), again(3n, 1, 2, 4n, 1), again(3n, 2, 3, 4n, 2)];
  expect(failureOf([...second, shows({ fields: { k: 'v2' }, items: ['e1'] }, 3), ...rest])).toBeUndefined();
  // So far only the first of them.
  expect(failureOf([...second, shows({ fields: { k: 'v1' } }, 1), ...rest])).toBeUndefined();
  expect(failureOf([...second, shows({ fields: { k: 'v1' }, items: ['e1'] }, 3)])).toBe('effectExactlyOnce');
  expect(failureOf([...second, shows({ fields: { k: 'v2' } }, 3)])).toBe('effectExactlyOnce');
  // One of them is refused, and the others come through.
  const parts = [...first, again(3n, 0, 1, 4n, 0), again(3n, 1, 2, 4n, 1, true), again(3n, 2, 3, 4n, 1)];
  expect(failureOf([...parts, shows({ fields: { k: 'v2' } }, 2), ...rest])).toBeUndefined();
});

test('what one device deletes of another one’s may be missed only where both brought it back', () => {
  const told = (seq: number, by: bigint, into: bigint): LogRecord => ({
    type: 'replayed',
    agent: by,
    from: seq - 1,
    to: seq,
    into: { agent: into, from: 0, to: 1 },
    names: [1],
    rejected: [],
  });
  const theirs = write(2, 0, 1, [{ type: 'erase', token: '<1>' }], 9n);
  if (theirs.type === 'write') Object.assign(theirs.operation, { tab: 'b1', before: new Map([[agent, 1]]) });
  const restored: LogRecord = { type: 'restored', undoneTrims: [], undoneDeletions: [] };
  const version = new Map([
    [3n, 1],
    [4n, 1],
  ]);
  const shown = (): LogRecord => ({ ...state(1, { text: '<1>' }, 'x', 3n), version }) as LogRecord;
  const moved = [told(1, agent, 3n), told(1, 9n, 4n)];
  expect(failureOf([insert, theirs, ...moved, shown()])).toBe('deletedStaysDeleted');
  expect(failureOf([insert, theirs, restored, ...moved, shown(), ...rest])).toBeUndefined();
  // Of its own it misses nothing.
  expect(failureOf([insert, erase, restored, told(1, agent, 3n), told(2, agent, 4n), shown()])).toBe(
    'deletedStaysDeleted',
  );
});

test('of a token that its author saw twice, what was deleted is one of the two', () => {
  const again = (into: bigint, device: string, by = agent): LogRecord[] => [
    {
      ...{ type: 'replayed', agent: by, from: 0, to: 1, into: { agent: into, from: 0, to: 1 } },
      names: [1],
      rejected: [],
    },
    { ...stored, device, agent: into },
  ];
  const both = [
    insert,
    stored,
    { type: 'cloned', from: 'a', to: 'd' } as LogRecord,
    ...again(3n, 'a'),
    ...again(4n, 'd'),
  ];
  const seeing = (...agents: bigint[]): LogRecord => {
    const seen = write(2, 0, 1, [{ type: 'erase', token: '<1>' }], 9n);
    if (seen.type === 'write') Object.assign(seen.operation, { before: new Map(agents.map((one) => [one, 1])) });
    return seen;
  };
  const version = new Map([3n, 5n].map((one) => [one, 1]));
  const shown = (): LogRecord => ({ ...state(1, { text: '<1>' }), version }) as LogRecord;
  const moved = again(5n, 'a', 9n);
  expect(failureOf([...both, seeing(3n, 4n), ...moved, shown(), ...rest])).toBeUndefined();
  expect(failureOf([...both, seeing(3n), ...moved, shown()])).toBe('deletedStaysDeleted');
});

test('what a replay found deleted is there again where a restored backup has lost what had deleted it', () => {
  const replayed = (by: bigint, into: bigint): LogRecord => ({
    ...{ type: 'replayed', agent: by, from: 0, to: 1, into: { agent: into, from: 0, to: 1 } },
    ...{ names: [1], rejected: [] },
  });
  const erasing = (id: number, by: bigint): LogRecord => write(id, 0, 1, [{ type: 'erase', token: '<1>' }], by);
  const first = [insert, erasing(2, 8n), { ...committed, agent: 8n } as LogRecord, erasing(3, 9n), replayed(9n, 3n)];
  const shows = (...agents: bigint[]): LogRecord =>
    ({ ...state(1, { text: '<1>' }), version: new Map(agents.map((one) => [one, 1])) }) as LogRecord;
  const restored: LogRecord = { type: 'restored', undoneTrims: [], undoneDeletions: [] };
  const back = [...first, restored, replayed(3n, 4n)];
  expect(failureOf([...back, shows(agent, 4n), ...rest])).toBeUndefined();
  expect(failureOf([...first, shows(agent, 3n)])).toBe('deletedStaysDeleted');
  // Whoever had deleted it has brought that back.
  expect(failureOf([...back, shows(agent, 4n, 8n)])).toBe('deletedStaysDeleted');
  // The server never had another one.
  const alone = [insert, erasing(2, 8n), erasing(3, 9n), replayed(9n, 3n), restored, replayed(3n, 4n)];
  expect(failureOf([...alone, shows(agent, 4n)])).toBe('deletedStaysDeleted');
});

test('an operation is followed through the envelopes into which a replay has cut its own', () => {
  const told = (by: bigint, from: number, to: number, into: bigint, start = from): LogRecord => ({
    type: 'replayed',
    agent: by,
    from,
    to,
    into: { agent: into, from: start, to: start + to - from },
    names: Array.from({ length: to - from }, (_, index) => start + index + 1),
    rejected: [],
  });
  const shows = (text: string, owner: string, seq: number): LogRecord =>
    state(seq, { text, fields: { owner } }, `${seq}`, 4n);
  const made = write(1, 0, 2, [
    { type: 'insert', token: '<1>' },
    { type: 'set', key: 'owner', token: 'v1' },
  ]);
  const end = (seq: number): LogRecord[] => {
    const { document, content } = { document: 'notes', content: empty };
    return [{ type: 'final', where: 'server', document, version: new Map([[4n, seq]]), content }, ...rest];
  };
  const begun = [made, stored, { ...stored, from: 1, to: 2 } as LogRecord, receipt('durable'), told(agent, 0, 2, 3n)];
  const both = [told(3n, 0, 1, 4n, 5), told(3n, 1, 2, 4n, 6)];
  expect(failureOf([...begun, ...both, shows('<1>', 'v1', 7), ...end(7)])).toBeUndefined();
  expect(failureOf([...begun, ...both, shows('<1><1>', 'v1', 7)])).toBe('effectExactlyOnce');
  expect(failureOf([...begun, ...both, shows('<1>', 'v2', 7)])).toBe('causeBeforeEffect');
  // The other one was refused, or forgotten.
  const one = [...begun, both[0] as LogRecord];
  const surfaced: LogRecord = { type: 'surfaced', tab: 'a1', document: 'notes', agent: 3n, from: 1, to: 2 };
  expect(failureOf([...one, surfaced, state(6, { text: '<1>' }, 'x', 4n), ...end(6)])).toBeUndefined();
  expect(failureOf([...one, state(6, { text: '<1>' }, 'x', 4n), ...end(6)])).toBe('nothingPromisedLost');
  expect(failureOf([...begun, ...both, ...end(6)])).toBe('nothingPromisedLost');
});
