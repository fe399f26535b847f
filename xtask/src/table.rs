//! The manual's table of the language.

use anyhow::Context as _;

use crate::process::{cargo, output, say, workspace};

/// Writes `docs/language-table.md`. Fails where the tests do not build.
pub fn run() -> anyhow::Result<()> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "tracer-tests", "--", "table"]);
    let page = output(&mut command)?;
    let path = workspace().join("docs/language-table.md");
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    say(format_args!("wrote {}", path.display()));
    Ok(())
}
