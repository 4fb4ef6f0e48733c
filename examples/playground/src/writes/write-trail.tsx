// The recent writes of a pane, each with the trail of what it has reached: local, durable, synced.

import type { ReceiptState } from 'joinery';
import { useId, useSyncExternalStore } from 'react';
import { usePane } from '../panes/pane-context.ts';
import type { WriteLine } from './write-log.ts';

const STATES = ['local', 'durable', 'synced'] as const;

export function WriteTrail() {
  const pane = usePane();
  const lines = useSyncExternalStore(pane.writes.lines.subscribe, pane.writes.lines.get);
  const heading = useId();
  return (
    <section className="part writes" aria-labelledby={heading}>
      <header className="part-head">
        <h3 id={heading}>Recent writes</h3>
      </header>
      {lines.length === 0 ? (
        <p className="empty">
          Each write leaves a receipt here: <b>local</b>, at once; <b>durable</b>, on this device; <b>synced</b>, in the
          server’s database.
        </p>
      ) : (
        <ol className="receipts">
          {lines.map((line) => (
            <ReceiptLine key={line.id} line={line} />
          ))}
        </ol>
      )}
    </section>
  );
}

function ReceiptLine({ line }: { readonly line: WriteLine }) {
  const { state, label, reason, reachedAfter_ms } = line;
  return (
    <li className="receipt" data-testid="receipt" data-state={state} title={reason}>
      <span className="receipt-label">{label}</span>
      <Trail state={state} />
      <span className="receipt-state">
        {state}
        {reachedAfter_ms !== undefined && state !== 'rejected' && (
          <span className="receipt-time"> {duration(reachedAfter_ms)}</span>
        )}
      </span>
    </li>
  );
}

/** Three dots on a line, filled as far as the write has come; the words beside it say the same. */
export function Trail({ state }: { readonly state: ReceiptState }) {
  const reached = state === 'rejected' ? 0 : STATES.indexOf(state);
  return (
    <span className="trail" data-state={state} aria-hidden="true">
      {STATES.map((step, index) => (
        <span key={step} className="trail-step" data-reached={index <= reached} />
      ))}
    </span>
  );
}

export function duration(time_ms: number): string {
  if (time_ms < 1) return '<1 ms';
  if (time_ms < 1000) return `${Math.round(time_ms)} ms`;
  if (time_ms < 60_000) return `${(time_ms / 1000).toFixed(1)} s`;
  return `${Math.round(time_ms / 60_000)} min`;
}
