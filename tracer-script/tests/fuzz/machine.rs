//! A machine that runs compiled programs on one processor, with memory that is checked at every access. What the
//! kernel's helpers do is after their descriptions in `include/uapi/linux/bpf.h`.

mod helpers;

use std::collections::BTreeMap;

use tracer_script::{
    emit::{Insn, Reference},
    program::{Image, Map, MapKind, Program},
};

/// The process and the thread that programs run for.
pub const PROCESS: i64 = 0x1234;
pub const THREAD: i64 = 0x1235;

/// Instructions that one program may run.
const STEPS_MAX: u64 = 5_000_000;

/// Pointers have the number of their region in the upper half, counted from here on.
const FIRST_REGION: u64 = 0x1000;
const MAPS: u64 = 0x0100 << 32;
const FUNCTIONS: u64 = 0x0200 << 32;

/// Entries of a map, each with the region of memory that its value lies in.
#[derive(Default)]
struct Entries {
    all: BTreeMap<Vec<u8>, usize>,
}

/// The machine, with what programs leave in maps.
pub struct Machine<'a> {
    image: &'a Image,
    memory: Vec<Vec<u8>>,
    maps: Vec<Entries>,
    steps: u64,
    time: u64,
}

/// Why a program cannot go on.
type Fault = String;

impl<'a> Machine<'a> {
    /// With empty maps.
    pub fn new(image: &'a Image) -> Self {
        let maps = image.maps.iter().map(|_| Entries::default());
        let mut machine = Self {
            image,
            memory: Vec::new(),
            maps: maps.collect(),
            steps: 0,
            time: 0,
        };
        for (index, map) in image.maps.iter().enumerate() {
            if map.name == "rodata" {
                let region = machine.region(image.rodata.clone());
                machine.maps[index].all.insert(vec![0; 4], region);
            }
        }
        machine
    }

    /// Runs a program with these bytes as its context; what it returns.
    pub fn run(&mut self, program: &Program, context: Vec<u8>) -> Result<u64, Fault> {
        self.steps = 0;
        let context = self.region(context);
        self.function(program, 0, &[self.pointer(context)])
    }

    /// Keys and values of a map of the script whose keys and values are single numbers.
    pub fn numbers(&self, name: &str) -> BTreeMap<i64, i64> {
        let found = self.image.maps.iter().position(|map| map.name == name);
        let Some(index) = found else {
            return BTreeMap::new();
        };
        let number = |bytes: &[u8]| i64::from_ne_bytes(bytes[..8].try_into().expect("8 bytes"));
        let entries = self.maps[index].all.iter();
        let read = |(key, &region): (&Vec<u8>, &usize)| (number(key), number(&self.memory[region]));
        entries.map(read).collect()
    }

    fn region(&mut self, bytes: Vec<u8>) -> usize {
        self.memory.push(bytes);
        self.memory.len() - 1
    }

    fn pointer(&self, region: usize) -> u64 {
        (FIRST_REGION + region as u64) << 32
    }

    fn bytes(&mut self, pointer: u64, count: usize) -> Result<&mut [u8], Fault> {
        let region = (pointer >> 32).checked_sub(FIRST_REGION);
        let region = region.and_then(|region| self.memory.get_mut(region as usize));
        let region = region.ok_or_else(|| format!("{pointer:#x} is no pointer"))?;
        let (at, size) = (pointer as u32 as usize, region.len());
        region
            .get_mut(at..at + count)
            .ok_or_else(|| format!("{count} bytes at {at} of {size}"))
    }

    fn load(&mut self, pointer: u64, count: usize) -> Result<u64, Fault> {
        let mut word = [0; 8];
        word[..count].copy_from_slice(self.bytes(pointer, count)?);
        Ok(u64::from_le_bytes(word))
    }

    fn store(&mut self, pointer: u64, count: usize, value: u64) -> Result<(), Fault> {
        self.bytes(pointer, count)?
            .copy_from_slice(&value.to_le_bytes()[..count]);
        Ok(())
    }

    fn function(&mut self, program: &Program, start: usize, args: &[u64]) -> Result<u64, Fault> {
        let mut regs = [0xdead_beef_dead_beef_u64; 11];
        regs[1..=args.len()].copy_from_slice(args);
        let stack = self.region(vec![0xaa; 512]);
        regs[10] = self.pointer(stack) + 512;
        let mut at = start;
        loop {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err("it does not end".to_owned());
            }
            let insn = program.code.instructions[at];
            match self.step(program, at, &insn, &mut regs) {
                Ok(Some(next)) => at = next,
                Ok(None) => return Ok(regs[0]),
                Err(fault) => return Err(format!("{at}: {fault}")),
            }
        }
    }

    fn step(
        &mut self,
        program: &Program,
        at: usize,
        insn: &Insn,
        regs: &mut [u64; 11],
    ) -> Result<Option<usize>, Fault> {
        let (dst, src) = (
            usize::from(insn.registers & 15),
            usize::from(insn.registers >> 4),
        );
        let count = [4, 2, 1, 8][usize::from(insn.code >> 3 & 3)];
        let near = |base: u64| base.wrapping_add(insn.offset as u64);
        match insn.code & 7 {
            0 => {
                regs[dst] = self.wide(program, at, insn, src);
                return Ok(Some(at + 2));
            }
            1 => regs[dst] = self.load(near(regs[src]), count)?,
            2 => self.store(near(regs[dst]), count, insn.imm as u64)?,
            3 if insn.code & 0xe0 == 0xc0 => {
                let pointer = near(regs[dst]);
                let old = self.load(pointer, count)?;
                let value = match insn.imm {
                    0xe1 => regs[src],
                    _ => old.wrapping_add(regs[src]),
                };
                self.store(pointer, count, value)?;
                if insn.imm != 0 {
                    regs[src] = old;
                }
            }
            3 => self.store(near(regs[dst]), count, regs[src])?,
            5 => return self.jump(program, at, insn, regs),
            class => {
                let right = match insn.code & 8 != 0 && insn.code & 0xf0 != 0xd0 {
                    true => regs[src],
                    false => insn.imm as u64,
                };
                regs[dst] = arithmetic(insn, class == 7, regs[dst], right)?;
            }
        }
        Ok(Some(at + 1))
    }

    fn wide(&mut self, program: &Program, at: usize, insn: &Insn, src: usize) -> u64 {
        let second = program.code.instructions[at + 1].imm;
        let mut references = program.code.references.iter();
        match references.find(|(of, _)| *of == at) {
            Some((_, Reference::Map(map))) => MAPS + *map as u64,
            Some((_, Reference::MapValue(map))) => {
                let region = self.entry(*map, &[0; 4]).unwrap_or_default();
                self.pointer(region) + second as u64
            }
            None if src == 4 => FUNCTIONS + (at as i64 + 1 + i64::from(insn.imm)) as u64,
            None => u64::from(insn.imm as u32) | (second as u64) << 32,
        }
    }

    fn jump(
        &mut self,
        program: &Program,
        at: usize,
        insn: &Insn,
        regs: &mut [u64; 11],
    ) -> Result<Option<usize>, Fault> {
        let target = (at as i64 + 1 + i64::from(insn.offset)) as usize;
        let left = regs[usize::from(insn.registers & 15)];
        let right = match insn.code & 8 != 0 {
            true => regs[usize::from(insn.registers >> 4)],
            false => insn.imm as u64,
        };
        let (signed_left, signed_right) = (left as i64, right as i64);
        let taken = match insn.code & 0xf0 {
            0x00 => true,
            0x10 => left == right,
            0x20 => left > right,
            0x30 => left >= right,
            0x50 => left != right,
            0x60 => signed_left > signed_right,
            0x70 => signed_left >= signed_right,
            0x80 => {
                let args = [regs[1], regs[2], regs[3], regs[4], regs[5]];
                let callee = (at as i64 + 1 + i64::from(insn.imm)) as usize;
                regs[0] = match insn.registers >> 4 {
                    1 => self.function(program, callee, &args)?,
                    _ => self.call(program, insn.imm, args)?,
                };
                regs[1..=5].fill(0xdead_beef_dead_beef);
                return Ok(Some(at + 1));
            }
            0x90 => return Ok(None),
            0xa0 => left < right,
            0xb0 => left <= right,
            0xc0 => signed_left < signed_right,
            _ => signed_left <= signed_right,
        };
        Ok(Some(if taken { target } else { at + 1 }))
    }

    /// The region of an entry; arrays have all of theirs from the start.
    fn entry(&mut self, map: usize, key: &[u8]) -> Option<usize> {
        let of: &Map = &self.image.maps[map];
        if let Some(&region) = self.maps[map].all.get(key) {
            return Some(region);
        }
        let is_array = matches!(of.kind, MapKind::Array | MapKind::PercpuArray);
        let index = key.get(..4).and_then(|key| key.try_into().ok());
        if !is_array || u32::from_le_bytes(index?) >= of.entries {
            return None;
        }
        let region = self.region(vec![0; of.value_size as usize]);
        self.maps[map].all.insert(key.to_vec(), region);
        Some(region)
    }
}

fn arithmetic(insn: &Insn, is_wide: bool, left: u64, right: u64) -> Result<u64, Fault> {
    let operation = insn.code & 0xf0;
    if !is_wide {
        return match operation {
            0xb0 => Ok(u64::from(right as u32)),
            0xd0 => Ok(left.swap_bytes() >> (64 - insn.imm as u32)),
            _ => Err(format!("32-bit operation {operation:#x}")),
        };
    }
    let shift = right as u32 & 63;
    Ok(match operation {
        0x00 => left.wrapping_add(right),
        0x10 => left.wrapping_sub(right),
        0x20 => left.wrapping_mul(right),
        0x30 => left.checked_div(right).unwrap_or(0),
        0x40 => left | right,
        0x50 => left & right,
        0x60 => left << shift,
        0x70 => left >> shift,
        0x80 => left.wrapping_neg(),
        0x90 => left.checked_rem(right).unwrap_or(left),
        0xa0 => left ^ right,
        0xb0 => right,
        0xc0 => (left as i64 >> shift) as u64,
        _ => return Err(format!("operation {operation:#x}")),
    })
}
