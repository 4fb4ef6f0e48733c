// What a run is made of: a list of choices, each a thing that somebody or something does at a moment. A seed draws such a
// list (plan.ts); a failing run is shrunk by taking choices out (shrink.ts) and kept as JSON (regressions/). Whatever a
// choice leaves open is drawn from the run's seed and the names involved, never from the other choices.

import type { Feature } from './features.ts';

/** A tab's name is its device's with a number: `a1`. */
export type TabName = string;
export type DeviceName = string;

/** What links of a device do to frames from now on. */
export interface Weather {
  /** A frame takes a time between the two, in milliseconds. */
  readonly delay_ms: readonly [least: number, most: number];
  /** The chance that a frame is lost: sent again by the network, which takes its time, or its link breaks. */
  readonly loss: number;
  /**
   * Worse than a real transport, which delivers in order or closes: lost frames are simply gone, and with these chances
   * one comes twice or overtakes others.
   */
  readonly hostile?: { readonly duplicate: number; readonly reorder: number };
}

export type EditKind =
  | ('insert' | 'erase' | 'count' | 'set' | 'unset' | 'add' | 'change' | 'move' | 'remove' | 'mix')
  | MarkKind
  | TreeKind
  | GraphKind;
export type MarkKind = 'mark' | 'unmark';
export type TreeKind = 'plant' | 'hang' | 'shift' | 'fell' | 'tag';
export type GraphKind = 'vertex' | 'edge' | 'cut' | 'pin';

export type Action =
  // The user.
  | {
      readonly do: 'edit';
      readonly tab: TabName;
      readonly document: string;
      readonly kind: EditKind;
      readonly dice: number;
    }
  | { readonly do: 'open'; readonly tab: TabName; readonly document: string }
  | { readonly do: 'release'; readonly tab: TabName; readonly document: string }
  /** Deletes the document, for ever and for everybody. */
  | { readonly do: 'delete'; readonly tab: TabName; readonly document: string }
  /** Opens the space's list, or closes it. */
  | { readonly do: 'follow' | 'unfollow'; readonly tab: TabName }
  /** Goes through the list, page by page. */
  | { readonly do: 'list'; readonly tab: TabName }
  | { readonly do: 'connect' | 'disconnect'; readonly tab: TabName }
  /** Opens the tab where it isn't open. */
  | { readonly do: 'start'; readonly tab: TabName }
  /** Closes the client and waits for it. */
  | { readonly do: 'close'; readonly tab: TabName }
  // The tab's process: it dies after so many more effects (whatever leaves it: a frame, a write, a timer).
  | { readonly do: 'crash'; readonly tab: TabName; readonly effects: number }
  | { readonly do: 'freeze' | 'thaw'; readonly tab: TabName }
  // The device.
  | { readonly do: 'power-cut'; readonly device: DeviceName; readonly dice: number }
  | { readonly do: 'disk'; readonly device: DeviceName; readonly state: 'working' | 'full' | 'failing' | 'slow' }
  | { readonly do: 'flip-bit'; readonly device: DeviceName; readonly dice: number }
  /** The lock of its tabs goes to the next one in the queue, and whoever has it is not told. */
  | { readonly do: 'usurp'; readonly device: DeviceName }
  | { readonly do: 'clock'; readonly device: DeviceName; readonly offset_ms: number }
  /** Everything that is stored on one device is copied to another, whose own is lost. */
  | { readonly do: 'clone'; readonly device: DeviceName; readonly to: DeviceName }
  // The network.
  | { readonly do: 'weather'; readonly device: DeviceName; readonly weather: Weather }
  | { readonly do: 'partition'; readonly device: DeviceName; readonly up: boolean; readonly down: boolean }
  | { readonly do: 'cut' | 'half-open' | 'clog'; readonly device: DeviceName }
  | { readonly do: 'network'; readonly device: DeviceName; readonly online: boolean }
  // The server.
  | { readonly do: 'server-crash' | 'server-start'; readonly node?: number }
  | { readonly do: 'right'; readonly document: string; readonly write: boolean }
  | { readonly do: 'trim'; readonly document: string }
  | { readonly do: 'backup' | 'restore' }
  | { readonly do: 'server-disk'; readonly state: 'working' | 'failing' | 'slow' };

export type Choice = { readonly at_ms: number } & Action;

/** Everything that decides a run. */
export interface Run {
  readonly seed: number;
  /** What the world has in this run, see features.ts; nothing where it is left out. */
  readonly features?: readonly Feature[];
  /** In the order of time. */
  readonly choices: readonly Choice[];
}

export const documents = ['notes', 'plans', 'home/list'] as const;
/** With the feature `spaces`: it has one of the documents above as well. */
export const space = 'home';
export const listed = ['home/1', 'home/2', 'home/3', 'home/4'] as const;
/** All documents of a run. */
export const documentsOf = (features: readonly Feature[] = []): readonly string[] =>
  features.includes('spaces') ? [...documents, ...listed] : documents;
export const devices = ['a', 'b', 'c'] as const;
/** Has nothing until a profile is cloned to it. */
export const spareDevice = 'd';
export const tabsOf = (device: DeviceName): readonly TabName[] => [`${device}1`, `${device}2`];
export const deviceOf = (tab: TabName): DeviceName => tab.slice(0, 1);
