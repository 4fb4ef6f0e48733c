// Which requests the service worker answers from its cache. Pure.

/** What is the server's own: answered by the server or not at all. */
const SERVER_PATHS = /^\/(?:sync|documents|health)(?:\/|$)/;

/** The page that every navigation inside the app leads to. */
export const PAGE_PATH = '/index.html';

/** The path in the cache that answers the request, or undefined when it is for the network. */
export function routeOf(
  request: { readonly method: string; readonly url: string; readonly mode: string },
  origin: string,
  cached: ReadonlySet<string>,
): string | undefined {
  if (request.method !== 'GET') return undefined;
  const url = new URL(request.url);
  if (url.origin !== origin || SERVER_PATHS.test(url.pathname)) return undefined;
  if (cached.has(url.pathname)) return url.pathname;
  return request.mode === 'navigate' ? PAGE_PATH : undefined;
}
