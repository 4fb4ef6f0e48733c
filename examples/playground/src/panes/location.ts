// What the page's address asks for: which room, one pane or two, and the names of the clients. Pure.

/** What a pane is, before it has a client. */
export interface PaneDescription {
  /** `a` or `b`, for the tests' handles and the colours. */
  readonly key: 'a' | 'b';
  /** The client's name: what is stored on this device is kept apart by it. */
  readonly clientName: string;
  readonly title: string;
  readonly device: 'laptop' | 'phone';
}

export interface PageLocation {
  /** What all clients of a page share; the documents' ids begin with it. */
  readonly room: string;
  readonly panes: readonly PaneDescription[];
  /** What in the address was not understood, in a sentence for the user. */
  readonly problem?: string;
}

const ADA: PaneDescription = { key: 'a', clientName: 'ada', title: 'Ada’s laptop', device: 'laptop' };
const BEN: PaneDescription = { key: 'b', clientName: 'ben', title: 'Ben’s phone', device: 'phone' };
const DEFAULT_ROOM = 'workbench';
const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$/;

/** Reads `?pane=one`, `?client=NAME` and `?room=ID`. A name that can't be used is left out, and `problem` says so. */
export function readLocation(search: string): PageLocation {
  const parameters = new URLSearchParams(search);
  const rejected: string[] = [];
  const name = (parameter: string): string | undefined => {
    const value = parameters.get(parameter);
    if (value === null || value === '') return undefined;
    if (NAME.test(value)) return value;
    rejected.push(parameter);
    return undefined;
  };
  const room = name('room') ?? DEFAULT_ROOM;
  const client = name('client');
  const panes = parameters.get('pane') === 'one' ? [onePane(client)] : [ADA, BEN];
  if (rejected.length === 0) return { room, panes };
  const what = rejected.join(' and the ');
  const problem = `The ${what} in the address can’t be used (letters, digits, - and _, at most 48); the default is shown.`;
  return { room, panes, problem };
}

/** The sync address of the server that served the page. */
export function syncUrl(page: { readonly protocol: string; readonly host: string }): string {
  return `${page.protocol === 'https:' ? 'wss:' : 'ws:'}//${page.host}/sync`;
}

/** The address of a page with one pane, for another window or another browser. */
export function onePaneHref(room: string, clientName: string): string {
  return `?${new URLSearchParams({ pane: 'one', client: clientName, room }).toString()}`;
}

/** The address of the page with two panes. */
export function twoPanesHref(room: string): string {
  return `?${new URLSearchParams({ room }).toString()}`;
}

function onePane(clientName: string | undefined): PaneDescription {
  const known = [ADA, BEN].find((pane) => pane.clientName === clientName);
  if (known !== undefined) return { ...known, key: 'a' };
  if (clientName === undefined) return { key: 'a', clientName: 'solo', title: 'This browser', device: 'laptop' };
  const owner = clientName.charAt(0).toUpperCase() + clientName.slice(1);
  return { key: 'a', clientName, title: `${owner}’s browser`, device: 'laptop' };
}
