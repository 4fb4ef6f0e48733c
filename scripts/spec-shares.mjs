// What `npm run spec` checks: each spec of docs/spec at the sizes that are explored whole, and each planted error with the
// property that has to find it. It runs nothing (spec.mjs does).

/** More states than this have to be explored in all: the project that this one grew from had so many. */
export const floor = 118_711;

/**
 * @typedef {object} Share
 * @property {string} spec a module of docs/spec, with its .cfg of the same name
 * @property {Record<string, string>} constants in place of those in the .cfg
 * @property {string} [bug] the planted error: the constant `Bug`
 * @property {string} [finds] the invariant that finds it, or `deadlock` where something waits for ever
 */

/** @type {readonly Share[]} The longest first, so that two processors end together. */
export const shares = [
  { spec: 'Leader', constants: {} },
  { spec: 'Refusal', constants: {} },
  { spec: 'Merge', constants: {} },
  { spec: 'Merge', constants: { Replicas: '{1, 2}', MaxSkew: '2', MaxStates: '2' } },
  { spec: 'Refusal', constants: { Forbidden: '{2}' } },
  { spec: 'Session', constants: {} },
  { spec: 'Refusal', constants: { Tabs: '{1}', MaxWrites: '3' } },
  { spec: 'Session', constants: { MaxWrites: '3', MaxRestores: '0' } },
  { spec: 'Merge', constants: { MaxOps: '2', MaxStates: '1' } },
];

const two = { Replicas: '{1, 2}', MaxStates: '1' };
const oneTab = { Tabs: '{1}', MaxCrashes: '0' };
/** The first write has landed when the second one is refused. */
const landed = { ...oneTab, Forbidden: '{2}' };
const twoTabs = { MaxCrashes: '0' };

/** @type {readonly Share[]} */
export const planted = [
  { spec: 'Merge', bug: 'tie', constants: two, finds: 'HighestWriteWins' },
  { spec: 'Merge', bug: 'union', constants: two, finds: 'SameVersionSameState' },
  { spec: 'Merge', bug: 'twice', constants: two, finds: 'SameVersionSameState' },
  { spec: 'Merge', bug: 'early', constants: {}, finds: 'CauseBeforeEffect' },

  { spec: 'Session', bug: 'early-durable', constants: {}, finds: 'ReceiptsNeverEarly' },
  { spec: 'Session', bug: 'early-ack', constants: {}, finds: 'ReceiptsNeverEarly' },
  { spec: 'Session', bug: 'early-news', constants: {}, finds: 'SameVersionSameState' },
  { spec: 'Session', bug: 'twice', constants: {}, finds: 'EffectExactlyOnce' },
  { spec: 'Session', bug: 'gap', constants: {}, finds: 'EffectExactlyOnce' },
  { spec: 'Session', bug: 'unacked', constants: {}, finds: 'NothingPromisedLost' },
  { spec: 'Session', bug: 'unsafe', constants: {}, finds: 'NothingPromisedLost' },
  { spec: 'Session', bug: 'stale-ack', constants: {}, finds: 'deadlock' },
  { spec: 'Session', bug: 'overtaking', constants: {}, finds: 'NothingPromisedLost' },
  { spec: 'Session', bug: 'agent', constants: {}, finds: 'ReceiptsNeverEarly' },

  { spec: 'Refusal', bug: 'open', constants: twoTabs, finds: 'EffectExactlyOnce' },
  { spec: 'Refusal', bug: 'last-ack', constants: landed, finds: 'EffectExactlyOnce' },
  { spec: 'Refusal', bug: 'no-cas', constants: twoTabs, finds: 'EffectExactlyOnce' },
  { spec: 'Refusal', bug: 'no-agent-check', constants: twoTabs, finds: 'EffectExactlyOnce' },
  { spec: 'Refusal', bug: 'read-outside', constants: oneTab, finds: 'NothingPromisedLost' },
  { spec: 'Refusal', bug: 'stale-append', constants: oneTab, finds: 'CauseBeforeEffect' },
  { spec: 'Refusal', bug: 'keystrokes', constants: oneTab, finds: 'NothingTypedLost' },
  { spec: 'Refusal', bug: 'silent', constants: oneTab, finds: 'NothingPromisedLost' },
  { spec: 'Refusal', bug: 'inside', constants: oneTab, finds: 'deadlock' },

  { spec: 'Leader', bug: 'split-term', constants: { MaxWrites: '0' }, finds: 'OneLeaderATerm' },
  { spec: 'Leader', bug: 'keep-lock', constants: { MaxWrites: '0' }, finds: 'deadlock' },
  { spec: 'Leader', bug: 'twice', constants: {}, finds: 'EffectExactlyOnce' },
  { spec: 'Leader', bug: 'unsynced', constants: { Tabs: '{1, 2}' }, finds: 'NothingPromisedLost' },
  {
    spec: 'Leader',
    bug: 'blind',
    constants: { Tabs: '{1, 2}', MaxWrites: '2', MaxFreezes: '0', MaxDeaths: '0' },
    finds: 'NothingPromisedLost',
  },
];
