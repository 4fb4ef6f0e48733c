// Hands a pane's model to the parts within it.

import { createContext, useContext } from 'react';
import type { Pane } from './open-pane.ts';

export const PaneContext = createContext<Pane | undefined>(undefined);

/** The pane around the component that calls it. */
export function usePane(): Pane {
  const pane = useContext(PaneContext);
  if (pane === undefined)
    throw new Error('usePane is for parts inside a pane; wrap them in <PaneContext value={pane}>');
  return pane;
}
