// `npm start`: installs and builds what is missing or out of date, then runs the server with the playground on it.
// The server runs in this very process, so that ending it leaves nothing behind. It watches nothing.
//
//   PORT          the port to listen on (default: 8787, or the next free one)
//   JOINERY_DATA  the folder to keep data in (default: ./data)

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from './build.mjs';
import { ensureDependencies } from './dependencies.mjs';
import { orFail, root } from './run.mjs';

ensureDependencies();
orFail(build);
await import(pathToFileURL(join(root, 'server', 'dist', 'bin.js')).href);
