// One pane: a device with its own client, its status, and the three things that it shares.

import { JoineryProvider, useSyncStatus } from 'joinery/react';
import { useEffect, useId, useState, useSyncExternalStore } from 'react';
import { Counter } from '../counter/counter.tsx';
import { SharedText } from '../text/shared-text.tsx';
import { TodoList } from '../todos/todo-list.tsx';
import { WriteTrail } from '../writes/write-trail.tsx';
import { DeviceIcon } from './device-icon.tsx';
import type { Pane } from './open-pane.ts';
import { PaneContext, usePane } from './pane-context.ts';
import { statusSentence, statusTone } from './status-sentence.ts';

export function PaneView({ pane }: { readonly pane: Pane }) {
  return (
    <JoineryProvider client={pane.client}>
      <PaneContext value={pane}>
        <PaneBody />
      </PaneContext>
    </JoineryProvider>
  );
}

function PaneBody() {
  const pane = usePane();
  const status = useSyncStatus();
  const heading = useId();
  return (
    <section
      className="pane"
      data-testid={`pane-${pane.key}`}
      data-pane={pane.key}
      data-tone={statusTone(status)}
      aria-labelledby={heading}
    >
      <header className="pane-head">
        <DeviceIcon device={pane.device} />
        <h2 id={heading}>{pane.title}</h2>
        <OfflineSwitch paused={status.connection.paused} onChange={pane.setOffline} />
      </header>
      <StatusLine />
      <Problem />
      <TodoList />
      <SharedText />
      <div className="part-pair">
        <Counter />
        <WriteTrail />
      </div>
    </section>
  );
}

function OfflineSwitch(props: { readonly paused: boolean; readonly onChange: (offline: boolean) => void }) {
  const { paused, onChange } = props;
  return (
    <button
      type="button"
      role="switch"
      aria-checked={paused}
      className="switch"
      data-testid="offline-switch"
      onClick={() => onChange(!paused)}
    >
      <span className="switch-label">Offline</span>
      <span className="switch-track" aria-hidden="true">
        <span className="switch-thumb" />
      </span>
    </button>
  );
}

function StatusLine() {
  const { connection, sync, storage } = useSyncStatus();
  const sentence = useSettled(statusSentence({ connection, sync, storage }));
  const storageName = storage.mode === 'indexeddb' ? 'IndexedDB' : storage.mode;
  return (
    <div className="status">
      <dl className="status-facts">
        <Fact name="Connection" value={connection.state} testId="connection-state" tone={connection.state} />
        <Fact name="Sync" value={sync.state} testId="sync-state" tone={sync.state} />
        <Fact name="Pending" value={String(sync.pending)} testId="pending-count" />
        <Fact
          name="Storage"
          value={storage.state === 'ready' ? storageName : `${storageName}, ${storage.state}`}
          testId="storage-mode"
        />
      </dl>
      <p className="status-sentence" role="status" aria-live="polite" data-testid="status-sentence">
        {sentence}
      </p>
    </div>
  );
}

function Fact(props: {
  readonly name: string;
  readonly value: string;
  readonly testId: string;
  readonly tone?: string;
}) {
  const { name, value, testId, tone } = props;
  return (
    <div className="fact">
      <dt>{name}</dt>
      <dd data-tone={tone}>
        {tone !== undefined && <span className="dot" aria-hidden="true" />}
        <span data-testid={testId}>{value}</span>
      </dd>
    </div>
  );
}

function Problem() {
  const { problem } = usePane();
  const message = useSyncExternalStore(problem.subscribe, problem.get);
  return (
    <div role="alert">
      {message !== undefined && (
        <p className="notice" data-testid="problem">
          <span>{message}</span>
          <button type="button" className="quiet-button" onClick={() => problem.set(undefined)}>
            Dismiss
          </button>
        </p>
      )}
    </div>
  );
}

/** Long enough that typing, which is pending for a moment with each letter, doesn't make a screen reader talk on. */
const SETTLE_MS = 500;

/** The value once it has stayed the same for a while. */
function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
