// The one place where a simulation lets the real event loop turn: it resolves when every promise that could go on by itself
// has. A turn is exact (microtasks run until there are none before the next task) and takes no time of its own.

export function drain(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
