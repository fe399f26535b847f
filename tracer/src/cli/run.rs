//! `tracer run`: scripts in the language of bpftrace.

use std::{env, ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, CommandFactory as _, ValueEnum, error::ErrorKind};
use tracer_script::{check::Mode, compile::Stage, probe_filter::ProbeFilter};

use super::{Cli, common::Format, parse, script};
use crate::{
    kernel::dwarf::folders,
    script::{files::FoundFiles, run},
};

/// When output is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Buffering {
    /// As it comes
    #[default]
    Line,
    /// When enough has been gathered
    Full,
    /// As it comes
    None,
}

/// What of the compiler's work can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// The tree, macros put in
    Tree,
    /// The types of maps and variables
    Types,
    /// The intermediate form
    Ir,
    /// The instructions of each program
    Code,
    /// What the kernel's verifier says of each program
    Verifier,
}

impl Shown {
    /// [`None`] for what is not the compiler's.
    fn stage(self) -> Option<Stage> {
        match self {
            Self::Tree => Some(Stage::Tree),
            Self::Types => Some(Stage::Types),
            Self::Ir => Some(Stage::Ir),
            Self::Code => Some(Stage::Code),
            Self::Verifier => None,
        }
    }
}

/// Flags of `run`.
#[derive(Args, Debug)]
pub struct Options {
    /// The script itself, in place of a file
    #[arg(short, long, value_name = "PROGRAM")]
    execute: Option<String>,

    /// List what can be traced, or with -v 'struct X', types; a pattern may follow
    #[arg(short, long)]
    list: bool,

    /// Only this process; ends with it
    #[arg(short, long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pid: Option<u32>,

    /// The process whose stacks dw_ustack follows, where that is not the one of --pid or --command
    #[arg(long, value_name = "PID")]
    dwarf_pid: Option<u32>,

    /// Run this command once tracing is on, and end with it
    #[arg(short, long, value_name = "COMMAND", conflicts_with = "pid")]
    command: Option<String>,

    /// Print all maps every so many seconds
    #[arg(short, long, value_name = "SECONDS", value_parser = parse::seconds)]
    interval: Option<Duration>,

    /// Stop after so many seconds
    #[arg(short, long, value_name = "SECONDS", value_parser = parse::seconds)]
    duration: Option<Duration>,

    /// How to write: for people, or one JSON object a line
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,

    /// Write to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// When to write
    #[arg(short = 'B', value_name = "MODE", value_enum, default_value_t)]
    buffering: Buffering,

    /// Do not tell that tracing is on
    #[arg(short, long)]
    quiet: bool,

    /// Trace what the tracer itself does, too
    #[arg(long)]
    trace_self: bool,

    /// Allow what changes the system: system(), signal(), override(), write_user()
    #[arg(long = "unsafe")]
    allow_unsafe: bool,

    /// Run only those probes whose names this regular expression finds, and BEGIN and END
    #[arg(long, value_name = "REGEX")]
    probe_filter: Option<ProbeFilter>,

    /// Where the functions of the kernel are listed that can be traced, in place of tracefs' list
    #[arg(long, value_name = "FILE")]
    traceable_functions: Option<PathBuf>,

    /// Look for debug information of programs in these folders, too
    #[arg(long, value_name = "FOLDER[:FOLDER]")]
    debuginfo: Option<OsString>,

    /// Tell of kernel helpers that fail
    #[arg(short = 'k', long)]
    warnings: bool,

    /// Do not show warnings of the compiler
    #[arg(long)]
    no_warnings: bool,

    /// Load and attach, and end
    #[arg(long)]
    dry_run: bool,

    /// Run the tests of the script: its probes test:NAME
    #[arg(long, conflicts_with = "bench")]
    test: bool,

    /// Run the benchmarks of the script: its probes bench:NAME
    #[arg(long)]
    bench: bool,

    /// Print the script, laid out, and end
    #[arg(long)]
    fmt: bool,

    /// Write the programs to this object file, and end
    #[arg(long, value_name = "FILE")]
    emit_elf: Option<PathBuf>,

    /// Print what the compiler made, or what the verifier says, and end
    #[arg(long, value_name = "STAGE", value_enum)]
    dump: Option<Shown>,

    /// Serve the script's maps as metrics for Prometheus, too: ADDRESS:PORT, or a port of the loopback
    /// address
    #[arg(long, value_name = "ADDRESS", value_parser = parse::listen_address,
          conflicts_with_all = ["format", "dump", "dry_run"])]
    export: Option<SocketAddr>,

    /// Look for headers here, too; those of the kernel are not needed, as types come from the running one
    #[arg(short = 'I', value_name = "FOLDER")]
    include_folder: Vec<PathBuf>,

    /// Read the declarations of this header before the script
    #[arg(long, value_name = "FILE")]
    include: Vec<String>,

    /// Tell what is done; twice, in detail
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// The script's file (- for standard input), unless -e gives it, and its parameters $1...; behind --
    /// parameters with names, --NAME=VALUE
    #[arg(value_name = "FILE|PARAMETER", trailing_var_arg = true)]
    words: Vec<String>,
}

/// Runs the script, and gives back the status to exit with: that of `exit()`, 1 where it cannot be run.
pub fn run(options: Options) -> anyhow::Result<u8> {
    if let Some(named) = &options.debuginfo {
        folders::add(named)?;
    }
    if options.list {
        let pattern = options.words.first().map(String::as_str);
        let traceable = options.traceable_functions.as_deref();
        return script::list(pattern, options.verbose > 0, options.pid, traceable).map(|()| 0);
    }
    if options.execute.is_none() && options.words.is_empty() {
        wrong_usage("there is no script: give a FILE, - for standard input, or -e PROGRAM");
    }
    refuse_late_options(&options);
    let (format, fmt, export) = (options.format, options.fmt, options.export);
    let mut options = engine_options(options)?;
    if let Some(listen) = export {
        options.is_hosted = true;
        return super::export::run_script(options, listen);
    }
    if fmt {
        return script::lay_out(&options);
    }
    match script::launch(&options, format) {
        Ok(status) => Ok(status),
        Err(failure) => {
            eprint!("{}", failure.text());
            Ok(1)
        }
    }
}

/// Behind the script, words are its parameters: an option of ours among them is a mistake.
fn refuse_late_options(options: &Options) {
    if is_behind_dashes(&options.words) {
        return;
    }
    let file = usize::from(options.execute.is_none());
    let words = options.words.iter().skip(file);
    let words = words.take_while(|word| *word != "--");
    let named: Vec<&String> = words.filter(|word| word.starts_with("--")).collect();
    // Putting the command line together takes time that most starts need not give.
    if named.is_empty() {
        return;
    }
    let cli = Cli::command();
    let known = cli.find_subcommand("run").expect("it is this one");
    let is_ours = |word: &&String| {
        let name = word.strip_prefix("--").map(|name| name.split('=').next());
        name.is_some_and(|name| known.get_arguments().any(|known| known.get_long() == name))
    };
    if let Some(word) = named.into_iter().find(is_ours) {
        wrong_usage(&format!(
            "{word} stands behind the script: options stand before it, parameters of that name behind --"
        ));
    }
}

/// Ends the process with what is wrong, and how it is used.
fn wrong_usage(reason: &str) -> ! {
    let mut cli = Cli::command();
    cli.build();
    let command = cli.find_subcommand_mut("run").expect("it is this one");
    let kind = ErrorKind::MissingRequiredArgument;
    command.error(kind, reason).exit()
}

fn engine_options(options: Options) -> anyhow::Result<run::Options> {
    let Options {
        execute,
        list: _,
        pid,
        dwarf_pid,
        command,
        interval,
        duration,
        format: _,
        output,
        buffering,
        quiet,
        trace_self,
        allow_unsafe,
        probe_filter,
        traceable_functions,
        debuginfo: _,
        warnings,
        no_warnings,
        dry_run,
        test,
        bench,
        fmt: _,
        emit_elf,
        dump,
        export: _,
        include_folder,
        include,
        verbose,
        mut words,
    } = options;
    let escaped = is_behind_dashes(&words);
    let source = script::source(execute, &mut words)?;
    let mut params = script::params(words, escaped);
    params.allow_unsafe = allow_unsafe;
    params.probe_filter = probe_filter;
    params.pid = pid;
    params.dwarf_pid = dwarf_pid;
    params.mode = match (test, bench) {
        (true, _) => Mode::Test,
        (_, true) => Mode::Bench,
        _ => Mode::Trace,
    };
    params.own_pid = (!trace_self).then(std::process::id);
    Ok(run::Options {
        source: source.text,
        file: source.name,
        headers: include,
        files: FoundFiles {
            folders: include_folder,
        },
        params,
        environment: script::environment(),
        command: match command {
            Some(command) => script::command_words(&command)?,
            None => Vec::new(),
        },
        duration,
        interval,
        output,
        flush: match buffering {
            Buffering::Line | Buffering::None => run::Flush::Batch,
            Buffering::Full => run::Flush::Full,
        },
        quiet,
        helper_errors: warnings,
        verbose: verbose > 0,
        no_warnings,
        traceable_functions,
        dry_run,
        emit_elf,
        dump: dump.and_then(Shown::stage).into_iter().collect(),
        dump_verifier: dump == Some(Shown::Verifier),
        is_hosted: false,
        notify: script::notify(),
    })
}

/// Whether `--` stands right before the words, which are the last on the command line: the parser takes it away
/// there, and leaves it anywhere behind.
fn is_behind_dashes(words: &[String]) -> bool {
    let before = env::args_os().rev().nth(words.len());
    !words.is_empty() && before.is_some_and(|word| word == "--")
}
