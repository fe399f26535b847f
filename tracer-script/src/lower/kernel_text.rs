//! Texts that the kernel puts together: those of `debugf`, and of iterators that are files.

use super::{Lower, Mem};
use crate::{
    ast::{Call, Expr},
    format::{self, Conversion, Format},
    ir::{Arg, Helper, Operand, Reg},
};

impl Lower<'_, '_> {
    /// `debugf`: a line of `/sys/kernel/tracing/trace_pipe`. Numbers are handed over whole.
    pub(crate) fn debugf(&mut self, call: &Call) {
        let text = self.literal_text(&call.args[0]).unwrap_or_default();
        let format = format::parse(&text);
        let text = kernel_text(&format, b"%px");
        self.temporarily(|lower| {
            let at = Mem::Rodata(lower.shared.constant(&text));
            let mut args = vec![lower.pointer(at), Arg::Imm(text.len() as i64)];
            for (conversion, arg) in format.conversions().zip(&call.args[1..]) {
                args.push(Arg::Reg(lower.kernel_argument(conversion, arg)));
            }
            lower.call_only(Helper::TracePrintk, args);
        });
    }

    /// `printf` of an iterator that is pinned. The list of arguments is in the program's memory, as the verifier of old
    /// kernels lets no pointers lie on a stack that helpers read.
    pub(super) fn print_to_file(&mut self, format: &Format, args: &[Expr]) {
        const WORD: u32 = 8;
        let text = kernel_text(format, b"0x%llx");
        self.temporarily(|lower| {
            let size = WORD * args.len() as u32;
            let list = lower.scratch_room(size.max(WORD));
            let mut at = list;
            for (conversion, arg) in format.conversions().zip(args) {
                let value = lower.kernel_argument(conversion, arg);
                lower.store_word(at, Operand::Reg(value));
                at = at.plus(WORD as i32);
            }
            let context = lower.context();
            let Some(seq) = lower.seq_file(context) else {
                return;
            };
            let text_at = Mem::Rodata(lower.shared.constant(&text));
            let args = vec![
                Arg::Reg(seq),
                lower.pointer(text_at),
                Arg::Imm(text.len() as i64),
                lower.pointer(list),
                Arg::Imm(size.into()),
            ];
            lower.call_only(Helper::SeqPrintf, args);
        });
    }

    /// What stands for an argument: a number, or where a string lies, which ends with NUL.
    fn kernel_argument(&mut self, conversion: &Conversion, arg: &Expr) -> Reg {
        match conversion.kind {
            's' => {
                let (place, _) = self.readable(arg);
                self.address(place)
            }
            'c' => {
                let value = self.val(arg);
                let place = self.temporary(8);
                self.store_word(place, Operand::Imm(0));
                self.store(place, value, 1);
                self.address(place)
            }
            _ => {
                let value = self.val(arg);
                self.copy(value)
            }
        }
    }
}

/// The format as the kernel takes it, with a NUL at its end; `address` stands for addresses.
fn kernel_text(format: &Format, address: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for part in &format.parts {
        match part {
            format::Part::Text(literal) => {
                // A percent sign of its own was two.
                for &byte in literal {
                    text.extend(std::iter::repeat_n(byte, 1 + usize::from(byte == b'%')));
                }
            }
            format::Part::Conversion(conversion) if conversion.kind == 'p' => text.extend(address),
            format::Part::Conversion(conversion) => text.extend(kernel_conversion(conversion)),
        }
    }
    text.push(0);
    text
}

fn kernel_conversion(conversion: &Conversion) -> Vec<u8> {
    let flags = [
        (conversion.left, '-'),
        (conversion.plus, '+'),
        (conversion.blank, ' '),
        (conversion.zero, '0'),
    ];
    let flags = flags
        .into_iter()
        .filter_map(|(given, sign)| given.then_some(sign));
    let width = conversion.width.map(|width| width.to_string());
    let letters = match conversion.kind {
        // A character is a string of one.
        's' | 'c' => "s".to_owned(),
        number => format!("ll{number}"),
    };
    let text = format!(
        "%{}{}{letters}",
        flags.collect::<String>(),
        width.unwrap_or_default()
    );
    text.into_bytes()
}
