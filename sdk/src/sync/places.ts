// What a replica shows at paths as `Replica.describe` tells them, read step by step: however large the document is, no more of it is
// read than what stands there. It changes nothing, and is of use until the replica changes.

import { JoineryError } from '@joinery/protocol';
import {
  type Change,
  GraphHandle,
  type Handle,
  ListHandle,
  MapHandle,
  type Plain,
  type Replica,
  TreeHandle,
} from '../core/index.ts';

/** Keys of maps, indices of lists, ids of nodes, from the root map on. */
export type Path = Change['path'];

/** What stands at a path. */
export interface Found {
  /** Of the container that is there: its number in the replica, and its kind. */
  readonly container: number | undefined;
  readonly kind: Handle['kind'] | undefined;
  content(): Plain;
}

type Here = Handle | Plain | undefined;

export class Places {
  readonly #replica: Replica;
  /** By a graph's number, the ids of what it shows. */
  readonly #graphs = new Map<number, ReadonlySet<string>>();

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** Undefined where nothing is. */
  at(path: Path): Found | undefined {
    let here: Here = this.#replica.root;
    for (const step of path) {
      here = this.#below(here, step);
      if (here === undefined) return undefined;
    }
    const found = here;
    if (!isHandle(found)) return { container: undefined, kind: undefined, content: () => found };
    return { container: found.resolve(), kind: found.kind, content: () => found.toJSON() as Plain };
  }

  #below(here: Here, step: string | number): Here {
    if (here instanceof MapHandle) return typeof step === 'string' ? here.get(step) : undefined;
    if (here instanceof ListHandle) return typeof step === 'number' ? here.get(step) : undefined;
    if (here instanceof TreeHandle) return this.#dataOf(here, step, (id) => here.parent(id) !== undefined);
    if (here instanceof GraphHandle) return this.#dataOf(here, step, (id) => this.#shownBy(here).has(id));
    if (typeof here !== 'object' || here === null || isHandle(here) || !Object.hasOwn(here, step)) return undefined;
    return Reflect.get(here, step) as Plain;
  }

  #dataOf(nodes: TreeHandle | GraphHandle, id: string | number, isShown: (id: string) => boolean): Here {
    try {
      return typeof id === 'string' && isShown(id) ? nodes.data(id) : undefined;
    } catch (error) {
      if (error instanceof JoineryError && error.code === 'no-such-node') return undefined;
      throw error;
    }
  }

  #shownBy(graph: GraphHandle): ReadonlySet<string> {
    const number = graph.resolve();
    const known = this.#graphs.get(number);
    if (known !== undefined) return known;
    const shown = new Set([...graph.nodes, ...graph.edges.map(({ id }) => id)]);
    this.#graphs.set(number, shown);
    return shown;
  }
}

function isHandle(here: Exclude<Here, undefined>): here is Handle {
  return typeof here === 'object' && here !== null && 'resolve' in here && typeof here.resolve === 'function';
}
