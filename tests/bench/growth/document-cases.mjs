// How everything but texts grows: agents, keys, containers, lists, counters, sets, trees and graphs.

import { mulberry32 } from '../trace.mjs';
import { agentOf, check, fresh, joined, loaded, state, taken, written } from './case.mjs';

/** One edit of each agent, of a kind that its number says. @param {number} size */
function editsOfAgents(size) {
  const base = state((replica) => {
    replica.text('t').insert(0, 'ab');
    replica.list('l').push(0);
    replica.counter('c').increment();
    replica.set('s').add(0);
  });
  return {
    base,
    updates: written(base, size, (replica, number) => {
      const edits = [
        () => replica.text('t').insert(1, 'x'),
        () => replica.list('l').push(number),
        () => replica.counter('c').increment(),
        () => replica.set('s').add(number),
        () => replica.map('m').set(`key ${number}`, number),
      ];
      edits[number % edits.length]?.();
    }),
  };
}

/** A tree of `size` nodes, each below one of those before it. @param {number} size @param {() => number} random */
function randomTree(size, random) {
  const replica = fresh();
  const tree = replica.tree('tree');
  /** @type {string[]} */
  const nodes = [];
  for (let count = 0; count < size; count += 1) {
    const parent = nodes[Math.floor(random() * nodes.length)] ?? null;
    nodes.push(tree.create(parent, 0));
  }
  return { replica, tree, nodes };
}

/** @param {import('joinery/core').TreeHandle} tree @param {readonly string[]} nodes @param {() => number} random */
function moveAnywhere(tree, nodes, random) {
  const pick = () => nodes[Math.floor(random() * nodes.length)] ?? '';
  for (let count = 0; count < nodes.length; count += 1) {
    try {
      tree.move(pick(), pick(), 0);
    } catch (error) {
      // Into what is below it: as often as chance has it.
      if (!(error instanceof Error && 'code' in error && error.code === 'move-into-itself')) throw error;
    }
  }
}

/** So many pairs of nodes that two moved into each other at once: one of each pair is at the top. @param {number} size */
function circlingPairs(size) {
  const replica = fresh();
  const tree = replica.tree('tree');
  const nodes = Array.from({ length: 2 * size }, () => tree.create(null, 0));
  const other = loaded(replica.encodeSnapshot(), agentOf(1));
  for (let pair = 0; pair < size; pair += 1) {
    const [one = '', another = ''] = nodes.slice(2 * pair, 2 * pair + 2);
    tree.move(one, another, 0);
    other.tree('tree').move(another, one, 0);
  }
  for (const update of taken(other)) replica.applyUpdate(update);
  check(tree.children().length, size);
  return { tree, nodes };
}

/** @param {import('joinery/core').ListHandle} list @param {number} size @param {() => number} random */
function moveElements(list, size, random) {
  for (let count = 0; count < size; count += 1) {
    list.move(Math.floor(random() * size), Math.floor(random() * size));
  }
}

/** @param {number} size */
function numbers(size) {
  return state((replica) => {
    const list = replica.list('l');
    for (let count = 0; count < size; count += 1) list.push(count);
  });
}

/** @type {readonly import('./case.mjs').GrowthCase[]} */
export const documentCases = [
  {
    name: 'agents with one edit each, joined one by one',
    size: 10_000,
    prepare: (size) => {
      const { base, updates } = editsOfAgents(size);
      return () => check(joined(base, updates).pendingCount, 0);
    },
  },
  {
    name: 'agents with one edit each: saved, loaded, exported, versions told',
    size: 20_000,
    prepare: (size) => {
      const { base, updates } = editsOfAgents(size);
      const replica = joined(base, updates);
      const half = joined(base, updates.slice(0, size / 2)).version();
      return () => {
        const again = loaded(replica.encodeSnapshot());
        check(again.covers(replica.version()), true);
        check(again.covers(half), true);
        check(replica.exportUpdate(half).length > 0, true);
        // Written on what nobody knew of each other.
        replica.text('t').insert(0, 'y');
        again.applyUpdate(taken(replica)[0] ?? new Uint8Array(0));
        check(again.covers(replica.version()), true);
      };
    },
  },
  {
    name: 'keys of a map set, read, saved, loaded',
    size: 100_000,
    prepare: (size) => () => {
      const replica = fresh();
      const map = replica.map('m');
      for (let count = 0; count < size; count += 1) map.set(`key ${(count * 7919) % size}`, count);
      check(map.size, size);
      const again = loaded(replica.encodeSnapshot()).map('m');
      for (let count = 0; count < size; count += 1) check(again.get(`key ${count}`) !== undefined, true);
    },
  },
  {
    name: 'one key set again and again',
    size: 400_000,
    prepare: (size) => () => {
      const replica = fresh();
      for (let count = 0; count < size; count += 1) replica.root.set('key', count);
      check(replica.encodeSnapshot().length < 100, true);
    },
  },
  {
    name: 'one key given a fresh map again and again',
    size: 25_000,
    prepare: (size) => () => {
      const replica = fresh();
      for (let count = 0; count < size; count += 1) {
        replica.root.set('key', null);
        replica.map('key').set('a', count);
      }
      check(replica.map('key').get('a'), size - 1);
    },
  },
  {
    name: 'maps in maps, a hundred deep, and beside each other',
    size: 500,
    prepare: (size) => () => {
      const replica = fresh();
      for (let count = 0; count < size; count += 1) {
        let map = replica.map(`key ${count}`);
        for (let depth = 0; depth < 100; depth += 1) map = map.map('below');
        map.set('a', count);
      }
      check(loaded(replica.encodeSnapshot()).root.size, size);
    },
  },
  {
    name: 'elements of a list inserted anywhere, set, deleted',
    size: 50_000,
    prepare: (size) => () => {
      const random = mulberry32(2);
      const replica = fresh();
      const list = replica.list('l');
      for (let count = 0; count < size; count += 1) list.insert(Math.floor(random() * (count + 1)), count);
      for (let count = 0; count < size; count += 1) list.set(Math.floor(random() * size), -count);
      for (let left = size; left > 0; left -= 1) list.delete(Math.floor(random() * left));
      check(list.length, 0);
    },
  },
  {
    name: 'maps in a list, inserted, written, deleted',
    size: 25_000,
    prepare: (size) => () => {
      const replica = fresh();
      const list = replica.list('l');
      for (let count = 0; count < size; count += 1) list.insertContainer(0, 'map').set('a', count);
      for (let left = size; left > 0; left -= 1) list.delete(left >> 1);
      check(list.length, 0);
    },
  },
  {
    name: 'elements of a list moved anywhere',
    size: 50_000,
    prepare: (size) => {
      const replica = loaded(numbers(size));
      return () => {
        moveElements(replica.list('l'), size, mulberry32(4));
        check(loaded(replica.encodeSnapshot()).list('l').length, size);
      };
    },
  },
  {
    name: 'moves of a list from elsewhere, joined one by one, and beside own ones',
    size: 25_000,
    prepare: (size) => {
      const base = numbers(size);
      const [theirs, ours] = [loaded(base, agentOf(1)), loaded(base, agentOf(2))];
      /** @type {Uint8Array[]} */
      const updates = [];
      const random = mulberry32(5);
      for (let count = 0; count < size; count += 1) {
        theirs.list('l').move(Math.floor(random() * size), Math.floor(random() * size));
        updates.push(...taken(theirs));
      }
      moveElements(ours.list('l'), size, mulberry32(6));
      return () => {
        for (const update of updates) ours.applyUpdate(update);
        check(ours.list('l').length, size);
      };
    },
  },
  {
    name: 'a counter and a set, added to and taken from',
    size: 100_000,
    prepare: (size) => () => {
      const replica = fresh();
      const [counter, set] = [replica.counter('c'), replica.set('s')];
      for (let count = 0; count < size; count += 1) {
        counter.increment(2);
        set.add(count);
        if (count % 2 === 1) set.delete(count);
      }
      check(counter.value, 2 * size);
      check(set.size, size / 2);
    },
  },
  {
    name: 'one value added to a set and removed again and again',
    size: 100_000,
    prepare: (size) => () => {
      const replica = fresh();
      const set = replica.set('s');
      for (let count = 0; count < size; count += 1) {
        set.add('x');
        set.delete('x');
      }
      check(set.size, 0);
    },
  },
  {
    name: 'nodes of a tree moved anywhere',
    size: 25_000,
    prepare: (size) => {
      const random = mulberry32(8);
      const { tree, nodes } = randomTree(size, random);
      return () => moveAnywhere(tree, nodes, random);
    },
  },
  {
    name: 'nodes of a tree moved anywhere by two, joined, saved, loaded',
    size: 12_500,
    prepare: (size) => {
      const random = mulberry32(9);
      const { replica, tree, nodes } = randomTree(size, random);
      const other = loaded(replica.encodeSnapshot(), agentOf(1));
      taken(replica);
      moveAnywhere(tree, nodes, random);
      moveAnywhere(other.tree('tree'), nodes, random);
      const updates = taken(other);
      return () => {
        for (const update of updates) replica.applyUpdate(update);
        check(loaded(replica.encodeSnapshot()).tree('tree').children().length, tree.children().length);
      };
    },
  },
  {
    name: 'nodes of a tree beside each other, created anywhere',
    size: 10_000,
    prepare: (size) => {
      const random = mulberry32(10);
      return () => {
        const tree = fresh().tree('tree');
        for (let count = 0; count < size; count += 1) tree.create(null, Math.floor(random() * (count + 1)));
        check(tree.children().length, size);
      };
    },
  },
  {
    name: 'nodes of a tree beside each other, each behind the last',
    size: 10_000,
    prepare: (size) => () => {
      const tree = fresh().tree('tree');
      for (let count = 0; count < size; count += 1) tree.create(null);
      check(tree.children().length, size);
    },
  },
  {
    name: 'nodes of a tree beside each other, each before the first',
    size: 10_000,
    prepare: (size) => () => {
      const tree = fresh().tree('tree');
      for (let count = 0; count < size; count += 1) tree.create(null, 0);
      check(tree.children().length, size);
    },
  },
  {
    name: 'nodes of a tree, each below the last',
    size: 5_000,
    prepare: (size) => () => {
      const tree = fresh().tree('tree');
      /** @type {string | null} */
      let parent = null;
      for (let count = 0; count < size; count += 1) parent = tree.create(parent, 0);
      check(tree.children().length, 1);
    },
  },
  {
    name: 'half of a chain of nodes moved up and down',
    size: 5_000,
    prepare: (size) => {
      const tree = fresh().tree('tree');
      /** @type {string[]} */
      const nodes = [];
      for (let count = 0; count < size; count += 1) nodes.push(tree.create(nodes.at(-1) ?? null, 0));
      const [lower = '', upper = '', above = ''] = [nodes[size / 2], nodes[size / 2 - 1], nodes[0]];
      return () => {
        for (let count = 0; count < size; count += 1) tree.move(lower, count % 2 === 0 ? above : upper, 0);
        check(tree.children(upper)[0], lower);
      };
    },
  },
  {
    name: 'pairs of nodes that two moved into each other, then given children',
    size: 2_000,
    prepare: (size) => {
      const { tree, nodes } = circlingPairs(size);
      return () => {
        for (const node of nodes) tree.create(node, 0);
        check(tree.children().length, size);
      };
    },
  },
  {
    name: 'pairs of nodes that two moved into each other, then moved on',
    size: 2_000,
    prepare: (size) => {
      const { tree, nodes } = circlingPairs(size);
      return () => {
        for (const node of nodes) tree.move(node, null, 0);
        check(tree.children().length, 2 * size);
      };
    },
  },
  {
    name: 'nodes and edges of a graph, all at one node, deleted with it',
    size: 25_000,
    prepare: (size) => () => {
      const replica = fresh();
      const graph = replica.graph('g');
      const middle = graph.addNode();
      for (let count = 0; count < size; count += 1) graph.addEdge(middle, graph.addNode());
      check(graph.edges.length, size);
      graph.delete(middle);
      check(graph.edges.length, 0);
      check(loaded(replica.encodeSnapshot()).graph('g').nodes.length, size);
    },
  },
];
