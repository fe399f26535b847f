//! What numbers stand for on this host: users, cgroups, times, symbols.

use tracer_script::{config::Config, types::Named};

use super::{Stacks, signals, symbols::Symbols, time::WallClock};
use crate::{
    glob::Glob,
    kernel::{
        cgroup::Cgroups,
        syscalls::{self, Abi, errno},
        user::Users,
    },
};

/// All that is asked of the host. What is costly is read when the first value needs it.
pub struct Names {
    /// Symbols of the kernel and of programs.
    pub symbols: Symbols,
    users: Users,
    cgroups: Option<Option<Cgroups>>,
    clock: WallClock,
    stacks: Stacks,
    max_time: usize,
}

impl Names {
    /// Names as the script's config wants them.
    pub fn new(config: &Config, stacks: Stacks) -> Self {
        Self {
            symbols: Symbols::new(config),
            users: Users::new(),
            cgroups: None,
            clock: WallClock::default(),
            stacks,
            max_time: config.max_strlen as usize,
        }
    }

    /// The frames of a stack, `limit` at most; none where the stack is not known.
    pub fn frames(&self, hash: u64, limit: u32) -> Vec<u64> {
        let mut frames = (self.stacks)(hash).unwrap_or_default();
        frames.truncate(limit as usize);
        frames
    }

    /// A number that is shown as the name it stands for. Those of probes are the image's.
    pub fn named(&mut self, named: Named, number: u64) -> String {
        match named {
            Named::Username => self.users.label(number as u32),
            // As negative as system calls return them, too.
            Named::Errno => error((number as i64).unsigned_abs()),
            Named::Signal => signals::description(number),
            Named::Syscall => syscall(number),
            Named::Probe => number.to_string(),
        }
    }

    /// The path of a cgroup with its hierarchy, `unified:/user.slice`, where that hierarchy matches the filter;
    /// empty where it does not, or where there is no such cgroup.
    pub fn cgroup_path(&mut self, id: u64, filter: &str) -> String {
        /// What the hierarchy of cgroup v2 is called.
        const UNIFIED: &str = "unified";
        let open = || match Cgroups::open_v2() {
            Ok(cgroups) => Some(cgroups),
            Err(error) => {
                log::warn!("cgroups have no paths: {error}");
                None
            }
        };
        let Some(cgroups) = self.cgroups.get_or_insert_with(open) else {
            return String::new();
        };
        if !filter.is_empty() && !Glob::new(filter).matches(UNIFIED.as_bytes()) {
            return String::new();
        }
        match &cgroups.name(id).path {
            Some(path) => format!("{UNIFIED}:{path}"),
            None => String::new(),
        }
    }

    /// A time of the kernel's clock by a format of `strftime`.
    pub fn timestamp(&mut self, format: &str, ns: u64) -> Vec<u8> {
        let epoch_ns = self.clock.epoch_ns(ns);
        self.clock.format(format, epoch_ns, self.max_time)
    }

    /// This moment by a format of `strftime`.
    pub fn now(&mut self, format: &str) -> Vec<u8> {
        let now_ns = self.clock.now_ns();
        self.clock.format(format, now_ns, self.max_time)
    }

    /// A time since the Unix epoch by a format of `strftime`.
    pub fn time(&self, format: &str, epoch_ns: u64) -> Vec<u8> {
        self.clock.format(format, epoch_ns, self.max_time)
    }
}

/// `strerror(3)`, in English.
pub fn error(number: u64) -> String {
    if number == 0 {
        return "Success".to_owned();
    }
    let known = u32::try_from(number).ok().and_then(errno::description);
    known.map_or_else(|| format!("Unknown error {number}"), str::to_owned)
}

fn syscall(number: u64) -> String {
    let known = |number: u32| {
        syscalls::native()
            .binary_search_by_key(&number, |(known, _)| u32::from(*known))
            .is_ok()
    };
    match u32::try_from(number) {
        Ok(number) if known(number) => syscalls::name(Abi::Native, number).into_owned(),
        _ => "unknown system call".to_owned(),
    }
}
