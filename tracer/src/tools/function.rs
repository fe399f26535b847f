//! What funccount and funclatency share: which functions are meant, how they are attached to, and how the
//! kernel side tells them apart.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use tracer_common::function::Identify;

use crate::{
    glob::Glob,
    kernel::{
        Kernel, functions,
        plan::{Attachment, Choice, Global, Plan},
        session::Session,
        symbols,
    },
    probe::{Functions, Hook, UserFunctions},
};

/// Functions at once by one link, at most.
const MULTI_MAX: usize = 20_000;

/// Functions at once by a perf event each, at most: each takes a descriptor, and time to detach.
const SINGLE_MAX: usize = 1000;

/// The functions that a pattern means.
pub struct Target {
    /// Their names, in order of their indices.
    pub names: Vec<String>,
    place: Place,
}

enum Place {
    Kernel {
        addresses: Vec<u64>,
    },
    User {
        path: PathBuf,
        offsets: Vec<u64>,
        pid: Option<u32>,
    },
}

impl Target {
    /// Finds the functions: `PATTERN` of the kernel, `BINARY:PATTERN` of a program or library.
    pub fn find(pattern: &str, kernel: &Kernel, pid: Option<u32>) -> anyhow::Result<Self> {
        let target = match pattern.rsplit_once(':') {
            None | Some(("" | "k" | "p", _)) => {
                Self::in_kernel(pattern.rsplit(':').next().unwrap_or(pattern), kernel)?
            }
            Some((binary, function)) => Self::in_binary(binary, function, pid)?,
        };
        if target.names.is_empty() {
            bail!("no function matches {pattern:?}; `tracer list` shows what can be traced");
        }
        Ok(target)
    }

    fn in_kernel(pattern: &str, kernel: &Kernel) -> anyhow::Result<Self> {
        let hook = Hook::Kprobe(Functions {
            names: vec![pattern.to_owned()],
            on_return: false,
        });
        if let Err(reason) = hook.available(kernel) {
            bail!(
                "cannot trace kernel functions: {reason}. Functions of programs and libraries can be \
                 traced (BINARY:FUNCTION), and system calls and disk I/O by syscount and biolatency"
            );
        }
        let functions = functions::matching(kernel, &Glob::new(pattern))?;
        let (names, addresses) = functions
            .into_iter()
            .map(|found| (found.name, found.address))
            .unzip();
        Ok(Self {
            names,
            place: Place::Kernel { addresses },
        })
    }

    fn in_binary(binary: &str, pattern: &str, pid: Option<u32>) -> anyhow::Result<Self> {
        let path = symbols::find_binary(binary, pid)?;
        let found = symbols::functions(&path, &Glob::new(pattern))
            .with_context(|| format!("cannot read the symbols of {}", path.display()))?;
        let (names, offsets) = found
            .into_iter()
            .map(|found| (found.name, found.offset))
            .unzip();
        Ok(Self {
            names,
            place: Place::User { path, offsets, pid },
        })
    }

    /// What `program` is attached to, by the best way first.
    pub fn choice(&self, purpose: &'static str, program: &'static str, on_return: bool) -> Choice {
        let hooks = match &self.place {
            Place::Kernel { .. } => {
                let functions = Functions {
                    names: self.names.clone(),
                    on_return,
                };
                [
                    Hook::KprobeMulti(functions.clone()),
                    Hook::Kprobe(functions),
                ]
            }
            Place::User { path, offsets, pid } => {
                let (path, offsets) = (path.clone(), offsets.clone());
                let functions = UserFunctions {
                    path,
                    offsets,
                    pid: *pid,
                    on_return,
                };
                [
                    Hook::UprobeMulti(functions.clone()),
                    Hook::Uprobe(functions),
                ]
            }
        };
        // One function needs no link for many, and old kernels do best with what they have had longest.
        let hooks = if self.names.len() == 1 {
            &hooks[1..]
        } else {
            &hooks[..]
        };
        let alternatives = hooks
            .iter()
            .map(|hook| vec![Attachment::new(program, hook.clone())])
            .collect();
        Choice {
            purpose,
            alternatives,
        }
    }

    /// Tells the kernel side how functions are told apart.
    pub fn plan(&self, plan: &mut Plan, kernel: &Kernel) -> anyhow::Result<()> {
        let multi = plan.attachments.iter().any(|attachment| {
            matches!(attachment.hook, Hook::KprobeMulti(_) | Hook::UprobeMulti(_))
        });
        let max = if multi { MULTI_MAX } else { SINGLE_MAX };
        if self.names.len() > max {
            bail!(
                "{} functions match, more than {max} that can be traced at once here: be more precise",
                self.names.len()
            );
        }
        let identify = self.identify(kernel)?;
        plan.facts.push(Global::u32("IDENTIFY", identify as u32));
        plan.facts.push(Global::u32(
            "OFFSET_REGS_SP",
            kernel.offset("pt_regs", "sp")?,
        ));
        if identify == Identify::Address {
            plan.facts
                .push(Global::u32("OFFSET_REGS_IP", instruction_pointer(kernel)?));
            plan.facts
                .push(Global::u32("IP_AHEAD", cfg!(target_arch = "x86_64").into()));
            plan.map_sizes.push(("INDEX_OF", self.names.len() as u32));
        }
        Ok(())
    }

    fn identify(&self, kernel: &Kernel) -> anyhow::Result<Identify> {
        match &self.place {
            _ if self.names.len() == 1 => Ok(Identify::Only),
            _ if kernel.since(5, 15) => Ok(Identify::Cookie),
            Place::Kernel { addresses } if addresses.iter().all(|&address| address != 0) => {
                Ok(Identify::Address)
            }
            Place::Kernel { .. } => bail!(
                "this kernel ({}) tells functions apart only by their addresses, which \
                 /proc/kallsyms hides here (kernel.kptr_restrict)",
                kernel.release
            ),
            Place::User { .. } => bail!(
                "{} functions match; kernels before 5.15 (this is {}) cannot tell several functions of a \
                 program apart: name one",
                self.names.len(),
                kernel.release
            ),
        }
    }

    /// Fills in the addresses, where functions are told apart by them.
    pub fn prepare(&self, session: &Session) -> anyhow::Result<()> {
        let Place::Kernel { addresses } = &self.place else {
            return Ok(());
        };
        let Some(map) = session
            .find_map("INDEX_OF")
            .filter(|map| map.max_entries() >= self.names.len())
        else {
            return Ok(());
        };
        for (index, address) in addresses.iter().enumerate() {
            map.set(&address.to_ne_bytes(), &(index as u32).to_ne_bytes())?;
        }
        Ok(())
    }
}

#[cfg(target_arch = "x86_64")]
fn instruction_pointer(kernel: &Kernel) -> anyhow::Result<u32> {
    kernel.offset("pt_regs", "ip")
}

#[cfg(target_arch = "aarch64")]
fn instruction_pointer(kernel: &Kernel) -> anyhow::Result<u32> {
    kernel.offset("pt_regs", "pc")
}
