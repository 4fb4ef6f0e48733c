// The handle of one graph in a document.

import type { GraphHandle, GraphValue, Replica } from '../core/index.ts';
import type { NodeChange } from './node-data.ts';
import { type Created, OpenNodes } from './open-nodes.ts';
import type { Receipt } from './receipt.ts';

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
  /** Batches of the document that are not yet at the server, and since when; see `DocumentHandle.pending`. */
  readonly pending: number;
  readonly oldestPendingAt: number | undefined;
  subscribePending(listener: () => void): () => void;
  /** Writes of `run` are one step to undo; see `DocumentHandle.transact`. */
  transact(label: string, run: () => void): Receipt;
  /** Calls `listener` after each change of the document. Returns the function that ends it. */
  subscribe(listener: () => void): () => void;
  close(): void;
}

const empty: GraphValue = Object.freeze({ edges: Object.freeze([]), nodes: Object.freeze([]) });

/** The handle over an open document. */
export class OpenGraph<D extends object> extends OpenNodes<GraphHandle, D> implements GraphDocument<D> {
  get value(): GraphValue {
    return (this.plain as GraphValue | undefined) ?? empty;
  }

  addNode(data?: NodeChange<D>): Created {
    return this.add((graph) => graph.addNode(), data);
  }

  addEdge(from: string, to: string, data?: NodeChange<D>): Created {
    return this.add((graph) => graph.addEdge(from, to), data);
  }

  protected nodes(replica: Replica): GraphHandle {
    return replica.graph(this.key);
  }
}
