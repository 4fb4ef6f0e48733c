/**
 * What trees and graphs have in common, and what each does: nodes and edges by their ids. An id is a string, `agent:seq`; it stays
 * with its node or edge for good, within the document's epoch. The maps of nodes are the handles' (see handles.ts).
 */

import { JoineryError } from '@joinery/protocol';
import { absent, checkIndex } from './bridge.ts';
import { ContainerHandle } from './container-handle.ts';
import type { Plain } from './value.ts';

/** A node of a tree as plain data. */
export interface TreeNode {
  readonly id: string;
  readonly data: { readonly [key: string]: Plain };
  /** At most 500 nodes are within each other; what is below is left out here. */
  readonly children: readonly TreeNode[];
}

/** An edge of a graph. */
export interface GraphEdge {
  readonly id: string;
  readonly from: string;
  readonly to: string;
}

/** A graph as plain data. */
export interface GraphValue {
  readonly nodes: readonly { readonly id: string; readonly data: { readonly [key: string]: Plain } }[];
  readonly edges: readonly (GraphEdge & { readonly data: { readonly [key: string]: Plain } })[];
}

/** As an index: behind the last child (the core's `LAST_CHILD`). */
const lastChild = 0xffff_ffff;
/** The longest id: 16 hexadecimal digits, a colon, ten digits. */
const maxIdLength = 27;

abstract class NodesHandle extends ContainerHandle {
  /** Puts ids into the core's input, one behind the other; the length of the first. */
  protected inputIds(first: string, second?: string): number {
    for (const id of second === undefined ? [first] : [first, second]) {
      if (typeof id !== 'string' || id === '' || id.length > maxIdLength) throw noSuchNode(id);
    }
    this.bridge.inputKey(first + (second ?? ''));
    return first.length;
  }

  protected mapOf(id: string): number {
    const container = this.resolve();
    if (container === absent) throw noSuchNode(id);
    this.inputIds(id);
    return this.bridge.check(this.bridge.core.node_data(container));
  }

  /** The strings that the core has put out. */
  protected ids(answer: number): string[] {
    this.bridge.check(answer);
    return this.bridge.outputValue() as string[];
  }

  protected id(answer: number): string {
    this.bridge.check(answer);
    return this.bridge.outputValue() as string;
  }
}

/** The nodes of a tree. Null stands for the top, below which every other node is. */
export abstract class TreeNodes extends NodesHandle {
  readonly kind = 'tree';

  /**
   * A new node below `parent` (null: at the top), before its `index`-th child (as the last one, when left out).
   *
   * @returns its id
   * @throws JoineryError `no-such-node` where the parent isn't shown, `index-out-of-range`
   * @example
   * const chapter = tree.create(null);
   * const section = tree.create(chapter, 0);
   * tree.data(section).set('title', 'First things');
   */
  create(parent: string | null, index?: number): string {
    const at = index === undefined ? lastChild : checkIndex(index, index);
    const tree = this.ensureFor(() => {
      if (parent !== null) throw noSuchNode(parent);
      if (at > 0 && at !== lastChild)
        throw new JoineryError('index-out-of-range', { expected: 'the index 0', got: `${at}`, remedy: readAgain });
    });
    const { bridge } = this;
    const { writer } = bridge;
    const jitter = this.#jitter();
    this.#inputParent(parent);
    return this.id(writer.tree_create(tree, at, jitter, bridge.now()));
  }

  /**
   * Moves a node, with all that is below it, to before the child that is the `index`-th of `parent` without it (behind the last one,
   * when left out). Of two moves of one node at the same time the later one wins; two nodes that were moved into each other at the
   * same time end up one in the other.
   *
   * @returns false where it is there already
   * @throws JoineryError `no-such-node`, `index-out-of-range`, `move-into-itself` where the parent is the node or below it
   */
  move(node: string, parent: string | null, index?: number): boolean {
    const at = index === undefined ? lastChild : checkIndex(index, index);
    const tree = this.resolve();
    if (tree === absent) throw noSuchNode(node);
    const { bridge } = this;
    const { writer } = bridge;
    const jitter = this.#jitter();
    const length = parent === null ? this.inputIds(node) : this.inputIds(node, parent);
    return bridge.check(writer.tree_move(tree, length, at, jitter, bridge.now())) === 1;
  }

  /**
   * Deletes a node, for good. What is shown below it is hidden with it, and nothing else; a move out of it at the same time saves what
   * it moves.
   *
   * @returns false where it was deleted before
   * @throws JoineryError `no-such-node`
   */
  delete(node: string): boolean {
    const tree = this.resolve();
    if (tree === absent) throw noSuchNode(node);
    const { bridge } = this;
    const { writer } = bridge;
    this.inputIds(node);
    const deleted = bridge.check(writer.tree_delete(tree, bridge.now())) === 1;
    bridge.structure += 1;
    return deleted;
  }

  /** The nodes right below one (null: at the top), in order; none below one that isn't shown. */
  children(parent: string | null = null): string[] {
    const tree = this.resolve();
    if (tree === absent) {
      if (parent !== null) throw noSuchNode(parent);
      return [];
    }
    this.#inputParent(parent);
    return this.ids(this.bridge.core.tree_children(tree));
  }

  /** The node above one, null at the top; undefined where the node isn't shown: it was deleted, or is below one that was. */
  parent(node: string): string | null | undefined {
    const tree = this.resolve();
    if (tree === absent) throw noSuchNode(node);
    this.inputIds(node);
    if (this.bridge.check(this.bridge.core.tree_parent(tree)) === absent) return undefined;
    return this.bridge.outputValue() as string | null;
  }

  toJSON(): TreeNode[] {
    return this.content([]) as unknown as TreeNode[];
  }

  #inputParent(parent: string | null): void {
    if (parent === null) this.bridge.input(new Uint8Array(0));
    else this.inputIds(parent);
  }

  /** So that two who put nodes at one place at the same time don't take the same index. */
  #jitter(): number {
    return this.bridge.draw(2).getUint16(0, true);
  }
}

/** The nodes and edges of a graph. */
export abstract class GraphNodes extends NodesHandle {
  readonly kind = 'graph';

  /** A new node; its id. */
  addNode(): string {
    const graph = this.ensure();
    return this.id(this.bridge.writer.graph_add_node(graph));
  }

  /**
   * A new edge; there may be several between the same nodes, and from a node to itself.
   *
   * @returns its id
   * @throws JoineryError `no-such-node`
   */
  addEdge(from: string, to: string): string {
    const graph = this.resolve();
    if (graph === absent) throw noSuchNode(from);
    const { writer } = this.bridge;
    return this.id(writer.graph_add_edge(graph, this.inputIds(from, to)));
  }

  /**
   * Deletes a node, with its edges, or an edge, for good.
   *
   * @returns false where it was deleted before
   * @throws JoineryError `no-such-node`
   */
  delete(id: string): boolean {
    const graph = this.resolve();
    if (graph === absent) throw noSuchNode(id);
    const { bridge } = this;
    const { writer } = bridge;
    this.inputIds(id);
    const deleted = bridge.check(writer.graph_delete(graph)) === 1;
    bridge.structure += 1;
    return deleted;
  }

  /** The ids of the nodes, by id: in the same order at every replica. */
  get nodes(): string[] {
    const graph = this.resolve();
    return graph === absent ? [] : this.ids(this.bridge.core.graph_nodes(graph));
  }

  /** The edges, by id. One is there while it and both its ends are. */
  get edges(): GraphEdge[] {
    const graph = this.resolve();
    if (graph === absent) return [];
    const ids = this.ids(this.bridge.core.graph_edges(graph));
    const edges: GraphEdge[] = [];
    for (let at = 0; at < ids.length; at += 3) {
      const [id = '', from = '', to = ''] = ids.slice(at, at + 3);
      edges.push({ id, from, to });
    }
    return edges;
  }

  toJSON(): GraphValue {
    return this.content({ edges: [], nodes: [] }) as unknown as GraphValue;
  }
}

const readAgain = 'Read the nodes again before you write.';

function noSuchNode(id: unknown): JoineryError {
  return new JoineryError('no-such-node', {
    expected: 'the id of a node or an edge that is there',
    got: typeof id === 'string' ? JSON.stringify(id.slice(0, maxIdLength + 1)) : `a ${typeof id}`,
    remedy: readAgain,
  });
}
