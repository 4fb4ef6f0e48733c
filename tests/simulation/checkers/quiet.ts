// Checkers of the whole: it comes to rest when faults end, and stays within its bounds meanwhile.

import { maxFrameBytes } from '@joinery/protocol';
import type { MakeChecker } from './checker.ts';

/** Once everything works again, all is synced, everyone is online, and all hold the same. */
export const quietAfterHealing: MakeChecker = () => {
  let healed = false;
  let settled = 0;
  const finals = new Map<string, Map<string, string>>();
  return {
    look({ record }) {
      if (record.type === 'healed') healed = true;
      else if (record.type === 'settled') {
        settled += 1;
        const { tab, connection, sync, pending, storage, errors } = record;
        if (connection !== 'online' || sync !== 'idle' || pending > 0 || storage !== 'ready') {
          return `${tab} is ${connection}, ${sync} with ${pending} pending, storage ${storage} (${errors.join(', ')}), long after all was healed`;
        }
      } else if (record.type === 'final') {
        const document = finals.get(record.document) ?? new Map<string, string>();
        finals.set(record.document, document.set(record.where, JSON.stringify(record.content)));
      }
      return undefined;
    },
    end() {
      if (!healed || settled === 0) return 'the run never came to its end';
      for (const [document, places] of finals) {
        if (new Set(places.values()).size <= 1) continue;
        const all = Array.from(places, ([where, content]) => `${where}: ${content}`).join('; ');
        return `${document} is not the same everywhere: ${all}`;
      }
      return undefined;
    },
  };
};

/** What a replica holds back for its causes, see `Replica.pendingCount`. */
const waitingMost = 4_096;
/** Attempts to connect of one tab in a minute: those at once after good links break, and those with a back-off. */
const attemptsMost = 120;
const minute_ms = 60_000;
/** Frames of one tab in a second, both ways, with a dozen documents at most: more is a storm. */
const framesMost = 1_500;

/** No frame, queue or retry goes beyond its bound, and no code gives up with an error that nobody foresaw. */
export const boundsHold: MakeChecker = () => {
  const attempts = new Map<string, number[]>();
  const frames = new Map<string, { second: number; count: number }>();
  return {
    look({ record, at_ms }) {
      if (record.type === 'fault') return `${record.where}: ${record.message}`;
      if (record.type === 'state' && record.waiting > waitingMost) {
        return `replica ${record.replica} holds back ${record.waiting} updates`;
      }
      if (record.type === 'frame') {
        if (record.bytes > maxFrameBytes) return `${record.tab} has a frame of ${record.bytes} bytes`;
        const second = Math.floor(at_ms / 1_000);
        const seen = frames.get(record.tab);
        const count = seen?.second === second ? seen.count + 1 : 1;
        frames.set(record.tab, { second, count });
        if (count > framesMost) return `${record.tab} has more than ${framesMost} frames in a second`;
      }
      if (record.type === 'connecting') {
        const recent = (attempts.get(record.tab) ?? []).filter((at) => at_ms - at < minute_ms);
        recent.push(at_ms);
        attempts.set(record.tab, recent);
        if (recent.length > attemptsMost) return `${record.tab} has connected ${recent.length} times in a minute`;
      }
      return undefined;
    },
  };
};
