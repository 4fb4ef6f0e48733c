//! A document as one packed value: maps as objects, lists as arrays, texts as strings, counters as numbers, sets as arrays;
//! trees and graphs as `nodes.rs` says. It walks with a stack of its own, so nesting costs no call depth.

mod nodes;

pub use nodes::MAX_PLAIN_NODES_DEEP;

use crate::container::{Body, Key};
use crate::cut::{self, OfNodes};
use crate::document::{Document, Entry};
use crate::error::Error;
use crate::tree::Reading;
use joinery_codec::{write_zigzag, Writer};
use joinery_history::Dot;
use std::borrow::Cow;

enum Step {
    /// Write this container.
    Container(u32),
    /// Write an object's key.
    Key(std::rc::Rc<str>),
    /// Write the plain value at a map's key.
    Plain(u32, std::rc::Rc<str>),
    /// Write a list's element from this one on.
    Elements { list: u32, unit: usize },
    /// Write these bytes.
    Bytes(Vec<u8>),
    /// Write what hangs below a node, so many nodes down; the tree by its place among those that were met.
    Siblings { tree: usize, parent: Dot, depth: u32 },
    /// Write a tree's node.
    Node { tree: usize, node: Dot, depth: u32 },
}

impl Document {
    /// Appends a container's content as a packed value. (It may be deeper and longer than a value that can be stored.)
    pub fn to_plain(&self, container: u32, out: &mut Vec<u8>) -> Result<(), Error> {
        self.containers().live(container)?;
        let mut stack = vec![Step::Container(container)];
        let mut lists: Vec<(u32, Vec<u32>)> = Vec::new();
        let mut trees: Vec<(u32, OfNodes<Cow<'_, Reading>>)> = Vec::new();
        while let Some(step) = stack.pop() {
            match step {
                Step::Key(key) => out.blob(key.as_bytes()),
                Step::Elements { list, unit } => {
                    let Some((_, units)) = lists.last().filter(|(of, _)| *of == list) else {
                        continue;
                    };
                    let Some(&index) = units.get(unit) else {
                        lists.pop();
                        continue;
                    };
                    stack.push(Step::Elements { list, unit: unit + 1 });
                    let slot = self.containers().list(list)?.slot(index);
                    match self.entry(slot) {
                        Some(Entry::Plain(bytes)) => out.extend_from_slice(bytes),
                        Some(Entry::Child(child, _)) => stack.push(Step::Container(child)),
                        None => out.push(0),
                    }
                }
                Step::Bytes(bytes) => out.extend_from_slice(&bytes),
                Step::Siblings { tree, parent, depth } => {
                    let steps = self.siblings(out, &trees[tree].1, (tree, parent), depth);
                    stack.extend(steps.into_iter().rev());
                }
                Step::Node { tree, node, depth } => {
                    let steps = self.node(trees[tree].0, (tree, node), depth);
                    stack.extend(steps.into_iter().rev());
                }
                Step::Container(container) => match &self.container(container).body {
                    Body::Tree(tree) => {
                        let depth = self.nodes_above(container, &trees);
                        if let Some(reading) = cut::nodes(|| tree.read(&self.agents)) {
                            trees.push((container, reading));
                            stack.push(Step::Siblings {
                                tree: trees.len() - 1,
                                parent: Dot::NONE,
                                depth,
                            });
                        }
                    }
                    Body::Graph(graph) => stack.extend(self.graph(container, graph).into_iter().rev()),
                    Body::Text(_) => {
                        out.push(5);
                        let mut bytes = Vec::new();
                        self.text_bytes(container, &mut bytes);
                        out.blob(&bytes);
                    }
                    Body::Counter(counter) => {
                        let value = counter.value();
                        match i64::try_from(value) {
                            Ok(value) if value.unsigned_abs() < 1 << 53 => {
                                out.push(3);
                                write_zigzag(out, value);
                            }
                            _ => {
                                out.push(4);
                                out.u64_le((value as f64).to_bits());
                            }
                        }
                    }
                    Body::Set(set) => {
                        out.push(7);
                        let values = set.values();
                        out.varint(values.len() as u64);
                        values.into_iter().for_each(|value| out.extend_from_slice(value));
                    }
                    Body::List(list) => {
                        out.push(7);
                        out.varint(u64::from(list.sequence.len()));
                        let units = list.sequence.chunks().flatten().copied().collect();
                        lists.push((container, units));
                        stack.push(Step::Elements {
                            list: container,
                            unit: 0,
                        });
                    }
                    Body::Map(map) => {
                        let entries: Vec<_> = map
                            .present()
                            .filter_map(|(key, slot)| Some((key, self.entry(slot)?)))
                            .collect();
                        out.push(8);
                        out.varint(entries.len() as u64);
                        for (key, entry) in entries.into_iter().rev() {
                            match entry {
                                Entry::Child(child, _) => stack.push(Step::Container(child)),
                                Entry::Plain(_) => stack.push(Step::Plain(container, key.clone())),
                            }
                            stack.push(Step::Key(key.clone()));
                        }
                    }
                },
                Step::Plain(map, key) => {
                    if let Some(Entry::Plain(bytes)) = self.map_get(map, &key)? {
                        out.extend_from_slice(bytes);
                    }
                }
            }
        }
        Ok(())
    }

    /// Where a container hangs: its parent and key.
    pub fn place_of(&self, container: u32) -> (u32, &Key) {
        let container = self.container(container);
        (container.parent, &container.key)
    }
}
