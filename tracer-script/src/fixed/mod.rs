//! Facts of a kernel that is not there: the same few answers everywhere, for tests and documentation.
//!
//! Layouts are made up where nothing says otherwise; those of `struct pt_regs` and of addresses of the internet
//! are those of x86-64 Linux.

mod expand;
mod tables;

use std::rc::Rc;

use crate::{
    facts::{EventField, ExpandOptions, Facts, Signature, Struct, UserSymbol},
    probe::{AttachKind, Target},
    types::Type,
};

/// Fixed facts.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// The version of Linux that they are of: major and minor.
    pub release: (u32, u32),
    /// The inode and device of the pid namespace, where it shall not be the first one.
    pub pid_namespace: Option<(u64, u64)>,
    /// How many CPUs there may be.
    pub cpus: u32,
}

impl Default for Fixed {
    /// Linux 6.12 with four CPUs.
    fn default() -> Self {
        Self {
            release: (6, 12),
            pid_namespace: None,
            cpus: 4,
        }
    }
}

impl Fixed {
    /// Those of this version of Linux.
    pub fn of_release(major: u32, minor: u32) -> Self {
        Self {
            release: (major, minor),
            ..Self::default()
        }
    }
}

impl Facts for Fixed {
    fn structure(&self, key: &str) -> Option<Rc<Struct>> {
        tables::structures()
            .into_iter()
            .find(|structure| &*structure.name == key)
            .map(Rc::new)
    }

    fn typedef(&self, name: &str) -> Option<Type> {
        tables::typedef(name)
    }

    fn enumeration(&self, name: &str) -> Option<(Type, Vec<(String, i64)>)> {
        let (name, values) = tables::ENUMS.iter().find(|(known, _)| *known == name)?;
        let values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value));
        Some((tables::enum_type(name), values.collect()))
    }

    fn enumerator(&self, name: &str) -> Option<(i64, Type)> {
        tables::ENUMS.iter().find_map(|(of, values)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((*value, tables::enum_type(of)))
        })
    }

    fn function(&self, name: &str) -> Option<Rc<Signature>> {
        tables::signature(tables::functions(), name)
    }

    fn raw_tracepoint(&self, name: &str) -> Option<Rc<Signature>> {
        tables::signature(tables::raw_tracepoints(), name)
    }

    fn tracepoint(&self, category: &str, name: &str) -> Result<Rc<Vec<EventField>>, String> {
        tables::tracepoints()
            .into_iter()
            .find(|(of, event, _)| (*of, *event) == (category, name))
            .map(|(.., fields)| Rc::new(fields))
            .ok_or_else(|| format!("tracepoint not found: {category}:{name}"))
    }

    fn kernel_variable(&self, name: &str) -> Option<Type> {
        (name == "process_counts").then_some(crate::types::UINT)
    }

    fn kernel_symbol(&self, name: &str) -> Option<u64> {
        match name {
            "process_counts" => return Some(0x1000),
            "__per_cpu_offset" => return Some(0xffff_ffff_8200_0000),
            _ => {}
        }
        let at = expand::function_names().position(|known| known == name)?;
        Some(0xffff_ffff_8100_0000 + 0x1000 * at as u64)
    }

    fn user_symbol(&self, _path: &str, name: &str) -> Option<UserSymbol> {
        let address = expand::user_function(name)?;
        Some(UserSymbol { address, size: 4 })
    }

    fn user_address(&self, _path: &str, offset: u64) -> Option<u64> {
        Some(offset)
    }

    fn cgroup_id(&self, path: &str) -> Option<u64> {
        path.starts_with("/sys/fs/cgroup")
            .then_some(path.len() as u64)
    }

    fn expand(&self, parts: &[String], options: &ExpandOptions) -> Result<Vec<Target>, String> {
        expand::expand(parts, options)
    }

    fn syscall_number(&self, name: &str) -> Option<u32> {
        let calls = [("read", 0), ("write", 1), ("openat", 257)];
        let found = calls.iter().find(|(known, _)| *known == name);
        found.map(|(_, number)| *number)
    }

    fn has_multi(&self, kind: AttachKind) -> bool {
        use AttachKind::*;
        match kind {
            Kprobe | Kretprobe => self.since(5, 18),
            Uprobe | Uretprobe => self.since(6, 6),
            _ => false,
        }
    }

    fn since(&self, major: u32, minor: u32) -> bool {
        self.release >= (major, minor)
    }

    fn kfunc(&self, name: &str) -> Option<u32> {
        (name == "bpf_task_acquire").then_some(1000)
    }

    fn has_cookie(&self, kind: AttachKind) -> bool {
        use AttachKind::*;
        match kind {
            Begin | End | SelfSignal | Test | Bench | Iter => false,
            Fentry | Fexit => self.since(6, 0),
            RawTracepoint => self.since(6, 10),
            _ => self.since(5, 15),
        }
    }

    fn cpus(&self) -> u32 {
        self.cpus
    }

    fn pid_namespace(&self) -> Option<(u64, u64)> {
        self.pid_namespace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let parts: Vec<String> = text.split(':').map(str::to_owned).collect();
        let found = Fixed::default().expand(&parts, &ExpandOptions::default());
        let targets = found.expect(text).into_iter();
        targets.map(|target| target.name).collect()
    }

    #[test]
    fn structures_hold_their_members() {
        for structure in tables::structures() {
            for field in &structure.fields {
                assert!(
                    field.offset < structure.size,
                    "{}.{}",
                    structure.name,
                    field.name
                );
                if let Type::Struct(key) = &field.kind {
                    let inner = Fixed::default().structure(key);
                    let inner = inner.unwrap_or_else(|| panic!("there is no {key}"));
                    assert!(field.offset + inner.size <= structure.size, "{key}");
                }
            }
        }
    }

    #[test]
    fn attach_points_are_expanded() {
        assert_eq!(names("BEGIN"), ["begin"]);
        assert_eq!(names("i:s:1"), ["interval:s:1"]);
        assert_eq!(
            names("tracepoint:syscalls:sys_enter_*"),
            [
                "tracepoint:syscalls:sys_enter_openat",
                "tracepoint:syscalls:sys_enter_read"
            ]
        );
        assert_eq!(names("k:vfs_r*"), ["kprobe:vfs_read"]);
        assert_eq!(names("fentry:vfs_read"), ["fentry:vmlinux:vfs_read"]);
        assert_eq!(names("u:/bin/bash:readline"), ["uprobe:/bin/bash:readline"]);
        let none = ["kprobe".to_owned(), "none".to_owned()];
        assert!(
            Fixed::default()
                .expand(&none, &ExpandOptions::default())
                .is_err()
        );
    }

    #[test]
    fn releases_are_compared() {
        let facts = Fixed::of_release(5, 10);
        assert!(facts.since(5, 10) && !facts.since(5, 11));
        assert!(!facts.has_multi(AttachKind::Kprobe));
        assert!(Fixed::default().has_cookie(AttachKind::RawTracepoint));
    }
}
