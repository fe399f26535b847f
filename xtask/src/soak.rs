//! The exporter under load for some minutes.

use anyhow::bail;
use clap::Args;

use crate::{
    build,
    process::{as_root, cargo, run as run_command, target},
};

/// Flags of `soak`.
#[derive(Args)]
pub struct Options {
    /// How long: what grows slowly is seen from three minutes on
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Series of a metric, at most
    #[arg(long, default_value_t = 100)]
    series: u32,
}

/// `cargo xtask soak`.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let seconds = options.minutes * 60.0;
    if !seconds.is_finite() || seconds <= 0.0 {
        bail!("--minutes {} is no time above 0", options.minutes);
    }
    build::objects()?;
    let tracer = build::program(true)?;
    let mut command = cargo();
    run_command(command.args(["build", "--quiet", "--package", "tracer-tests"]))?;
    let e2e = target().join("debug/e2e");
    let mut command = as_root(e2e);
    run_command(command.env("TRACER", tracer).args([
        "soak",
        &seconds.to_string(),
        &options.series.to_string(),
    ]))
}
