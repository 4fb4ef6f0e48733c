/** The public names of `@joinery/server`. */

export { type ServerLimits, type ServerOptions, serverLimitDefaults } from './options.ts';
export { createServer, type Server } from './server.ts';
