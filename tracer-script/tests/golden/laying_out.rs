//! Laying scripts out, over all scripts of the project: it is done for whatever can be read, twice is as once, and
//! the programs stay the same.

use std::{fs, path::Path};

use tracer_script::{
    Compiled, Input, Stage, check::Params, compile_showing, facts::NoFiles, fixed::Fixed, pretty,
};

/// The code that a script becomes; [`None`] where it is refused, by facts that are fixed.
fn code(source: &str) -> Option<String> {
    let facts = Fixed::of_release(6, 12);
    let params = Params {
        allow_unsafe: true,
        ..Params::default()
    };
    let input = Input {
        source,
        file: "stdin",
        params: &params,
        environment: &[],
        headers: &[],
        files: &NoFiles,
        facts: &facts,
    };
    let mut shown = String::new();
    let Compiled { image, .. } = compile_showing(&input, &mut |stage, text| {
        if stage == Stage::Code {
            shown.push_str(&text());
        }
    });
    image.map(|_| shown)
}

/// True where it could be laid out.
fn check(name: &str, source: &str) -> bool {
    let Ok(once) = pretty::format(source) else {
        return false;
    };
    let twice = pretty::format(&once);
    let twice = twice.unwrap_or_else(|said| panic!("{name}: {said:?}\n{once}"));
    assert_eq!(once, twice, "{name}");
    assert_eq!(code(source), code(&once), "{name}:\n{once}");
    true
}

fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).expect("it is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|found| found == ending));
    paths
        .map(|path| {
            let text = fs::read_to_string(&path).expect("it is text");
            (path.display().to_string(), text)
        })
        .collect()
}

#[test]
fn the_library() {
    let scripts = files("../scripts", "bt");
    assert!(scripts.len() > 30);
    for (name, source) in scripts {
        assert!(check(&name, &source), "{name} can be read");
    }
}

#[test]
fn the_scripts_of_cases() {
    let mut laid_out = 0;
    for (name, text) in files("../tests/scripts", "case") {
        for case in text.split("\n\n") {
            for key in ["PROG ", "FILE "] {
                let lines = case.lines().filter_map(|line| line.strip_prefix(key));
                let source = lines.collect::<Vec<_>>().join("\n");
                laid_out += u32::from(!source.is_empty() && check(&name, &source));
            }
        }
    }
    assert!(laid_out > 300, "{laid_out}");
}
