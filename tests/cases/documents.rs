//! The examples of the manual: blocks of kind `console`, whose first line begins with `# tracer`. What stands
//! behind the command is what it prints. Words behind `console` are needs, as in cases.

use std::sync::Arc;

use libtest_mimic::Trial;

use crate::{
    cases::scripts::own_trial,
    harness::Need,
    script_case::{Case, Expected, Script, need, timeout},
};

/// Pages with examples: they are part of the program, for it runs in virtual machines, too.
const PAGES: [(&str, &str); 2] = [
    ("language", include_str!("../../docs/language.md")),
    (
        "coming-from-bpftrace",
        include_str!("../../docs/coming-from-bpftrace.md"),
    ),
];

/// One test for each example.
pub fn trials() -> Vec<Trial> {
    let examples = PAGES
        .iter()
        .flat_map(|(page, text)| examples(text).map(|example| case(page, example)));
    examples.map(|case| own_trial("docs", case)).collect()
}

/// An example.
struct Example {
    line: usize,
    command: String,
    printed: Vec<String>,
    needs: Vec<Need>,
}

fn examples(text: &str) -> impl Iterator<Item = Example> {
    let lines: Vec<&str> = text.lines().collect();
    let starts: Vec<usize> = (0..lines.len())
        .filter(|&at| lines[at].starts_with("```console"))
        .collect();
    starts.into_iter().map(move |start| {
        let block = lines[start + 1..].iter().take_while(|line| **line != "```");
        let words = lines[start].split(' ').skip(1);
        Example {
            needs: words.map(need).collect(),
            ..example(start + 2, &block.copied().collect::<Vec<_>>())
        }
    })
}

/// A command goes on while a quote is open.
fn example(line: usize, block: &[&str]) -> Example {
    let mut command = block[0]
        .strip_prefix("# ")
        .unwrap_or_else(|| panic!("line {line} is no command"))
        .to_owned();
    let mut at = 1;
    while command.matches('\'').count() % 2 == 1 {
        command.push('\n');
        command.push_str(block[at]);
        at += 1;
    }
    let printed = block[at..].iter().map(|line| (*line).to_owned());
    Example {
        line,
        command,
        printed: printed.collect(),
        needs: Vec::new(),
    }
}

fn case(page: &str, example: Example) -> Arc<Case> {
    let Example {
        line,
        command,
        printed,
        needs,
    } = example;
    let tells = !command.contains(" -q ");
    Arc::new(Case {
        name: format!("{page}::line_{line}"),
        script: Script::Command(command),
        rows: Vec::new(),
        refuses: Vec::new(),
        options: Vec::new(),
        params: Vec::new(),
        environment: Vec::new(),
        needs,
        after: None,
        expected: Expected {
            lines: Some(printed),
            stderr: tells.then(|| "Attached ".to_owned()).into_iter().collect(),
            ..Expected::default()
        },
        timeout: timeout(20),
        peer: false,
        differs: None,
    })
}
