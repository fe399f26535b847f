//! Compiling with one stage looked at.

use tracer_script::{
    Compiled, Input, Level, Stage, check::Params, compile_showing, facts::NoFiles, fixed::Fixed,
};

/// What a stage made, for Linux of this release, and behind it what was said.
pub fn stage(source: &str, release: (u32, u32), wanted: Stage) -> String {
    let (shown, said) = shown_and_said(source, release, wanted);
    shown + &said
}

/// What was said of a script that is wrong.
pub fn said(source: &str, release: (u32, u32)) -> String {
    let (_, said) = shown_and_said(source, release, Stage::Tree);
    assert!(said.contains("ERROR"), "{source}: {said}");
    said
}

fn shown_and_said(source: &str, release: (u32, u32), wanted: Stage) -> (String, String) {
    let facts = Fixed::of_release(release.0, release.1);
    let params = Params {
        positional: vec!["7".to_owned()],
        dwarf_pid: Some(7),
        ..Params::default()
    };
    let input = Input {
        source,
        file: "script.bt",
        headers: &[],
        params: &params,
        environment: &[],
        facts: &facts,
        files: &NoFiles,
    };
    let mut shown = String::new();
    let Compiled {
        image,
        diagnostics,
        sources,
    } = compile_showing(&input, &mut |stage, text| {
        if stage == wanted {
            shown.push_str(text().trim_end());
            shown.push('\n');
        }
    });
    let rendered = diagnostics
        .iter()
        .filter(|one| one.level != Level::Note)
        .map(|one| one.render(&sources));
    let said = rendered.collect();
    assert_eq!(image.is_none(), diagnostics.has_errors(), "{source}");
    (shown, said)
}
