//! Type information of a program's functions, and the lines of the source that its instructions come from:
//! what the kernel wants to see of callbacks, and shows when it refuses a program.
//!
//! Format: `Documentation/bpf/btf.rst`.

use std::collections::HashMap;

use super::Code;
use crate::{
    diagnostic::Span,
    ir::Function,
    source::{Place, Sources},
};

const INT: u32 = 1 << 24;
const PTR: u32 = 2 << 24;
const FUNC: u32 = 12 << 24;
const FUNC_PROTO: u32 = 13 << 24;
const SIGNED: u32 = 1 << 24;

const MAGIC: u32 = 0xeb9f;
const VERSION: u32 = 1;
const HEADER_BYTES: u32 = 24;

/// Types 1 and 2: a number of 64 bits, and a pointer to nothing in particular.
const NUMBER: u32 = 1;
const POINTER: u32 = 2;

/// Columns that fit into `struct bpf_line_info`.
const COLUMN_MAX: usize = 1023;

struct Builder {
    types: Vec<u32>,
    count: u32,
    strings: Vec<u8>,
}

impl Builder {
    fn string(&mut self, text: &str) -> u32 {
        let at = self.strings.len() as u32;
        self.strings.extend(text.bytes().filter(|&byte| byte != 0));
        self.strings.push(0);
        at
    }

    fn add(&mut self, words: &[u32]) -> u32 {
        self.types.extend(words);
        self.count += 1;
        self.count
    }

    fn finish(self) -> Vec<u8> {
        let types_bytes = self.types.len() as u32 * 4;
        let header = [
            MAGIC | VERSION << 16,
            HEADER_BYTES,
            0,
            types_bytes,
            types_bytes,
            self.strings.len() as u32,
        ];
        let words = header.iter().chain(&self.types);
        let mut out: Vec<u8> = words.flat_map(|word| word.to_ne_bytes()).collect();
        out.extend(self.strings);
        out
    }
}

/// Fills in `btf`, `functions` and `lines`, from the functions with their first instructions.
pub(super) fn describe(code: &mut Code, functions: &[(Function, usize)], sources: &Sources) {
    let mut builder = Builder {
        types: Vec::new(),
        count: 0,
        strings: vec![0],
    };
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

fn lines(code: &mut Code, sources: &Sources, builder: &mut Builder) {
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
