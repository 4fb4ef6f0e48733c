// How the playground is built: the page, and beside it the service worker under a name that never changes. In
// development (`npx vite`) the server runs apart, on its usual port.

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { precache } from './precache-plugin.ts';

const SERVICE_WORKER = 'service-worker';
const server = { target: 'http://localhost:8787', ws: true };

export default defineConfig({
  plugins: [react(), precache(`${SERVICE_WORKER}.js`)],
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    rolldownOptions: {
      input: { main: 'index.html', [SERVICE_WORKER]: 'src/offline/service-worker.ts' },
      output: {
        entryFileNames: (chunk) => (chunk.name === SERVICE_WORKER ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
  server: { proxy: { '/sync': server, '/documents': server, '/health': server } },
});
