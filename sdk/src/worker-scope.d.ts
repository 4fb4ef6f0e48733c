// The global scope of a dedicated worker, as far as the worker entry uses it: TypeScript's DOM and WebWorker libraries
// exclude each other, and the SDK is compiled with DOM. It is not a full declaration; widen it when the entry needs more.
//
// In the worker's entry: `declare const self: DedicatedWorkerGlobalScope;`

interface DedicatedWorkerGlobalScopeEventMap {
  message: MessageEvent;
  messageerror: MessageEvent;
  error: ErrorEvent;
  unhandledrejection: PromiseRejectionEvent;
  online: Event;
  offline: Event;
}

interface DedicatedWorkerGlobalScope extends EventTarget {
  readonly name: string;
  readonly location: { readonly href: string; readonly origin: string };
  readonly navigator: Pick<Navigator, 'onLine' | 'userAgent' | 'hardwareConcurrency' | 'locks' | 'storage'>;
  readonly indexedDB: IDBFactory;
  postMessage(message: unknown, transfer?: Transferable[]): void;
  close(): void;
  addEventListener<K extends keyof DedicatedWorkerGlobalScopeEventMap>(
    type: K,
    listener: (this: DedicatedWorkerGlobalScope, event: DedicatedWorkerGlobalScopeEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof DedicatedWorkerGlobalScopeEventMap>(
    type: K,
    listener: (this: DedicatedWorkerGlobalScope, event: DedicatedWorkerGlobalScopeEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
}
