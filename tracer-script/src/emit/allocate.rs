//! Which virtual register is kept where: a linear scan over the function, after what is never used and what
//! is never reached have been left out.

use std::collections::{BTreeSet, HashSet};

use crate::ir::{BlockId, Function, Op, Reg};

/// Where a virtual register is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a register of the machine.
    Machine(u8),
    /// On the stack, in this one of the words for that.
    Spilled(u32),
    /// Nowhere: it is never used.
    Unused,
}

/// Registers that keep their values across calls.
const KEPT: [u8; 4] = [6, 7, 8, 9];

/// Registers that calls overwrite. Register 0 and 5 are left for what stands on the stack.
const LOST: [u8; 4] = [1, 2, 3, 4];

/// Registers that a block may need at its start: far more than the stack has room for, so that a function of
/// which too much is asked is given up early.
const LIVE_MAX: usize = 512;

/// The outcome.
pub struct Allocation {
    /// The blocks that are reached, in the order they are laid out.
    pub order: Vec<BlockId>,
    /// By virtual register.
    pub places: Vec<Place>,
    /// Words on the stack that are needed for them.
    pub spilled: u32,
    /// The parameters that are used as they come.
    pub params: Vec<Reg>,
}

/// Finds a place for each register. Operations whose outcome is never used are removed. The error says what is
/// too much.
pub fn allocate(function: &mut Function) -> Result<Allocation, String> {
    let order = reached(function);
    let live = Liveness::of(function, &order)?;
    let intervals = intervals(function, &order, &live);
    let (places, spilled) = scan(function.regs as usize, intervals);
    let params = (0..function.params).filter(|param| live.at_start[0].contains(param));
    Ok(Allocation {
        params: params.collect(),
        order,
        places,
        spilled,
    })
}

/// The blocks that are reached, each before those that follow it, as far as loops allow.
fn reached(function: &Function) -> Vec<BlockId> {
    let mut seen = vec![false; function.blocks.len()];
    let mut after = Vec::new();
    // Depth first, without recursion: a block is put down once all that follow it are.
    let mut stack = vec![(0, false)];
    while let Some((block, done)) = stack.pop() {
        if done {
            after.push(block);
            continue;
        }
        if std::mem::replace(&mut seen[block], true) {
            continue;
        }
        stack.push((block, true));
        let next: Vec<BlockId> = function.blocks[block].end.next().collect();
        // The one that is laid out next is looked at last.
        stack.extend(
            next.into_iter()
                .filter(|&next| !seen[next])
                .map(|next| (next, false)),
        );
    }
    after.reverse();
    after
}

/// What is needed at the start and at the end of each block.
struct Liveness {
    at_start: Vec<HashSet<Reg>>,
    at_end: Vec<HashSet<Reg>>,
    /// The most registers that any block needs at its start.
    most: usize,
}

impl Liveness {
    fn of(function: &mut Function, order: &[BlockId]) -> Result<Self, String> {
        loop {
            let live = Self::find(function, order)?;
            // What is left out may make more unused.
            if !live.remove_unused(function, order) {
                return Ok(live);
            }
        }
    }

    /// From each block that reads a register before it writes it, back to those that wrote it. Few registers
    /// outlive a block, so that this takes room and time for these alone.
    fn find(function: &Function, order: &[BlockId]) -> Result<Self, String> {
        let count = function.blocks.len();
        let mut before: Vec<Vec<BlockId>> = vec![Vec::new(); count];
        let mut written = vec![HashSet::new(); count];
        for &block in order {
            for next in function.blocks[block].end.next() {
                before[next].push(block);
            }
            let ops = function.blocks[block].ops.iter();
            written[block].extend(ops.filter_map(|(op, _)| op.written()));
        }
        let mut live = Self {
            at_start: vec![HashSet::new(); count],
            at_end: vec![HashSet::new(); count],
            most: 0,
        };
        for &block in order {
            for reg in read_first(function, block) {
                live.reach(reg, block, &before, &written);
                if live.most > LIVE_MAX {
                    return Err("it keeps too many values at once".to_owned());
                }
            }
        }
        Ok(live)
    }

    fn reach(
        &mut self,
        reg: Reg,
        block: BlockId,
        before: &[Vec<BlockId>],
        written: &[HashSet<Reg>],
    ) {
        let mut waiting = vec![block];
        while let Some(block) = waiting.pop() {
            if !self.at_start[block].insert(reg) {
                continue;
            }
            self.most = self.most.max(self.at_start[block].len());
            for &other in &before[block] {
                self.at_end[other].insert(reg);
                if !written[other].contains(&reg) {
                    waiting.push(other);
                }
            }
        }
    }

    fn remove_unused(&self, function: &mut Function, order: &[BlockId]) -> bool {
        let mut removed = false;
        for &block in order {
            let mut needed = self.at_end[block].clone();
            let block = &mut function.blocks[block];
            block.end.read(|reg| {
                needed.insert(reg);
            });
            let mut kept = Vec::with_capacity(block.ops.len());
            for (op, span) in std::mem::take(&mut block.ops).into_iter().rev() {
                let unused = op.written().is_some_and(|to| !needed.contains(&to));
                if (unused || op.written().is_none()) && op.is_pure() {
                    removed = true;
                    continue;
                }
                backwards(&op, &mut needed);
                kept.push((op, span));
            }
            kept.reverse();
            block.ops = kept;
        }
        removed
    }
}

/// The registers that a block reads as they are at its start.
fn read_first(function: &Function, block: BlockId) -> HashSet<Reg> {
    let mut needed = HashSet::new();
    let block = &function.blocks[block];
    block.end.read(|reg| {
        needed.insert(reg);
    });
    for (op, _) in block.ops.iter().rev() {
        backwards(op, &mut needed);
    }
    needed
}

fn backwards(op: &Op, needed: &mut HashSet<Reg>) {
    if let Some(to) = op.written() {
        needed.remove(&to);
    }
    op.read(|reg| {
        needed.insert(reg);
    });
}

/// From where to where a register is needed.
#[derive(Clone, Copy, Debug)]
struct Interval {
    reg: Reg,
    start: u32,
    end: u32,
    crosses_call: bool,
}

fn intervals(function: &Function, order: &[BlockId], live: &Liveness) -> Vec<Interval> {
    let mut ranges: Vec<Option<(u32, u32)>> = vec![None; function.regs as usize];
    let mut touch = |reg: Reg, at: u32| {
        let range = ranges[reg as usize].get_or_insert((at, at));
        *range = (range.0.min(at), range.1.max(at));
    };
    let mut calls = Vec::new();
    // Each operation has two positions: it reads at the first and writes at the second.
    let mut at = 2;
    for param in 0..function.params {
        if live.at_start[0].contains(&param) {
            touch(param, 0);
        }
    }
    for &block in order {
        live.at_start[block].iter().for_each(|&reg| touch(reg, at));
        for (op, _) in &function.blocks[block].ops {
            op.read(|reg| touch(reg, at));
            if op.is_call() {
                calls.push(at);
            }
            if let Some(to) = op.written() {
                touch(to, at + 1);
            }
            at += 2;
        }
        function.blocks[block].end.read(|reg| touch(reg, at));
        live.at_end[block]
            .iter()
            .for_each(|&reg| touch(reg, at + 1));
        at += 2;
    }
    let interval = |(reg, range): (usize, &Option<(u32, u32)>)| {
        let (start, end) = (*range)?;
        // A call at `c` reads at `c` and writes at `c + 1`.
        let first = calls.partition_point(|&call| call < start);
        let crosses_call = calls.get(first).is_some_and(|&call| call < end);
        Some(Interval {
            reg: reg as Reg,
            start,
            end,
            crosses_call,
        })
    };
    let mut all: Vec<Interval> = ranges.iter().enumerate().filter_map(interval).collect();
    all.sort_by_key(|interval| (interval.start, interval.reg));
    all
}

fn scan(regs: usize, intervals: Vec<Interval>) -> (Vec<Place>, u32) {
    let mut places = vec![Place::Unused; regs];
    let mut free: BTreeSet<u8> = KEPT.into_iter().chain(LOST).collect();
    let mut active: Vec<(Interval, u8)> = Vec::new();
    let mut words = Words::default();
    for interval in intervals {
        active.retain(|&(other, machine)| {
            let over = other.end <= interval.start;
            if over {
                free.insert(machine);
            }
            !over
        });
        let machine = if interval.crosses_call {
            KEPT.into_iter().find(|machine| free.contains(machine))
        } else {
            LOST.into_iter()
                .chain(KEPT)
                .find(|machine| free.contains(machine))
        };
        if let Some(machine) = machine {
            free.remove(&machine);
            places[interval.reg as usize] = Place::Machine(machine);
            active.push((interval, machine));
            continue;
        }
        // The one that is needed longest goes to the stack.
        let fits = |machine: u8| !interval.crosses_call || KEPT.contains(&machine);
        let longest = active
            .iter()
            .enumerate()
            .filter(|(_, (_, machine))| fits(*machine))
            .max_by_key(|(_, (other, _))| other.end)
            .map(|(index, (other, machine))| (index, *other, *machine));
        match longest {
            Some((index, other, machine)) if other.end > interval.end => {
                places[other.reg as usize] = Place::Spilled(words.take(other.start, other.end));
                places[interval.reg as usize] = Place::Machine(machine);
                active[index] = (interval, machine);
            }
            _ => {
                let word = words.take(interval.start, interval.end);
                places[interval.reg as usize] = Place::Spilled(word);
            }
        }
    }
    (places, words.taken.len() as u32)
}

/// Words on the stack, each with the ranges that it is taken for.
#[derive(Default)]
struct Words {
    taken: Vec<Vec<(u32, u32)>>,
}

impl Words {
    fn take(&mut self, start: u32, end: u32) -> u32 {
        let is_free = |ranges: &Vec<(u32, u32)>| {
            ranges
                .iter()
                .all(|&(other_start, other_end)| end < other_start || other_end < start)
        };
        let index = self.taken.iter().position(is_free).unwrap_or_else(|| {
            self.taken.push(Vec::new());
            self.taken.len() - 1
        });
        self.taken[index].push((start, end));
        index as u32
    }
}
