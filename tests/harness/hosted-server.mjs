// The built server as a host would start it: with hooks of its own. It refuses whatever touches a key `forbidden…`, for users
// where JOINERY_USERS is set (the token `token-ada` is ada's; any other is refused), and does what its parent process asks for.
// Started by server-process.mjs.

import { JoineryError } from '../../protocol/dist/index.js';
import { createServer } from '../../server/dist/index.js';

/** @param {string} token */
async function authenticate(token) {
  const user = /^token-(\w+)$/.exec(token)?.[1];
  if (user === undefined) throw new JoineryError('unauthorised', 'This token is nobody’s.');
  return { user };
}

const server = await createServer({
  port: Number(process.env.PORT),
  data: process.env.JOINERY_DATA ?? 'data',
  report: (error) => console.error(error),
  accept({ changes }) {
    const isForbidden = changes.some(({ path }) => path.some((part) => String(part).startsWith('forbidden')));
    if (isForbidden) throw new JoineryError('forbidden', 'Nobody may write this.');
  },
  ...(process.env.JOINERY_USERS ? { authenticate, origins: 'all' } : {}),
});

process.on('message', (/** @type {{ call: 'trim' | 'deleteDocument', document: string }} */ { call, document }) => {
  server[call](document).then(
    (result) => process.send?.({ result }),
    (error) => process.send?.({ error: { code: error.code, message: error.message } }),
  );
});
process.on('SIGTERM', () => server.close().then(() => process.exit(0)));
console.log(`Joinery is ready: ${server.url}`);
