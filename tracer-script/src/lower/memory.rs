//! Memory: where values lie that do not fit into a register, and how they are read and copied.

use super::Lower;
use crate::{
    ir::{Alu, Arg, Base, Cond, Helper, Op, Operand, Reg, Size, SlotId},
    program::MapRole,
    types::{Space, Type},
};

/// A place in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mem {
    /// On the function's own stack.
    Slot(SlotId, i32),
    /// Behind a pointer that the verifier knows.
    At(Reg, i32),
    /// Among the constants.
    Rodata(u32),
    /// At an address that only helpers read.
    Far(Reg, i32, Space),
}

impl Mem {
    /// So many bytes further on.
    pub(super) fn plus(self, offset: i32) -> Self {
        match self {
            Self::Slot(slot, at) => Self::Slot(slot, at + offset),
            Self::At(reg, at) => Self::At(reg, at + offset),
            Self::Rodata(at) => Self::Rodata(at + offset as u32),
            Self::Far(reg, at, space) => Self::Far(reg, at + offset, space),
        }
    }
}

/// Values up to that many bytes may lie on the stack where the script sets no limit, as long as that has room.
const SLOT_MAX: u32 = 64;
/// Bytes of the stack that values may have.
const SLOTS_MAX: u32 = 192;

/// Up to that many bytes are copied or cleared word by word.
const WORDS_MAX: u32 = 128;

/// The last address of a process on x86-64 and aarch64 is far below it; the kernel's are above.
const FIRST_KERNEL_ADDRESS: i64 = 0;

impl Lower<'_, '_> {
    /// Room for a value on its way.
    pub(super) fn temporary(&mut self, size: u32) -> Mem {
        let size = size.max(8);
        let limit = self.given.config.on_stack_limit;
        let fits = u64::from(size) <= limit.unwrap_or(SLOT_MAX.into())
            && (self.f().has_free_slot(size) || self.f().stack_size() + size <= SLOTS_MAX);
        if fits {
            return Mem::Slot(self.f().slot(size), 0);
        }
        self.scratch_room(size)
    }

    /// Room in the program's memory.
    pub(super) fn scratch_room(&mut self, size: u32) -> Mem {
        let at = self.scratch;
        self.scratch = at.saturating_add(crate::types::align(size));
        self.scratch_max = self.scratch_max.max(self.scratch);
        self.in_scratch(at)
    }

    /// A place in the program's memory.
    pub(super) fn in_scratch(&mut self, at: u32) -> Mem {
        Mem::At(self.scratch_base(), at as i32)
    }

    /// A pointer to a place, for a helper that takes pointers which the verifier knows.
    pub(super) fn pointer(&mut self, mem: Mem) -> Arg {
        match mem {
            Mem::Slot(slot, offset) => Arg::Slot(slot, offset),
            Mem::Rodata(at) => Arg::MapValue(self.shared.role(MapRole::Rodata), at),
            Mem::At(reg, 0) | Mem::Far(reg, 0, _) => Arg::Reg(reg),
            Mem::At(reg, offset) | Mem::Far(reg, offset, _) => {
                let to = self.reg();
                let (base, offset) = (Operand::Reg(reg), Operand::Imm(offset.into()));
                self.op(Op::Alu(Alu::Add, to, base, offset));
                Arg::Reg(to)
            }
        }
    }

    /// The same as a value.
    pub(super) fn address(&mut self, mem: Mem) -> Reg {
        match self.pointer(mem) {
            Arg::Reg(reg) => reg,
            arg => {
                let to = self.reg();
                self.op(Op::Address(to, arg));
                to
            }
        }
    }

    /// A place as loads and stores take it; not for [`Mem::Far`].
    pub(super) fn base(&mut self, mem: Mem) -> (Base, i32) {
        match mem {
            Mem::Slot(slot, offset) => (Base::Slot(slot), offset),
            Mem::At(reg, offset) | Mem::Far(reg, offset, _) => (Base::Reg(reg), offset),
            Mem::Rodata(at) => {
                let map = self.shared.role(MapRole::Rodata);
                let to = self.reg();
                self.op(Op::Address(to, Arg::MapValue(map, at)));
                (Base::Reg(to), 0)
            }
        }
    }

    /// Reads so many bytes (1, 2, 4 or 8), extended by zeros.
    pub(super) fn load(&mut self, mem: Mem, size: u32) -> Reg {
        if let Mem::Far(..) = mem {
            return self.temporarily(|lower| {
                let to = lower.temporary(8);
                lower.read_far(to, mem, size);
                lower.load(to, size)
            });
        }
        let (base, offset) = self.base(mem);
        let to = self.reg();
        self.op(Op::Load(to, base, offset, Size::of(size)));
        to
    }

    /// Writes so many bytes.
    pub(super) fn store(&mut self, mem: Mem, value: Operand, size: u32) {
        let (base, offset) = self.base(mem);
        self.op(Op::Store(base, offset, value, Size::of(size)));
    }

    /// Writes 8 bytes.
    pub(super) fn store_word(&mut self, mem: Mem, value: Operand) {
        self.store(mem, value, 8);
    }

    /// Extends a value that was read to 64 bits, by the sign where its type has one.
    pub(super) fn extended(&mut self, from: Reg, bytes: u32, signed: bool) -> Reg {
        if !signed || bytes >= 8 {
            return from;
        }
        let to = self.reg();
        self.op(Op::Extend {
            to,
            from,
            bytes: bytes as u8,
            signed,
        });
        to
    }

    /// Reads a scalar that lies in memory as C lays it out.
    pub(super) fn load_c(&mut self, mem: Mem, kind: &Type) -> Reg {
        let size = self.c_size(kind).clamp(1, 8);
        let read = self.load(mem, size);
        self.extended(read, size, kind.is_signed())
    }

    /// Copies from memory that only helpers read.
    pub(super) fn read_far(&mut self, to: Mem, from: Mem, size: u32) {
        let Mem::Far(_, _, space) = from else {
            return self.copy_memory(to, from, size);
        };
        let size = Operand::Imm(size.into());
        self.read_by(
            to,
            size,
            from,
            space,
            [Helper::ProbeReadKernel, Helper::ProbeReadUser],
        );
    }

    /// Calls the helper for the kernel's or for a process's memory, whichever the address lies in.
    pub(super) fn read_by(
        &mut self,
        to: Mem,
        size: Operand,
        from: Mem,
        space: Space,
        [kernel, user]: [Helper; 2],
    ) -> Reg {
        let to = self.pointer(to);
        let from = Operand::Reg(self.address(from));
        let result = self.reg();
        let call = |lower: &mut Self, helper: Helper| {
            lower.op(Op::Call(
                Some(result),
                helper,
                vec![to, size.into(), from.into()],
            ));
        };
        match space {
            Space::Kernel => call(self, kernel),
            Space::User => call(self, user),
            Space::Any => {
                let (in_kernel, in_user, done) = (self.block(), self.block(), self.block());
                let limit = Operand::Imm(FIRST_KERNEL_ADDRESS);
                self.branch(Cond::SLt, from, limit, in_kernel, in_user);
                self.go_on_at(in_kernel);
                call(self, kernel);
                self.jump(done);
                self.go_on_at(in_user);
                call(self, user);
                self.jump(done);
                self.go_on_at(done);
            }
        }
        let name = match space {
            Space::User => user.read_name(),
            _ => kernel.read_name(),
        };
        self.report_failure(result, name);
        result
    }

    /// Copies between places that the verifier knows.
    pub(super) fn copy_memory(&mut self, to: Mem, from: Mem, size: u32) {
        if let Mem::Far(..) = from {
            return self.read_far(to, from, size);
        }
        if size > WORDS_MAX {
            let to = self.pointer(to);
            let from = self.pointer(from);
            let args = vec![to, Arg::Imm(size.into()), from];
            return self.call_only(Helper::ProbeReadKernel, args);
        }
        let ((to, to_offset), (from, from_offset)) = (self.base(to), self.base(from));
        for (at, width) in chunks(size) {
            let word = self.reg();
            let size = Size::of(width);
            self.op(Op::Load(word, from, from_offset + at as i32, size));
            self.op(Op::Store(
                to,
                to_offset + at as i32,
                Operand::Reg(word),
                size,
            ));
        }
    }

    /// Clears.
    pub(super) fn clear(&mut self, to: Mem, size: u32) {
        if size == 0 {
            return;
        }
        if size > WORDS_MAX {
            let zeros = self.shared.zeros(size);
            return self.copy_memory(to, Mem::Rodata(zeros), size);
        }
        let (base, offset) = self.base(to);
        for (at, width) in chunks(size) {
            let size = Size::of(width);
            self.op(Op::Store(base, offset + at as i32, Operand::Imm(0), size));
        }
    }
}

/// Where and how wide the pieces are that so many bytes are worked on in.
pub(super) fn chunks(size: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let width = match size - at {
            0 => return None,
            8.. => 8,
            4..8 => 4,
            2..4 => 2,
            _ => 1,
        };
        at += width;
        Some((at - width, width))
    })
}

impl Helper {
    /// What the helper is called in messages.
    pub(super) fn read_name(self) -> &'static str {
        match self {
            Self::ProbeReadUser => "probe_read_user",
            Self::ProbeReadKernelStr => "probe_read_kernel_str",
            Self::ProbeReadUserStr => "probe_read_user_str",
            _ => "probe_read_kernel",
        }
    }
}
