//! The intermediate form: functions of blocks of simple operations on virtual registers of 64 bits.
//!
//! A register may be written more than once. Pointers and numbers are told apart by the kernel's verifier
//! alone; what the lowering keeps to is that a register which holds a number narrower than 64 bits holds it
//! extended by its sign or by zeros.

mod display;

use crate::diagnostic::Span;

/// A virtual register.
pub type Reg = u32;

/// A block of a function.
pub type BlockId = usize;

/// Room on a function's stack.
pub type SlotId = usize;

/// A register or a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// What a register holds.
    Reg(Reg),
    /// A constant.
    Imm(i64),
}

/// What an address is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// What a register holds.
    Reg(Reg),
    /// Room on the function's own stack.
    Slot(SlotId),
}

/// An argument of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// What a register holds.
    Reg(Reg),
    /// A constant.
    Imm(i64),
    /// An address on the function's own stack.
    Slot(SlotId, i32),
    /// A map, by its number in the image.
    Map(usize),
    /// An address in the first value of a map.
    MapValue(usize, u32),
    /// A function of the program, by its number.
    Function(usize),
}

impl From<Operand> for Arg {
    fn from(operand: Operand) -> Self {
        match operand {
            Operand::Reg(reg) => Self::Reg(reg),
            Operand::Imm(value) => Self::Imm(value),
        }
    }
}

/// Bytes of a load or a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named by their bits")]
pub enum Size {
    B8,
    B16,
    B32,
    B64,
}

impl Size {
    /// That of so many bytes.
    pub fn of(bytes: u32) -> Self {
        match bytes {
            1 => Self::B8,
            2 => Self::B16,
            4 => Self::B32,
            _ => Self::B64,
        }
    }

    /// How many bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Self::B8 => 1,
            Self::B16 => 2,
            Self::B32 => 4,
            Self::B64 => 8,
        }
    }
}

/// Arithmetic on 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as BPF_*")]
pub enum Alu {
    Add,
    Sub,
    Mul,
    /// Without sign; by zero it gives zero.
    Div,
    /// Without sign; by zero it gives the dividend.
    Mod,
    Or,
    And,
    Xor,
    Lsh,
    /// Without sign.
    Rsh,
    /// With sign.
    Arsh,
}

/// What a branch asks. `S…` compare with sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as BPF_J*")]
pub enum Cond {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    SGt,
    SGe,
    SLt,
    SLe,
}

/// What is done to memory in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomic {
    /// Adds.
    Add,
    /// Adds, and gives what was there before: Linux 5.12.
    FetchAdd,
    /// Writes, and gives what was there before: Linux 5.12.
    Exchange,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A constant.
    Const(Reg, i64),
    /// A copy.
    Move(Reg, Reg),
    /// Arithmetic.
    Alu(Alu, Reg, Operand, Operand),
    /// Extends the low bytes to 64 bits, with or without sign.
    Extend {
        /// To here.
        to: Reg,
        /// From here.
        from: Reg,
        /// The bytes that count: 1, 2 or 4.
        bytes: u8,
        /// By the sign.
        signed: bool,
    },
    /// Turns the order of bytes around: 2, 4 or 8 of them.
    Swap(Reg, Reg, u8),
    /// Reads, extended by zeros.
    Load(Reg, Base, i32, Size),
    /// Writes.
    Store(Base, i32, Operand, Size),
    /// Changes 8 bytes in one step.
    Atomic(Atomic, Option<Reg>, Base, i32, Operand),
    /// An address or a map as a value.
    Address(Reg, Arg),
    /// Calls one of the kernel's helpers.
    Call(Option<Reg>, Helper, Vec<Arg>),
    /// Calls a function of the program, by its number.
    CallFunction(Reg, usize, Vec<Arg>),
}

/// Where a block goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// To this block.
    Jump(BlockId),
    /// To the first block where the condition holds, else to the second.
    Branch(Cond, Operand, Operand, BlockId, BlockId),
    /// Out of the function, with this value.
    Return(Operand),
}

/// Operations without jumps between them.
#[derive(Clone, Debug)]
pub struct Block {
    /// In their order, each with the place in the source that it comes from.
    pub ops: Vec<(Op, Span)>,
    /// What comes after.
    pub end: End,
    /// The place in the source that the end comes from.
    pub end_span: Span,
}

/// A function. Its parameters are the first registers.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name, for the kernel's messages.
    pub name: String,
    /// How many parameters: 5 at the most.
    pub params: u32,
    /// How many registers.
    pub regs: u32,
    /// The blocks; the first is where it begins.
    pub blocks: Vec<Block>,
    /// Bytes of room on the stack, each a multiple of 8.
    pub slots: Vec<u32>,
}

impl Function {
    /// The place in the source that its first operation comes from.
    pub fn first_span(&self) -> Span {
        let first = &self.blocks[0];
        first.ops.first().map_or(first.end_span, |&(_, span)| span)
    }
}

macro_rules! helpers {
    ($($name:ident = $number:literal, $pure:literal;)*) => {
        /// Helpers of the kernel, by their numbers in `include/uapi/linux/bpf.h`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "they are named as bpf_*")]
        pub enum Helper {
            $($name = $number,)*
        }

        impl Helper {
            /// True where a call whose value is not used can be left out.
            pub fn is_pure(self) -> bool {
                match self {
                    $(Self::$name => $pure,)*
                }
            }
        }
    };
}

helpers! {
    MapLookupElem = 1, true;
    MapUpdateElem = 2, false;
    MapDeleteElem = 3, false;
    KtimeGetNs = 5, true;
    TracePrintk = 6, false;
    GetPrandomU32 = 7, true;
    GetSmpProcessorId = 8, true;
    GetCurrentPidTgid = 14, true;
    GetCurrentUidGid = 15, true;
    GetCurrentComm = 16, false;
    GetCurrentTask = 35, true;
    ProbeWriteUser = 36, false;
    GetNumaNodeId = 42, true;
    GetSocketCookie = 46, true;
    OverrideReturn = 58, false;
    GetStack = 67, false;
    GetCurrentCgroupId = 80, true;
    SendSignal = 109, false;
    SkbOutput = 111, false;
    ProbeReadUser = 112, false;
    ProbeReadKernel = 113, false;
    ProbeReadUserStr = 114, false;
    ProbeReadKernelStr = 115, false;
    SendSignalThread = 117, false;
    Jiffies64 = 118, true;
    GetNsCurrentPidTgid = 120, false;
    GetCurrentAncestorCgroupId = 123, true;
    SeqPrintf = 126, false;
    SeqWrite = 127, false;
    KtimeGetBootNs = 125, true;
    RingbufOutput = 130, false;
    RingbufReserve = 131, false;
    RingbufSubmit = 132, false;
    RingbufDiscard = 133, false;
    DPath = 147, false;
    ForEachMapElem = 164, false;
    GetCurrentTaskBtf = 158, true;
    GetFuncIp = 173, true;
    GetAttachCookie = 174, true;
    TaskPtRegs = 175, true;
    GetFuncArg = 183, false;
    GetFuncRet = 184, false;
    Loop = 181, false;
    MapLookupPercpuElem = 195, true;
    KtimeGetTaiNs = 208, true;
}

impl Op {
    /// The register that it writes.
    pub fn written(&self) -> Option<Reg> {
        match self {
            Self::Const(to, _)
            | Self::Move(to, _)
            | Self::Alu(_, to, ..)
            | Self::Extend { to, .. }
            | Self::Swap(to, ..)
            | Self::Load(to, ..)
            | Self::Address(to, _)
            | Self::CallFunction(to, ..) => Some(*to),
            Self::Atomic(_, to, ..) | Self::Call(to, ..) => *to,
            Self::Store(..) => None,
        }
    }

    /// Hands over the registers that it reads.
    pub fn read(&self, mut visit: impl FnMut(Reg)) {
        let operand = |operand: &Operand, visit: &mut dyn FnMut(Reg)| {
            if let Operand::Reg(reg) = operand {
                visit(*reg);
            }
        };
        let base = |base: &Base, visit: &mut dyn FnMut(Reg)| {
            if let Base::Reg(reg) = base {
                visit(*reg);
            }
        };
        match self {
            Self::Const(..) => {}
            Self::Move(_, from) | Self::Extend { from, .. } | Self::Swap(_, from, _) => {
                visit(*from);
            }
            Self::Alu(_, _, left, right) => {
                operand(left, &mut visit);
                operand(right, &mut visit);
            }
            Self::Load(_, at, ..) => base(at, &mut visit),
            Self::Store(at, _, value, _) | Self::Atomic(_, _, at, _, value) => {
                base(at, &mut visit);
                operand(value, &mut visit);
            }
            Self::Address(_, arg) => {
                if let Arg::Reg(reg) = arg {
                    visit(*reg);
                }
            }
            Self::Call(_, _, args) | Self::CallFunction(_, _, args) => {
                for arg in args {
                    if let Arg::Reg(reg) = arg {
                        visit(*reg);
                    }
                }
            }
        }
    }

    /// True where nothing is lost if its value is not used.
    pub fn is_pure(&self) -> bool {
        match self {
            Self::Store(..) | Self::Atomic(..) | Self::CallFunction(..) => false,
            Self::Call(_, helper, _) => helper.is_pure(),
            _ => true,
        }
    }

    /// True for what leaves nothing in the registers that callees may use.
    pub fn is_call(&self) -> bool {
        matches!(self, Self::Call(..) | Self::CallFunction(..))
    }
}

impl End {
    /// Hands over the registers that it reads.
    pub fn read(&self, mut visit: impl FnMut(Reg)) {
        let mut operand = |operand: &Operand| {
            if let Operand::Reg(reg) = operand {
                visit(*reg);
            }
        };
        match self {
            Self::Jump(_) => {}
            Self::Branch(_, left, right, ..) => {
                operand(left);
                operand(right);
            }
            Self::Return(value) => operand(value),
        }
    }

    /// The blocks that may follow.
    pub fn next(&self) -> impl Iterator<Item = BlockId> {
        let (first, second) = match self {
            Self::Jump(block) => (Some(*block), None),
            Self::Branch(_, _, _, then, other) => (Some(*then), Some(*other)),
            Self::Return(_) => (None, None),
        };
        first.into_iter().chain(second)
    }
}
