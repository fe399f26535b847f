//! Programs as text.

use std::fmt;

use super::{Arg, Base, End, Function, Op, Operand};

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reg(reg) => write!(f, "%{reg}"),
            Self::Imm(value) => write!(f, "{value}"),
        }
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reg(reg) => write!(f, "%{reg}"),
            Self::Imm(value) => write!(f, "{value}"),
            Self::Slot(slot, offset) => write!(f, "&slot{slot}+{offset}"),
            Self::Map(map) => write!(f, "map{map}"),
            Self::MapValue(map, offset) => write!(f, "&map{map}+{offset}"),
            Self::Function(function) => write!(f, "fn{function}"),
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reg(reg) => write!(f, "%{reg}"),
            Self::Slot(slot) => write!(f, "slot{slot}"),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Const(to, value) => write!(f, "%{to} = {value}"),
            Self::Move(to, from) => write!(f, "%{to} = %{from}"),
            Self::Alu(alu, to, left, right) => write!(f, "%{to} = {alu:?} {left}, {right}"),
            Self::Extend {
                to,
                from,
                bytes,
                signed,
            } => {
                let sign = if *signed { "sign" } else { "zero" };
                write!(f, "%{to} = {sign} extend %{from} from {bytes}")
            }
            Self::Swap(to, from, bytes) => write!(f, "%{to} = swap %{from}, {bytes}"),
            Self::Load(to, base, offset, size) => {
                write!(f, "%{to} = load {} [{base}+{offset}]", size.bytes())
            }
            Self::Store(base, offset, value, size) => {
                write!(f, "store {} [{base}+{offset}], {value}", size.bytes())
            }
            Self::Atomic(atomic, to, base, offset, value) => {
                if let Some(to) = to {
                    write!(f, "%{to} = ")?;
                }
                write!(f, "{atomic:?} [{base}+{offset}], {value}")
            }
            Self::Address(to, arg) => write!(f, "%{to} = {arg}"),
            Self::Call(to, helper, args) => {
                if let Some(to) = to {
                    write!(f, "%{to} = ")?;
                }
                let args: Vec<String> = args.iter().map(Arg::to_string).collect();
                write!(f, "{helper:?}({})", args.join(", "))
            }
            Self::CallFunction(to, function, args) => {
                let args: Vec<String> = args.iter().map(Arg::to_string).collect();
                write!(f, "%{to} = fn{function}({})", args.join(", "))
            }
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jump(to) => write!(f, "jump b{to}"),
            Self::Branch(cond, left, right, then, other) => {
                write!(f, "if {cond:?} {left}, {right} then b{then} else b{other}")
            }
            Self::Return(value) => write!(f, "return {value}"),
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "function {} ({} parameters)", self.name, self.params)?;
        for (index, block) in self.blocks.iter().enumerate() {
            writeln!(f, "b{index}:")?;
            for (op, _) in &block.ops {
                writeln!(f, "    {op}")?;
            }
            writeln!(f, "    {}", block.end)?;
        }
        Ok(())
    }
}
