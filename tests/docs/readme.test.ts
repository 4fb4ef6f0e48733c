// The README's examples, run as they stand there: against the built packages, in a Node process of their own, with the real
// server. Only the server's port is put in. It is no test of the packages beyond that.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ServerProcess } from '../harness/server-process.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
// Inside the workspace, so that `joinery` is found as a user's bundler would find it.
const folder = join(root, 'node_modules', '.cache', 'joinery', 'readme');
const server = new ServerProcess();

const examples = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(
  ([, code]) => code,
);

function run(name: string, code: string): string {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true },
  });
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, outputText);
  // Node 20 has a browser's WebSocket behind this flag.
  return execFileSync(process.execPath, ['--experimental-websocket', '--no-warnings', file], {
    encoding: 'utf8',
    timeout: 20_000,
  });
}

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  await server.start();
});

afterAll(async () => {
  await server.dispose();
  rmSync(folder, { recursive: true, force: true });
});

it('runs the twenty lines of the SDK', async () => {
  const code = examples.find((example) => example?.includes('createClient')) ?? '';
  expect(code.trim().split('\n').length).toBeLessThanOrEqual(22);
  const output = run('sdk', code.replace('ws://localhost:8787', server.url.replace('http', 'ws')));
  expect(output).toContain("{ items: [ { done: false, title: 'Milk' } ] }");
  const stored = await fetch(`${server.url}/documents/shopping`);
  expect(await stored.json()).toMatchObject({ items: [{ title: 'Milk', done: false }] });
});

it('runs the client of Node', async () => {
  const code = examples.find((example) => example?.includes('joinery/node')) ?? '';
  run('node', code.replace('http://localhost:8787', server.url).replace('./data', join(folder, 'data')));
  const stored = await fetch(`${server.url}/documents/bought`);
  expect(await stored.json()).toEqual({ bought: ['Milk'] });
});

it('runs the host that refuses', () => {
  const code = examples.find((example) => example?.includes('createServer')) ?? '';
  const output = run('refusal', code.replace('./data', join(folder, 'data')));
  expect(output).toBe("forbidden\n{ title: 'Tea' } [ 'price' ]\n");
});

it('runs the schema that refuses', () => {
  const code = examples.find((example) => example?.includes('SchemaViolation')) ?? '';
  const output = run('schema', code.replace('ws://localhost:8787', server.url.replace('http', 'ws')));
  expect(output.replaceAll(/\s+/g, ' ')).toBe("[ 'dishes', 0, 'name' ] { dishes: [ { name: 'Soup', price: 5 } ] } [] ");
});

it('runs the lines of the lite core', () => {
  const code = examples.find((example) => example?.includes('joinery/lite')) ?? '';
  expect(run('lite', code)).toBe("{ shopping: [ 'Milk', 'Tea' ] }\n");
});

it('runs the lines of the core alone', () => {
  const code = examples.find((example) => example?.includes('joinery/core')) ?? '';
  expect(run('core', code)).toBe('Hello\nHello\n');
});

it('runs the chunks and hashes of a file', () => {
  const code = examples.find((example) => example?.includes('joinery/files')) ?? '';
  const lines = run('files', code).trim().split('\n');
  expect(lines).toEqual(['0 262144 2495c622', '262144 87856 e46b105d', 'fbc2b051']);
});
