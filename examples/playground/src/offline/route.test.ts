import { expect, test } from 'vitest';
import { routeOf } from './route.ts';

const origin = 'http://localhost:8787';
const cached = new Set(['/index.html', '/assets/core-1.wasm']);
const route = (url: string, mode = 'cors', method = 'GET') => routeOf({ url, mode, method }, origin, cached);

test('answers what was built', () => {
  expect(route(`${origin}/assets/core-1.wasm`)).toBe('/assets/core-1.wasm');
  expect(route(`${origin}/index.html?x=1`)).toBe('/index.html');
});

test('answers every navigation in the app with its page', () => {
  expect(route(`${origin}/`, 'navigate')).toBe('/index.html');
  expect(route(`${origin}/?pane=one&room=r`, 'navigate')).toBe('/index.html');
  expect(route(`${origin}/anything`, 'navigate')).toBe('/index.html');
});

test.each([
  ['the server’s own', `${origin}/documents/r-text`, 'navigate'],
  ['the server’s own', `${origin}/documents`, 'cors'],
  ['the server’s own', `${origin}/health`, 'navigate'],
  ['the server’s own', `${origin}/sync`, 'websocket'],
  ['unknown files', `${origin}/assets/core-2.wasm`, 'cors'],
  ['other origins', 'https://example.org/index.html', 'navigate'],
])('leaves %s to the network: %s', (_, url, mode) => {
  expect(route(url, mode)).toBeUndefined();
});

test('leaves anything but reading to the network', () => {
  expect(route(`${origin}/index.html`, 'cors', 'POST')).toBeUndefined();
});

test('does not take a name that begins like a server path for one', () => {
  expect(route(`${origin}/healthy`, 'navigate')).toBe('/index.html');
});
