//! Symbols: what an address of the kernel or of a process is called.

mod files;
mod kernel;
mod user;

use tracer_script::{config::Config, types::StackMode};

use kernel::KernelSymbols;
use user::UserSymbols;

/// A line of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What stands before it in text.
    pub padding: &'static str,
    /// What it says.
    pub text: String,
}

/// The symbols of the kernel and of all processes.
pub struct Symbols {
    kernel: KernelSymbols,
    user: UserSymbols,
}

/// Before frames of a stack.
const PADDING: &str = "        ";

impl Symbols {
    /// Symbols as the script's config wants them. Nothing is read yet.
    pub fn new(config: &Config) -> Self {
        Self {
            kernel: KernelSymbols::default(),
            user: UserSymbols::new(config),
        }
    }

    /// The symbol of the kernel at an address, or the address.
    pub fn kernel(&mut self, address: u64) -> String {
        match self.kernel.find(address) {
            Some(symbol) => symbol.name.to_owned(),
            None => format!("{address:#x}"),
        }
    }

    /// Remembers where processes have their code from here on.
    pub fn watch(&mut self) {
        self.user.watch();
    }

    /// Reads where a process has its code, for addresses that come when it is gone.
    pub fn learn(&mut self, pid: u32) {
        self.user.learn(pid);
    }

    /// The symbol of a process at an address, or the address.
    pub fn user(&mut self, address: u64, pid: u32) -> String {
        match self.user.find(address, pid).first() {
            Some(symbol) => symbol.name.clone(),
            None => format!("{address:#x}"),
        }
    }

    /// The lines of a stack of the process `pid`, or of the kernel.
    pub fn stack(&mut self, frames: &[u64], pid: Option<u32>, mode: StackMode) -> Vec<Frame> {
        if mode == StackMode::BuildId
            && let Some(pid) = pid
        {
            let lines = self.user.build_ids(frames, pid).into_iter();
            return lines.map(|text| Frame { padding: "", text }).collect();
        }
        let mut lines = Vec::with_capacity(frames.len());
        for &address in frames {
            match mode {
                StackMode::Raw | StackMode::BuildId => lines.push(Frame {
                    padding: "",
                    text: format!("{address:x}"),
                }),
                StackMode::Bpftrace => lines.extend(self.plain(address, pid)),
                StackMode::Perf => lines.extend(self.perf(address, pid)),
            }
        }
        lines
    }

    /// `symbol+offset`, with the place in the source where that is known; a line for each function that the
    /// compiler put into another, the innermost first.
    fn plain(&mut self, address: u64, pid: Option<u32>) -> Vec<Frame> {
        let line = |text| Frame {
            padding: PADDING,
            text,
        };
        let unknown = || vec![line(format!("{address:#x}"))];
        let Some(pid) = pid else {
            return match self.kernel.find(address) {
                Some(symbol) => vec![line(format!("{}+{}", symbol.name, symbol.offset))],
                None => unknown(),
            };
        };
        let symbols = self.user.find(address, pid);
        if symbols.is_empty() {
            return unknown();
        }
        let lines = symbols.iter().map(|symbol| {
            let place = symbol.place.as_deref().unwrap_or_default();
            let name = &symbol.name;
            line(match symbol.offset {
                Some(offset) => format!("{name}+{offset}{place}"),
                None => format!("[inlined] {name}{place}"),
            })
        });
        lines.collect()
    }

    /// `address symbol+offset (module)`
    fn perf(&mut self, address: u64, pid: Option<u32>) -> Vec<Frame> {
        let line = |text: String| Frame {
            padding: "\t",
            text: format!("{address:x} {text}"),
        };
        let unknown = || vec![line(format!("{address:#x} ([unknown])"))];
        let Some(pid) = pid else {
            return match self.kernel.find(address) {
                Some(kernel::Symbol {
                    name,
                    offset,
                    module,
                }) => vec![line(format!("{name}+{offset} ({module})"))],
                None => unknown(),
            };
        };
        let symbols = self.user.find(address, pid);
        if symbols.is_empty() {
            return unknown();
        }
        let lines = symbols.iter().map(|symbol| {
            let name = &symbol.name;
            line(match symbol.offset {
                Some(offset) => format!("{name}+{offset} ({})", symbol.module),
                None => format!("{name} (inlined)"),
            })
        });
        lines.collect()
    }
}
