// The files of the repository as Git sees them, for the tests that hold rules over all of them. It holds no rule itself.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Every file that is committed or would be, as a path from the root with forward slashes. */
export function listFiles(): string[] {
  const output = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  // A file that was deleted but not yet committed is still listed.
  return [...new Set(output.split('\0'))].filter((path) => path !== '' && existsSync(join(root, path))).sort();
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Whether a program writes this file, so that no rule about how code reads holds for it. */
export function isGenerated(path: string): boolean {
  return (
    /(^|\/)generated\//.test(path) || /\.generated\.\w+$/.test(path) || /^sdk\/src\/(core|lite|files)\/pkg\//.test(path)
  );
}

/** Whether this is TypeScript or JavaScript that people write. */
export function isScript(path: string): boolean {
  return /\.(ts|tsx|mts|js|mjs|jsx)$/.test(path) && !isGenerated(path);
}

/** Whether this is Rust that people write. */
export function isRust(path: string): boolean {
  return path.endsWith('.rs') && !isGenerated(path);
}
