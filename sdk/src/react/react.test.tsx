// @vitest-environment happy-dom
// The React hooks, mounted for real in StrictMode: what they show, when they render, and what they open and close.

import { readFile } from 'node:fs/promises';
import { act, Component, type ReactNode, StrictMode, useEffect } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { afterEach, beforeAll, describe, expect, expectTypeOf, test } from 'vitest';
import * as z from 'zod';
import type { Client } from '../client.ts';
import { init } from '../core/index.ts';
import { World } from '../testing/world.ts';
import {
  JoineryProvider,
  useJoineryClient,
  usePresence,
  useSyncCounter,
  useSyncDocument,
  useSyncStatus,
  useSyncText,
  useUndo,
} from './index.ts';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

// A page's environment has no files: the core is read for it here, from the root of the repository.
beforeAll(async () => {
  await init(new Uint8Array(await readFile('sdk/src/core/pkg/joinery_core_bg.wasm')));
});

const roots: Root[] = [];

afterEach(async () => {
  for (const root of roots.splice(0)) await act(async () => root.unmount());
});

/** Mounts in StrictMode under a provider; `render` shows something else, or nothing. */
async function mount(client: Client, element: ReactNode) {
  const container = document.createElement('div');
  const root = createRoot(container);
  roots.push(root);
  const render = (next: ReactNode) =>
    act(async () =>
      root.render(
        <StrictMode>
          <JoineryProvider client={client}>{next}</JoineryProvider>
        </StrictMode>,
      ),
    );
  await render(element);
  return { container, render };
}

interface Notes {
  title?: string;
  items?: string[];
}

describe('the React hooks', () => {
  test('undo what is written while they are mounted, each its part', async () => {
    const world = await World.create();
    const client = world.client();
    let renders = 0;
    function Editor({ part }: { part: string }) {
      const { value, loaded, insert } = useSyncText('notes', part);
      const { canUndo, canRedo, undo, redo } = useUndo('notes', { scope: [part], groupMs: 0 });
      renders += 1;
      return (
        <p>
          <button type="button" disabled={!loaded} onClick={() => insert(0, 'x')} />
          <button type="button" disabled={!canUndo} onClick={undo} />
          <button type="button" disabled={!canRedo} onClick={redo} />
          {value}
        </p>
      );
    }
    const { container, render } = await mount(client, [<Editor key="a" part="a" />, <Editor key="b" part="b" />]);
    const button = (at: number) => container.querySelectorAll('button')[at] as HTMLButtonElement;
    const shown = () => Array.from(container.querySelectorAll('p'), ({ textContent }) => textContent);
    const click = (at: number) => act(async () => button(at).click());
    await act(() => world.time.until(() => !button(0).disabled));
    await click(0);
    await click(0);
    await click(3);
    expect([shown(), button(1).disabled, button(2).disabled]).toEqual([['xx', 'x'], false, true]);
    const before = renders;
    await act(() => world.untilSynced());
    expect(renders).toBe(before);
    await click(1);
    expect([shown(), button(2).disabled]).toEqual([['x', 'x'], false]);
    await click(2);
    await click(4);
    expect([shown(), button(4).disabled]).toEqual([['xx', ''], true]);
    await render(<Editor key="a" part="a" />);
    await click(1);
    expect(shown()).toEqual(['x']);
    await render(null);
    expect(() => client.undo('notes').close()).not.toThrow();
  });

  test('show what is stored, what is written here, and what comes from elsewhere', async () => {
    const world = await World.create();
    const client = world.client();
    let renders = 0;
    function Title() {
      const [notes, update] = useSyncDocument<Notes>('notes');
      renders += 1;
      return (
        <button type="button" onClick={() => update({ title: `${notes?.title ?? 'none'}!` })}>
          {notes === undefined ? 'loading' : (notes.title ?? 'empty')}
        </button>
      );
    }
    const { container } = await mount(client, <Title />);
    expect(container.textContent).toBe('loading');
    await act(() =>
      world.time.until(() => client.status.storage.state === 'ready' && container.textContent !== 'loading'),
    );
    expect(container.textContent).toBe('empty');
    await act(async () => container.querySelector('button')?.click());
    expect(container.textContent).toBe('none!');
    const before = renders;
    await act(() => world.untilSynced());
    // What a write has reached is no change of the document.
    expect(renders).toBe(before);
    const other = world.client().document<Notes>('notes');
    await act(() => world.time.settled(other.loaded));
    await act(() => world.time.until(() => other.value?.title === 'none!'));
    other.update({ title: 'theirs' });
    await act(() => world.time.until(() => container.textContent === 'theirs'));
  });

  test('a schema gives the type, refuses what does not fit, and shows where the value does not', async () => {
    const world = await World.create();
    const client = world.client();
    const schema = z.object({ title: z.string(), count: z.number().optional() });
    const refused: unknown[] = [];
    let renders = 0;
    function Title() {
      const [notes, update, issues] = useSyncDocument('notes', { schema });
      expectTypeOf(notes).toEqualTypeOf<{ title: string; count?: number | undefined } | undefined>();
      renders += 1;
      const write = (change: Parameters<typeof update>[0]): void => {
        try {
          update(change);
        } catch (error) {
          refused.push(error);
        }
      };
      return (
        <>
          <button type="button" onClick={() => write({ title: 'mine' })}>
            {JSON.stringify(notes ?? null)}
          </button>
          <button type="button" onClick={() => write({ count: 'many' } as never)}>
            {issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join()}
          </button>
        </>
      );
    }
    const { container } = await mount(client, <Title />);
    const [good, bad] = container.querySelectorAll('button') as unknown as [HTMLElement, HTMLElement];
    await act(() => world.time.until(() => good.textContent === '{}'));
    await act(async () => good.click());
    expect([good.textContent, bad.textContent]).toEqual(['{"title":"mine"}', '']);
    const before = renders;
    await act(async () => bad.click());
    expect(refused).toMatchObject([{ code: 'schema-violation', issues: [{ path: ['count'] }] }]);
    await act(() => world.untilSynced());
    expect(renders).toBe(before);
    const other = world.client().document<{ title?: unknown }>('notes');
    await act(() => world.time.until(() => other.value?.title === 'mine'));
    await act(async () => void other.update({ title: 5 }));
    await act(() => world.time.until(() => good.textContent === '{"title":5}'));
    expect(bad.textContent).toContain('title: ');
  });

  test('text and counter: values, loaded, and writes that stay the same functions', async () => {
    const world = await World.create();
    const client = world.client();
    const seen = new Set<unknown>();
    function Both() {
      const body = useSyncText('notes', 'body');
      const visits = useSyncCounter('notes', 'visits');
      for (const write of [body.insert, body.delete, body.replace, visits.increment, visits.decrement]) seen.add(write);
      return (
        <>
          <input
            value={body.value}
            disabled={!body.loaded}
            onInput={(event) => body.replace(event.currentTarget.value)}
          />
          <button type="button" onClick={() => visits.increment(2)}>
            {visits.value}
          </button>
        </>
      );
    }
    const { container } = await mount(client, <Both />);
    const input = container.querySelector('input') as HTMLInputElement;
    expect(input.disabled).toBe(true);
    await act(() => world.time.until(() => !input.disabled));
    await act(async () => {
      // As a browser does it: React's own setter would hide the change.
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(input, 'typed');
      input.dispatchEvent(new Event('input', { bubbles: true }));
      container.querySelector('button')?.click();
    });
    expect([input.value, container.textContent]).toEqual(['typed', '2']);
    await act(() => world.untilSynced());
    expect(world.server.value('notes')).toEqual({ body: 'typed', visits: 2 });
    // Two of each: StrictMode renders a first time for nothing.
    expect(seen.size).toBeLessThanOrEqual(10);
  });

  test('a document is open while somebody shows it, and closed with the last', async () => {
    const world = await World.create();
    const client = world.client();
    await act(() => world.time.until(() => client.status.connection.state === 'online'));
    function Title({ id }: { id: string }) {
      const [notes] = useSyncDocument<Notes>(id);
      return <p>{notes?.title ?? '-'}</p>;
    }
    const { container, render } = await mount(client, [<Title key="a" id="one" />, <Title key="b" id="one" />]);
    const writer = world.client().document<Notes>('one');
    await act(() => world.time.settled(writer.loaded));
    writer.update({ title: 'first' });
    await act(() => world.time.until(() => container.textContent === 'firstfirst'));
    await render(<Title key="a" id="one" />);
    writer.update({ title: 'second' });
    await act(() => world.time.until(() => container.textContent === 'second'));
    await render(<Title key="a" id="two" />);
    expect(container.textContent).toBe('-');
    await render(<p>nothing</p>);
    await act(() => world.time.advance(1_000));
    // It is not followed any more; and when it is shown again, it is up to date again.
    writer.update({ title: 'third' });
    await act(() => world.time.advance(1_000));
    await render(<Title key="a" id="one" />);
    await act(() => world.time.until(() => container.textContent === 'third'));
  });

  test('presence: what is set while mounted, who else is there, and who has left', async () => {
    const world = await World.create();
    const client = world.client();
    const other = world.client().presence<{ name: string }>('notes');
    const seen = new Set<unknown>();
    let renders = 0;
    function People({ name }: { name: string }) {
      const { self, peers, set, update } = usePresence<{ name: string; at?: number }>('notes');
      renders += 1;
      seen.add(set).add(update);
      useEffect(() => set({ name }), [set, name]);
      return (
        <button type="button" onClick={() => update({ at: 1 })}>
          {[self?.name ?? '-', self?.at ?? '-', ...peers.map((peer) => peer.state.name)].join(' ')}
        </button>
      );
    }
    const { container, render } = await mount(client, <People name="Ada" />);
    await act(() => world.time.until(() => other.peers.length === 1));
    await act(async () => other.set({ name: 'Bob' }));
    await act(() => world.time.until(() => container.textContent === 'Ada - Bob'));
    await act(async () => container.querySelector('button')?.click());
    expect(container.textContent).toBe('Ada 1 Bob');
    const before = renders;
    await act(() => world.time.advance(60_000));
    expect(renders).toBe(before);
    // Of another component it is the same.
    await render([<People key="a" name="Ada" />, <People key="b" name="Eve" />]);
    expect(container.textContent).toBe('Eve - BobEve - Bob');
    await act(() => world.time.until(() => other.peers[0]?.state.name === 'Eve'));
    await render(<p>nothing</p>);
    await act(() => world.time.until(() => other.peers.length === 0, 100));
    // Two of each for the two components and StrictMode's renderings for nothing.
    expect(seen.size).toBeLessThanOrEqual(8);
  });

  test('the status is shown, and changes by itself', async () => {
    const world = await World.create();
    const client = world.client(undefined, { connect: false });
    function Status() {
      const { connection, sync, storage } = useSyncStatus();
      return <p>{[connection.state, sync.state, storage.state].join(' ')}</p>;
    }
    const { container } = await mount(client, <Status />);
    expect(container.textContent).toBe('offline pending opening');
    const counter = client.counter('visits');
    await act(() => world.time.settled(counter.loaded));
    await act(async () => void counter.increment());
    expect(container.textContent).toBe('offline pending ready');
    await act(async () => client.connect());
    await act(() => world.time.until(() => container.textContent === 'online idle ready'));
  });

  test('writes in effects work before a component has subscribed', async () => {
    const world = await World.create();
    const client = world.client();
    class Early extends Component<{ update: (change: Notes) => unknown }> {
      override componentDidMount(): void {
        this.props.update({ title: 'from the start' });
      }
      override render(): ReactNode {
        return null;
      }
    }
    function Parent() {
      const [notes, update] = useSyncDocument<Notes>('notes');
      return (
        <>
          <Early update={update} />
          {notes?.title}
        </>
      );
    }
    const { container } = await mount(client, <Parent />);
    await act(() => world.time.until(() => container.textContent === 'from the start'));
  });

  test('on a server everything is empty, and nothing is opened', async () => {
    const world = await World.create();
    const client = world.client(undefined, { connect: false });
    function All() {
      const [notes] = useSyncDocument<Notes>('notes');
      const { value, loaded } = useSyncText('notes');
      const counter = useSyncCounter('notes');
      const { sync } = useSyncStatus();
      const { self, peers } = usePresence('notes');
      return <p>{JSON.stringify([notes ?? null, value, loaded, counter.value, sync.state, self ?? null, peers])}</p>;
    }
    const html = renderToString(
      <JoineryProvider client={client}>
        <All />
      </JoineryProvider>,
    );
    expect(html).toContain('[null,&quot;&quot;,false,0,&quot;pending&quot;,null,[]]');
    await world.time.settled(client.close());
  });

  test('without a provider the hooks say what is missing', () => {
    function Lost() {
      useJoineryClient();
      return null;
    }
    expect(() => renderToString(<Lost />)).toThrow('JoineryProvider');
  });
});
