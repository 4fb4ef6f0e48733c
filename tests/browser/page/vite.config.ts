// How the test page is built: like an app that uses the SDK, from the packages' dist folders.

import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  worker: { format: 'es' },
  build: { target: 'es2022', outDir: '../dist', emptyOutDir: true, sourcemap: true },
});
