//! The running kernel's answers.

use tracer_script::{
    facts::{Facts as _, Field, Struct},
    types::{Space, Type},
};

use super::*;

/// Runs what needs a kernel that offers its types; says so where this one does not.
fn with_types(test: impl FnOnce(&KernelFacts<'_>)) {
    let kernel = Kernel::running().expect("Linux");
    if let Err(error) = kernel.btf() {
        return eprintln!("SKIPPED: {error:#}");
    }
    test(&KernelFacts::new(&kernel).expect("CPUs"));
}

fn field<'a>(structure: &'a Struct, name: &str) -> &'a Field {
    let found = structure.fields.iter().find(|field| &*field.name == name);
    found.unwrap_or_else(|| panic!("{} has no {name}", structure.name))
}

#[test]
fn structures_have_typed_members() {
    with_types(|facts| {
        let task = facts.structure("struct task_struct").expect("it has one");
        assert_eq!(field(&task, "comm").kind, Type::Str(16));
        assert_eq!(field(&task, "pid").kind, Type::int(4, true));
        let mm = Type::Struct("struct mm_struct".into());
        assert_eq!(field(&task, "mm").kind, Type::pointer(mm, Space::Kernel));
        let in_execve = field(&task, "in_execve");
        assert_eq!(in_execve.bits.map(|(_, count)| count), Some(1));
        assert_eq!(facts.structure("struct no_such"), None);
        assert_eq!(facts.structure("union task_struct"), None);
    });
}

#[test]
fn what_has_no_name_is_found_by_its_number() {
    with_types(|facts| {
        let atomic = facts.typedef("atomic_t").expect("every kernel has it");
        let Type::Struct(key) = atomic else {
            panic!("{atomic:?} is no structure");
        };
        assert!(key.starts_with("struct (anonymous "), "{key}");
        let structure = facts.structure(&key).expect("by its key");
        assert_eq!(structure.name, key);
        assert_eq!(field(&structure, "counter").kind, Type::int(4, true));
        assert_eq!(facts.structure("struct (anonymous 4294967295)"), None);
        // struct sk_buff begins with a union that has none.
        let buffer = facts.structure("struct sk_buff").expect("it has one");
        assert!(buffer.fields[0].name.is_empty());
        assert!(matches!(&buffer.fields[0].kind, Type::Struct(key) if key.starts_with("union (")));
    });
}

#[test]
fn enumerations_and_typedefs_are_found() {
    with_types(|facts| {
        let (kind, values) = facts.enumeration("pid_type").expect("it has one");
        assert!(matches!(&kind, Type::Enum { size: 4, .. }));
        assert!(values.contains(&("PIDTYPE_TGID".to_owned(), 1)));
        assert_eq!(facts.enumerator("PIDTYPE_TGID"), Some((1, kind)));
        // It is one of an enumeration without a name, which can be asked for all the same.
        let (value, kind) = facts.enumerator("TCP_LISTEN").expect("it has one");
        let Type::Enum { name, .. } = &kind else {
            panic!("{kind:?} is no enumeration");
        };
        let (_, values) = facts.enumeration(name).expect("by its key");
        assert!(values.contains(&("TCP_LISTEN".to_owned(), value)));
        assert_eq!(facts.enumerator("NO_SUCH_VALUE"), None);
        assert_eq!(facts.typedef("pid_t"), Some(Type::int(4, true)));
        assert_eq!(facts.typedef("bool"), Some(Type::Bool));
        assert_eq!(facts.typedef("task_struct"), None);
    });
}

#[test]
fn functions_have_their_parameters() {
    with_types(|facts| {
        let read = facts.function("vfs_read").expect("it has one");
        let names: Vec<&str> = read.params.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["file", "buf", "count", "pos"]);
        assert_eq!(read.returns, Type::int(8, true));
        let file = Type::Struct("struct file".into());
        assert_eq!(read.params[0].1, Type::pointer(file, Space::Kernel));
        assert_eq!(facts.function("no_such_function"), None);
        let (module, id) = facts.fentry_target("", "vfs_read").expect("as before");
        assert_eq!(module, None);
        assert!(id > 0);
        let error = facts
            .fentry_target("", "no_such_function")
            .expect_err("none");
        assert!(error.to_string().contains("no_such_function"));
    });
}

#[test]
fn raw_tracepoints_have_arguments_with_names() {
    with_types(|facts| {
        let switch = facts.raw_tracepoint("sched_switch").expect("it has one");
        let names: Vec<&str> = switch.params.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names[..3], ["preempt", "prev", "next"]);
        assert_eq!(switch.params[0].1, Type::Bool);
        let task = Type::Struct("struct task_struct".into());
        assert_eq!(switch.params[1].1, Type::pointer(task, Space::Kernel));
        assert_eq!(facts.raw_tracepoint("no_such"), None);
    });
}

#[test]
fn events_have_typed_fields() {
    with_types(|facts| {
        if let Err(error) = facts.kernel.tracefs() {
            return eprintln!("SKIPPED: {error:#}");
        }
        let fields = |category, name| facts.tracepoint(category, name).expect("it has one");
        let find = |fields: &[EventField], name: &str| {
            let found = fields.iter().find(|field| &*field.name == name);
            found.cloned().unwrap_or_else(|| panic!("no {name}"))
        };
        let switch = fields("sched", "sched_switch");
        assert_eq!(find(&switch, "prev_comm").kind, Type::Str(16));
        assert_eq!(find(&switch, "prev_pid").kind, Type::int(4, true));
        let openat = fields("syscalls", "sys_enter_openat");
        let text = Type::pointer(Type::int(1, true), Space::User);
        assert_eq!(find(&openat, "filename").kind, text);
        // A register's lower half: the upper one of AT_FDCWD is zero.
        assert_eq!(find(&openat, "dfd").kind, Type::int(4, true));
        let exec = fields("sched", "sched_process_exec");
        let filename = find(&exec, "filename");
        assert!(filename.data_loc && filename.kind == Type::Str(0));
        let error = facts.tracepoint("sched", "no_such").expect_err("none");
        assert!(error.contains("sched:no_such"), "{error}");
    });
}

#[test]
fn questions_that_were_asked_are_remembered() {
    with_types(|facts| {
        let first = facts.structure("struct file").expect("it has one");
        let second = facts.structure("struct file").expect("it has one");
        assert!(Rc::ptr_eq(&first, &second));
    });
}
