//! What a replica may write, and how it is written twice: into the document, and into the naive log of the oracle. The two
//! share no code, and neither looks at the other.

use crate::packed::letter;
use joinery_history::Dot;
use joinery_oracle::{ContainerId, Dot as LogDot, Hanging, Kind as LogKind, Log, Seen, Version};
use joinery_types::{fractional_index, Document, Error, Expand, Kind, LAST_CHILD, ROOT, TREE_JITTER_BITS};

/// One edit. Where it stands is said by what its author sees, so that it means something in every state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edit {
    /// Sets the key `k` of the root.
    Set,
    /// Deletes the key `k`.
    Delete,
    /// Sets a key inside the map at `k`, which is made there if none is seen.
    SetInside,
    /// Puts a fresh map at `k`, with nothing in it.
    Fresh,
    /// Puts a letter in front of the text at `k`, which is made there if none is seen.
    Type,
    /// Puts a letter behind the text at `k`.
    Append,
    /// Puts a letter behind the text's first letter.
    Inside,
    /// Deletes the text's first letter.
    Erase,
    /// Deletes the whole text, letter by letter, and leaves the container.
    EraseAll,
    /// Puts an element in front of the list at `k`, which is made there if none is seen.
    Push,
    /// Puts an element behind the list.
    PushBack,
    /// Writes into the list's first element.
    SetElement,
    /// Puts a map with one key into a new first element.
    PushMap,
    /// Puts a fresh map into the list's first element.
    ReplaceWithMap,
    /// Deletes the list's first element.
    Remove,
    /// Moves the list's first element to its end.
    ToEnd,
    /// Moves the list's last element to its front.
    ToFront,
    /// Adds one to the counter at `k`, which is made there if none is seen.
    Up,
    /// Takes two from it.
    Down,
    /// Adds the one value to the set at `k`, which is made there if none is seen.
    Add,
    /// Removes it.
    Discard,
    /// Says something of the whole text at `k` that its author alone says, and of what is typed at its ends.
    Mark,
    /// Says it of the text's first letter and of nothing that is typed there.
    MarkFirst,
    /// Takes off what is said of the whole text.
    Unmark,
    /// Hangs a new last node at the top of the tree at `k`, which is made there if none is seen.
    Plant,
    /// Hangs the top's first node below its last one.
    Sink,
    /// Hangs the first node below the top's first one at the top's end.
    Rise,
    /// Deletes the top's first node.
    Fell,
}

/// The only key of the root that is used, and the only one inside.
const KEY: &str = "k";
const INNER: &str = "i";

/// The key of every mark.
pub const MARK: &str = "m";

/// Who writes, when, and the letter that nobody else writes.
#[derive(Debug, Clone, Copy)]
pub struct Author {
    /// The agent.
    pub agent: u64,
    /// Its clock, in milliseconds. It stands still, so stamps collide.
    pub now_ms: u64,
    /// The mark by which the edit is told from every other.
    pub mark: u8,
}

/// The set's one value: equal values from different authors are what sets are about.
const MEMBER: [u8; 3] = [5, 1, b'v'];

impl Author {
    /// What its marks say: no capital, for a mark that was covered may be seen again, on what is typed meanwhile.
    fn word(self) -> [u8; 3] {
        letter(self.mark.to_ascii_lowercase())
    }
}

impl Edit {
    /// Does it to a document. False, and nothing has changed, where there is nothing to do it to.
    pub fn write(self, document: &mut Document, author: Author) -> Result<bool, Error> {
        let now = author.now_ms;
        let mark = letter(author.mark);
        match self {
            Edit::Set => document.map_set(ROOT, KEY, &mark, now)?,
            Edit::Delete => return document.map_delete(ROOT, KEY, now),
            Edit::SetInside => {
                let map = document.ensure_child(ROOT, KEY, Kind::Map, now)?;
                document.map_set(map, INNER, &mark, now)?;
            }
            Edit::Fresh => {
                document.create_child(ROOT, KEY, Kind::Map, now)?;
            }
            Edit::Type => {
                let text = document.ensure_child(ROOT, KEY, Kind::Text, now)?;
                document.text_insert(text, 0, &mut [author.mark.into()])?;
            }
            Edit::Append | Edit::Inside | Edit::Erase | Edit::EraseAll => {
                let Some(text) = document.child(ROOT, KEY, Kind::Text) else {
                    return Ok(false);
                };
                let len = document.text_len(text)?;
                match self {
                    Edit::Append => document.text_insert(text, len, &mut [author.mark.into()])?,
                    Edit::Inside if len > 1 => document.text_insert(text, 1, &mut [author.mark.into()])?,
                    Edit::Erase if len > 0 => document.text_delete(text, 0, 1)?,
                    Edit::EraseAll if len > 1 => document.text_delete(text, 0, len)?,
                    _ => return Ok(false),
                }
            }
            Edit::Push => {
                let list = document.ensure_child(ROOT, KEY, Kind::List, now)?;
                document.list_insert(list, 0, &[&mark])?;
            }
            Edit::PushMap => {
                let list = document.ensure_child(ROOT, KEY, Kind::List, now)?;
                let map = document.list_insert_child(list, 0, Kind::Map)?;
                document.map_set(map, INNER, &mark, now)?;
            }
            Edit::PushBack | Edit::SetElement | Edit::ReplaceWithMap | Edit::Remove | Edit::ToEnd | Edit::ToFront => {
                let Some(list) = document.child(ROOT, KEY, Kind::List) else {
                    return Ok(false);
                };
                let len = document.list_len(list)?;
                match self {
                    Edit::PushBack => document.list_insert(list, len, &[&mark])?,
                    Edit::SetElement if len > 0 => document.list_set(list, 0, &mark, now)?,
                    Edit::ReplaceWithMap if len > 0 => {
                        let map = document.list_set_child(list, 0, Kind::Map, now)?;
                        document.map_set(map, INNER, &mark, now)?;
                    }
                    Edit::Remove if len > 0 => document.list_delete(list, 0, 1)?,
                    Edit::ToEnd if len > 1 => document.list_move(list, 0, len - 1, now)?,
                    Edit::ToFront if len > 1 => document.list_move(list, len - 1, 0, now)?,
                    _ => return Ok(false),
                }
            }
            Edit::Up | Edit::Down => {
                let counter = document.ensure_child(ROOT, KEY, Kind::Counter, now)?;
                document.counter_add(counter, if self == Edit::Up { 1 } else { -2 })?;
            }
            Edit::Add => {
                let set = document.ensure_child(ROOT, KEY, Kind::Set, now)?;
                document.set_add(set, &MEMBER)?;
            }
            Edit::Discard => {
                return match document.child(ROOT, KEY, Kind::Set) {
                    Some(set) => document.set_delete(set, &MEMBER),
                    None => Ok(false),
                };
            }
            Edit::Mark | Edit::MarkFirst | Edit::Unmark => {
                let Some(text) = document.child(ROOT, KEY, Kind::Text) else {
                    return Ok(false);
                };
                let len = document.text_len(text)?;
                return match self {
                    Edit::Mark => document.text_mark(text, (0, len), MARK, &author.word(), Expand::After, now),
                    Edit::Unmark => document.text_mark(text, (0, len), MARK, &[0], Expand::After, now),
                    _ => document.text_mark(text, (0, len.min(1)), MARK, &author.word(), Expand::None, now),
                };
            }
            Edit::Plant => {
                let tree = document.ensure_child(ROOT, KEY, Kind::Tree, now)?;
                document.tree_create(tree, Dot::NONE, LAST_CHILD, 0, now)?;
            }
            Edit::Sink | Edit::Rise | Edit::Fell => {
                let Some(tree) = document.child(ROOT, KEY, Kind::Tree) else {
                    return Ok(false);
                };
                let top = document.tree_children(tree, Dot::NONE)?;
                let (Some(&first), Some(&last)) = (top.first(), top.last()) else {
                    return Ok(false);
                };
                let below = document.tree_children(tree, first)?;
                return match (self, below.first()) {
                    (Edit::Fell, _) => document.tree_delete(tree, first, now),
                    (Edit::Sink, _) if first != last => document.tree_move(tree, first, last, LAST_CHILD, 0, now),
                    (Edit::Rise, Some(&node)) => document.tree_move(tree, node, Dot::NONE, LAST_CHILD, 0, now),
                    _ => Ok(false),
                };
            }
        }
        Ok(true)
    }

    /// Enters it in the oracle's log, as its author saw it at `version`, which goes up. Only where [`Edit::write`] did it.
    pub fn enter(self, log: &mut Log, version: &mut Version, author: Author) {
        let root = ContainerId::ROOT;
        let who = (author.agent, author.now_ms);
        let mark = letter(author.mark);
        let unit = [u16::from(author.mark)];
        match self {
            Edit::Set => log.map_set(who, version, &root, KEY, &mark),
            Edit::Delete => {
                log.map_delete(who, version, &root, KEY);
            }
            Edit::SetInside => {
                let map = log.ensure_child(who, version, &root, KEY, LogKind::Map);
                log.map_set(who, version, &map, INNER, &mark);
            }
            Edit::Fresh => {
                log.create_child(who, version, &root, KEY, LogKind::Map);
            }
            Edit::Type => {
                let text = log.ensure_child(who, version, &root, KEY, LogKind::Text);
                log.text_insert(author.agent, version, &text, 0, &unit);
            }
            Edit::Append | Edit::Inside | Edit::Erase | Edit::EraseAll => {
                let text = seen(log, version);
                let len = log.view(version).text(&text).len();
                match self {
                    Edit::Append => log.text_insert(author.agent, version, &text, len, &unit),
                    Edit::Inside => log.text_insert(author.agent, version, &text, 1, &unit),
                    Edit::Erase => log.text_delete(author.agent, version, &text, 0, 1),
                    _ => log.text_delete(author.agent, version, &text, 0, len),
                }
            }
            Edit::Push => {
                let list = log.ensure_child(who, version, &root, KEY, LogKind::List);
                log.list_insert(author.agent, version, &list, 0, &[&mark]);
            }
            Edit::PushMap => {
                let list = log.ensure_child(who, version, &root, KEY, LogKind::List);
                let map = log.list_insert_child(author.agent, version, &list, 0, LogKind::Map);
                log.map_set(who, version, &map, INNER, &mark);
            }
            Edit::PushBack | Edit::SetElement | Edit::ReplaceWithMap | Edit::Remove | Edit::ToEnd | Edit::ToFront => {
                let list = seen(log, version);
                let len = log.view(version).elements(&list).len();
                match self {
                    Edit::PushBack => log.list_insert(author.agent, version, &list, len, &[&mark]),
                    Edit::SetElement => log.list_set(who, version, &list, 0, &mark),
                    Edit::ReplaceWithMap => {
                        let map = log.list_set_child(who, version, &list, 0, LogKind::Map);
                        log.map_set(who, version, &map, INNER, &mark);
                    }
                    Edit::ToEnd => log.list_move(who, version, &list, 0, len - 1),
                    Edit::ToFront => log.list_move(who, version, &list, len - 1, 0),
                    _ => log.list_delete(author.agent, version, &list, 0, 1),
                }
            }
            Edit::Up | Edit::Down => {
                let counter = log.ensure_child(who, version, &root, KEY, LogKind::Counter);
                log.counter_add(author.agent, version, &counter, if self == Edit::Up { 1 } else { -2 });
            }
            Edit::Add => {
                let set = log.ensure_child(who, version, &root, KEY, LogKind::Set);
                log.set_add(author.agent, version, &set, &MEMBER);
            }
            Edit::Discard => {
                let set = seen(log, version);
                log.set_delete(author.agent, version, &set, &MEMBER);
            }
            Edit::Mark | Edit::MarkFirst | Edit::Unmark => {
                let text = seen(log, version);
                let len = log.view(version).text(&text).len();
                let word = author.word();
                let (to, value, grows) = match self {
                    Edit::Mark => (len, &word[..], true),
                    Edit::Unmark => (len, &[0][..], true),
                    _ => (1, &word[..], false),
                };
                log.text_mark(who, version, &text, (0, to), MARK, value, grows);
            }
            Edit::Plant => {
                let tree = log.ensure_child(who, version, &root, KEY, LogKind::Tree);
                let index = last_index(&log.view(version).hanging(&tree), None);
                log.hang_node(who, version, &tree, None, (None, &index));
            }
            Edit::Sink | Edit::Rise | Edit::Fell => {
                let tree = seen(log, version);
                let hanging = log.view(version).hanging(&tree);
                let top = hanging.children(None);
                let (first, last) = (top[0], top[top.len() - 1]);
                let (node, parent) = match self {
                    Edit::Fell => return log.tree_delete(who, version, &tree, first),
                    Edit::Sink => (first, Some(last)),
                    _ => (hanging.children(Some(first))[0], None),
                };
                let index = last_index(&hanging, parent);
                log.tree_move(who, version, &tree, &[(Some(node), (parent, index))]);
            }
        }
    }
}

/// The index of a new last child. Which one it gets is anybody's choice, so the oracle is told what the core chooses.
fn last_index(hanging: &Hanging, parent: Option<LogDot>) -> String {
    let children = hanging.children(parent);
    let last = children.last().map(|last| hanging.places[last].1.as_str());
    fractional_index(last, None, 0, TREE_JITTER_BITS).unwrap_or_default()
}

/// The text that a document shows at the key.
pub fn text_of(document: &Document) -> Option<u32> {
    document.child(ROOT, KEY, Kind::Text)
}

/// The container that the oracle shows at the key; the root, where an edit has no business, if it shows none.
pub fn seen(log: &Log, version: &Version) -> ContainerId {
    match log.view(version).get(&ContainerId::ROOT, KEY) {
        Seen::Child(child) => child,
        _ => ContainerId::ROOT,
    }
}
