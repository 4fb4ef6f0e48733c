//! Joining states: exported updates and snapshots. First the bytes are read into a plain description, then every claim is
//! checked against the document, and only then is anything changed.

mod nodes;

use crate::apply::{join_slot, Outcome};
use crate::container::{Body, Key, ROOT};
use crate::cut;
use crate::document::{Document, MAX_DEPTH, MAX_KEY_BYTES};
use crate::error::Error;
use crate::list::List;
use crate::moves::{Standing, NOWHERE};
use crate::pending::Awaited;
use crate::sequence::{Anchor, Gap, Removal, Run};
use crate::set::Removed;
use crate::slot::{Slot, SlotValue};
use crate::state::{flag, MAGIC, SNAPSHOT_FORMAT, SNAPSHOT_HEADER_BYTES, UPDATE_FORMAT};
use crate::state_reader::{
    ContainerState, KeyMarks, MovedState, Section, SlotState, SlotStateValue, State, Target, TextState, Told,
};
use crate::text::Text;
use joinery_codec::{crc32, DecodeError, Reader};
use joinery_history::{Clock, Dot};
use joinery_tables::OrderedMap;

/// Joins an exported update or a snapshot.
pub(crate) fn apply_state(document: &mut Document, bytes: &[u8], now_ms: u64) -> Result<Outcome, Error> {
    let state = if bytes.first() == Some(&UPDATE_FORMAT) {
        State::read(&bytes[1..], document).map_err(Error::of_update)?
    } else {
        let body = snapshot_body(bytes).map_err(Error::InvalidSnapshot)?;
        State::read(body, document).map_err(Error::of_snapshot)?
    };
    if document.version.covers_all(&state.version) {
        return Ok(Outcome::Duplicate);
    }
    if let Some(dot) = state.since.iter().find(|&dot| !document.version.covers(dot)) {
        let agent = state.agents.id(dot.agent);
        return Ok(Outcome::Waiting(Awaited::Operation(agent, dot.seq)));
    }
    if Clock::is_ahead(state.highest, now_ms) {
        return Ok(Outcome::Waiting(Awaited::Time(state.highest)));
    }
    let plan = check(document, &state)?;
    join(document, state, plan);
    Ok(Outcome::Joined)
}

fn snapshot_body(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let mut r = Reader::new(bytes);
    if r.bytes(4, "a snapshot")? != MAGIC {
        return Err(DecodeError::new(
            0,
            "an envelope, an update or a snapshot",
            "other bytes",
        ));
    }
    if r.u8("a format")? != SNAPSHOT_FORMAT {
        return Err(r.error("snapshot format 3", "another format"));
    }
    let mut word = [0; 4];
    word.copy_from_slice(r.bytes(4, "a length")?);
    let len = u32::from_le_bytes(word) as usize;
    word.copy_from_slice(r.bytes(4, "a checksum")?);
    if bytes.len() - SNAPSHOT_HEADER_BYTES != len {
        return Err(r.error("a body of the stated length", "another length"));
    }
    let body = &bytes[SNAPSHOT_HEADER_BYTES..];
    if crc32(body) != u32::from_le_bytes(word) {
        return Err(r.error("a body with the stated checksum", "another body"));
    }
    Ok(body)
}

/// What the check has found out: per container of the state, in its order.
struct Plan {
    /// Per section: how its sequence is to be joined.
    sequences: Vec<SequencePlan>,
}

enum SequencePlan {
    None,
    /// The text or list is untouched here: it is taken over as it was read.
    Take,
    /// Runs by position, parents before children.
    Integrate(Vec<u32>),
}

fn check(document: &Document, state: &State) -> Result<Plan, Error> {
    let mut targets: Vec<Target> = Vec::with_capacity(state.containers.len());
    let mut depths: Vec<u32> = Vec::with_capacity(state.containers.len());
    let mut sequences = Vec::with_capacity(state.containers.len());
    let mut inserted: OrderedMap<usize, Vec<(Dot, u32)>> = OrderedMap::new();
    for (at, container) in state.containers.iter().enumerate() {
        let (target, depth) = if at == 0 {
            (Target::Live(ROOT), 0)
        } else {
            let depth = depths[container.parent] + 1;
            if depth > MAX_DEPTH {
                return Err(Error::LimitExceeded("containers nest at most 128 deep"));
            }
            (
                find(document, state, container, targets[container.parent], &inserted)?,
                depth,
            )
        };
        targets.push(target);
        depths.push(depth);
        let plan = match (&container.section, target) {
            (_, Target::Gone) => SequencePlan::None,
            (Section::Text(text), _) => {
                let TextState { told, removals }: &TextState = text;
                check_removals(document, target, removals)?;
                match told {
                    Told::All(_) if is_untouched(document, target) && removals.is_empty() => SequencePlan::Take,
                    _ => SequencePlan::Integrate(order(document, target, &told.runs())?),
                }
            }
            (
                Section::List {
                    told,
                    removals,
                    changed,
                    moved,
                    ..
                },
                _,
            ) => {
                check_removals(document, target, removals)?;
                for (element, _) in changed {
                    check_removals(document, target, &[(*element, 1, Removal::NONE)])?;
                }
                let runs = told.runs();
                check_moved(document, target, &runs, moved)?;
                inserted.insert(at, runs.iter().map(|run| (run.dot, run.len)).collect());
                match told {
                    Told::All(_) if is_untouched(document, target) && removals.is_empty() => SequencePlan::Take,
                    _ => SequencePlan::Integrate(order(document, target, &runs)?),
                }
            }
            (Section::Tree(tree), _) => {
                nodes::check_tree(document, state, target, tree)?;
                SequencePlan::None
            }
            (Section::Graph(graph), _) => {
                nodes::check_graph(document, state, target, graph)?;
                SequencePlan::None
            }
            _ => SequencePlan::None,
        };
        sequences.push(plan);
        if target != Target::Gone {
            check_marks(document, target, container)?;
        }
    }
    Ok(Plan { sequences })
}

/// Is every unit that a mark begins or ends at in the text, or comes with it?
fn check_marks(document: &Document, target: Target, container: &ContainerState) -> Result<(), Error> {
    let Section::Text(text) = &container.section else {
        return Ok(());
    };
    let told = &text.told;
    if container.marks.is_empty() {
        return Ok(());
    }
    let by_dot = match told {
        Told::All(_) => Vec::new(),
        Told::New { runs, .. } => by_dot(runs),
    };
    let comes = |unit: Dot| match told {
        Told::All(sequence) => sequence.contains(unit),
        Told::New { runs, .. } => {
            let at = by_dot.partition_point(|&i| runs[i as usize].dot <= unit).checked_sub(1);
            at.is_some_and(|at| {
                let run = &runs[by_dot[at] as usize];
                run.dot.agent == unit.agent && unit.seq - run.dot.seq < run.len
            })
        }
    };
    let gaps = container.marks.iter().flat_map(|marks| &marks.boundaries);
    for unit in gaps.filter_map(|(gap, _)| gap.unit()) {
        if !comes(unit) {
            check_removals(document, target, &[(unit, 1, Removal::NONE)])?;
        }
    }
    Ok(())
}

/// The container that a state's container is here.
fn find(
    document: &Document,
    state: &State,
    container: &ContainerState,
    parent: Target,
    inserted: &OrderedMap<usize, Vec<(Dot, u32)>>,
) -> Result<Target, Error> {
    if let Key::Name(name) = &container.key {
        if name.len() > MAX_KEY_BYTES {
            return Err(Error::LimitExceeded("a key has at most 1024 bytes of UTF-8"));
        }
    }
    let Target::Live(parent) = parent else {
        return Ok(parent);
    };
    if let Key::Element(element) = container.key {
        let comes = || match &state.containers[container.parent].section {
            Section::Tree(tree) => tree.lives(element),
            Section::Graph(graph) => graph.lives(&state.agents, element),
            _ => inserted.get(&container.parent).is_some_and(|ranges| {
                ranges.iter().any(|&(first, len)| {
                    first.agent == element.agent && first.seq <= element.seq && element.seq - first.seq < len
                })
            }),
        };
        if document.containers.is_deleted(parent, element) {
            return Ok(Target::Gone);
        }
        if !document.containers.has_element(parent, element) && !comes() {
            return Err(Error::Contradiction(
                "a container in an element that is not in its list",
            ));
        }
    }
    match document
        .containers
        .find(parent, &container.key, container.kind, container.generation)
    {
        Some(found) if document.container(found).gone => Ok(Target::Gone),
        Some(found) => Ok(Target::Live(found)),
        None => Ok(Target::New),
    }
}

fn is_untouched(document: &Document, target: Target) -> bool {
    match target {
        Target::Live(container) => match &document.container(container).body {
            Body::Text(text) => text.sequence.is_untouched() && text.marks.is_none(),
            Body::List(list) => list.sequence.is_untouched(),
            _ => true,
        },
        _ => true,
    }
}

fn check_removals(document: &Document, target: Target, removals: &[(Dot, u32, Removal)]) -> Result<(), Error> {
    let stretch = |container, first, len| document.stretch_of_ids(container, first, len);
    removals
        .iter()
        .try_for_each(|&(first, len, _)| check_units(target, first, len, &stretch))
}

fn check_units(target: Target, first: Dot, len: u32, stretch: &dyn Fn(u32, Dot, u32) -> u32) -> Result<(), Error> {
    let mut done = 0;
    while done < len {
        let n = match target {
            Target::Live(container) => stretch(container, first.plus(done), len - done),
            _ => 0,
        };
        if n == 0 {
            return Err(Error::Contradiction("a unit that is not in its sequence is named"));
        }
        done += n;
    }
    Ok(())
}

/// Each element that is told to stand elsewhere stands at one unit, and no other does.
#[inline(never)]
fn check_moved(document: &Document, target: Target, runs: &[Run], moved: &[MovedState]) -> Result<(), Error> {
    let elsewhere = runs.iter().filter(|run| run.removal == Removal::ELSEWHERE);
    let mut ranges: Vec<(Dot, u32)> = elsewhere.map(|run| (run.dot, run.len)).collect();
    ranges.sort_unstable();
    let mut missing: u64 = ranges.iter().map(|&(_, len)| u64::from(len)).sum();
    let mut elements: Vec<(Dot, u32)> = moved.iter().map(|at| (at.element, 1)).collect();
    elements.sort_unstable();
    let version = &document.version;
    if elements.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::Contradiction("an element that stands in two places"));
    }
    if moved
        .iter()
        .any(|at| version.covers(at.unit) && !version.covers(at.element))
    {
        return Err(Error::Contradiction("a move that came before its element"));
    }
    for (element, _) in elements {
        let at = ranges.partition_point(|&(first, _)| first <= element).checked_sub(1);
        let told = at.map(|at| ranges[at]);
        let is_told = told.is_some_and(|(first, len)| first.agent == element.agent && element.seq - first.seq < len);
        if is_told {
            missing -= 1;
        }
        if !is_told || version.covers(element) {
            check_removals(document, target, &[(element, 1, Removal::NONE)])?;
        }
    }
    if missing > 0 {
        return Err(Error::Contradiction("an element that stands nowhere"));
    }
    Ok(())
}

/// The runs' positions, by their first units' dots.
#[inline(never)]
fn by_dot(runs: &[Run]) -> Vec<u32> {
    let mut by_dot: Vec<u32> = (0..runs.len() as u32).collect();
    by_dot.sort_unstable_by_key(|&i| runs[i as usize].dot);
    by_dot
}

/// The runs' positions, parents before children; refuses runs that overlap, hang on nothing or on each other in a circle.
fn order(document: &Document, target: Target, runs: &[Run]) -> Result<Vec<u32>, Error> {
    let by_dot = by_dot(runs);
    let find = |dot: Dot| -> Option<u32> {
        let at = by_dot
            .partition_point(|&i| runs[i as usize].dot <= dot)
            .checked_sub(1)?;
        let run = &runs[by_dot[at] as usize];
        (run.dot.agent == dot.agent && dot.seq - run.dot.seq < run.len).then_some(by_dot[at])
    };
    for pair in by_dot.windows(2) {
        let (a, b) = (&runs[pair[0] as usize], &runs[pair[1] as usize]);
        if a.dot.agent == b.dot.agent && a.tail().seq >= b.dot.seq {
            return Err(Error::Contradiction("two runs with the same ids"));
        }
    }
    // A run is claimed as new where the document's version doesn't cover it, and has to be here where it does.
    for run in runs {
        let have = document
            .version
            .get(run.dot.agent)
            .saturating_sub(run.dot.seq - 1)
            .min(run.len);
        if let Target::Live(_) = target {
            let stretch: &dyn Fn(u32, Dot, u32) -> u32 = if run.removal.has_dot() {
                &|container, first, len| document.stretch_of_ids(container, first, len)
            } else {
                &|container, first, len| document.stretch(container, first, len)
            };
            check_units(target, run.dot, have, stretch)?;
        } else if have > 0 {
            return Err(Error::Contradiction("known ids in an unknown container"));
        }
    }
    const UNSEEN: u8 = 0;
    const OPEN: u8 = 1;
    const DONE: u8 = 2;
    let mut marks = vec![UNSEEN; runs.len()];
    let mut ordered = Vec::with_capacity(runs.len());
    let mut stack = Vec::new();
    for start in 0..runs.len() as u32 {
        stack.push(start);
        while let Some(&at) = stack.last() {
            let run = &runs[at as usize];
            match marks[at as usize] {
                DONE => {
                    stack.pop();
                    continue;
                }
                OPEN => {
                    marks[at as usize] = DONE;
                    ordered.push(at);
                    stack.pop();
                    continue;
                }
                _ => marks[at as usize] = OPEN,
            }
            if !run.parent.is_some() {
                continue;
            }
            match find(run.parent) {
                Some(above) if above == at || marks[above as usize] == OPEN => {
                    return Err(Error::Contradiction("runs that hang on each other in a circle"));
                }
                Some(above) => stack.push(above),
                None => {
                    let here = match target {
                        Target::Live(container) => document.stretch(container, run.parent, 1) == 1,
                        _ => false,
                    };
                    if !here {
                        return Err(Error::Contradiction("a run that hangs on nothing"));
                    }
                }
            }
        }
    }
    Ok(ordered)
}

/// The second half: nothing can fail any more.
fn join(document: &mut Document, state: State, plan: Plan) {
    document.close_envelope();
    document.agents = state.agents;
    let mut known = document.version.total();
    for dot in state.version.iter() {
        let have = document.version.get(dot.agent);
        let count = dot.seq.saturating_sub(have);
        document.arrivals.note(dot.agent, have, count, known);
        known += u64::from(count);
    }
    document.containers.date(known);
    let mut numbers: Vec<Option<u32>> = Vec::with_capacity(state.containers.len());
    for (container, plan) in state.containers.into_iter().zip(plan.sequences) {
        let number = match numbers.get(container.parent) {
            None => Some(ROOT),
            Some(parent) => parent
                .filter(|&parent| {
                    !document.container(parent).gone && !in_deleted_element(document, parent, &container.key)
                })
                .map(|parent| {
                    document
                        .containers
                        .find_or_create(parent, &container.key, container.kind, container.generation)
                }),
        };
        numbers.push(number);
        let Some(number) = number else { continue };
        if container.flags & flag::ENDED != 0 {
            document.containers.end(&document.agents, number, container.ended);
        }
        if document.container(number).gone {
            continue;
        }
        if !matches!(container.section, Section::None) {
            document.containers.touch(number);
        }
        join_section(document, number, container.section, plan);
        join_marks(document, number, &container.marks);
    }
    let before = document.version.clone();
    document.frontier.join(&before, &state.frontier, &state.version);
    document.version.join(&state.version);
    document.clock.see(state.highest);
    document.revision += 1;
}

fn in_deleted_element(document: &Document, list: u32, key: &Key) -> bool {
    match key {
        Key::Element(element) => !document.containers.has_element(list, *element),
        Key::Name(_) => false,
    }
}

fn join_section(document: &mut Document, number: u32, section: Section, plan: SequencePlan) {
    match (section, plan) {
        (Section::Map(entries), _) => {
            for (key, slot) in entries {
                let key = Key::Name(key);
                let slot = take_slot(document, number, &key, slot);
                join_slot(document, number, &key, slot);
            }
        }
        (Section::Counter(pairs), _) => {
            if let Ok(counter) = document.containers.counter_mut(number) {
                pairs.into_iter().for_each(|(agent, pair)| counter.join(agent, pair));
            }
        }
        (Section::Set(members), _) => {
            let agents = &document.agents;
            if let Ok(set) = document.containers.set_mut(number) {
                for (value, adds, removed) in members {
                    adds.into_iter().for_each(|add| set.add(&value, add));
                    removed.into_iter().for_each(|r: Removed| set.remove(agents, &value, r));
                }
            }
        }
        (Section::Tree(tree), _) => nodes::join_tree(document, number, cut::own_nodes(tree)),
        (Section::Graph(graph), _) => nodes::join_graph(document, number, cut::own_nodes(graph)),
        (Section::Text(text), plan) => join_text(document, number, cut::own_text(text), plan),
        (
            Section::List {
                told: Told::All(sequence),
                slots,
                changed,
                moved,
                ..
            },
            SequencePlan::Take,
        ) => {
            let units = sequence
                .runs()
                .flat_map(|(run, _)| (0..run.visible()).map(move |i| run.dot.plus(i)));
            let mut elements: Vec<Dot> = units.collect();
            moved.iter().for_each(|at| elements[at.index] = at.element);
            // Nothing was told of before, so there is a slot for each.
            let taken: Vec<Slot> = elements
                .iter()
                .zip(slots.into_iter().flatten())
                .map(|(&element, slot)| take_slot(document, number, &Key::Element(element), slot))
                .collect();
            let mut list = List::new(sequence, taken);
            for &MovedState {
                unit,
                element,
                stamp,
                index,
            } in &moved
            {
                list.stand(element, Standing { unit, stamp }, index as u32);
            }
            document.containers.set_body(number, Body::List(list));
            join_changed(document, number, changed);
        }
        (
            Section::List {
                told,
                slots,
                removals,
                changed,
                moved,
            },
            SequencePlan::Integrate(order),
        ) => {
            let (runs, _) = told.into_parts();
            let starts = content_starts(&runs);
            let mut slots = slots;
            // What stands at units that moves made is seen to when all units are there.
            let moved: Vec<(MovedState, Option<SlotState>)> = moved
                .into_iter()
                .map(|at| {
                    let slot = slots[at.index].take();
                    (at, slot)
                })
                .collect();
            for at in order {
                let (run, from) = (runs[at as usize], starts[at as usize]);
                join_run(document, number, run, &mut |document, anchor, run, skip| {
                    let mut units = Vec::new();
                    for i in 0..run.visible() {
                        let key = Key::Element(run.dot.plus(i));
                        let Some(slot) = slots[from + skip + i as usize].take() else {
                            units.push(NOWHERE);
                            continue;
                        };
                        let slot = take_slot(document, number, &key, slot);
                        if let Ok(list) = document.containers.list_mut(number) {
                            units.push(list.add_slot(slot));
                        }
                    }
                    let agents = &document.agents;
                    if let Ok(list) = document.containers.list_mut(number) {
                        list.sequence
                            .integrate(agents, run.dot, anchor, run.removal, run.len, &units);
                    }
                });
                // Elements that were here already may come with newer values.
                let known =
                    (0..run.visible()).filter_map(|i| Some((run.dot.plus(i), slots[from + i as usize].take()?)));
                join_changed(document, number, known.collect());
            }
            join_moved(document, number, moved);
            for (first, len, removal) in removals {
                document.remove_units(number, first, len, removal);
            }
            join_changed(document, number, changed);
        }
        _ => {}
    }
}

fn join_text(document: &mut Document, number: u32, TextState { told, removals }: TextState, plan: SequencePlan) {
    match (told, plan) {
        (Told::All(sequence), SequencePlan::Take) => {
            if let Some(text) = cut::text(|| Text::new(sequence)) {
                document.containers.set_body(number, Body::Text(text));
            }
        }
        (told, SequencePlan::Integrate(order)) => {
            let (runs, units) = told.into_parts();
            if let Ok(text) = document.containers.text_mut(number) {
                text.note(&units);
            }
            let starts = content_starts(&runs);
            for at in order {
                let (run, from) = (runs[at as usize], starts[at as usize]);
                join_run(document, number, run, &mut |document, anchor, run, skip| {
                    let content = match run.visible() as usize {
                        0 => &[],
                        visible => &units[from + skip..from + skip + visible],
                    };
                    let agents = &document.agents;
                    if let Ok(text) = document.containers.text_mut(number) {
                        text.sequence
                            .integrate(agents, run.dot, anchor, run.removal, run.len, content);
                    }
                });
            }
            for (first, len, removal) in removals {
                document.remove_units(number, first, len, removal);
            }
        }
        _ => {}
    }
}

/// Joins where elements stand, after their units. With a new element comes its slot.
#[inline(never)]
fn join_moved(document: &mut Document, number: u32, moved: Vec<(MovedState, Option<SlotState>)>) {
    let mut known = Vec::new();
    for (
        MovedState {
            unit, element, stamp, ..
        },
        slot,
    ) in moved
    {
        let is_new = !document.version.covers(element);
        let at = Standing { unit, stamp };
        match slot {
            Some(slot) if is_new => {
                let slot = take_slot(document, number, &Key::Element(element), slot);
                if let Ok(list) = document.containers.list_mut(number) {
                    let slot = list.add_slot(slot);
                    list.stand(element, at, slot);
                }
                continue;
            }
            Some(slot) => known.push((element, slot)),
            None => {}
        }
        // A unit that is here was settled when it came.
        if !document.version.covers(unit) {
            let agents = &document.agents;
            if let Ok(list) = document.containers.list_mut(number) {
                list.settle(agents, element, at);
            }
        }
    }
    join_changed(document, number, known);
}

fn join_marks(document: &mut Document, text: u32, marks: &[KeyMarks]) {
    let Ok(text) = document.containers.text_mut(text) else {
        return;
    };
    for KeyMarks { key, boundaries } in marks {
        for (i, (gap, mark)) in boundaries.iter().enumerate() {
            let end = boundaries.get(i + 1).map_or(Gap::End, |&(gap, _)| gap);
            if let Some(mark) = mark {
                text.join_mark(key, (*gap, end), mark);
            }
        }
    }
}

fn join_changed(document: &mut Document, number: u32, changed: Vec<(Dot, SlotState)>) {
    for (element, slot) in changed {
        let key = Key::Element(element);
        if !in_deleted_element(document, number, &key) {
            let slot = take_slot(document, number, &key, slot);
            join_slot(document, number, &key, slot);
        }
    }
}

/// Joins one run: of the part that is here, the removal; the rest is integrated by `put` (with how many units of the run
/// come before it).
fn join_run(document: &mut Document, number: u32, run: Run, put: &mut dyn FnMut(&mut Document, Anchor, Run, usize)) {
    let have = document
        .version
        .get(run.dot.agent)
        .saturating_sub(run.dot.seq - 1)
        .min(run.len);
    if have > 0 && run.removal.has_dot() {
        document.remove_units(number, run.dot, have, run.removal);
    }
    if have == run.len {
        return;
    }
    let mut rest = run;
    if have > 0 {
        rest = rest.split(have);
    }
    let anchor = Anchor {
        parent: rest.parent,
        side: rest.side,
    };
    put(document, anchor, rest, have as usize);
}

/// Where each run's visible units start in the content.
fn content_starts(runs: &[Run]) -> Vec<usize> {
    let mut next = 0;
    runs.iter()
        .map(|run| {
            let start = next;
            next += run.visible() as usize;
            start
        })
        .collect()
}

fn take_slot(document: &mut Document, container: u32, key: &Key, slot: SlotState) -> Slot {
    let value = match slot.value {
        SlotStateValue::Deleted => SlotValue::Deleted,
        SlotStateValue::Plain(bytes) => SlotValue::Plain(bytes),
        SlotStateValue::Child(kind, generation) => {
            SlotValue::Child(document.containers.find_or_create(container, key, kind, generation))
        }
    };
    Slot {
        dot: slot.dot,
        stamp: slot.stamp,
        value,
    }
}
