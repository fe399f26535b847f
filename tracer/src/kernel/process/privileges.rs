//! What this process is allowed to do: its capabilities, and where they count.
//!
//! Source: `man 7 capabilities`.

use super::{ProcessError, Status, is_namespace};

/// A capability: `include/uapi/linux/capability.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Capability {
    bit: u32,
    name: &'static str,
}

const CAP_DAC_OVERRIDE: Capability = Capability {
    bit: 1,
    name: "CAP_DAC_OVERRIDE",
};
const CAP_DAC_READ_SEARCH: Capability = Capability {
    bit: 2,
    name: "CAP_DAC_READ_SEARCH",
};
const CAP_SYS_PTRACE: Capability = Capability {
    bit: 19,
    name: "CAP_SYS_PTRACE",
};
const CAP_SYS_ADMIN: Capability = Capability {
    bit: 21,
    name: "CAP_SYS_ADMIN",
};
const CAP_SYS_RESOURCE: Capability = Capability {
    bit: 24,
    name: "CAP_SYS_RESOURCE",
};
const CAP_PERFMON: Capability = Capability {
    bit: 38,
    name: "CAP_PERFMON",
};
const CAP_BPF: Capability = Capability {
    bit: 39,
    name: "CAP_BPF",
};

/// What this process is allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privileges {
    /// The effective capabilities, by bit.
    effective: u64,
    /// The effective user id.
    uid: u32,
    /// Capabilities are those of the host, and not of a user namespace.
    on_host: bool,
}

/// This process may not trace.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivilegeError {
    /// It lacks capabilities.
    #[error(
        "tracing needs privileges that this process lacks: {}; run it as root, or give the program \
         what it needs: `setcap cap_bpf,cap_perfmon,cap_dac_read_search,cap_sys_ptrace+ep FILE`",
        missing.join(", ")
    )]
    Missing {
        /// Their names.
        missing: Vec<&'static str>,
    },
    /// Its capabilities count in a user namespace only, and the kernel asks for those of the host.
    #[error(
        "tracing needs privileges on the host, and this process has them in a user namespace only \
         (a rootless container, or `unshare -U`); run it as the host's root"
    )]
    UserNamespace,
}

impl Privileges {
    /// Reads those of this process.
    pub fn read() -> Result<Self, ProcessError> {
        /// `PROC_USER_INIT_INO` of `include/linux/proc_ns.h`.
        const INITIAL: u64 = 0xEFFF_FFFD;
        let status = Status::read_own()?;
        Ok(Self {
            effective: status.effective_capabilities()?,
            uid: status.effective_uid()?,
            on_host: is_namespace("user", INITIAL)?,
        })
    }

    /// The capabilities without which no program can be loaded and attached, by name. CAP_SYS_ADMIN
    /// stands for CAP_BPF and CAP_PERFMON (`bpf_capable()` and `perfmon_capable()` of
    /// `include/linux/capability.h`), and who is not root needs CAP_DAC_READ_SEARCH to read tracefs.
    pub fn missing_for_tracing(&self) -> Vec<&'static str> {
        let admin = self.has(CAP_SYS_ADMIN);
        let reads_tracefs =
            self.uid == 0 || self.has(CAP_DAC_OVERRIDE) || self.has(CAP_DAC_READ_SEARCH);
        let needed = [
            (CAP_BPF, admin || self.has(CAP_BPF)),
            (CAP_PERFMON, admin || self.has(CAP_PERFMON)),
            (CAP_DAC_READ_SEARCH, reads_tracefs),
        ];
        let missing = needed.iter().filter(|(_, enough)| !enough);
        missing.map(|(capability, _)| capability.name).collect()
    }

    /// Fails where this process may not trace, with what it lacks.
    pub fn require_for_tracing(&self) -> Result<(), PrivilegeError> {
        let missing = self.missing_for_tracing();
        if !missing.is_empty() {
            return Err(PrivilegeError::Missing { missing });
        }
        if self.on_host {
            Ok(())
        } else {
            Err(PrivilegeError::UserNamespace)
        }
    }

    /// The capabilities that tracing can do without, each with what falls short for want of it.
    pub fn shortfalls(&self) -> Vec<(&'static str, &'static str)> {
        let useful = [
            (
                CAP_DAC_READ_SEARCH,
                "cgroups are found by a walk once a second, short-lived ones are not",
            ),
            (
                CAP_SYS_PTRACE,
                "functions and libraries of other users' processes have no names",
            ),
            (
                CAP_SYS_RESOURCE,
                "before Linux 5.11 large maps exceed the limit of locked memory",
            ),
        ];
        let missing = useful
            .iter()
            .filter(|(capability, _)| !self.has(*capability));
        missing
            .map(|&(capability, shortfall)| (capability.name, shortfall))
            .collect()
    }

    fn has(&self, capability: Capability) -> bool {
        self.effective & (1 << capability.bit) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(uid: u32, capabilities: &[Capability]) -> Privileges {
        let effective = capabilities
            .iter()
            .fold(0, |bits, capability| bits | 1 << capability.bit);
        Privileges {
            effective,
            uid,
            on_host: true,
        }
    }

    #[test]
    fn privileges_are_named() {
        let missing = |uid, capabilities: &[_]| with(uid, capabilities).missing_for_tracing();
        assert_eq!(
            missing(1000, &[]),
            ["CAP_BPF", "CAP_PERFMON", "CAP_DAC_READ_SEARCH"]
        );
        assert_eq!(missing(0, &[]), ["CAP_BPF", "CAP_PERFMON"]);
        assert_eq!(missing(0, &[CAP_SYS_ADMIN]), [""; 0]);
        assert_eq!(missing(1000, &[CAP_SYS_ADMIN]), ["CAP_DAC_READ_SEARCH"]);
        assert_eq!(missing(1000, &[CAP_BPF, CAP_DAC_OVERRIDE]), ["CAP_PERFMON"]);
        assert_eq!(
            missing(1000, &[CAP_BPF, CAP_PERFMON, CAP_DAC_READ_SEARCH]),
            [""; 0]
        );
        let error = with(0, &[CAP_PERFMON])
            .require_for_tracing()
            .expect_err("CAP_BPF is missing");
        assert_eq!(
            error,
            PrivilegeError::Missing {
                missing: vec!["CAP_BPF"]
            }
        );
        assert!(error.to_string().contains("lacks: CAP_BPF;"), "{error}");
    }

    #[test]
    fn privileges_in_a_user_namespace_are_not_enough() {
        let rootless = Privileges {
            on_host: false,
            ..with(0, &[CAP_SYS_ADMIN])
        };
        assert_eq!(
            rootless.require_for_tracing(),
            Err(PrivilegeError::UserNamespace)
        );
    }

    #[test]
    fn shortfalls_name_a_capability_each() {
        let names = |privileges: Privileges| -> Vec<_> {
            privileges
                .shortfalls()
                .into_iter()
                .map(|(name, _)| name)
                .collect()
        };
        let all = ["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE"];
        assert_eq!(names(with(0, &[CAP_SYS_ADMIN])), all);
        assert_eq!(
            names(with(0, &[CAP_DAC_READ_SEARCH, CAP_SYS_RESOURCE])),
            ["CAP_SYS_PTRACE"]
        );
    }

    #[test]
    fn the_own_privileges_are_read() {
        Privileges::read().expect("/proc is mounted");
    }
}
