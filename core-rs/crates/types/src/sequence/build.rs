//! A sequence from runs that claim to stand in reading order. The claim is checked by walking the Fugue tree once, so a
//! forged snapshot can't bring in an order that no merge would give, a cycle, or a unit that hangs on nothing.

use super::children::rank;
use super::run::{Hanging, Run, Side};
use super::tree::Tree;
use super::Sequence;
use joinery_history::{Agents, Dot};

/// The runs are not a Fugue tree in reading order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildError;

/// Checks `runs` and builds the sequence; `content` holds the units of the runs that are not removed.
pub fn build<U: Copy>(agents: &Agents, mut runs: Vec<Run>, content: Vec<U>) -> Result<Sequence<U>, BuildError> {
    let by_dot = index_by_dot(&runs)?;
    let find = |dot: Dot| -> Option<usize> {
        let at = by_dot
            .partition_point(|&i| runs[i as usize].dot <= dot)
            .checked_sub(1)?;
        let run = &runs[by_dot[at] as usize];
        (run.dot.agent == dot.agent && dot.seq - run.dot.seq < run.len).then_some(by_dot[at] as usize)
    };
    let mut hanging = vec![Hanging::default(); runs.len()];
    // (parent run + 1, or 0 for the start; side; rank) per run: sorted, siblings stand together in their order.
    let mut links: Vec<(u32, Side, (u64, u32), u32)> = Vec::with_capacity(runs.len());
    for (i, run) in runs.iter().enumerate() {
        let above = if run.parent.is_some() {
            let above = find(run.parent).ok_or(BuildError)?;
            let hangs_at = match run.side {
                Side::Left => runs[above].dot,
                Side::Right => runs[above].tail(),
            };
            if above == i || hangs_at != run.parent {
                return Err(BuildError);
            }
            above as u32 + 1
        } else if run.side == Side::Right {
            0
        } else {
            return Err(BuildError);
        };
        if let Some(above) = (above as usize).checked_sub(1) {
            let hanging: &mut Hanging = &mut hanging[above];
            match run.side {
                Side::Left => hanging.left = true,
                Side::Right if run.is_continuation() => hanging.next = true,
                Side::Right => hanging.right = true,
            }
        }
        links.push((above, run.side, rank(agents, run.dot), i as u32));
    }
    links.sort_unstable();
    check_order(&links, runs.len())?;
    for (run, hanging) in runs.iter_mut().zip(hanging) {
        run.hanging = hanging;
    }
    Ok(Sequence {
        tree: Tree::build(runs, content),
        children: None,
        changes: None,
    })
}

/// The runs' positions ordered by dot; refuses runs that overlap.
fn index_by_dot(runs: &[Run]) -> Result<Vec<u32>, BuildError> {
    let mut by_dot: Vec<u32> = (0..runs.len() as u32).collect();
    by_dot.sort_unstable_by_key(|&i| runs[i as usize].dot);
    let overlap = by_dot.windows(2).any(|pair| {
        let (a, b) = (&runs[pair[0] as usize], &runs[pair[1] as usize]);
        a.dot.agent == b.dot.agent && a.tail().seq >= b.dot.seq
    });
    if overlap {
        Err(BuildError)
    } else {
        Ok(by_dot)
    }
}

/// Walks the tree in reading order and compares with 0, 1, 2, …
fn check_order(links: &[(u32, Side, (u64, u32), u32)], runs: usize) -> Result<(), BuildError> {
    let below = |above: u32, side: Side| {
        let from = links.partition_point(|link| (link.0, link.1) < (above, side));
        let to = links.partition_point(|link| (link.0, link.1) <= (above, side));
        (from, to)
    };
    // Each entry: links still to visit, and the run to read when they are done.
    let mut stack = Vec::new();
    let (from, to) = below(0, Side::Right);
    stack.push((from, to, None));
    let mut expected = 0u32;
    while let Some((from, to, then)) = stack.pop() {
        if from < to {
            stack.push((from + 1, to, then));
            let run = links[from].3;
            let (left, right) = below(run + 1, Side::Left);
            stack.push((left, right, Some(run)));
        } else if let Some(run) = then {
            if run != expected {
                return Err(BuildError);
            }
            expected += 1;
            let (left, right) = below(run + 1, Side::Right);
            stack.push((left, right, None));
        }
    }
    // Runs in a cycle are never reached.
    if expected as usize == runs {
        Ok(())
    } else {
        Err(BuildError)
    }
}
