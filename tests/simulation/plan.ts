// Draws a run from a seed: what users do, and a random subset of the faults with their severities.

import type { Action, Choice, EditKind, Run, Weather } from './choices.ts';
import { devices, documents, listed, spareDevice, tabsOf } from './choices.ts';
import { type Feature, features } from './features.ts';
import { between, dice, pick, type Random, stream } from './random.ts';

/** A kind of fault: how often it comes beside a hundred edits, and what it does. */
interface Fault {
  readonly weight: number;
  /** Only in runs with this feature. */
  readonly feature?: Feature;
  /** And with this one. */
  readonly and?: Feature;
  draw(random: Random): readonly Action[];
}

/** What is done some time later than its fault. */
interface Ending {
  readonly after_ms: readonly [number, number];
  readonly actions: readonly Action[];
}

const kinds: readonly EditKind[] = [
  ...(['insert', 'insert', 'insert', 'erase', 'count', 'count', 'set', 'unset'] as const),
  ...(['add', 'add', 'change', 'remove', 'mix'] as const),
];

const minute_ms = 60_000;
/** Within what the server takes, even when a clock jumps from one end to the other. */
const clockMost_ms = 2 * minute_ms;
const day_ms = 24 * 60 * minute_ms;
/** So many runs have leaders. */
const leadersShare = 0.65;
/** So many have each of the others. */
const featureShare = 0.4;

const aDevice = (random: Random): string => pick(random, devices);
const aTab = (random: Random): string => pick(random, tabsOf(aDevice(random)));

const anEdit = (random: Random, among: readonly EditKind[]): Action => {
  const [tab, document] = [aTab(random), pick(random, documents)];
  // One kind draws nothing.
  const kind = among.length === 1 ? (among[0] as EditKind) : pick(random, among);
  return { do: 'edit', tab, document, kind, dice: dice(random) };
};

/** By name; each seed has a random subset of them. */
const faults: Readonly<
  Record<string, Fault & { readonly ending?: (random: Random, begun: readonly Action[]) => Ending }>
> = {
  crash: {
    weight: 5,
    draw: (random) => [{ do: 'crash', tab: aTab(random), effects: between(random, 0, 60) }],
    ending: (_, [begun]) => later([500, 6_000], begun && 'tab' in begun ? [{ do: 'start', tab: begun.tab }] : []),
  },
  close: {
    weight: 2,
    draw: (random) => [{ do: 'close', tab: aTab(random) }],
    ending: (_, [begun]) => later([500, 6_000], begun && 'tab' in begun ? [{ do: 'start', tab: begun.tab }] : []),
  },
  power: {
    weight: 3,
    draw: (random) => [{ do: 'power-cut', device: aDevice(random), dice: dice(random) }],
    ending: (_, [begun]) => later([200, 6_000], restarts(begun)),
  },
  freeze: {
    weight: 3,
    draw: (random) => [{ do: 'freeze', tab: aTab(random) }],
    ending: (_, [begun]) => later([200, 20_000], begun && 'tab' in begun ? [{ do: 'thaw', tab: begun.tab }] : []),
  },
  weather: {
    weight: 6,
    draw: (random) => [{ do: 'weather', device: aDevice(random), weather: aWeather(random, false) }],
  },
  hostile: {
    weight: 4,
    draw: (random) => [{ do: 'weather', device: aDevice(random), weather: aWeather(random, true) }],
  },
  partition: {
    weight: 3,
    draw: (random) => {
      const way = between(random, 0, 2);
      return [{ do: 'partition', device: aDevice(random), up: way !== 1, down: way !== 0 }];
    },
    ending: (_, [begun]) =>
      later(
        [500, 25_000],
        begun && 'device' in begun ? [{ do: 'partition', device: begun.device, up: false, down: false }] : [],
      ),
  },
  cut: { weight: 4, draw: (random) => [{ do: 'cut', device: aDevice(random) }] },
  halfOpen: { weight: 2, draw: (random) => [{ do: 'half-open', device: aDevice(random) }] },
  clog: { weight: 2, draw: (random) => [{ do: 'clog', device: aDevice(random) }] },
  network: {
    weight: 3,
    draw: (random) => {
      const device = aDevice(random);
      return [
        { do: 'network', device, online: false },
        { do: 'cut', device },
      ];
    },
    ending: (_, [begun]) =>
      later([100, 10_000], begun && 'device' in begun ? [{ do: 'network', device: begun.device, online: true }] : []),
  },
  disconnect: {
    weight: 3,
    draw: (random) => [{ do: 'disconnect', tab: aTab(random) }],
    ending: (_, [begun]) => later([500, 20_000], begun && 'tab' in begun ? [{ do: 'connect', tab: begun.tab }] : []),
  },
  disk: {
    weight: 4,
    draw: (random) => [
      { do: 'disk', device: aDevice(random), state: pick(random, ['full', 'failing', 'slow', 'slow']) },
    ],
    ending: (_, [begun]) =>
      later([200, 8_000], begun && 'device' in begun ? [{ do: 'disk', device: begun.device, state: 'working' }] : []),
  },
  flip: { weight: 3, draw: (random) => [{ do: 'flip-bit', device: aDevice(random), dice: dice(random) }] },
  clock: {
    weight: 3,
    draw: (random) => [
      { do: 'clock', device: aDevice(random), offset_ms: between(random, -clockMost_ms, clockMost_ms) },
    ],
  },
  wrongClock: {
    weight: 3,
    feature: 'clocks',
    draw: (random) => [{ do: 'clock', device: aDevice(random), offset_ms: between(random, -day_ms, day_ms) }],
  },
  right: {
    weight: 5,
    feature: 'refusals',
    draw: (random) => [{ do: 'right', document: pick(random, documents), write: false }],
    ending: (_, [begun]) =>
      later([500, 8_000], begun?.do === 'right' ? [{ do: 'right', document: begun.document, write: true }] : []),
  },
  trim: {
    weight: 4,
    feature: 'trims',
    draw: (random) => [{ do: 'trim', document: pick(random, documents) }],
  },
  move: {
    weight: 30,
    feature: 'moves',
    draw: (random) => [anEdit(random, ['move'])],
  },
  mark: {
    weight: 60,
    feature: 'marks',
    draw: (random) => [anEdit(random, ['mark', 'unmark'])],
  },
  tree: {
    weight: 80,
    feature: 'trees',
    draw: (random) => [anEdit(random, ['plant', 'plant', 'plant', 'hang', 'hang', 'shift', 'shift', 'fell', 'tag'])],
  },
  graph: {
    weight: 50,
    feature: 'graphs',
    draw: (random) => [anEdit(random, ['vertex', 'vertex', 'edge', 'edge', 'cut', 'pin'])],
  },
  delete: {
    weight: 1,
    feature: 'deletions',
    draw: (random) => [{ do: 'delete', tab: aTab(random), document: pick(random, documents) }],
  },
  deleteListed: {
    weight: 2,
    feature: 'spaces',
    and: 'deletions',
    draw: (random) => [{ do: 'delete', tab: aTab(random), document: pick(random, listed) }],
  },
  writeListed: {
    weight: 16,
    feature: 'spaces',
    draw: (random) => {
      const [tab, document] = [aTab(random), pick(random, listed)];
      return [{ do: 'edit', tab, document, kind: pick(random, kinds), dice: dice(random) }];
    },
    // Most of them are open nowhere.
    ending: (_, [begun]) =>
      later([50, 2_000], begun?.do === 'edit' ? [{ do: 'release', tab: begun.tab, document: begun.document }] : []),
  },
  follow: {
    weight: 6,
    feature: 'spaces',
    draw: (random) => [{ do: 'follow', tab: aTab(random) }],
    ending: (random, [begun]) =>
      later(
        [500, 20_000],
        begun?.do === 'follow' ? [{ do: random() < 0.7 ? 'list' : 'unfollow', tab: begun.tab }] : [],
      ),
  },
  list: { weight: 6, feature: 'spaces', draw: (random) => [{ do: 'list', tab: aTab(random) }] },
  backup: { weight: 3, feature: 'restores', draw: () => [{ do: 'backup' }] },
  restore: { weight: 1, feature: 'restores', draw: () => [{ do: 'restore' }] },
  usurp: { weight: 3, feature: 'leaders', draw: (random) => [{ do: 'usurp', device: aDevice(random) }] },
  secondNode: {
    weight: 3,
    feature: 'nodes',
    draw: () => [{ do: 'server-crash', node: 1 }],
    ending: () => later([50, 8_000], [{ do: 'server-start', node: 1 }]),
  },
  clone: {
    weight: 1,
    draw: (random) => [{ do: 'clone', device: aDevice(random), to: spareDevice }],
  },
  server: {
    weight: 3,
    draw: () => [{ do: 'server-crash' }],
    ending: () => later([50, 8_000], [{ do: 'server-start' }]),
  },
  serverDisk: {
    weight: 2,
    draw: (random) => [{ do: 'server-disk', state: pick(random, ['failing', 'slow', 'slow']) }],
    ending: () => later([100, 5_000], [{ do: 'server-disk', state: 'working' }]),
  },
  documents: {
    weight: 10,
    draw: (random) => [
      { do: random() < 0.6 ? 'release' : 'open', tab: aTab(random), document: pick(random, documents) },
    ],
  },
};

/** Features in which unsynced writes are made again. */
const replaying: ReadonlySet<Feature> = new Set(['refusals', 'clocks', 'trims', 'restores']);

/** The run of a seed, with the features that it draws or with the given ones. */
export function planRun(seed: number, given?: readonly Feature[]): Run {
  const random = stream(seed, 'plan');
  const on = given ?? drawFeatures(seed);
  const choices: Choice[] = [];
  const end_ms = between(random, 15_000, 45_000);
  const edits = between(random, 80, 180);
  // All at once at the beginning, or one after the other.
  for (const device of devices) {
    for (const tab of tabsOf(device)) {
      const at_ms = random() < 0.6 ? 0 : between(random, 0, end_ms / 2);
      choices.push({ at_ms, do: 'start', tab });
    }
  }
  // Users work in bursts: on one document, or on several.
  for (let made = 0; made < edits; ) {
    const at_ms = between(random, 0, end_ms);
    const tab = aTab(random);
    const document = pick(random, documents);
    const burst = between(random, 1, 8);
    for (let index = 0; index < burst; index += 1, made += 1) {
      const moment_ms = at_ms + Math.floor(index * random() * 200);
      choices.push({ at_ms: moment_ms, do: 'edit', tab, document, kind: pick(random, kinds), dice: dice(random) });
    }
  }
  for (const [name, fault] of Object.entries(faults)) {
    const { feature, and = feature } = fault;
    if (feature !== undefined && !on.includes(feature)) continue;
    if (and !== undefined && !on.includes(and)) continue;
    // What a feature draws doesn't move what others get.
    const chance = feature === undefined ? random : stream(seed, 'fault', name);
    if (feature === undefined && random() < 0.45) continue;
    const count = Math.ceil(((fault.weight * edits) / 200) * chance() * 2);
    for (let index = 0; index < count; index += 1) {
      const at_ms = between(chance, 0, end_ms);
      const begun = fault.draw(chance);
      for (const action of begun) choices.push({ at_ms, ...action });
      const ending = fault.ending?.(chance, begun);
      if (ending === undefined) continue;
      const [least, most] = ending.after_ms;
      const then_ms = at_ms + between(chance, least, most);
      for (const action of ending.actions) choices.push({ at_ms: then_ms, ...action });
    }
  }
  // See features.ts.
  const isReplaying = on.some((feature) => replaying.has(feature));
  const isFit = (choice: Choice): boolean => !(isReplaying && !on.includes('clones') && choice.do === 'clone');
  return { seed, features: on, choices: inOrder(choices.filter(isFit)) };
}

function drawFeatures(seed: number): Feature[] {
  const all = Object.entries(features) as [Feature, boolean][];
  const drawn = all.flatMap(([feature, isOn]) => {
    const share = feature === 'leaders' ? leadersShare : featureShare;
    // Each by a stream of its own: what is switched on later doesn't move the others.
    return isOn && stream(seed, 'feature', feature)() < share ? [feature] : [];
  });
  // See features.ts.
  return drawn.includes('leaders') ? drawn : drawn.filter((feature) => !replaying.has(feature));
}

/** By time; of one moment in the order in which they were drawn. */
function inOrder(choices: readonly Choice[]): Choice[] {
  return choices
    .map((choice, index) => ({ choice, index }))
    .sort((a, b) => a.choice.at_ms - b.choice.at_ms || a.index - b.index)
    .map(({ choice }) => choice);
}

function later(after_ms: readonly [number, number], actions: readonly Action[]): Ending {
  return { after_ms, actions };
}

function restarts(begun: Action | undefined): Action[] {
  if (begun === undefined || !('device' in begun)) return [];
  return tabsOf(begun.device).map((tab) => ({ do: 'start', tab }));
}

function aWeather(random: Random, isHostile: boolean): Weather {
  const most = pick(random, [50, 500, 2_000]);
  const weather = { delay_ms: [1, most] as const, loss: pick(random, [0, 0.05, 0.1, 0.25]) };
  if (!isHostile) return weather;
  return { ...weather, hostile: { duplicate: pick(random, [0, 0.05, 0.2]), reorder: pick(random, [0, 0.05, 0.2]) } };
}
