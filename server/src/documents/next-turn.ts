/** Lets the event loop take in what has arrived before going on: what follows is then done for all of it at once. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
