// The page: what to try, the panes with the joint between them, and below them the trace replay.

import { Fragment, useState } from 'react';
import { Header } from './header.tsx';
import { OfflineNote } from './offline/offline-note.tsx';
import type { Pane } from './panes/open-pane.ts';
import { PaneSwitcher } from './panes/pane-switcher.tsx';
import { PaneView } from './panes/pane-view.tsx';
import { Seam } from './panes/seam.tsx';
import { TraceReplay } from './trace/trace-replay.tsx';

interface PlaygroundProps {
  readonly room: string;
  readonly panes: readonly Pane[];
  /** What in the address was not understood. */
  readonly problem: string | undefined;
}

export function Playground({ room, panes, problem }: PlaygroundProps) {
  const [shown, setShown] = useState<Pane['key']>('a');
  const [first, second] = panes;
  return (
    <div className="page" data-panes={panes.length}>
      <Header room={room} paneCount={panes.length} />
      <main>
        <Introduction count={panes.length} />
        {problem !== undefined && (
          <p className="notice" role="alert">
            {problem}
          </p>
        )}
        {panes.length > 1 && <PaneSwitcher panes={panes} shown={shown} onShow={setShown} />}
        <div className="panes" data-shown={shown}>
          {panes.map((pane) => (
            <Fragment key={pane.key}>
              <PaneView pane={pane} />
              {pane === first && second !== undefined && <Seam left={first} right={second} />}
            </Fragment>
          ))}
        </div>
        <TraceReplay panes={panes} />
      </main>
      <OfflineNote />
    </div>
  );
}

function Introduction({ count }: { readonly count: number }) {
  return (
    <div className="introduction">
      <h1>Go offline, edit both, come back.</h1>
      {count > 1 ? (
        <p>
          Two devices, each with a client and a storage of its own; they meet only at the server. Switch one or both
          offline, change anything on either side, even reload. Then switch back and see the two fit together.
        </p>
      ) : (
        <p>
          One device with a client and a storage of its own. Open this room in another browser, switch either offline,
          change anything on both, even reload. Then switch back and see the two fit together.
        </p>
      )}
    </div>
  );
}
