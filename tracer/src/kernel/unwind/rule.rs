//! From a row of call frame information to a rule that programs in the kernel can follow.

use gimli::{
    CfaRule, EhFrame, FrameDescriptionEntry, Operation, RegisterRule, UnwindExpression,
    UnwindTableRow, X86_64,
};
use tracer_script::unwind::Rule;

use super::Slice;

/// Bytes from the stack pointer to the registers' own one within the frame of a signal: `gregs[REG_RSP]` of
/// `struct ucontext_t`, `sysdeps/unix/sysv/linux/x86/sys/ucontext.h` of glibc.
const SIGNAL_STACK_POINTER: i64 = 160;

/// The rule of a row. What it cannot tell is [`Rule::Unknown`].
pub(super) fn of(
    row: &UnwindTableRow<usize>,
    fde: &FrameDescriptionEntry<Slice<'_>>,
    section: &EhFrame<Slice<'_>>,
) -> gimli::Result<Rule> {
    let (cfa, ra) = (row.cfa(), row.register(X86_64::RA));
    let found = match (cfa, ra) {
        (_, None | Some(RegisterRule::Undefined)) => Some(Rule::Outermost),
        (CfaRule::RegisterAndOffset { register, offset }, Some(RegisterRule::Offset(-8))) => {
            saved(row.register(X86_64::RBP)).and_then(|saved| {
                let offset = u32::try_from(*offset).ok()?;
                match *register {
                    X86_64::RSP => Some(Rule::Stack { offset, saved }),
                    X86_64::RBP => Some(Rule::Frame { offset, saved }),
                    _ => None,
                }
            })
        }
        (CfaRule::Expression(cfa), Some(ra)) => {
            let is_signal = fde.is_signal_trampoline();
            let bp = row.register(X86_64::RBP);
            of_expression(&operations(cfa, section)?, ra, bp, is_signal, section)?
        }
        _ => None,
    };
    Ok(found
        .filter(|rule| rule.packed().is_some())
        .unwrap_or_default())
}

/// How far below the frame's end `rbp` is saved, 0 where it is not; [`None`] where that cannot be told.
fn saved(rule: Option<RegisterRule<usize>>) -> Option<u32> {
    match rule {
        None | Some(RegisterRule::SameValue | RegisterRule::Undefined) => Some(0),
        Some(RegisterRule::Offset(offset)) if offset < 0 => u32::try_from(-offset).ok(),
        _ => None,
    }
}

/// The ways in which compilers and linkers use expressions.
fn of_expression(
    cfa: &[Operation<Slice<'_>>],
    ra: RegisterRule<usize>,
    bp: Option<RegisterRule<usize>>,
    is_signal: bool,
    section: &EhFrame<Slice<'_>>,
) -> gimli::Result<Option<Rule>> {
    use Operation::{And, Deref, Ge, Plus, RegisterOffset, Shl, UnsignedConstant};
    Ok(match (cfa, ra) {
        // The frame of a signal, `__restore_rt` of the C library: the stack pointer as it was.
        (
            [
                RegisterOffset {
                    register: X86_64::RSP,
                    offset: SIGNAL_STACK_POINTER,
                    ..
                },
                Deref { .. },
            ],
            _,
        ) if is_signal => Some(Rule::Signal),
        // `.plt`: an entry pushes a number behind its jump, if that comes back to it.
        (
            [
                RegisterOffset {
                    register: X86_64::RSP,
                    offset,
                    ..
                },
                RegisterOffset {
                    register: X86_64::RA,
                    offset: 0,
                    ..
                },
                UnsignedConstant { value: 15 },
                And,
                UnsignedConstant { value: pushed },
                Ge,
                UnsignedConstant { value: 3 },
                Shl,
                Plus,
            ],
            RegisterRule::Offset(-8),
        ) => jump(*offset, *pushed),
        // A function that aligns its stack anew keeps where that was, and saves `rbp` where that points to.
        (
            [
                RegisterOffset {
                    register: X86_64::RBP,
                    offset,
                    ..
                },
                Deref { .. },
            ],
            RegisterRule::Offset(-8),
        ) => {
            let offset = u32::try_from(-offset).ok();
            let is_there = match bp {
                Some(RegisterRule::Expression(at)) => is_at_rbp(&operations(&at, section)?),
                _ => false,
            };
            offset
                .filter(|_| is_there)
                .map(|offset| Rule::Realigned { offset })
        }
        _ => None,
    })
}

fn jump(offset: i64, pushed: u64) -> Option<Rule> {
    let (offset, pushed) = (u32::try_from(offset).ok()?, u32::try_from(pushed).ok()?);
    Some(Rule::Jump { offset, pushed })
}

fn is_at_rbp(at: &[Operation<Slice<'_>>]) -> bool {
    matches!(
        at,
        [Operation::RegisterOffset {
            register: X86_64::RBP,
            offset: 0,
            ..
        }]
    )
}

/// All operations of an expression.
fn operations<'a>(
    expression: &UnwindExpression<usize>,
    section: &EhFrame<Slice<'a>>,
) -> gimli::Result<Vec<Operation<Slice<'a>>>> {
    /// What `.eh_frame` is made for: addresses of 8 bytes.
    const ENCODING: gimli::Encoding = gimli::Encoding {
        address_size: 8,
        format: gimli::Format::Dwarf32,
        version: 4,
    };
    let mut found = Vec::new();
    let mut rest = expression.get(section)?.operations(ENCODING);
    while let Some(operation) = rest.next()? {
        found.push(operation);
    }
    Ok(found)
}
