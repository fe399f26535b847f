//! A small verifier of emitted code, after `kernel/bpf/verifier.c` in what it asks: jumps stay within their function,
//! nothing is read before it has been written, calls get what they take, pointers that may be null are asked
//! about, and the stack is kept to. It follows every path, with what is known joined where paths meet.

mod helpers;
mod state;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tracer_script::{
    emit::{Code, Insn, Reference},
    program::Image,
};

use state::{STACK, State, Value};

/// Checks every program of an image for Linux of this release; the error names the program, the instruction and
/// what is wrong with it.
pub fn check_image(image: &Image, release: (u32, u32)) -> Result<(), String> {
    for program in &image.programs {
        check_code(image, &program.code, release).map_err(|reason| {
            let listing = tracer_script::emit::list(&program.code);
            format!("{}: {reason}\n{listing}", program.name)
        })?;
    }
    Ok(())
}

fn check_code(image: &Image, code: &Code, release: (u32, u32)) -> Result<(), String> {
    let starts: Vec<usize> = code
        .functions
        .iter()
        .map(|function| function[0] as usize)
        .collect();
    if starts.first() != Some(&0) || !starts.is_sorted() {
        return Err(format!("functions begin at {starts:?}"));
    }
    let mut checker = Checker {
        image,
        code,
        release,
        starts,
        callbacks: BTreeMap::from([(0, 1)]),
        current: 0,
        calls: BTreeSet::new(),
    };
    checker.places()?;
    let mut depths = BTreeMap::new();
    while let Some((&start, &params)) = checker
        .callbacks
        .iter()
        .find(|(start, _)| !depths.contains_key(*start))
    {
        let depth = checker.function(start, params)?;
        depths.insert(start, (depth.max(1) + 31) / 32 * 32);
    }
    if depths.len() != checker.starts.len() {
        return Err("a function is never called".to_owned());
    }
    let all = checker.deepest(0, &depths, 1)?;
    if all > STACK as i32 {
        return Err(format!("{all} bytes of stack"));
    }
    Ok(())
}

/// `MAX_CALL_FRAMES` of `include/linux/bpf_verifier.h`.
const FRAMES: usize = 8;

struct Checker<'a> {
    image: &'a Image,
    code: &'a Code,
    release: (u32, u32),
    starts: Vec<usize>,
    /// Functions that are called, with the number of their parameters.
    callbacks: BTreeMap<usize, usize>,
    /// The function that is followed.
    current: usize,
    /// Which functions call which, or have them called back.
    calls: BTreeSet<(usize, usize)>,
}

/// Fields of an instruction.
struct Parts {
    class: u8,
    code: u8,
    dst: usize,
    src: usize,
}

fn parts(insn: &Insn) -> Parts {
    Parts {
        class: insn.code & 7,
        code: insn.code,
        dst: usize::from(insn.registers & 15),
        src: usize::from(insn.registers >> 4),
    }
}

const WIDE: u8 = 0x18;

/// What comes after an instruction.
enum Next {
    On(usize),
    Paths(Vec<(usize, State)>),
    End,
}

impl Checker<'_> {
    /// References, lines and places of the source point at instructions.
    fn places(&self) -> Result<(), String> {
        let mut second = BTreeSet::new();
        for (at, insn) in self.code.instructions.iter().enumerate() {
            if insn.code == WIDE && !second.contains(&at) {
                second.insert(at + 1);
            }
        }
        let is_start = |at: usize| at < self.code.instructions.len() && !second.contains(&at);
        for &(at, reference) in &self.code.references {
            let map = self.image.maps.get(reference.map());
            let map = map.ok_or(format!("{at}: a map that is not there"))?;
            if !is_start(at) || self.code.instructions[at].code != WIDE {
                return Err(format!("{at}: a reference to a map, and no ld_imm64"));
            }
            if let Reference::MapValue(_) = reference {
                let offset = self.code.instructions[at + 1].imm;
                if offset < 0 || offset as u32 >= map.value_size {
                    return Err(format!("{at}: offset {offset} of {}", map.name));
                }
            }
        }
        let lines: Vec<usize> = self
            .code
            .lines
            .iter()
            .map(|line| line[0] as usize)
            .collect();
        if !lines.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(format!("lines are out of order: {lines:?}"));
        }
        if let Some(at) = lines.iter().find(|&&at| !is_start(at)) {
            return Err(format!("a line begins within the instruction at {at}"));
        }
        for start in &self.starts {
            if lines.binary_search(start).is_err() {
                return Err(format!(
                    "the function at {start} does not begin with a line"
                ));
            }
        }
        Ok(())
    }

    /// Bytes of stack of a function and all that it calls, at the most.
    fn deepest(
        &self,
        start: usize,
        depths: &BTreeMap<usize, i32>,
        frames: usize,
    ) -> Result<i32, String> {
        if frames > FRAMES {
            return Err("too many functions within each other".to_owned());
        }
        let callees = self.calls.iter().filter(|&&(caller, _)| caller == start);
        let mut below = 0;
        for &(_, callee) in callees {
            below = below.max(self.deepest(callee, depths, frames + 1)?);
        }
        Ok(depths[&start] + below)
    }

    /// Follows all paths of one function; how deep its stack is.
    fn function(&mut self, start: usize, params: usize) -> Result<i32, String> {
        self.current = start;
        let index = self
            .starts
            .iter()
            .position(|&known| known == start)
            .ok_or(format!("a call of {start}, where no function begins"))?;
        let total = self.code.instructions.len();
        let end = self.starts.get(index + 1).copied().unwrap_or(total);
        let mut known: HashMap<usize, State> = HashMap::from([(start, State::entry(params))]);
        let mut waiting = BTreeSet::from([start]);
        let leaders = self.leaders(start, end)?;
        let mut reached = BTreeSet::new();
        let mut depth = 0;
        while let Some(first) = waiting.pop_first() {
            let mut state = known[&first].clone();
            let mut at = first;
            loop {
                reached.insert(at);
                let paths = match self
                    .step(at, &mut state)
                    .map_err(|why| format!("{at}: {why}"))?
                {
                    Next::End => Vec::new(),
                    Next::Paths(paths) => paths,
                    Next::On(next) if leaders.contains(&next) || next >= end => {
                        vec![(next, state.clone())]
                    }
                    Next::On(next) => {
                        at = next;
                        continue;
                    }
                };
                depth = depth.max(state.depth);
                for (to, state) in paths {
                    if !(start..end).contains(&to) {
                        return Err(format!("{at}: leads out of its function, to {to}"));
                    }
                    let changed = match known.get_mut(&to) {
                        Some(other) => other.join(&state),
                        None => known.insert(to, state).is_none(),
                    };
                    if changed {
                        waiting.insert(to);
                    }
                }
                break;
            }
        }
        let mut at = start;
        while at < end {
            if !reached.contains(&at) {
                return Err(format!("{at}: is never reached"));
            }
            at += if self.code.instructions[at].code == WIDE {
                2
            } else {
                1
            };
        }
        Ok(depth)
    }

    /// Where jumps lead to, which must be the beginning of an instruction.
    fn leaders(&self, start: usize, end: usize) -> Result<BTreeSet<usize>, String> {
        let mut starts = BTreeSet::new();
        let mut leaders = BTreeSet::new();
        let mut at = start;
        while at < end {
            starts.insert(at);
            let insn = &self.code.instructions[at];
            let kind = insn.code & 0xf0;
            if insn.code & 7 == 5 && kind != 0x80 && kind != 0x90 {
                leaders.insert((at as i64 + 1 + i64::from(insn.offset)) as usize);
            }
            at += if insn.code == WIDE { 2 } else { 1 };
        }
        match leaders.iter().find(|leader| !starts.contains(leader)) {
            Some(leader) => Err(format!("a jump to {leader}, where no instruction begins")),
            None => Ok(leaders),
        }
    }

    fn step(&mut self, at: usize, state: &mut State) -> Result<Next, String> {
        let insn = self.code.instructions[at];
        let Parts {
            class,
            code,
            dst,
            src,
        } = parts(&insn);
        match class {
            0 => return self.wide(at, state),
            1 => {
                let bytes = size_of(code);
                let value = state.load(src, insn.offset, bytes)?;
                state.write(dst, value)?;
            }
            2 => state.store(
                dst,
                insn.offset,
                size_of(code),
                Value::Const(insn.imm.into()),
            )?,
            3 if code & 0xe0 == 0xc0 => {
                if insn.imm != 0 && self.release < (5, 12) {
                    return Err("an atomic operation that came with Linux 5.12".to_owned());
                }
                state.read(src)?;
                state.load(dst, insn.offset, size_of(code))?;
                state.store(dst, insn.offset, size_of(code), Value::Any)?;
                if insn.imm != 0 {
                    state.write(src, Value::Any)?;
                }
            }
            3 => {
                let value = state.read(src)?;
                state.store(dst, insn.offset, size_of(code), value)?;
            }
            4 | 7 => state.arithmetic(&insn)?,
            5 => return self.jump(at, state),
            _ => return Err(format!("unknown instruction {code:#x}")),
        }
        Ok(Next::On(at + 1))
    }

    fn wide(&mut self, at: usize, state: &mut State) -> Result<Next, String> {
        let insn = &self.code.instructions[at];
        let Parts { code, dst, src, .. } = parts(insn);
        let second = self.code.instructions.get(at + 1);
        let second = second.ok_or("half an ld_imm64")?;
        if code != WIDE || second.code != 0 {
            return Err(format!("unknown instruction {code:#x}"));
        }
        let reference = self.code.references.iter().find(|(of, _)| *of == at);
        let value = match (src, reference) {
            (0, None) => Value::Const(i64::from(insn.imm as u32) | i64::from(second.imm) << 32),
            (1, Some((_, Reference::Map(map)))) => Value::Map(*map),
            (2, Some((_, Reference::MapValue(_)))) => Value::Any,
            (4, None) => {
                let to = at as i64 + 1 + i64::from(insn.imm);
                Value::Function(usize::try_from(to).map_err(|_| "a function before the first")?)
            }
            _ => return Err(format!("pseudo source {src} with reference {reference:?}")),
        };
        state.write(dst, value)?;
        Ok(Next::On(at + 2))
    }

    /// A call of a function of the program. What registers it may read, its first caller tells.
    fn call_function(&mut self, at: usize, distance: i32, state: &mut State) -> Result<(), String> {
        let start = usize::try_from(at as i64 + 1 + i64::from(distance));
        let start = start.map_err(|_| "a function before the first")?;
        let given = (1..=5).take_while(|&reg| state.read(reg).is_ok()).count();
        let known = *self.callbacks.entry(start).or_insert(given);
        if given < known {
            return Err(format!("{given} arguments, and elsewhere {known}"));
        }
        self.calls.insert((self.current, start));
        state.clobber(Value::Any);
        Ok(())
    }

    fn jump(&mut self, at: usize, state: &mut State) -> Result<Next, String> {
        let insn = self.code.instructions[at];
        let Parts { code, dst, src, .. } = parts(&insn);
        let target = (at as i64 + 1 + i64::from(insn.offset)) as usize;
        match code & 0xf0 {
            0x00 => return Ok(Next::Paths(vec![(target, state.clone())])),
            0x80 if src == 1 => {
                self.call_function(at, insn.imm, state)?;
                return Ok(Next::On(at + 1));
            }
            0x80 => {
                self.call(at, insn.imm, state)?;
                return Ok(Next::On(at + 1));
            }
            0x90 => {
                let value = state.read(0)?;
                if matches!(value, Value::Any | Value::Const(_)) {
                    return Ok(Next::End);
                }
                return Err(format!("returns {value:?}"));
            }
            _ => {}
        }
        let left = state.read(dst)?;
        let right = if code & 8 != 0 {
            state.read(src)?
        } else {
            Value::Const(insn.imm.into())
        };
        let (mut taken, mut not) = (state.clone(), state.clone());
        if let (Value::OrNull(id), Value::Const(0)) = (left, right) {
            match code & 0xf0 {
                0x10 => {
                    taken.settle(id, Value::Const(0));
                    not.settle(id, Value::Any);
                }
                0x50 => {
                    taken.settle(id, Value::Any);
                    not.settle(id, Value::Const(0));
                }
                _ => return Err("compares a pointer".to_owned()),
            }
        }
        Ok(Next::Paths(vec![(target, taken), (at + 1, not)]))
    }
}

fn size_of(code: u8) -> u32 {
    [4, 2, 1, 8][usize::from(code >> 3 & 3)]
}
