// The handle of one graph in a document.

import type { GraphHandle, GraphValue } from '../core/index.ts';
import type { DocumentAccess } from './access.ts';
import { Lease, type Leased } from './lease.ts';
import { type NodeChange, nodeWrite } from './node-data.ts';
import type { Receipt } from './receipt.ts';
import type { Created } from './tree.ts';
import { checkKind } from './write-value.ts';

/** Nodes, and directed edges between them: a canvas, relations, a workflow. Of ids see `TreeDocument`. */
export interface GraphDocument<D extends object = Record<string, unknown>> {
  readonly id: string;
  /** The key of the graph in its document's root map. */
  readonly key: string;
  /** The nodes and the edges, as plain, frozen data, by id. Empty until what is stored was read. */
  readonly value: GraphValue;
  /** Whether what is stored was read. */
  readonly isLoaded: boolean;
  /** Resolves when what is stored was read: from then on the graph may be written to. */
  readonly loaded: Promise<void>;
  /** A new node. @throws JoineryError `invalid-value`, `wrong-type`, `document-not-loaded`, `closed` */
  addNode(data?: NodeChange<D>): Created;
  /**
   * A new edge; there may be several between the same nodes, and from a node to itself.
   *
   * @throws JoineryError as `addNode`, and `no-such-node`
   */
  addEdge(from: string, to: string, data?: NodeChange<D>): Created;
  /** Deletes a node, with its edges, or an edge, for good. @throws JoineryError as `addEdge` */
  delete(id: string): Receipt;
  /** Writes to the data of a node or an edge, as `update` of a document does. @throws JoineryError as `addEdge` */
  update(id: string, change: NodeChange<D>): Receipt;
  /** Calls `listener` after each change of the document. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
  close(): void;
}

const empty: GraphValue = Object.freeze({ edges: Object.freeze([]), nodes: Object.freeze([]) });

/** The handle over an open document. */
export class OpenGraph<D extends object> implements GraphDocument<D> {
  readonly key: string;
  readonly #access: DocumentAccess;
  readonly #lease: Lease;

  constructor(access: DocumentAccess, key: string, leased: Leased) {
    this.key = key;
    this.#access = access;
    this.#lease = new Lease(leased);
  }

  get value(): GraphValue {
    const { replica, value } = this.#access;
    if (replica === undefined || replica.graph(this.key).resolve() < 0) return empty;
    return (value as { readonly [key: string]: GraphValue })[this.key] ?? empty;
  }

  get id(): string {
    return this.#access.id;
  }

  get isLoaded(): boolean {
    return this.#access.isLoaded;
  }

  get loaded(): Promise<void> {
    return this.#access.loaded;
  }

  subscribe(listener: () => void): () => void {
    this.#lease.check();
    return this.#access.subscribe(listener);
  }

  close(): void {
    this.#lease.end();
  }

  addNode(data?: NodeChange<D>): Created {
    return this.#add((graph) => graph.addNode(), data);
  }

  addEdge(from: string, to: string, data?: NodeChange<D>): Created {
    return this.#add((graph) => graph.addEdge(from, to), data);
  }

  delete(id: string): Receipt {
    return this.#write((graph) => graph.delete(id));
  }

  update(id: string, change: NodeChange<D>): Receipt {
    const write = nodeWrite(change);
    return this.#write((graph) => write(graph.data(id)));
  }

  #add(add: (graph: GraphHandle) => string, data: NodeChange<D> | undefined): Created {
    const fill = data === undefined ? undefined : nodeWrite(data);
    let id = '';
    const receipt = this.#write((graph) => {
      id = add(graph);
      fill?.(graph.data(id));
    });
    return { id, receipt };
  }

  #write(write: (graph: GraphHandle) => void): Receipt {
    this.#lease.check();
    return this.#access.write((replica) => {
      const graph = replica.graph(this.key);
      // The first write would end whatever else is at the key.
      if (graph.resolve() < 0) checkKind(replica.root, this.key, 'graph');
      write(graph);
    });
  }
}
