//! Giving up what is needed for loading only.
//!
//! When all sources are attached, the capabilities of a process that cannot load anything later are gone for good.
//! One that reads its configuration again at a hang-up may take those for loading back, and has none of them
//! meanwhile. The thread that serves HTTP never has any.

use std::fs;

use anyhow::{Context as _, bail};

use crate::kernel::{Kernel, sys::allow_real_time, sys_privileges as sys, user};

/// Bits of `include/uapi/linux/capability.h`.
const CAP_DAC_READ_SEARCH: u64 = 1 << 2;
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// What loading and attaching take: BPF, perf events, and tracefs, which is root's.
const FOR_LOADING: u64 = CAP_DAC_READ_SEARCH | CAP_PERFMON | CAP_BPF;

/// What the kernel asks of those who open perf events. Debian's has 3, by which these take CAP_SYS_ADMIN.
const PARANOIA: &str = "/proc/sys/kernel/perf_event_paranoid";

/// What loading takes on this machine.
fn for_loading() -> u64 {
    let text = fs::read_to_string(PARANOIA).unwrap_or_default();
    match text.trim().parse::<i32>() {
        Ok(level) if level > 2 => FOR_LOADING | CAP_SYS_ADMIN,
        _ => FOR_LOADING,
    }
}

/// A user to become: its number, and that of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl User {
    /// By its name in `/etc/passwd`, or as `UID:GID`.
    pub fn find(text: &str) -> anyhow::Result<Self> {
        let numbers = text
            .split_once(':')
            .map(|(uid, gid)| (uid.parse(), gid.parse()));
        if let Some((Ok(uid), Ok(gid))) = numbers {
            return Ok(Self { uid, gid });
        }
        match user::find(text).context("cannot read the users of this host")? {
            Some((uid, gid)) => Ok(Self { uid, gid }),
            None => bail!("there is no user {text} in /etc/passwd: give a name, or UID:GID"),
        }
    }
}

/// What is left of this process' privileges.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// What it has all the time.
    kept: u64,
    /// What it may take to load more.
    for_loading: u64,
}

impl Left {
    /// Gives up all that is not needed any more. `loads_later` says whether it shall be able to load more.
    pub fn after_loading(
        kernel: &Kernel,
        loads_later: bool,
        user: Option<User>,
    ) -> anyhow::Result<Self> {
        // Before Linux 5.19 every use of bpf(2) asks for CAP_BPF where kernel.unprivileged_bpf_disabled is set,
        // reading a map of one's own included.
        let kept = if kernel.since(5, 19) { 0 } else { CAP_BPF };
        let had = sys::permitted()?;
        let left = Self {
            kept: kept & had,
            for_loading: if loads_later { for_loading() & had } else { 0 },
        };
        if let Err(error) = allow_real_time() {
            log::info!(
                "{error}: events may be left out while maps are read, which is told as recursion"
            );
        }
        if let Some(user) = user {
            sys::become_user(user.uid, user.gid)
                .with_context(|| format!("cannot become the user {}", user.uid))?;
        }
        sys::set_capabilities(left.kept, left.kept | left.for_loading)?;
        sys::no_new_privileges()?;
        Ok(left)
    }

    /// Has `load` run with what loading takes.
    pub fn loading<T>(self, load: impl FnOnce() -> T) -> anyhow::Result<T> {
        let all = self.kept | self.for_loading;
        sys::set_capabilities(all, all)?;
        let loaded = load();
        sys::set_capabilities(self.kept, all)?;
        Ok(loaded)
    }
}

/// Gives up all capabilities of this thread.
pub fn give_up_all() -> anyhow::Result<()> {
    Ok(sys::set_capabilities(0, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_or_numbers() {
        assert_eq!(
            User::find("root").expect("it is there"),
            User { uid: 0, gid: 0 }
        );
        assert_eq!(
            User::find("65534:65533").expect("numbers"),
            User {
                uid: 65534,
                gid: 65533
            }
        );
        let error = User::find("no such user").expect_err("it is not there");
        assert!(error.to_string().contains("no such user"), "{error}");
    }
}
