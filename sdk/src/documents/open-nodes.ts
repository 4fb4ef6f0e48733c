// What the handles of a tree and of a graph have in common: nodes (a graph's edges too) that have ids and maps of data.

import type { GraphHandle, Replica, TreeHandle } from '../core/index.ts';
import { type NodeChange, nodeWrite } from './node-data.ts';
import { OpenPart } from './open-part.ts';
import type { Receipt } from './receipt.ts';
import { checkKind } from './write-value.ts';

/** What was made, and how far it has come. */
export interface Created {
  readonly id: string;
  readonly receipt: Receipt;
}

/** The handle of a tree or a graph over an open document. */
export abstract class OpenNodes<Nodes extends TreeHandle | GraphHandle, D extends object> extends OpenPart {
  /** The tree or the graph, in a replica. */
  protected abstract nodes(replica: Replica): Nodes;

  delete(id: string): Receipt {
    return this.write((nodes) => nodes.delete(id));
  }

  update(id: string, change: NodeChange<D>): Receipt {
    const write = nodeWrite(change);
    return this.write((nodes) => write(nodes.data(id)));
  }

  /** What the document's plain value has at the key; undefined where that is no tree, or no graph. */
  protected get plain(): unknown {
    const { replica, value } = this.access;
    if (replica === undefined || this.nodes(replica).resolve() < 0) return undefined;
    return (value as { readonly [key: string]: unknown })[this.key];
  }

  /** Makes a node or an edge, with its data. */
  protected add(make: (nodes: Nodes) => string, data: NodeChange<D> | undefined): Created {
    const fill = data === undefined ? undefined : nodeWrite(data);
    let id = '';
    const receipt = this.write((nodes) => {
      id = make(nodes);
      fill?.(nodes.data(id));
    });
    return { id, receipt };
  }

  protected write(write: (nodes: Nodes) => void): Receipt {
    this.lease.check();
    return this.access.write((replica) => {
      const nodes = this.nodes(replica);
      // The first write would end whatever else is at the key.
      if (nodes.resolve() < 0) checkKind(replica.root, this.key, nodes.kind);
      write(nodes);
    }, this.key);
  }
}
