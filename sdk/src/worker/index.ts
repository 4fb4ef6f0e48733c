// The public names of `joinery/worker`, for apps whose worker has a script of its own.

export { startWorker, type WorkerOptions } from './start-worker.ts';
