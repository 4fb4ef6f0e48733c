// Keeps other processes out of a folder as long as this one lives, by what the kernel takes back when a process ends, however it
// ends. There is no file that says who has it: such a file outlives a crash, and the number of a process that it names may be
// another one's by then.
//
// Linux and Windows: a socket that nobody speaks to, listening on a name made of the folder's identity (an abstract socket, a named
// pipe); the kernel gives a name to one process. Elsewhere: a file opened with an exclusive lock. On Linux names are each
// container's own, so whoever has one also listens on a socket in the folder, which is found from other containers too. What is
// not seen: a process on another machine that has the same folder over a network.

import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { JoineryError } from '@joinery/protocol';
import type { Environment } from '../environment.ts';
import { fileError } from './file-error.ts';

/** As long as it isn't released, nobody else has the folder: no other process, and no other thread of this one. */
export interface FolderLock {
  release(): void;
}

const retry_ms = 50;
const socketName = 'owner';
/** Of macOS and the BSDs; Node has no name for it. */
const exclusiveLock = 0x20;

/** @throws JoineryError `storage-locked` when another process has it for longer than this, `storage-unavailable` */
export async function lockFolder(environment: Environment, path: string, patience_ms: number): Promise<FolderLock> {
  const start = environment.monotonic();
  for (;;) {
    const lock = await tryLock(path);
    if (lock !== undefined) return lock;
    if (environment.monotonic() - start >= patience_ms) {
      throw new JoineryError('storage-locked', {
        expected: `the folder ${path} within ${patience_ms} ms`,
        got: 'another process that has it',
        remedy:
          'It is tried again; close the client of the other process, or give one of them another `name` or folder.',
      });
    }
    await new Promise<void>((resolve) => environment.timer(resolve, retry_ms));
  }
}

/** Undefined where another one has it. */
function tryLock(path: string): Promise<FolderLock | undefined> {
  if (process.platform === 'linux') return lockOnLinux(path);
  if (process.platform === 'win32') return bySocket(`\\\\.\\pipe\\joinery-${identityOf(path)}`);
  return Promise.resolve(byFile(path));
}

async function lockOnLinux(path: string): Promise<FolderLock | undefined> {
  const name = await bySocket(`\0joinery-${identityOf(path)}`);
  if (name === undefined) return undefined;
  let folder: number | undefined;
  try {
    // By its descriptor, for the path of a socket has room for 107 bytes.
    folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    const socket = `/proc/self/fd/${folder}/${socketName}`;
    if (await isListening(socket)) {
      closeSync(folder);
      name.release();
      return undefined;
    }
    // Whoever listened there has ended: in this container only the one with the name comes here.
    rmSync(socket, { force: true });
    const seen = await bySocket(socket).catch(() => undefined);
    const opened = folder;
    return {
      release: () => {
        // Closing takes the file away, too, which needs the folder.
        seen?.release();
        closeSync(opened);
        name.release();
      },
    };
  } catch (error) {
    if (folder !== undefined) closeSync(folder);
    name.release();
    throw fileError(path, error, 'storage-failed');
  }
}

/** Listens on a name; undefined where somebody else does. */
function bySocket(name: string): Promise<FolderLock | undefined> {
  return new Promise((resolve, reject) => {
    const server: Server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      // Windows says so where another user's process has the pipe.
      else if (error.code === 'EACCES' && process.platform === 'win32') resolve(undefined);
      else reject(fileError(name.replace('\0', '@'), error, 'storage-failed'));
    });
    // Exclusive: or processes of one cluster would share it.
    server.listen({ path: name, exclusive: true }, () => {
      // It is no reason to go on running.
      server.unref();
      resolve({ release: () => server.close() });
    });
  });
}

/** Whether a process, in whatever container, listens on the socket in the folder. */
function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Refused: the file is there, and nobody listens. In doubt somebody does.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}

function byFile(path: string): FolderLock | undefined {
  const { O_RDWR, O_CREAT, O_NONBLOCK } = constants;
  try {
    const descriptor = openSync(join(path, 'lock'), O_RDWR | O_CREAT | O_NONBLOCK | exclusiveLock, 0o600);
    return { release: () => closeSync(descriptor) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
    throw fileError(path, error, 'storage-failed');
  }
}

/** What the folder is called, whatever path leads to it. */
function identityOf(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32);
}
