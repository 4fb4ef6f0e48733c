// The playground's entry: opens the clients that the address asks for, and draws the page.

import type { Client } from 'joinery';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { registerServiceWorker } from './offline/service-worker-registration.ts';
import { readLocation, syncUrl } from './panes/location.ts';
import { openPane, type Pane } from './panes/open-pane.ts';
import { Playground } from './playground.tsx';
import './styles/tokens.css';
import './styles/page.css';
import './styles/controls.css';
import './styles/pane.css';
import './styles/parts.css';
import './styles/trace.css';
import { showTheme } from './theme.ts';

declare global {
  interface Window {
    /** A debugging aid, for the console and for tests: the clients of the panes on this page, by the pane's key. */
    joineryPlayground?: { readonly clients: Readonly<Partial<Record<Pane['key'], Client>>> };
  }
}

showTheme();
const { room, panes: descriptions, problem } = readLocation(location.search);
const panes = descriptions.map((description) => openPane(description, room, syncUrl(location)));
window.joineryPlayground = { clients: Object.fromEntries(panes.map((pane) => [pane.key, pane.client])) };

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no element with the id "root"');
createRoot(root).render(
  <StrictMode>
    <Playground room={room} panes={panes} problem={problem} />
  </StrictMode>,
);
registerServiceWorker();
