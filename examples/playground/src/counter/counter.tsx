// The shared counter of a pane: every click counts, on whichever side.

import { useSyncCounter } from 'joinery/react';
import { useId } from 'react';
import { usePane } from '../panes/pane-context.ts';

const say = (sum: number): string => (sum < 0 ? `Counted −${-sum}` : `Counted +${sum}`);

export function Counter() {
  const pane = usePane();
  const { value, loaded, increment } = useSyncCounter(pane.documents.counter);
  const heading = useId();
  const add = (amount: 1 | -1): void => {
    pane.write({ kind: 'counter', amount, say }, () => increment(amount));
  };
  return (
    <section className="part counter" aria-labelledby={heading}>
      <header className="part-head">
        <h3 id={heading}>Counter</h3>
      </header>
      <div className="counter-row">
        <button
          type="button"
          className="round-button"
          data-testid="counter-minus"
          aria-label="One less"
          disabled={!loaded}
          onClick={() => add(-1)}
        >
          −
        </button>
        <output className="counter-value" data-testid="counter-value" aria-label="Counter">
          {value}
        </output>
        <button
          type="button"
          className="round-button"
          data-testid="counter-plus"
          aria-label="One more"
          disabled={!loaded}
          onClick={() => add(1)}
        >
          +
        </button>
      </div>
    </section>
  );
}
