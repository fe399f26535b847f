//! What is known at one place of a function.

use tracer_script::emit::Insn;

/// Bytes of stack.
pub const STACK: usize = 512;

/// What a register or a word of the stack holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing was written.
    Nothing,
    /// A number or a pointer.
    Any,
    /// A number that is known.
    Const(i64),
    /// An address in the function's own stack, from its end.
    Frame(i32),
    /// An address in it, counted by what is not known here. The kernel follows loops round by round and knows it.
    InFrame,
    /// A map.
    Map(usize),
    /// What the helper called at this instruction gave: a pointer, or null.
    OrNull(usize),
    /// A function.
    Function(usize),
}

/// What is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    regs: [Value; 11],
    /// Bytes of stack that were written, from the lowest.
    written: [bool; STACK],
    /// Words of stack that were written whole.
    words: [Value; STACK / 8],
    /// How deep the stack has been used.
    pub depth: i32,
}

impl State {
    /// At the start of a function with so many parameters.
    pub fn entry(params: usize) -> Self {
        let mut regs = [Value::Nothing; 11];
        regs[1..=params].fill(Value::Any);
        regs[10] = Value::Frame(0);
        Self {
            regs,
            written: [false; STACK],
            words: [Value::Nothing; STACK / 8],
            depth: 0,
        }
    }

    /// Keeps what is known on both paths; true where that is less than before.
    pub fn join(&mut self, other: &Self) -> bool {
        let before = self.clone();
        let joined = |left: &mut Value, right: &Value| {
            if *left == Value::Nothing || *right == Value::Nothing {
                *left = Value::Nothing;
            } else if *left != *right {
                let in_frame = |value| matches!(value, Value::Frame(_) | Value::InFrame);
                *left = match in_frame(*left) && in_frame(*right) {
                    true => Value::InFrame,
                    false => Value::Any,
                };
            }
        };
        for (left, right) in self.regs.iter_mut().zip(&other.regs) {
            joined(left, right);
        }
        for (left, right) in self.words.iter_mut().zip(&other.words) {
            joined(left, right);
        }
        for (left, right) in self.written.iter_mut().zip(other.written) {
            *left &= right;
        }
        self.depth = self.depth.max(other.depth);
        *self != before
    }

    /// What a register holds, which must be something.
    pub fn read(&self, reg: usize) -> Result<Value, String> {
        match self.regs[reg] {
            Value::Nothing => Err(format!("reads r{reg}, which was not written on every path")),
            value => Ok(value),
        }
    }

    /// Writes a register.
    pub fn write(&mut self, reg: usize, value: Value) -> Result<(), String> {
        if reg >= 10 {
            return Err(format!("writes r{reg}"));
        }
        self.regs[reg] = value;
        Ok(())
    }

    /// Calls leave nothing in registers 1 to 5.
    pub fn clobber(&mut self, result: Value) {
        self.regs[0] = result;
        self.regs[1..=5].fill(Value::Nothing);
    }

    /// A pointer was asked whether it is null.
    pub fn settle(&mut self, id: usize, to: Value) {
        for value in self.regs.iter_mut().chain(&mut self.words) {
            if *value == Value::OrNull(id) {
                *value = to;
            }
        }
    }

    fn range(&mut self, from: i32, bytes: u32) -> Result<std::ops::Range<usize>, String> {
        let start = from + STACK as i32;
        if start < 0 || start + bytes as i32 > STACK as i32 {
            return Err(format!("{bytes} bytes at {from} are not within the stack"));
        }
        self.depth = self.depth.max(-from);
        Ok(start as usize..start as usize + bytes as usize)
    }

    /// The kernel reads these bytes.
    pub fn reads_stack(&mut self, from: i32, bytes: u32) -> Result<(), String> {
        let range = self.range(from, bytes)?;
        match self.written[range].iter().position(|written| !written) {
            Some(at) => Err(format!(
                "reads {bytes} bytes of stack at {from}, of which that at {} was not written",
                from + at as i32
            )),
            None => Ok(()),
        }
    }

    /// The kernel writes these bytes.
    pub fn writes_stack(&mut self, from: i32, bytes: u32) -> Result<(), String> {
        let range = self.range(from, bytes)?;
        self.written[range.clone()].fill(true);
        for word in &mut self.words[range.start / 8..range.end.div_ceil(8)] {
            *word = Value::Any;
        }
        Ok(())
    }

    fn address(&self, base: usize, offset: i16, bytes: u32) -> Result<Option<i32>, String> {
        match self.read(base)? {
            Value::Frame(from) => {
                let at = from + i32::from(offset);
                if at % bytes as i32 != 0 {
                    return Err(format!(
                        "{bytes} bytes of stack at {at}, which is not aligned"
                    ));
                }
                Ok(Some(at))
            }
            Value::Any | Value::InFrame => Ok(None),
            other => Err(format!("r{base} is used as a pointer, and is {other:?}")),
        }
    }

    /// Reads memory.
    pub fn load(&mut self, base: usize, offset: i16, bytes: u32) -> Result<Value, String> {
        let Some(at) = self.address(base, offset, bytes)? else {
            return Ok(Value::Any);
        };
        self.reads_stack(at, bytes)?;
        let word = self.words[(at + STACK as i32) as usize / 8];
        Ok(match word {
            Value::Nothing => Value::Any,
            word if bytes == 8 => word,
            _ => Value::Any,
        })
    }

    /// Writes memory.
    pub fn store(
        &mut self,
        base: usize,
        offset: i16,
        bytes: u32,
        value: Value,
    ) -> Result<(), String> {
        let Some(at) = self.address(base, offset, bytes)? else {
            return match value {
                Value::Map(_) | Value::OrNull(_) | Value::Function(_) => {
                    Err(format!("stores {value:?}"))
                }
                _ => Ok(()),
            };
        };
        self.writes_stack(at, bytes)?;
        if bytes == 8 {
            self.words[(at + STACK as i32) as usize / 8] = value;
        }
        Ok(())
    }

    /// Arithmetic.
    pub fn arithmetic(&mut self, insn: &Insn) -> Result<(), String> {
        let (dst, src) = (
            usize::from(insn.registers & 15),
            usize::from(insn.registers >> 4),
        );
        let operation = insn.code & 0xf0;
        let is_wide = insn.code & 7 == 7;
        let by_register = insn.code & 8 != 0 && operation != 0xd0;
        let right = if by_register {
            self.read(src)?
        } else {
            Value::Const(insn.imm.into())
        };
        if operation == 0xb0 {
            let value = match right {
                Value::Const(_) | Value::Any if !is_wide => Value::Any,
                Value::Any | Value::Const(_) => right,
                _ if is_wide => right,
                _ => return Err(format!("cuts {right:?} to 32 bits")),
            };
            return self.write(dst, value);
        }
        let left = self.read(dst)?;
        if !by_register {
            match operation {
                0x30 | 0x90 if insn.imm == 0 => return Err("divides by zero".to_owned()),
                0x60 | 0x70 | 0xc0 if !(0..64).contains(&insn.imm) => {
                    return Err(format!("shifts by {}", insn.imm));
                }
                0xd0 if ![16, 32, 64].contains(&insn.imm) => {
                    return Err(format!("swaps {} bits", insn.imm));
                }
                _ => {}
            }
        }
        let value = match (left, right) {
            (Value::Frame(at), Value::Const(by)) if is_wide && operation == 0x00 => {
                Value::Frame(at + by as i32)
            }
            (Value::Frame(_) | Value::InFrame, Value::Any | Value::Const(_))
                if is_wide && operation == 0x00 =>
            {
                Value::InFrame
            }
            (Value::Any | Value::Const(_), Value::Any | Value::Const(_)) => Value::Any,
            _ => return Err(format!("arithmetic with {left:?} and {right:?}")),
        };
        self.write(dst, value)
    }
}
