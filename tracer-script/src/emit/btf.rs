//! Type information of a program's functions, and the lines of the source that its instructions come from:
//! what the kernel wants to see of callbacks, and shows when it refuses a program.
//!
//! Format: `Documentation/bpf/btf.rst`.

use std::collections::HashMap;

use super::{
    Code,
    types::{
        SIGNED, TypeInfo,
        kind::{FUNC, FUNC_PROTO, INT, PTR},
    },
};
use crate::{
    diagnostic::Span,
    ir::Function,
    source::{Place, Sources},
};

/// Types 1 and 2: a number of 64 bits, and a pointer to nothing in particular.
const NUMBER: u32 = 1;
const POINTER: u32 = 2;

/// Columns that fit into `struct bpf_line_info`.
const COLUMN_MAX: usize = 1023;

/// Fills in `btf`, `functions` and `lines`, from the functions with their first instructions.
pub(super) fn describe(code: &mut Code, functions: &[(Function, usize)], sources: &Sources) {
    let mut builder = TypeInfo::default();
    let long = builder.string("long");
    builder.add(&[long, INT, 8, SIGNED | 64]);
    builder.add(&[0, PTR, 0]);
    for (function, start) in functions {
        let mut prototype = vec![0, FUNC_PROTO | function.params, NUMBER];
        for param in 0..function.params {
            let name = builder.string(&format!("p{param}"));
            prototype.extend([name, POINTER]);
        }
        let prototype = builder.add(&prototype);
        let name = builder.string(&function.name);
        let id = builder.add(&[name, FUNC, prototype]);
        code.functions.push([*start as u32, id]);
    }
    lines(code, sources, &mut builder);
    code.btf = builder.finish();
}

fn lines(code: &mut Code, sources: &Sources, builder: &mut TypeInfo) {
    // By file and line the texts of both.
    let mut files: HashMap<&str, u32> = HashMap::new();
    let mut texts: HashMap<(&str, usize), u32> = HashMap::new();
    let mut last = None;
    for &(at, span) in &code.spans {
        let Place {
            file, start, text, ..
        } = sources.place(span);
        let (line, column) = start;
        // One entry for each line is enough, but each function begins with one.
        let begins = code
            .functions
            .iter()
            .any(|&[start, _]| start as usize == at);
        if last == Some((file, line)) && !begins {
            continue;
        }
        last = Some((file, line));
        let name = *files.entry(file).or_insert_with(|| builder.string(file));
        let text = *texts
            .entry((file, line))
            .or_insert_with(|| builder.string(text.trim()));
        let place = (line as u32) << 10 | column.min(COLUMN_MAX) as u32;
        code.lines.push([at as u32, name, text, place]);
    }
}

/// The place in the source that an instruction comes from.
pub fn span_of(spans: &[(usize, Span)], instruction: usize) -> Option<Span> {
    let after = spans.partition_point(|&(at, _)| at <= instruction);
    spans.get(after.checked_sub(1)?).map(|&(_, span)| span)
}
