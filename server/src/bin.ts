#!/usr/bin/env node
/**
 * The server as a command, with nothing to configure.
 *
 *   PORT                the port to listen on (default 8787; the next free one if it is taken)
 *   JOINERY_DATA        the folder to keep data in (default ./data)
 *   JOINERY_FILES       a folder of built web files to serve at / (default: the playground's, where it is built)
 */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { asJoineryError, JoineryError } from '@joinery/protocol';
import { createServer, type Server } from './server.ts';

const defaultPort = 8787;
/** So many ports are tried. */
const attempts = 100;

async function start(): Promise<void> {
  const first = portOf(process.env.PORT);
  const server = await listenFrom(first);
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

async function listenFrom(first: number): Promise<Server> {
  const files = filesFolder();
  for (let port = first; ; port += 1) {
    try {
      return await createServer({
        port,
        data: process.env.JOINERY_DATA || 'data',
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

start().catch((error: unknown) => {
  console.error(asJoineryError(error).message);
  process.exit(1);
});
