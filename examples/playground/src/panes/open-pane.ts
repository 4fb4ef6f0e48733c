// One pane's model: a client of its own and what the pane keeps beside it. It lives as long as the page, outside React,
// so that no remount ever opens a client twice.

import { type Client, type ClientEvent, createClient, JoineryError, type Receipt } from 'joinery';
import { Observable } from '../observable.ts';
import { type WriteDescription, WriteLog } from '../writes/write-log.ts';
import type { PaneDescription } from './location.ts';

export interface Pane extends PaneDescription {
  readonly client: Client;
  readonly room: string;
  /** One document for each thing that is shared, so that a long text costs the list nothing. */
  readonly documents: { readonly todos: string; readonly text: string; readonly counter: string };
  readonly writes: WriteLog;
  /** What went wrong last and the user has not dismissed. */
  readonly problem: Observable<string | undefined>;
  /** True while a trace is typed into the pane's text; nobody else may type there meanwhile. */
  readonly replaying: Observable<boolean>;
  /** Makes a write and logs it. A write that is refused at once becomes the pane's problem; returns undefined then. */
  write(description: WriteDescription, write: () => Receipt | undefined): Receipt | undefined;
  /** The offline switch. It survives a reload of this tab. */
  setOffline(offline: boolean): void;
}

/** Opens the client. Its data is read and its connection made behind the returned pane. */
export function openPane(description: PaneDescription, room: string, url: string): Pane {
  const switchKey = `joinery-playground/offline/${description.clientName}`;
  const offline = sessionStorage.getItem(switchKey) === 'true';
  const client = createClient({ url, name: description.clientName, connect: !offline });
  const problem = new Observable<string | undefined>(undefined);
  const writes = new WriteLog();
  client.subscribeEvents((event) => problem.set(describe(event)));
  return {
    ...description,
    client,
    room,
    documents: { todos: `${room}-todos`, text: `${room}-text`, counter: `${room}-counter` },
    writes,
    problem,
    replaying: new Observable(false),
    write(what, write) {
      try {
        const receipt = write();
        if (receipt !== undefined) writes.record(receipt, what);
        return receipt;
      } catch (error) {
        if (!(error instanceof JoineryError)) throw error;
        problem.set(error.message);
        return undefined;
      }
    },
    setOffline(next) {
      sessionStorage.setItem(switchKey, String(next));
      if (next) client.disconnect();
      else client.connect();
    },
  };
}

function describe(event: ClientEvent): string {
  switch (event.type) {
    case 'record-damaged':
      return `A stored record of “${event.document}” was damaged and set aside; the rest was read. ${event.error.message}`;
    case 'conflict':
      return `Somebody else’s change of ${event.path.join(' › ')} in “${event.document}” came in place of yours.`;
    case 'undo-dropped':
      return `The undo steps of “${event.document}” can’t be gone on with; its text is as it was. ${event.error.message}`;
    case 'document-deleted':
      return `“${event.document}” was deleted, for everybody.`;
    case 'user-changed':
      return event.error.message;
    case 'storage-low':
      return 'This device has little room left for this site. Free some; what can’t be stored is kept in memory.';
    case 'storage-evicted':
      return `${event.error.message} Lost for good: ${event.unsynced}.`;
    case 'storage-outdated':
      return `A newer version of this page has taken its storage over: reload it. ${event.error.message}`;
    case 'foreign-tab':
      return event.isNewer
        ? 'Another tab has a newer version of this page: reload this one.'
        : 'Another tab has an older version of this page: reload that one.';
    case 'engine-restarted':
      return `The sync engine was restarted; everything stored is still there. ${event.error.message}`;
  }
}
