//! `compile_time FILE [TIMES]`: how many milliseconds the compiler takes for a script, what it asks of the running
//! kernel included, and nothing that it was told before kept. One line for each time.

use std::time::Instant;

use anyhow::{Context as _, bail};
use tracer::{
    kernel::Kernel,
    script::{facts::KernelFacts, files::FoundFiles},
};
use tracer_script::{Input, check::Params, compile};

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let file = words.next().context("name a script")?;
    let times: u32 = words.next().map_or(Ok(1), |word| word.parse())?;
    let source = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let kernel = Kernel::running()?;
    for _ in 0..times {
        let begin = Instant::now();
        let facts = KernelFacts::new(&kernel)?;
        let compiled = compile(&Input {
            source: &source,
            file: &file,
            headers: &[],
            params: &Params::default(),
            environment: &[],
            facts: &facts,
            files: &FoundFiles::default(),
        });
        let elapsed = begin.elapsed();
        if compiled.image.is_none() {
            let errors = compiled.diagnostics.iter();
            let errors = errors.map(|one| one.render(&compiled.sources));
            bail!("{}", errors.collect::<String>());
        }
        println!("{:.3}", elapsed.as_secs_f64() * 1e3);
    }
    Ok(())
}
