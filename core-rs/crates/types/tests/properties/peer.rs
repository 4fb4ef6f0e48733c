//! A replica with its naive twin: each edit is done to the document and entered in the oracle's log, and both must agree.

use joinery_history::{Dot as CoreDot, Version as CoreVersion};
use joinery_oracle::{join, Attributes, ContainerId, DeltaStep, Kind, Log, Seen, Value, Version, EMBED};
use joinery_types::{Applied, Document, Entry, Expand, Kind as CoreKind, ROOT};

/// A time after all that tests write at.
pub const LATE: u64 = 1 << 40;

/// A container as both sides name it.
#[derive(Debug, Clone)]
pub struct Handle {
    pub number: u32,
    pub id: ContainerId,
}

impl Handle {
    pub fn root() -> Handle {
        Handle {
            number: ROOT,
            id: ContainerId::ROOT,
        }
    }

    pub fn kind(&self) -> Kind {
        self.id.kind()
    }
}

#[derive(Debug, Clone)]
pub struct Peer {
    pub document: Document,
    pub agent: u64,
    /// What it has seen, by the oracle's reckoning.
    pub version: Version,
}

pub fn core_kind(kind: Kind) -> CoreKind {
    match kind {
        Kind::Map => CoreKind::Map,
        Kind::List => CoreKind::List,
        Kind::Text => CoreKind::Text,
        Kind::Counter => CoreKind::Counter,
        Kind::Set => CoreKind::Set,
        Kind::Tree => CoreKind::Tree,
        Kind::Graph => CoreKind::Graph,
    }
}

pub fn decode_version(document: &Document) -> Version {
    let entries = CoreVersion::decode(&document.version_bytes()).unwrap();
    entries.into_iter().collect()
}

pub fn encode_version(version: &Version) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, version.len() as u64);
    for (agent, seq) in version {
        out.extend(agent.to_le_bytes());
        varint(&mut out, u64::from(*seq));
    }
    out
}

pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A whole number as a packed value.
pub fn integer(n: i64) -> Vec<u8> {
    let mut out = vec![3];
    varint(&mut out, ((n << 1) ^ (n >> 63)) as u64);
    out
}

pub fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

pub fn plain(document: &Document) -> Vec<u8> {
    let mut out = Vec::new();
    document.to_plain(ROOT, &mut out).unwrap();
    out
}

/// Every text that a reader sees, as a delta; parents before children, by keys and indices.
pub fn rich(document: &Document) -> Vec<Vec<u8>> {
    texts(document).into_iter().map(|(_, delta)| delta).collect()
}

/// The same, and whether each is in a node or an edge; a tree's nodes as they stand, a graph's by id.
pub fn texts(document: &Document) -> Vec<(bool, Vec<u8>)> {
    // Reading an element notes where it was found, and a node's map is made when it is named.
    let mut document = document.clone();
    let mut texts = Vec::new();
    let mut open = vec![(ROOT, CoreKind::Map, false)];
    while let Some((at, kind, in_node)) = open.pop() {
        let mut below = Vec::new();
        let mut see = |entry: Option<Entry<'_>>| {
            if let Some(Entry::Child(child, kind)) = entry {
                below.push((child, kind, in_node));
            }
        };
        match kind {
            CoreKind::Map => {
                let keys: Vec<_> = document.map_keys(at).unwrap().cloned().collect();
                keys.iter().for_each(|key| see(document.map_get(at, key).unwrap()));
            }
            CoreKind::List => {
                (0..document.list_len(at).unwrap()).for_each(|index| see(document.list_get(at, index).unwrap()));
            }
            CoreKind::Text => {
                let mut delta = Vec::new();
                document.text_delta(at, &mut delta).unwrap();
                texts.push((in_node, delta));
            }
            CoreKind::Tree | CoreKind::Graph => {
                for id in ids(&mut document, at, kind) {
                    below.push((document.node_data(at, id).unwrap(), CoreKind::Map, true));
                }
            }
            CoreKind::Counter | CoreKind::Set => {}
        }
        open.extend(below.into_iter().rev());
    }
    texts
}

/// The nodes and edges that are shown.
pub fn ids(document: &mut Document, container: u32, kind: CoreKind) -> Vec<CoreDot> {
    if kind == CoreKind::Graph {
        let edges = document.graph_edges(container).unwrap();
        let edges = edges.into_iter().map(|(edge, ..)| edge);
        return document
            .graph_nodes(container)
            .unwrap()
            .into_iter()
            .chain(edges)
            .collect();
    }
    let mut found = Vec::new();
    let mut open = vec![CoreDot::NONE];
    while let Some(node) = open.pop() {
        found.extend(Some(node).filter(|node| node.is_some()));
        open.extend(document.tree_children(container, node).unwrap().into_iter().rev());
    }
    found
}

/// All that a document shows: its plain content, and its texts with their marks.
pub type Shown = (Vec<u8>, Vec<Vec<u8>>);

pub fn shown(document: &Document) -> Shown {
    (plain(document), rich(document))
}

/// Does a mark with this key grow? (Of those that random edits make.)
pub fn grows(key: &str) -> bool {
    key == "bold"
}

pub fn expand(key: &str) -> Expand {
    if grows(key) {
        Expand::After
    } else {
        Expand::None
    }
}

fn pack_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn pack_attributes(attributes: &Attributes, out: &mut Vec<u8>) {
    out.push(8);
    varint(out, attributes.len() as u64);
    for (key, value) in attributes {
        pack_blob(out, key.as_bytes());
        out.extend_from_slice(value);
    }
}

/// One step of a delta as a packed object; `content` is what stands at `member`.
fn pack_step(attributes: &Attributes, member: &str, content: &[u8]) -> Vec<u8> {
    let mut out = vec![8, 1 + u8::from(!attributes.is_empty())];
    if !attributes.is_empty() {
        pack_blob(&mut out, b"attributes");
        pack_attributes(attributes, &mut out);
    }
    pack_blob(&mut out, member.as_bytes());
    out.extend_from_slice(content);
    out
}

fn pack_text(units: &[u16]) -> Vec<u8> {
    let mut out = vec![5];
    pack_blob(&mut out, String::from_utf16(units).expect("whole pairs").as_bytes());
    out
}

fn pack_steps(steps: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![7];
    varint(&mut out, steps.len() as u64);
    steps.iter().for_each(|step| out.extend_from_slice(step));
    out
}

pub fn pack_delta(steps: &[DeltaStep]) -> Vec<u8> {
    let steps: Vec<Vec<u8>> = steps
        .iter()
        .map(|step| match step {
            DeltaStep::Insert(units, attributes) => pack_step(attributes, "insert", &pack_text(units)),
            DeltaStep::Embed(object, attributes) => pack_step(attributes, "insert", object),
            DeltaStep::Retain(n, attributes) => pack_step(attributes, "retain", &integer(*n as i64)),
            DeltaStep::Delete(n) => pack_step(&Attributes::new(), "delete", &integer(*n as i64)),
        })
        .collect();
    pack_steps(&steps)
}

/// The delta of a text as the oracle reads it.
fn pack_rich(units: &[(u16, Attributes)]) -> Vec<u8> {
    let embed = EMBED.to_string();
    let mut steps: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(Vec<u16>, &Attributes)> = None;
    let close = |open: &mut Option<(Vec<u16>, &Attributes)>, steps: &mut Vec<Vec<u8>>| {
        if let Some((units, attributes)) = open.take() {
            let mut attributes = attributes.clone();
            attributes.remove(&embed);
            steps.push(pack_step(&attributes, "insert", &pack_text(&units)));
        }
    };
    for (unit, attributes) in units {
        let object = attributes.get(&embed).filter(|_| *unit == EMBED as u16);
        if let Some(object) = object {
            close(&mut open, &mut steps);
            let mut attributes = attributes.clone();
            attributes.remove(&embed);
            steps.push(pack_step(&attributes, "insert", object));
            continue;
        }
        match &mut open {
            Some((units, last)) if *last == attributes => units.push(*unit),
            _ => {
                close(&mut open, &mut steps);
                open = Some((vec![*unit], attributes));
            }
        }
    }
    close(&mut open, &mut steps);
    pack_steps(&steps)
}

/// The whole number that [`integer`] packed.
fn whole(value: &[u8]) -> i64 {
    let raw = value[1..]
        .iter()
        .rev()
        .fold(0, |raw, &byte| raw << 7 | i64::from(byte & 0x7f));
    raw >> 1 ^ -(raw & 1)
}

/// The packed value that stands for what the oracle reads.
pub fn pack(value: &Value, out: &mut Vec<u8>) {
    let blob = |out: &mut Vec<u8>, bytes: &[u8]| {
        varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Nothing => out.push(0),
        Value::Plain(bytes) => out.extend_from_slice(bytes),
        Value::Text(units) => {
            out.push(5);
            blob(out, String::from_utf16(units).expect("whole pairs").as_bytes());
        }
        Value::Counter(sum) => out.extend(integer(i64::try_from(*sum).unwrap())),
        Value::Set(values) => {
            out.push(7);
            varint(out, values.len() as u64);
            let mut values: Vec<_> = values.iter().collect();
            // Whole numbers, all that random sets hold, by size.
            values.sort_by_key(|value| whole(value));
            values.into_iter().for_each(|value| out.extend_from_slice(value));
        }
        Value::List(values) => {
            out.push(7);
            varint(out, values.len() as u64);
            values.iter().for_each(|value| pack(value, out));
        }
        Value::Map(entries) => {
            out.push(8);
            varint(out, entries.len() as u64);
            for (key, value) in entries {
                blob(out, key.as_bytes());
                pack(value, out);
            }
        }
    }
}

/// Takes every envelope that is ready.
pub fn take_all(document: &mut Document) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| document.take_update()).collect()
}

impl Peer {
    pub fn new(agent: u64) -> Peer {
        let mut document = Document::default();
        document.set_agent(agent);
        Peer {
            document,
            agent,
            version: Version::new(),
        }
    }

    /// Joins what came. The outcome must be what the version says, and nothing may be seen before what it rests on.
    pub fn receive(&mut self, log: &Log, bytes: &[u8], now: u64) -> Applied {
        let before = self.version.clone();
        let applied = self.document.apply(bytes, now).unwrap();
        self.version = decode_version(&self.document);
        let mut joined = self.version.clone();
        join(&mut joined, &before);
        assert_eq!(joined, self.version, "a version never falls");
        assert_eq!(applied == Applied::Joined, self.version != before, "{applied:?}");
        assert!(log.is_causal(&self.version), "something joined before what it rests on");
        applied
    }

    /// Holds the whole document against the oracle.
    pub fn check(&self, log: &Log) {
        let mut expected = Vec::new();
        let view = log.view(&self.version);
        let value = view.read(&ContainerId::ROOT);
        pack(&value, &mut expected);
        assert_eq!(plain(&self.document), expected, "the oracle reads {value:?}");
        let texts: Vec<Vec<u8>> = view.texts().iter().map(|text| pack_rich(&view.rich(text))).collect();
        assert_eq!(rich(&self.document), texts, "other marks");
    }

    /// After an edit both must have counted the same operations.
    pub fn counted(&self) {
        assert_eq!(decode_version(&self.document), self.version);
    }

    fn handle(&self, entry: Option<Entry<'_>>, seen: &Seen) -> Option<Handle> {
        match (entry, seen) {
            (None, Seen::Nothing) => None,
            (Some(Entry::Plain(bytes)), Seen::Plain(expected)) => {
                assert_eq!(bytes, expected);
                None
            }
            (Some(Entry::Child(number, kind)), Seen::Child(id)) if core_kind(id.kind()) == kind => {
                Some(Handle { number, id: id.clone() })
            }
            (entry, seen) => panic!("the core reads {entry:?}, the oracle {seen:?}"),
        }
    }

    /// The container at a key, if one is seen there.
    pub fn at_key(&self, log: &Log, map: &Handle, key: &str) -> Option<Handle> {
        let seen = log.view(&self.version).get(&map.id, key);
        self.handle(self.document.map_get(map.number, key).unwrap(), &seen)
    }

    /// The container in an element, if one is seen there.
    pub fn at_index(&mut self, log: &Log, list: &Handle, index: usize) -> Option<Handle> {
        let seen = &log.view(&self.version).elements(&list.id)[index];
        let mut document = std::mem::take(&mut self.document);
        let entry = document.list_get(list.number, index as u32).unwrap();
        let handle = self.handle(entry, seen);
        self.document = document;
        handle
    }

    /// Every container that a reader sees in this one.
    pub fn children(&mut self, log: &Log, parent: &Handle) -> Vec<Handle> {
        match parent.kind() {
            Kind::Map => {
                let keys: Vec<String> = self
                    .document
                    .map_keys(parent.number)
                    .unwrap()
                    .map(|key| key.to_string())
                    .collect();
                keys.iter().filter_map(|key| self.at_key(log, parent, key)).collect()
            }
            Kind::List => (0..self.list_len(parent))
                .filter_map(|index| self.at_index(log, parent, index))
                .collect(),
            Kind::Tree | Kind::Graph => self.node_maps(log, parent),
            _ => Vec::new(),
        }
    }

    pub fn ensure(&mut self, log: &mut Log, map: &Handle, key: &str, kind: Kind, now: u64) -> Handle {
        let number = self
            .document
            .ensure_child(map.number, key, core_kind(kind), now)
            .unwrap();
        let id = log.ensure_child((self.agent, now), &mut self.version, &map.id, key, kind);
        self.counted();
        Handle { number, id }
    }

    pub fn create(&mut self, log: &mut Log, map: &Handle, key: &str, kind: Kind, now: u64) -> Handle {
        let number = self
            .document
            .create_child(map.number, key, core_kind(kind), now)
            .unwrap();
        let id = log.create_child((self.agent, now), &mut self.version, &map.id, key, kind);
        self.counted();
        Handle { number, id }
    }

    pub fn map_set(&mut self, log: &mut Log, map: &Handle, key: &str, value: &[u8], now: u64) {
        self.document.map_set(map.number, key, value, now).unwrap();
        log.map_set((self.agent, now), &mut self.version, &map.id, key, value);
        self.counted();
    }

    pub fn map_delete(&mut self, log: &mut Log, map: &Handle, key: &str, now: u64) {
        let there = self.document.map_delete(map.number, key, now).unwrap();
        assert_eq!(
            there,
            log.map_delete((self.agent, now), &mut self.version, &map.id, key)
        );
        self.counted();
    }

    pub fn text_insert(&mut self, log: &mut Log, text: &Handle, index: usize, what: &[u16]) {
        let mut units = what.to_vec();
        self.document
            .text_insert(text.number, index as u32, &mut units)
            .unwrap();
        log.text_insert(self.agent, &mut self.version, &text.id, index, what);
        self.counted();
    }

    pub fn text_delete(&mut self, log: &mut Log, text: &Handle, index: usize, len: usize) {
        self.document
            .text_delete(text.number, index as u32, len as u32)
            .unwrap();
        log.text_delete(self.agent, &mut self.version, &text.id, index, len);
        self.counted();
    }

    pub fn text_mark(
        &mut self,
        log: &mut Log,
        text: &Handle,
        (from, to): (usize, usize),
        (key, value): (&str, &[u8]),
        now: u64,
    ) {
        let range = (from as u32, to as u32);
        let marked = self
            .document
            .text_mark(text.number, range, key, value, expand(key), now);
        let by = (self.agent, now);
        let entered = log.text_mark(by, &mut self.version, &text.id, (from, to), key, value, grows(key));
        assert_eq!(marked, Ok(entered));
        self.counted();
    }

    pub fn text_apply_delta(&mut self, log: &mut Log, text: &Handle, steps: &[DeltaStep], now: u64) {
        let delta = pack_delta(steps);
        self.document
            .text_apply_delta(text.number, &delta, &expand, now)
            .unwrap();
        log.text_apply_delta((self.agent, now), &mut self.version, &text.id, steps, &grows);
        self.counted();
    }

    pub fn has_pairs(&self, text: &Handle) -> bool {
        let mut chunks = self.document.text_chunks(text.number).unwrap();
        chunks.any(|chunk| chunk.iter().any(|unit| unit & 0xf800 == 0xd800))
    }

    pub fn text_len(&self, text: &Handle) -> usize {
        self.document.text_len(text.number).unwrap() as usize
    }

    pub fn list_insert(&mut self, log: &mut Log, list: &Handle, index: usize, values: &[&[u8]]) {
        self.document.list_insert(list.number, index as u32, values).unwrap();
        log.list_insert(self.agent, &mut self.version, &list.id, index, values);
        self.counted();
    }

    pub fn list_insert_child(&mut self, log: &mut Log, list: &Handle, index: usize, kind: Kind) -> Handle {
        let number = self
            .document
            .list_insert_child(list.number, index as u32, core_kind(kind))
            .unwrap();
        let id = log.list_insert_child(self.agent, &mut self.version, &list.id, index, kind);
        self.counted();
        Handle { number, id }
    }

    pub fn list_set(&mut self, log: &mut Log, list: &Handle, index: usize, value: &[u8], now: u64) {
        self.document.list_set(list.number, index as u32, value, now).unwrap();
        log.list_set((self.agent, now), &mut self.version, &list.id, index, value);
        self.counted();
    }

    pub fn list_set_child(&mut self, log: &mut Log, list: &Handle, index: usize, kind: Kind, now: u64) -> Handle {
        let number = self
            .document
            .list_set_child(list.number, index as u32, core_kind(kind), now)
            .unwrap();
        let id = log.list_set_child((self.agent, now), &mut self.version, &list.id, index, kind);
        self.counted();
        Handle { number, id }
    }

    pub fn list_delete(&mut self, log: &mut Log, list: &Handle, index: usize, len: usize) {
        self.document
            .list_delete(list.number, index as u32, len as u32)
            .unwrap();
        log.list_delete(self.agent, &mut self.version, &list.id, index, len);
        self.counted();
    }

    pub fn list_move(&mut self, log: &mut Log, list: &Handle, from: usize, to: usize, now: u64) {
        self.document
            .list_move(list.number, from as u32, to as u32, now)
            .unwrap();
        log.list_move((self.agent, now), &mut self.version, &list.id, from, to);
        self.counted();
    }

    pub fn list_len(&self, list: &Handle) -> usize {
        self.document.list_len(list.number).unwrap() as usize
    }

    pub fn counter_add(&mut self, log: &mut Log, counter: &Handle, amount: i64) {
        self.document.counter_add(counter.number, amount).unwrap();
        log.counter_add(self.agent, &mut self.version, &counter.id, amount);
        self.counted();
    }

    pub fn set_add(&mut self, log: &mut Log, set: &Handle, value: &[u8]) {
        self.document.set_add(set.number, value).unwrap();
        log.set_add(self.agent, &mut self.version, &set.id, value);
        self.counted();
    }

    pub fn set_delete(&mut self, log: &mut Log, set: &Handle, value: &[u8]) {
        let there = self.document.set_delete(set.number, value).unwrap();
        assert_eq!(there, log.set_delete(self.agent, &mut self.version, &set.id, value));
        self.counted();
    }
}
