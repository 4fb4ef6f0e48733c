// The shared text of a pane: a textarea that React mounts and text-binding.ts fills.

import type { Receipt, TextDocument } from 'joinery';
import { useEffect, useId, useRef, useState, useSyncExternalStore } from 'react';
import type { Pane } from '../panes/open-pane.ts';
import { usePane } from '../panes/pane-context.ts';
import { insertInPieces } from '../trace/replay.ts';
import type { WriteDescription } from '../writes/write-log.ts';
import type { Edit } from './edit.ts';
import { bindText, type TextBinding } from './text-binding.ts';

/** How often a text is shown while a trace is typed into it. */
const REPLAY_PACE_MS = 200;

export function SharedText() {
  const pane = usePane();
  const replaying = useSyncExternalStore(pane.replaying.subscribe, pane.replaying.get);
  const [length, setLength] = useState<number | undefined>(undefined);
  const field = useRef<HTMLTextAreaElement>(null);
  const binding = useRef<TextBinding | undefined>(undefined);
  const heading = useId();

  useEffect(() => {
    const document = pane.client.text(pane.documents.text);
    let ended = false;
    document.loaded.then(
      () => {
        if (ended || field.current === null) return;
        setLength(document.length);
        binding.current = bindText(field.current, sourceOf(document, pane), { onShown: setLength });
      },
      (error: unknown) => {
        if (!ended) pane.problem.set(error instanceof Error ? error.message : String(error));
      },
    );
    return () => {
      ended = true;
      binding.current?.stop();
      binding.current = undefined;
      document.close();
    };
  }, [pane]);

  useEffect(() => {
    binding.current?.setPace(replaying ? REPLAY_PACE_MS : 0);
    if (!replaying) binding.current?.refresh();
  }, [replaying]);

  return (
    <section className="part text" aria-labelledby={heading}>
      <header className="part-head">
        <h3 id={heading}>Shared text</h3>
        {length !== undefined && length > 0 && (
          <p className="part-note" data-testid="text-length">
            {length.toLocaleString('en')} {length === 1 ? 'character' : 'characters'}
          </p>
        )}
      </header>
      <textarea
        ref={field}
        className="field text-field"
        data-testid="shared-text"
        aria-labelledby={heading}
        placeholder="Write here, and there, at the same time."
        autoComplete="off"
        spellCheck={false}
        rows={8}
        disabled={length === undefined}
        readOnly={replaying}
      />
    </section>
  );
}

function sourceOf(document: TextDocument, pane: Pane) {
  return {
    get value() {
      return document.value;
    },
    apply: (edit: Edit) => {
      pane.write(describe(edit), () => write(document, edit));
    },
    subscribe: (listener: () => void) => document.subscribe(listener),
  };
}

function write(document: TextDocument, { index, deleted, inserted }: Edit): Receipt | undefined {
  const deletion = deleted > 0 ? document.delete(index, deleted) : undefined;
  return insertInPieces(document, index, inserted) ?? deletion;
}

function describe({ deleted, inserted }: Edit): WriteDescription {
  if (inserted === '') return { kind: 'text-deleted', amount: deleted, say: (sum) => `Deleted ${characters(sum)}` };
  if (deleted === 0) return { kind: 'text-typed', amount: inserted.length, say: (sum) => `Typed ${characters(sum)}` };
  return { kind: 'text-replaced', amount: inserted.length, say: (sum) => `Replaced by ${characters(sum)}` };
}

function characters(count: number): string {
  return `${count.toLocaleString('en')} ${count === 1 ? 'character' : 'characters'}`;
}
