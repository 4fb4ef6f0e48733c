/**
 * The HTTP side: the health check, documents as JSON, their deletion, and the files of a web app. Every answer that isn't a file is JSON,
 * errors included: `{ "error": { "code", "message", "retryable" } }`.
 */

import { asJoineryError, checkDocumentId, JoineryError } from '@joinery/protocol';
import { type Context, Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Documents } from './documents/documents.ts';
import { type ServerOptions, userOfToken } from './options.ts';
import type { StaticFile } from './static-files.ts';
import type { Storage } from './storage/storage.ts';

export interface HttpOptions {
  readonly documents: Documents;
  readonly storage: Storage;
  readonly files: ReadonlyMap<string, StaticFile>;
  readonly origins: Origins;
  /** Asked about every request for a document. */
  readonly authenticate?: ServerOptions['authenticate'];
  readonly report: (error: unknown) => void;
  /** A clock that never goes back, in milliseconds. Default: the process's. */
  readonly monotonic?: () => number;
}

/** Which pages may use the server; `own`: those that it serves itself, or that another server of its host serves. */
export type Origins = readonly string[] | 'all' | 'own';

/** The disk is asked at most so often how it is. */
const healthEvery_ms = 1_000;

const statusOf: Readonly<Record<string, ContentfulStatusCode>> = {
  'invalid-document-id': 400,
  unauthorised: 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'document-deleted': 410,
  'too-many-connections': 503,
  'server-closing': 503,
  'storage-failed': 503,
  'storage-full': 503,
  'storage-locked': 503,
};

export function createHttp(options: HttpOptions): Hono {
  const { documents, storage, files, origins, authenticate, report, monotonic = () => performance.now() } = options;
  const app = new Hono();
  const checkHealth = atMostEvery(healthEvery_ms, monotonic, () => storage.check());

  app.use(async (context, next) => {
    await next();
    const origin = context.req.header('origin');
    if (origin === undefined || !originAllowed(origins, origin, context.req.header('host'))) return;
    context.header('access-control-allow-origin', origins === 'all' ? '*' : origin);
    context.header('vary', 'origin', { append: true });
    context.header('access-control-expose-headers', 'etag');
  });

  app.use(async (context, next) => {
    const { method, path } = context.req;
    const allowed = path.startsWith('/documents/') ? ['GET', 'HEAD', 'DELETE'] : ['GET', 'HEAD'];
    if (allowed.includes(method)) return next();
    context.header('allow', allowed.join(', '));
    // A page asks first whether it may send a token; that the answer holds for its origin is said above.
    if (method === 'OPTIONS' && context.req.header('access-control-request-method') !== undefined) {
      context.header('access-control-allow-methods', allowed.join(', '));
      context.header('access-control-allow-headers', 'authorization, if-none-match');
      return context.body(null, 204);
    }
    throw new JoineryError('method-not-allowed', {
      expected: allowed.join(', '),
      got: method,
      remedy: 'Write through a client.',
    });
  });

  app.get('/health', async (context) => {
    await checkHealth();
    context.header('cache-control', 'no-store');
    return context.json({ status: 'ok' });
  });

  app.get('/documents/:id', async (context) => {
    await userOf(context, authenticate);
    const id = documentOf(context);
    const document = await documents.json(id);
    if (document === undefined) {
      throw new JoineryError('not-found', `Nothing was written to the document ${JSON.stringify(id)} yet.`);
    }
    const etag = `"${document.epoch}.${document.position}"`;
    context.header('cache-control', authenticate === undefined ? 'no-cache' : 'private, no-cache');
    context.header('etag', etag);
    if (context.req.header('if-none-match') === etag) return context.body(null, 304);
    context.header('content-type', 'application/json; charset=utf-8');
    return context.body(toJson(document.value));
  });

  app.delete('/documents/:id', async (context) => {
    // Browsers keep other pages from asking; this is for those that don't ask first.
    if (!originAllowed(origins, context.req.header('origin'), context.req.header('host'))) {
      throw new JoineryError('forbidden', 'Pages of this origin may not delete documents.');
    }
    const user = await userOf(context, authenticate);
    await documents.delete(documentOf(context), user);
    return context.body(null, 204);
  });

  app.get('*', (context) => {
    const { path } = context.req;
    const file = files.get(path) ?? (isPage(context, path) ? files.get('/index.html') : undefined);
    if (file === undefined) {
      throw new JoineryError('not-found', {
        expected: '/health, /documents/:id, /sync (a WebSocket) or a file of the web app',
        got: path.slice(0, 256),
        remedy: 'Check the address.',
      });
    }
    if (context.req.header('if-none-match') === file.etag) {
      return context.body(null, 304, { etag: file.etag, 'cache-control': file.headers['cache-control'] ?? 'no-cache' });
    }
    return context.body(file.body, 200, file.headers);
  });

  app.notFound((context) => answerError(context, new JoineryError('not-found', 'There is nothing at this address.')));
  app.onError((error, context) => {
    const typed = asJoineryError(error);
    if (statusOf[typed.code] === undefined) report(error);
    return answerError(context, typed);
  });
  return app;
}

/** Whether a page of this origin may use the server, reached as `host`. Requests without an origin come from no page. */
export function originAllowed(origins: Origins, origin: string | undefined, host: string | undefined): boolean {
  if (origins === 'all' || origin === undefined) return true;
  if (origins !== 'own') return origins.includes(origin);
  return host !== undefined && (origin === `https://${host}` || origin === `http://${host}`);
}

/**
 * Lets a request pass whose token the hook accepts; returns whose it is.
 *
 * @throws JoineryError `unauthorised`, or what the hook refuses with.
 */
async function userOf(context: Context, authenticate: ServerOptions['authenticate']): Promise<string> {
  if (authenticate === undefined) return '';
  const given = context.req.header('authorization');
  const token = /^bearer +(\S+) *$/i.exec(given ?? '')?.[1];
  context.header('vary', 'authorization', { append: true });
  if (token === undefined) {
    context.header('www-authenticate', 'Bearer');
    throw new JoineryError('unauthorised', {
      expected: 'a token, as `Authorization: Bearer …`',
      got: given === undefined ? 'none' : 'something else',
      remedy: 'Send the token that clients connect with.',
    });
  }
  try {
    return (await userOfToken(authenticate, token)).user;
  } catch (error) {
    const typed = asJoineryError(error, 'unauthorised');
    if (typed.code === 'unauthorised') context.header('www-authenticate', 'Bearer error="invalid_token"');
    throw typed;
  }
}

/** `check` with its outcome kept for a while: who asks more often gets the last one, or the one that is under way. */
function atMostEvery(interval_ms: number, monotonic: () => number, check: () => Promise<void>): () => Promise<void> {
  let last: { readonly at: number; readonly outcome: Promise<void> } | undefined;
  return () => {
    const now = monotonic();
    if (last === undefined || now - last.at >= interval_ms) last = { at: now, outcome: check() };
    return last.outcome;
  };
}

/** An error as the body of an answer. */
export function errorBody(error: JoineryError): string {
  return JSON.stringify({ error: { code: error.code, message: error.message, retryable: error.retryable } });
}

function answerError(context: Context, error: JoineryError): Response {
  context.header('cache-control', 'no-store');
  context.header('content-type', 'application/json; charset=utf-8');
  return context.body(errorBody(error), statusOf[error.code] ?? 500);
}

/**
 * The document that the address names.
 *
 * @throws JoineryError `invalid-document-id`, also for percent-encodings that give no text: the framework would leave them as
 *   they are, and what is said of one document (that it be deleted) would be done to another.
 */
function documentOf(context: Context): string {
  const [, , encoded = ''] = new URL(context.req.url).pathname.split('/');
  let id: string;
  try {
    id = decodeURIComponent(encoded);
  } catch (error) {
    const parts = {
      expected: 'a document id as `encodeURIComponent` writes it',
      got: JSON.stringify(encoded.slice(0, 64)),
      remedy: 'Encode the id.',
    };
    throw new JoineryError('invalid-document-id', parts, { cause: error });
  }
  return checkDocumentId(id);
}

/** An address within the web app, which the app itself looks at: not the name of a file. */
function isPage(context: Context, path: string): boolean {
  const wantsPage = context.req.header('accept')?.includes('text/html') ?? false;
  return wantsPage && !path.split('/').at(-1)?.includes('.') && !path.startsWith('/documents/');
}

/** Bytes become `{ "$bytes": "<base64>" }`. */
function toJson(value: Record<string, unknown>): string {
  return JSON.stringify(value, (_, entry: unknown) =>
    entry instanceof Uint8Array ? { $bytes: Buffer.from(entry).toString('base64') } : entry,
  );
}
