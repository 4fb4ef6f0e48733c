// What it means that Node's file system has failed, as an error with a code of ours.

import { type ErrorCode, JoineryError } from '@joinery/protocol';

/** @param otherwise the code where it is not for want of room */
export function fileError(path: string, error: unknown, otherwise: ErrorCode): JoineryError {
  if (error instanceof JoineryError) return error;
  // The disk, the user's share of it, or the largest file that the process may write.
  const isFull = /^(ENOSPC|EDQUOT|EFBIG)$/.test(codeOf(error));
  const text = error instanceof Error ? error.message : String(error);
  const remedies: Partial<Record<ErrorCode, string>> = {
    'storage-full': 'Free space; it is tried again.',
    'storage-unavailable': 'Choose a folder that this user may make and write to.',
  };
  const code = isFull ? 'storage-full' : otherwise;
  return new JoineryError(
    code,
    {
      expected: `the files of ${path} to work`,
      got: text,
      remedy: remedies[code] ?? 'The operation is safe to try again.',
    },
    { cause: error },
  );
}

/** Such as `ENOSPC`; empty where there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
