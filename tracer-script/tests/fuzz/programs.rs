//! Scripts that are right, made by a small grammar. What they leave in their maps is worked out twice: by this
//! grammar's own meaning, and by running the compiled code.

mod grammar;
mod meaning;

use proptest::prelude::*;

use crate::{
    machine::Machine,
    support::{RELEASES, cases, compile_for},
};
use grammar::{Expr, Stmt};
use meaning::Meaning;

/// Values of `arg0` to `arg3`.
pub const ARGS: usize = 4;

/// Where the registers of arguments lie in x86-64's `struct pt_regs`: di, si, dx, cx.
const PLACES: [usize; ARGS] = [112, 104, 96, 88];
const CONTEXT_BYTES: usize = 168;

/// Scripts may be refused because the kernel takes no more, or where a divisor is known to be zero.
const REASONS: [&str; 3] = ["bytes of stack", "it is too long", "division by zero"];

/// Runs a script with these arguments for one release; [`None`] where it asks too much.
fn run(source: &str, args: &[i64; ARGS], release: (u32, u32)) -> Option<Vec<(String, String)>> {
    let image = match compile_for(source, release) {
        Ok(image) => image,
        Err(said) if REASONS.iter().any(|reason| said.contains(reason)) => return None,
        Err(said) => panic!("for Linux {release:?}: {said}\n{source}"),
    };
    let mut context = vec![0; CONTEXT_BYTES];
    for (arg, place) in args.iter().zip(PLACES) {
        context[place..place + 8].copy_from_slice(&arg.to_ne_bytes());
    }
    let mut machine = Machine::new(&image);
    if let Err(fault) = machine.run(&image.programs[0], context) {
        let listing = tracer_script::emit::list(&image.programs[0].code);
        panic!("for Linux {release:?}: {fault}\n{source}\n{listing}");
    }
    let names = ["@c", "@m", "@o", "@s", "@t"];
    let left = names.map(|name| (name.to_owned(), format!("{:?}", machine.numbers(name))));
    Some(left.to_vec())
}

fn check(body: &[Stmt], args: &[i64; ARGS], releases: &[(u32, u32)]) {
    check_as(grammar::script(body), body, args, releases);
}

/// Checks a script that means what `body` does.
fn check_as(source: String, body: &[Stmt], args: &[i64; ARGS], releases: &[(u32, u32)]) {
    let expected = Meaning::of(body, args);
    for &release in releases {
        if let Some(left) = run(&source, args, release) {
            assert_eq!(
                left, expected,
                "for Linux {release:?}, with {args:?}:\n{source}"
            );
        }
    }
}

/// The second entry of a map of two, as it is written.
fn entry(map: &str) -> &str {
    let (_, last) = map.split_once(", ").expect("it has two entries");
    last.trim_end_matches('}')
}

proptest! {
    #![proptest_config(cases(300))]

    /// At run time, and by the compiler where all is known beforehand.
    #[test]
    fn expressions(expr in grammar::expr(0), args in grammar::args()) {
        let known = expr.with_literals(&args);
        let body = [
            Stmt::Put(Expr::Literal(1), expr),
            Stmt::Put(Expr::Literal(2), known),
        ];
        check(&body, &args, &[(5, 10), (6, 12)]);
    }

    #[test]
    fn values_of_subprograms(first in grammar::expr(0), second in grammar::expr(0), args in grammar::args()) {
        let source = grammar::script_of_values(&first, &second);
        let expected = |number, expr: &Expr| {
            let left = Meaning::of(&[Stmt::Put(Expr::Literal(number), expr.clone())], &args);
            left[1].1.clone()
        };
        // Each reads the map as it is then: what the first one left is left out of account.
        for release in [(5, 10), (6, 12)] {
            if !first.reads_maps() && !second.reads_maps() && let Some(left) = run(&source, &args, release) {
                let wanted = [expected(1, &first), expected(2, &second)];
                let both = format!("{{0: {}, {}, {}}}", args[0], entry(&wanted[0]), entry(&wanted[1]));
                assert_eq!(left[1].1, both, "for Linux {release:?}, with {args:?}:\n{source}");
            }
        }
    }

    #[test]
    fn bodies_of_subprograms(body in grammar::body(), args in grammar::args()) {
        check_as(grammar::script_with_subprogram(&body), &body, &args, &RELEASES);
    }

    #[test]
    fn programs(body in grammar::body(), args in grammar::args()) {
        check(&body, &args, &RELEASES);
    }

    #[test]
    fn programs_that_go_through_maps(
        before in grammar::body(),
        after in grammar::body(),
        args in grammar::args(),
    ) {
        let mut body = before;
        body.push(Stmt::ForMap);
        body.extend(after);
        check(&body, &args, &[(5, 15), (6, 12)]);
    }
}
