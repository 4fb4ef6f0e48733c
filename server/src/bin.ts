#!/usr/bin/env node
/**
 * The server as a command, with nothing to configure.
 *
 *   joinery-server                                          start
 *   joinery-server backup <file> [--data <folder>]          copy the data into a file, whether or not a server runs
 *   joinery-server restore <backup> [--data <folder>]       put a backup in the place of the data; no server may run
 *
 *   PORT                the port to listen on (default 8787; the next free one if it is taken)
 *   JOINERY_DATA        the folder to keep data in (default ./data)
 *   JOINERY_FILES       a folder of built web files to serve at / (default: the playground's, where it is built)
 */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { asJoineryError, JoineryError } from '@joinery/protocol';
import { createServer, type Server } from './server.ts';
import { backup, restore } from './storage/sqlite-backup.ts';

const defaultPort = 8787;
/** So many ports are tried. */
const attempts = 100;

const usage = 'joinery-server, joinery-server backup <file> or joinery-server restore <backup>, with --data <folder>';

async function run(given: readonly string[]): Promise<void> {
  const [command, file, ...rest] = withoutData(given);
  if (command === undefined) {
    await start(dataFolder(given));
    return;
  }
  if ((command !== 'backup' && command !== 'restore') || file === undefined || rest.length > 0) {
    throw new JoineryError('invalid-option', { expected: usage, got: given.join(' '), remedy: 'Correct the command.' });
  }
  const folder = dataFolder(given);
  if (command === 'backup') {
    console.log(`Backed up ${backup(folder, file).documents} documents from ${folder} to ${file}.`);
    return;
  }
  const { documents, replaced } = restore(file, folder);
  console.log(`Restored ${documents} documents from ${file} to ${folder}. Clients bring back what they still hold.`);
  if (replaced !== undefined) console.log(`What was there before is kept: ${replaced}`);
}

/** The value of `--data`, or the environment's, or the default. */
function dataFolder(given: readonly string[]): string {
  const at = given.indexOf('--data');
  const named = at < 0 ? undefined : given[at + 1];
  if (at >= 0 && !named) {
    throw new JoineryError('invalid-option', {
      expected: 'a folder behind --data',
      got: 'none',
      remedy: 'Name it.',
    });
  }
  return named ?? (process.env.JOINERY_DATA || 'data');
}

function withoutData(given: readonly string[]): string[] {
  const at = given.indexOf('--data');
  return at < 0 ? [...given] : [...given.slice(0, at), ...given.slice(at + 2)];
}

async function start(data: string): Promise<void> {
  const first = portOf(process.env.PORT);
  const server = await listenFrom(first, data);
  const end = (): void => {
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(asJoineryError(error).message);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  // Said last: whoever reads it may end the server at once.
  if (first !== 0 && server.port !== first) console.log(`Port ${first} is taken; ${server.port} is used instead.`);
  console.log(`Joinery is ready: ${server.url}`);
}

async function listenFrom(first: number, data: string): Promise<Server> {
  const files = filesFolder();
  for (let port = first; ; port += 1) {
    try {
      return await createServer({
        port,
        data,
        report: (error) => console.error(error),
        ...(files === undefined ? {} : { files }),
      });
    } catch (error) {
      const taken = error instanceof JoineryError && error.code === 'port-in-use';
      if (!taken || port >= Math.min(first + attempts, 65_535)) throw error;
    }
  }
}

function portOf(text: string | undefined): number {
  if (text === undefined || text === '') return defaultPort;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new JoineryError('invalid-option', {
    expected: 'a port from 0 to 65535 in PORT',
    got: JSON.stringify(text),
    remedy: 'Correct it, or leave it out.',
  });
}

function filesFolder(): string | undefined {
  const named = process.env.JOINERY_FILES;
  if (named) return named;
  const playground = fileURLToPath(new URL('../../examples/playground/dist', import.meta.url));
  return existsSync(playground) ? playground : undefined;
}

run(process.argv.slice(2)).catch((error: unknown) => {
  console.error(asJoineryError(error).message);
  process.exit(1);
});
