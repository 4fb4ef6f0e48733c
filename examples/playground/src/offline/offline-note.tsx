// The page's foot: whether this page would load without the server, and the way to a newer version.

import { useSyncExternalStore } from 'react';
import { type OfflineState, offlineState, takeNewVersion } from './service-worker-registration.ts';

const SENTENCES: Record<OfflineState, string> = {
  unsupported: 'This page is not kept on this device; your data is.',
  installing: 'Keeping this page on this device …',
  ready: 'This page loads without a network, and can be installed.',
  outdated: 'A newer version of this page is ready.',
  failed: 'This page could not be kept on this device. Reload to try again.',
};

export function OfflineNote() {
  const state = useSyncExternalStore(offlineState.subscribe, offlineState.get);
  return (
    <footer className="page-foot">
      <p role="status" data-testid="offline-ready" data-state={state}>
        <span className="dot" aria-hidden="true" data-tone={state === 'ready' ? 'calm' : 'waiting'} />
        {SENTENCES[state]}
        {state === 'outdated' && (
          <button type="button" className="quiet-button" onClick={takeNewVersion}>
            Reload with it
          </button>
        )}
      </p>
      <p>What you write is kept in this browser, apart for each device shown, and on the server that sent this page.</p>
    </footer>
  );
}
