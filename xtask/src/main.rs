//! What there is to do around tracer: set up, build, run, test, virtual machines, packages.

mod bench;
mod build;
mod dist;
mod packages;
mod process;
mod run;
mod setup;
mod soak;
mod stamp;
mod table;
mod test;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, runs and tests tracer.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what building the kernel side needs, and nothing that is there
    Setup(setup::Options),
    /// Build the kernel objects and the program
    Build(build::Options),
    /// Set up and build what is needed, and run the program as root
    Run(run::Options),
    /// Run the tests: without root, on this kernel, in virtual machines
    Test(test::Options),
    /// Run a command as root in a virtual machine with another kernel
    Vm(vm::Options),
    /// Measure the program beside its peers: start-up, memory, cost of each event
    Bench(bench::Options),
    /// Have the exporter under load for some minutes, scraped by Prometheus
    Soak(soak::Options),
    /// Write the manual's table of the language, made of the cases that show it
    Table,
    /// Make the static program, a .deb and a tarball
    Dist,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Setup(options) => setup::run(&options),
        Command::Build(options) => build::run(&options),
        Command::Run(options) => return run::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Vm(options) => vm::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Table => table::run(),
        Command::Dist => dist::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
