// The service worker: keeps the built app, all of it and nothing else, so that the page loads without the server. It
// never touches data: that is the SDK's, and lies in IndexedDB. Requests that are not for the built app pass by.

import { routeOf } from './route.ts';

declare const self: ServiceWorkerGlobalScope;

/** Put in by the build (../../precache-plugin.ts): the paths of the built files, and a hash over all of them. */
declare const __PRECACHE__: { readonly version: string; readonly paths: readonly string[] };

const CACHE_PREFIX = 'joinery-playground-';
const { version, paths } = __PRECACHE__;
const cacheName = CACHE_PREFIX + version;
const cached = new Set(paths);

self.addEventListener('install', (event) => {
  event.waitUntil(fill());
});

self.addEventListener('activate', (event) => {
  event.waitUntil(removeOldCaches().then(() => self.clients.claim()));
});

self.addEventListener('fetch', (event) => {
  const path = routeOf(event.request, self.location.origin, cached);
  if (path !== undefined) event.respondWith(answer(path, event.request));
});

// A new version waits until no page uses the old one, for an open page may still ask for a file of its own version;
// or until the user asks for it, and then every page is loaded anew.
self.addEventListener('message', (event) => {
  if (event.data === 'skip-waiting') event.waitUntil(self.skipWaiting());
});

/** All files or none: when one fails, so does the installation, and the browser tries again with the next visit. */
async function fill(): Promise<void> {
  const cache = await caches.open(cacheName);
  // Under assets/ a name has its content's hash in it, so what the browser loaded a moment ago is the right one.
  const requests = paths.map(
    (path) => new Request(path, { cache: path.startsWith('/assets/') ? 'default' : 'no-cache' }),
  );
  await cache.addAll(requests);
}

async function removeOldCaches(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(CACHE_PREFIX) && name !== cacheName);
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function answer(path: string, request: Request): Promise<Response> {
  const cache = await caches.open(cacheName);
  // The browser may have thrown the cache away to make room.
  return (await cache.match(path)) ?? fetch(request);
}
