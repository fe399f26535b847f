//! Laying a script out: `--fmt`. Only blanks and line breaks are changed. Every token, every remark and every line
//! that begins with `#` stays as it is, so the program stays the same; and what has been laid out is laid out the
//! same way again.

mod gap;
mod layout;
mod piece;

use crate::{diagnostic::Diagnostics, parse};

/// Lays a script out. Where it cannot be read, that is told instead.
pub fn format(source: &str) -> Result<String, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let pieces = read(source, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let out = layout::lay_out(&pieces);
    if is_same(&pieces, &out) {
        return Ok(out);
    }
    diagnostics.error(
        crate::Span::default(),
        "the script cannot be laid out: it would become another one",
    );
    Err(diagnostics)
}

/// Parameters that heads of probes may name: they stay as they are.
const PARAMS: usize = 64;

/// Takes a script apart. The lines of the preprocessor are left alone, whatever they say, and so both sides of its
/// conditions are read.
fn read<'a>(source: &'a str, diagnostics: &mut Diagnostics) -> Vec<piece::Piece<'a>> {
    let params = vec!["1".to_owned(); PARAMS];
    let without = piece::without_directives(source);
    let script = parse::parse(&without, &params, diagnostics);
    piece::pieces(source, &without, &script.marks)
}

/// Whether a text reads as these pieces.
fn is_same(pieces: &[piece::Piece<'_>], text: &str) -> bool {
    let mut diagnostics = Diagnostics::default();
    let again = read(text, &mut diagnostics);
    let same =
        |(a, b): (&piece::Piece<'_>, &piece::Piece<'_>)| a.text == b.text && a.kind == b.kind;
    !diagnostics.has_errors() && pieces.len() == again.len() && pieces.iter().zip(&again).all(same)
}

#[cfg(test)]
mod tests {
    use super::format;

    fn check(source: &str, expected: &str) {
        let formatted = format(source).expect("it can be read");
        assert_eq!(formatted, expected);
        assert_eq!(format(&formatted).expect("it can be read"), expected);
    }

    #[test]
    fn blocks_get_lines_of_their_own() {
        check(
            "BEGIN{printf(\"hi\\n\");@x=1;exit()}",
            "BEGIN\n{\n  printf(\"hi\\n\");\n  @x = 1;\n  exit()\n}\n",
        );
        check("END { clear( @x ) ; }", "END { clear(@x); }\n");
        check(
            "i:s:1 { if(@x>5){exit()}else if (@x) { @y++ } else { } }",
            "i:s:1\n{\n  if (@x > 5) { exit() } else if (@x) { @y++ } else {}\n}\n",
        );
    }

    #[test]
    fn heads_and_predicates() {
        check(
            "t:a:b ,\nt:c:d/pid==$1/{ @++ }\nuprobe:/bin/x:f /@a/\n{ @--; }",
            "t:a:b,\nt:c:d /pid == $1/ { @++ }\nuprobe:/bin/x:f /@a/ { @--; }\n",
        );
    }

    #[test]
    fn operators() {
        check(
            "BEGIN { $x=-1*(2+-3)- -4; $y=!$x?~1: *$p;$z=(struct task_struct*)curtask->comm[ 1 ]; $i ++ ; }",
            "BEGIN\n{\n  $x = -1 * (2 + -3) - -4;\n  $y = !$x ? ~1 : *$p;\n  \
             $z = (struct task_struct *)curtask->comm[1];\n  $i++;\n}\n",
        );
        check(
            "BEGIN / *$p == 1 / { for($i:0..5) { print(($i,1)); } }",
            "BEGIN / *$p == 1/\n{\n  for ($i : 0..5) { print(($i, 1)); }\n}\n",
        );
    }

    #[test]
    fn remarks_and_blank_lines_stay() {
        check(
            "#!/usr/bin/env -S tracer run\n/* a\n   b */\n\n\n// c\nBEGIN { // d\n\n  @x = 1; /* e */ @y = /* f */ 2; // g\n\n\n  // h\n}\n\
             #define X 1\nEND { }",
            "#!/usr/bin/env -S tracer run\n/* a\n   b */\n\n// c\nBEGIN\n{ // d\n  @x = 1; /* e */\n  @y = /* f */ 2; // g\n\n  // h\n}\n\n\
             #define X 1\nEND {}\n",
        );
    }

    #[test]
    fn definitions() {
        check(
            "struct a{int*x;char b [4];struct{u8 c:3;} d;}; enum e {A,B=2};config={max_strlen=32;stack_mode=perf}\n\
             let @m=hash( 10 );macro f($x,y){let $z:uint8=y;$x+$z}",
            "struct a {\n  int *x;\n  char b[4];\n  struct { u8 c : 3; } d;\n};\nenum e { A, B = 2 };\n\
             config = {\n  max_strlen = 32;\n  stack_mode = perf\n}\n\n\
             let @m = hash(10);\nmacro f($x, y) {\n  let $z: uint8 = y;\n  $x + $z\n}\n",
        );
    }

    #[test]
    fn lines_that_were_broken_stay_broken() {
        check(
            "BEGIN {\nprintf(\"%d %d\",\n1,\n2\n);\n$x = 1 +\n2; }",
            "BEGIN\n{\n  printf(\"%d %d\",\n      1,\n      2\n  );\n  $x = 1 +\n      2;\n}\n",
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        assert!(format("BEGIN { $x = ; }").is_err());
    }
}
