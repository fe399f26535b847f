//! The tools: one file each, of the same name as its kernel side.
//!
//! A tool says what to load and attach ([`Tool::plan`]), turns records into events and maps into report
//! items, and knows nothing of how they are shown.

mod aggregate;
mod block;
mod function;
mod starts;
mod syscall;
mod text;

use std::{sync::Arc, time::Duration};

use crate::{
    cli::Common,
    kernel::{
        Kernel,
        plan::{Choice, Plan},
        session::Session,
    },
    names::Names,
    report::{Event, Item, Schema},
};

/// What a tool is given to plan with.
pub struct Setup<'a> {
    /// The running kernel.
    pub kernel: &'a Kernel,
    /// The flags that all tools have.
    pub common: &'a Common,
}

/// What a tool is given to name things with and to read from.
pub struct Context<'a> {
    /// What it has in the kernel.
    pub session: &'a Session,
    /// Processes, containers, users and disks by their numbers.
    pub names: &'a mut Names,
    /// Rows to show at most.
    pub top: usize,
    /// Whether what is wanted is what came since the last report, or all since the start.
    pub since_last: bool,
    /// The span that the report covers.
    pub span: Duration,
}

/// One tool, from its plan to its reports.
pub trait Tool {
    /// What shall be loaded and attached. The engine adds the filters.
    fn plan(&mut self, setup: &Setup<'_>) -> anyhow::Result<Plan>;

    /// Fills maps, after they are made and before anything is attached.
    fn prepare(&mut self, _session: &Session) -> anyhow::Result<()> {
        Ok(())
    }

    /// The shape of the events, for tools that show each as it happens.
    fn events(&self) -> Option<Arc<Schema>> {
        None
    }

    /// One record of the ring buffer. Hands over the event that it makes, if any.
    fn event(
        &mut self,
        _record: &[u8],
        _names: &mut Names,
        _emit: &mut dyn FnMut(Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        Ok(())
    }

    /// The time between reports where none is asked for: for tools that are live by nature.
    fn default_interval(&self) -> Option<Duration> {
        None
    }

    /// Once a second: takes out of the kernel what would fill it up.
    fn tick(&mut self, _context: &mut Context<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    /// What was found.
    fn report(&mut self, _context: &mut Context<'_>) -> anyhow::Result<Vec<Item>> {
        Ok(Vec::new())
    }
}

/// Declares the tools: each a module with its `Options` (the flags, turned into a [`Tool`] by
/// `into_tool`) and `hooks` (what it attaches to with its defaults, for `doctor`).
macro_rules! tools {
    ($($(#[doc = $about:literal])* $module:ident: $variant:ident,)*) => {
        $(pub mod $module;)*

        /// A tool and its flags.
        #[derive(clap::Subcommand, Debug)]
        pub enum Command {
            $($(#[doc = $about])* $variant(Box<$module::Options>),)*
        }

        impl Command {
            /// The flags that all tools have.
            pub fn common(&self) -> &Common {
                match self {
                    $(Command::$variant(options) => &options.common,)*
                }
            }

            /// The tool, ready to plan, with its name and the flags that all tools have.
            pub fn into_tool(self) -> anyhow::Result<(&'static str, Common, Box<dyn Tool>)> {
                match self {
                    $(Command::$variant(options) => {
                        let common = options.common.clone();
                        Ok((stringify!($module), common, Box::new(options.into_tool()?)))
                    })*
                }
            }
        }

        /// Every tool's name and what it attaches to with its defaults.
        pub fn hooks(kernel: &Kernel) -> Vec<(&'static str, anyhow::Result<Vec<Choice>>)> {
            vec![$((stringify!($module), $module::hooks(kernel)),)*]
        }
    };
}

tools! {
    /// Count and time system calls, by call, process, container or error
    syscount: Syscount,
    /// Show how long block I/O takes, as histograms
    biolatency: Biolatency,
    /// Show each block I/O request as it ends
    biosnoop: Biosnoop,
    /// Show who uses the disks, live
    biotop: Biotop,
    /// Show each file that is opened
    opensnoop: Opensnoop,
    /// Show each program that is run, and how long it ran
    execsnoop: Execsnoop,
    /// Count calls of functions, of the kernel or of a program
    funccount: Funccount,
    /// Time calls of functions, of the kernel or of a program
    funclatency: Funclatency,
}
