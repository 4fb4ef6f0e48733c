// How the test page is built: like an app that uses the SDK, from the packages' dist folders.

import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    outDir: '../dist',
    emptyOutDir: true,
    sourcemap: true,
    rollupOptions: {
      input: { index: 'index.html', 'sync-worker': 'sync-worker.ts' },
      // A service worker is for what lies beside it and below.
      output: { entryFileNames: ({ name }) => (name === 'sync-worker' ? '[name].js' : 'assets/[name]-[hash].js') },
    },
  },
});
