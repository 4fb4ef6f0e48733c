// Registers the service worker and tells whether the page would load offline. The worker itself is service-worker.ts.

import { Observable } from '../observable.ts';

/**
 * - `unsupported`: by this browser or address (it needs https or localhost), or in development.
 * - `installing`: the app is being kept.
 * - `ready`: the page loads without the server.
 * - `outdated`: it does, and a newer version waits to take over.
 * - `failed`: the app could not be kept; tried again with the next visit.
 */
export type OfflineState = 'unsupported' | 'installing' | 'ready' | 'outdated' | 'failed';

export const offlineState = new Observable<OfflineState>('unsupported');

let waiting: ServiceWorker | undefined;

export function registerServiceWorker(): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  const { serviceWorker } = navigator;
  // The first worker takes over a page of its own version; a later one doesn't.
  if (serviceWorker.controller !== null) {
    serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
  }
  offlineState.set('installing');
  serviceWorker.register('/service-worker.js').then(follow, () => offlineState.set(afterFailure()));
}

/** Lets the newer version take over; every page of the app is then loaded anew with it. */
export function takeNewVersion(): void {
  waiting?.postMessage('skip-waiting');
}

function follow(registration: ServiceWorkerRegistration): void {
  const look = (): void => {
    waiting = registration.waiting ?? undefined;
    if (registration.active === null) return;
    offlineState.set(waiting === undefined ? 'ready' : 'outdated');
  };
  const watch = (worker: ServiceWorker | null): void => {
    worker?.addEventListener('statechange', () => {
      if (worker.state === 'redundant' && registration.active === null) offlineState.set('failed');
      else look();
    });
  };
  watch(registration.installing);
  registration.addEventListener('updatefound', () => watch(registration.installing));
  look();
}

/** Registering fails without the server too, and then an earlier visit's worker is at work. */
function afterFailure(): OfflineState {
  return navigator.serviceWorker.controller === null ? 'failed' : 'ready';
}
