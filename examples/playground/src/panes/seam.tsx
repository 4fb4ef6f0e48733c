// The joint between two panes: dovetails that fit while both clients are online and come apart when one is away.
// Decoration: the panes say the same in words.

import { useId, useSyncExternalStore } from 'react';
import type { Pane } from './open-pane.ts';

/** One tail and one pin, repeated down the seam; both boards are cut along the same line. */
const LEFT_BOARD = 'M0 0H22V18L42 12V52L22 46V64H0Z';
const RIGHT_BOARD = 'M64 0H22V18L42 12V52L22 46V64H64Z';
const CUT = 'M22 -4V18L42 12V52L22 46V68';
const LEFT_GRAIN = 'M5.5 0V64M12 0V20Q10 32 12 44V64';
const RIGHT_GRAIN = 'M58.5 0V64M52 0V24Q54 32 52 40V64';

export function Seam({ left, right }: { readonly left: Pane; readonly right: Pane }) {
  const id = useId();
  const leftOnline = useOnline(left);
  const rightOnline = useOnline(right);
  return (
    <svg
      className="seam"
      data-testid="seam"
      data-joined={leftOnline && rightOnline}
      width="64"
      height="100%"
      aria-hidden="true"
    >
      <defs>
        <pattern id={`${id}l`} width="64" height="64" patternUnits="userSpaceOnUse">
          <path className="seam-oak" d={LEFT_BOARD} />
          <path className="seam-grain" d={LEFT_GRAIN} />
          <path className="seam-cut" d={CUT} />
        </pattern>
        <pattern id={`${id}r`} width="64" height="64" patternUnits="userSpaceOnUse">
          <path className="seam-walnut" d={RIGHT_BOARD} />
          <path className="seam-grain" d={RIGHT_GRAIN} />
        </pattern>
      </defs>
      <rect className="seam-side seam-left" width="64" height="100%" fill={`url(#${id}l)`} />
      <rect className="seam-side seam-right" width="64" height="100%" fill={`url(#${id}r)`} />
    </svg>
  );
}

function useOnline({ client }: Pane): boolean {
  return useSyncExternalStore(
    (listener) => client.subscribeStatus(listener),
    () => client.status.connection.state === 'online',
  );
}
