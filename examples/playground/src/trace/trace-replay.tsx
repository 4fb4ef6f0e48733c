// The part of the page that replays an editing trace: choosing the file and the pane, progress, result.

import type { Receipt } from 'joinery';
import { type ChangeEvent, type DragEvent, useEffect, useId, useRef, useState, useSyncExternalStore } from 'react';
import type { Pane } from '../panes/open-pane.ts';
import { duration, Trail } from '../writes/write-trail.tsx';
import type { ReplayOutcome, ReplayProgress } from './replay.ts';
import { runTrace, type TraceState } from './trace-run.ts';

export function TraceReplay({ panes }: { readonly panes: readonly Pane[] }) {
  const [state, setState] = useState<TraceState>({ phase: 'idle' });
  const [target, setTarget] = useState<Pane['key']>('a');
  const [dragging, setDragging] = useState(false);
  const running = useRef<AbortController | undefined>(undefined);
  const input = useRef<HTMLInputElement>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const heading = useId();
  const hint = useId();
  const busy = state.phase === 'reading' || state.phase === 'replaying';
  const pane = panes.find((candidate) => candidate.key === target) ?? panes[0];

  useEffect(() => () => running.current?.abort(), []);

  // The button that had the focus gives way to the other one; the focus goes along.
  useEffect(() => {
    if (running.current === undefined || document.activeElement !== document.body) return;
    (busy ? cancel : input).current?.focus();
  }, [busy]);

  const run = (file: File | undefined): void => {
    if (file === undefined || pane === undefined || busy) return;
    const controller = new AbortController();
    running.current = controller;
    void runTrace(pane, file, controller.signal, setState);
  };
  const onChange = (event: ChangeEvent<HTMLInputElement>): void => {
    run(event.target.files?.[0]);
    // So that the same file can be chosen again.
    event.target.value = '';
  };
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    setDragging(false);
    run(event.dataTransfer.files[0]);
  };
  const onDragOver = (event: DragEvent): void => {
    event.preventDefault();
    setDragging(true);
  };

  return (
    <section
      className="trace"
      aria-labelledby={heading}
      aria-busy={busy}
      data-dragging={dragging}
      onDragOver={onDragOver}
      onDragLeave={() => setDragging(false)}
      onDrop={onDrop}
    >
      <div className="trace-about">
        <h2 id={heading}>Replay a real editing session</h2>
        <p id={hint}>
          Choose an editing trace (<code>.json</code> or <code>.json.gz</code>, one author). Every recorded keystroke is
          typed into the shared text, as an edit of its own, and replaces what is there.
        </p>
      </div>
      <div className="trace-controls">
        {panes.length > 1 && <TargetChoice panes={panes} target={target} disabled={busy} onChoose={setTarget} />}
        {busy ? (
          <button
            type="button"
            className="button"
            data-testid="trace-cancel"
            ref={cancel}
            onClick={() => running.current?.abort()}
          >
            Cancel
          </button>
        ) : (
          <label className="button file-button">
            Choose a trace …
            <input
              ref={input}
              type="file"
              className="visually-hidden"
              data-testid="trace-file"
              accept=".json,.gz,application/json,application/gzip"
              aria-describedby={hint}
              onChange={onChange}
            />
          </label>
        )}
      </div>
      <TraceOutput state={state} />
    </section>
  );
}

interface TargetChoiceProps {
  readonly panes: readonly Pane[];
  readonly target: Pane['key'];
  readonly disabled: boolean;
  readonly onChoose: (key: Pane['key']) => void;
}

function TargetChoice({ panes, target, disabled, onChoose }: TargetChoiceProps) {
  return (
    <fieldset className="choice" disabled={disabled}>
      <legend className="visually-hidden">Type it on</legend>
      {panes.map((pane) => (
        <label key={pane.key} className="choice-option" data-pane={pane.key}>
          <input
            type="radio"
            name="trace-target"
            className="visually-hidden"
            data-testid={`trace-target-${pane.key}`}
            checked={pane.key === target}
            onChange={() => onChoose(pane.key)}
          />
          {pane.title}
        </label>
      ))}
    </fieldset>
  );
}

function TraceOutput({ state }: { readonly state: TraceState }) {
  return (
    <div className="trace-output">
      {state.phase === 'reading' && <p>Reading {state.name} …</p>}
      {state.phase === 'replaying' && <ReplayMeter {...state} />}
      <div role="status" aria-live="polite">
        {state.phase === 'failed' && (
          <p className="notice" data-testid="trace-result" data-outcome="failed">
            {state.message}
          </p>
        )}
        {state.phase === 'done' && (
          <div className="trace-done" data-testid="trace-result" data-outcome={state.outcome}>
            <p className="trace-verdict">
              <VerdictIcon good={state.outcome === 'equal'} />
              {verdict(state.outcome, state.progress)}
            </p>
            <p className="trace-figures">
              {count(state.progress.edits)} edits of {state.name} in {duration(state.progress.elapsed_ms)}:{' '}
              <b>{count(speed(state.progress))} edits/s</b>
            </p>
            {state.receipt !== undefined && <LastReceipt receipt={state.receipt} />}
          </div>
        )}
      </div>
    </div>
  );
}

function ReplayMeter({ name, progress }: { readonly name: string; readonly progress: ReplayProgress }) {
  const { edits, total } = progress;
  return (
    <div className="trace-meter">
      <progress data-testid="trace-progress" aria-label={`Replaying ${name}`} max={total} value={edits} />
      <p className="trace-figures">
        {count(edits)} of {count(total)} edits
        {edits > 0 && (
          <>
            {' · '}
            <b data-testid="trace-speed">{count(speed(progress))} edits/s</b>
          </>
        )}
      </p>
    </div>
  );
}

function LastReceipt({ receipt }: { readonly receipt: Receipt }) {
  const state = useSyncExternalStore(
    (listener) => receipt.subscribe(listener),
    () => receipt.state,
  );
  return (
    <p className="trace-receipt" data-testid="trace-receipt" data-state={state}>
      <Trail state={state} /> the last edit is {state}
    </p>
  );
}

function VerdictIcon({ good }: { readonly good: boolean }) {
  return (
    <svg className="verdict-icon" data-good={good} viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <circle cx="10" cy="10" r="9" />
      <path d={good ? 'M6 10.5l2.8 2.8L14.2 7.4' : 'M10 5.5v5.5M10 14.2v.2'} />
    </svg>
  );
}

function verdict(outcome: ReplayOutcome, { edits, total }: ReplayProgress): string {
  if (outcome === 'equal') return 'The text equals the trace’s end, character for character.';
  if (outcome === 'different') return 'The text differs from the trace’s end. That should never happen.';
  const done = `${count(edits)} of ${count(total)} edits`;
  if (outcome === 'cancelled') return `Cancelled after ${done}. The text stays as far as it got.`;
  return `Stopped after ${done}: somebody else edited the text, so the trace no longer fits it.`;
}

function speed({ edits, elapsed_ms }: ReplayProgress): number {
  return elapsed_ms <= 0 ? 0 : Math.round((edits * 1000) / elapsed_ms);
}

function count(value: number): string {
  return value.toLocaleString('en');
}
