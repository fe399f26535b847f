//! What the compiler made, for people who look after it.

use std::fmt::Write as _;

use tracer_script::{
    diagnostic::line_column,
    emit::Reference,
    program::{Image, Program},
};

/// The instructions of all programs.
pub fn code(image: &Image, source: &str) -> String {
    let programs = image.programs.iter();
    programs
        .map(|program| program_code(program, image, source))
        .collect()
}

/// A line for each instruction: its number, operation, registers, offset and constant, the map that it refers to,
/// and the place in the source where that changes.
fn program_code(program: &Program, image: &Image, source: &str) -> String {
    let code = &program.code;
    let mut out = format!("{} ({:?}):\n", program.name, program.kind);
    for (at, insn) in code.instructions.iter().enumerate() {
        let (destination, source_register) = (insn.registers & 0x0f, insn.registers >> 4);
        let _ = write!(
            out,
            "{at:>6}: {:02x} r{destination} r{source_register} {:+} {:#x}",
            insn.code, insn.offset, insn.imm
        );
        for (_, reference) in code.references.iter().filter(|(place, _)| *place == at) {
            let (Reference::Map(map) | Reference::MapValue(map)) = *reference;
            let _ = write!(out, "  map {}", image.maps[map].name);
        }
        for (_, span) in code.spans.iter().filter(|(from, _)| *from == at) {
            let (line, column) = line_column(source, span.start);
            let _ = write!(out, "  ; {line}:{column}");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use tracer_script::{Span, probe::AttachKind};

    use super::*;
    use crate::script::session::assembled::{Assembly, HASH, image, on_request};

    #[test]
    fn instructions_are_shown_with_what_they_refer_to() {
        let mut assembly = Assembly::default();
        assembly.count_at(HASH);
        assembly.read_nowhere(Span::new(8, 12));
        let image = Image {
            programs: vec![on_request(AttachKind::Begin, assembly.done())],
            ..image()
        };
        assert_eq!(
            code(&image, "BEGIN {\n$x.y }"),
            "p (OnRequest):\n     \
             0: 18 r1 r0 +0 0x0  map @b\n     \
             1: 00 r0 r0 +0 0x0\n     \
             2: b7 r2 r0 +0 0x1\n     \
             3: db r1 r2 +0 0x0\n     \
             4: b7 r1 r0 +0 0x0  ; 2:1\n     \
             5: 79 r0 r1 +0 0x0\n     \
             6: b7 r0 r0 +0 0x0\n     \
             7: 95 r0 r0 +0 0x0\n"
        );
    }
}
