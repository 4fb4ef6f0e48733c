// The handle of one tree in a document.

import type { Replica, TreeHandle, TreeNode } from '../core/index.ts';
import { notLoaded } from './access.ts';
import type { NodeChange } from './node-data.ts';
import { type Created, OpenNodes } from './open-nodes.ts';
import type { Receipt } from './receipt.ts';

/**
 * Nodes below each other: an outline, folders, layers. Each has an id, and a map of data. Ids last as long as the document's epoch,
 * and those of unsynced nodes as long as nothing is refused: what refers to a node from elsewhere is best kept in its data.
 */
export interface TreeDocument<D extends object = Record<string, unknown>> {
  readonly id: string;
  /** The key of the tree in its document's root map. */
  readonly key: string;
  /** The nodes within each other, as plain, frozen data: at most 500 levels of them. Empty until what is stored was read. */
  readonly value: readonly TreeNode[];
  /** Whether what is stored was read. */
  readonly isLoaded: boolean;
  /** Resolves when what is stored was read: from then on the tree may be written to. */
  readonly loaded: Promise<void>;
  /**
   * A new node below `parent` (null: at the top), before its `index`-th child (as the last one, when left out).
   *
   * @throws JoineryError `no-such-node`, `index-out-of-range`, `invalid-value`, `wrong-type`, `document-not-loaded`, `closed`
   * @example
   * const chapter = outline.create(null, undefined, { title: 'One' });
   * outline.create(chapter.id, 0, { title: 'First things' });
   */
  create(parent: string | null, index?: number, data?: NodeChange<D>): Created;
  /**
   * Moves a node with all that is below it; `index` is told without it. The later of two moves wins; nodes that were moved into each
   * other at the same time end up one in the other.
   *
   * @throws JoineryError as `create`, and `move-into-itself`
   */
  move(node: string, parent: string | null, index?: number): Receipt;
  /** Deletes a node, for good, and hides what is below it. @throws JoineryError as `create` */
  delete(node: string): Receipt;
  /** Writes to a node's data, as `update` of a document does. @throws JoineryError as `create` */
  update(node: string, change: NodeChange<D>): Receipt;
  /** The nodes right below one (null: at the top), in order. @throws JoineryError `no-such-node` */
  children(parent?: string | null): string[];
  /** The node above one, null at the top; undefined where it isn't shown. @throws JoineryError `no-such-node` */
  parent(node: string): string | null | undefined;
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

/** The handle over an open document. */
export class OpenTree<D extends object> extends OpenNodes<TreeHandle, D> implements TreeDocument<D> {
  get value(): readonly TreeNode[] {
    return (this.plain as readonly TreeNode[] | undefined) ?? [];
  }

  create(parent: string | null, index?: number, data?: NodeChange<D>): Created {
    return this.add((tree) => tree.create(parent, index), data);
  }

  move(node: string, parent: string | null, index?: number): Receipt {
    return this.write((tree) => tree.move(node, parent, index));
  }

  children(parent: string | null = null): string[] {
    return this.#read().children(parent);
  }

  parent(node: string): string | null | undefined {
    return this.#read().parent(node);
  }

  protected nodes(replica: Replica): TreeHandle {
    return replica.tree(this.key);
  }

  #read(): TreeHandle {
    const { replica } = this.access;
    if (replica === undefined) throw notLoaded(this.id);
    return this.nodes(replica);
  }
}
