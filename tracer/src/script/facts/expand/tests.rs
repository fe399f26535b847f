//! Attach points on the running kernel.

use tracer_script::facts::ExpandOptions;

use super::*;
use crate::kernel::Kernel;

/// The targets of an attach point, or the error.
fn expand_text(text: &str, options: &ExpandOptions) -> Result<Vec<Target>, String> {
    let kernel = Kernel::running().expect("Linux");
    let facts = KernelFacts::new(&kernel).expect("CPUs");
    let parts: Vec<String> = text.split(':').map(str::to_owned).collect();
    expand(&facts, &parts, options)
}

fn one(text: &str) -> Target {
    let mut found = expand_text(text, &ExpandOptions::default()).expect(text);
    assert_eq!(found.len(), 1, "{text}");
    found.remove(0)
}

fn error(text: &str) -> String {
    expand_text(text, &ExpandOptions::default()).expect_err(text)
}

fn file_name(path: &std::path::Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    name.expect("cargo's names are plain")
}

fn has_tracefs() -> bool {
    let kernel = Kernel::running().expect("Linux");
    let found = kernel.tracefs();
    if let Err(error) = &found {
        eprintln!("SKIPPED: {error:#}");
    }
    found.is_ok()
}

#[test]
fn providers_are_known_by_all_their_names() {
    assert_eq!(one("BEGIN").name, "begin");
    assert_eq!(one("end").kind, AttachKind::End);
    assert_eq!(one("self:signal:SIGUSR1").item, "SIGUSR1");
    assert_eq!(one("i:s:1").name, "interval:s:1");
    assert!(error("intervall:s:1").ends_with("did you mean interval?"));
    assert!(error("begin:1").contains("takes nothing"));
    assert!(error("self:signal:SIGUSR2").contains("SIGUSR1 only"));
    for unsupported in ["bench:a", "test:a"] {
        assert!(error(unsupported).contains("not supported yet"));
    }
}

#[test]
fn timers_count_nanoseconds_or_hertz() {
    let shape = |text| {
        let target = one(text);
        (target.group, target.count)
    };
    assert_eq!(shape("profile:hz:99"), ("hz".to_owned(), 99));
    assert_eq!(shape("interval:ms:250"), ("ms".to_owned(), 250_000_000));
    assert_eq!(shape("interval:1s"), ("ns".to_owned(), 1_000_000_000));
    assert_eq!(shape("interval:1e6"), ("ns".to_owned(), 1_000_000));
    for wrong in [
        "interval:s:0",
        "interval:s:x",
        "interval:1w",
        "profile:hz:-1",
    ] {
        assert!(error(wrong).contains("how often"), "{wrong}");
    }
    assert!(error("interval:min:1").contains("no unit"));
    assert!(error("interval").contains("is written as"));
}

#[test]
fn perf_events_have_default_counts_and_other_names() {
    let cycles = one("h:cycles");
    assert_eq!(
        (cycles.item.as_str(), cycles.count),
        ("cpu-cycles", 1_000_000)
    );
    assert_eq!(cycles.name, "hardware:cycles");
    assert_eq!(one("software:faults:").count, 100);
    assert_eq!(one("software:cs:1e3").item, "context-switches");
    let unknown = error("software:page-fault");
    assert!(unknown.contains("did you mean page-faults?"), "{unknown}");
    assert!(unknown.contains("cpu-migrations"), "{unknown}");
    assert!(error("software:cs:0").contains("no count"));
    let options = ExpandOptions {
        pid: Some(1),
        ..ExpandOptions::default()
    };
    let found = expand_text("software:cs", &options).expect("one");
    assert_eq!(found[0].pid, Some(1));
}

#[test]
fn tracepoints_are_found_by_patterns() {
    if !has_tracefs() {
        return;
    }
    let switch = one("t:sched:sched_switch");
    assert_eq!(switch.name, "tracepoint:sched:sched_switch");
    assert_eq!(
        (switch.group.as_str(), switch.item.as_str()),
        ("sched", "sched_switch")
    );
    let opens = expand_text(
        "tracepoint:syscalls:sys_enter_open*",
        &ExpandOptions::default(),
    );
    let opens: Vec<String> = opens
        .expect("some")
        .into_iter()
        .map(|one| one.item)
        .collect();
    assert!(opens.contains(&"sys_enter_openat".to_owned()), "{opens:?}");
    assert!(opens.iter().all(|name| name.starts_with("sys_enter_open")));
    let near = error("tracepoint:sched:sched_swich");
    assert!(near.contains("did you mean sched:sched_switch?"), "{near}");
    let elsewhere = error("tracepoint:syscall:sched_switch");
    assert!(
        elsewhere.contains("did you mean sched:sched_switch?"),
        "{elsewhere}"
    );
    assert!(error("tracepoint:no:such*").contains("No tracepoint matches"));
    assert!(error("tracepoint:ftrace:print").contains("not found"));
    assert!(error("tracepoint:sched_switch").contains("is written as"));
}

#[test]
fn raw_tracepoints_are_found_in_the_kernels_types() {
    let kernel = Kernel::running().expect("Linux");
    if let Err(error) = kernel.btf() {
        return eprintln!("SKIPPED: {error:#}");
    }
    let switch = one("rt:sched_switch");
    assert_eq!(switch.name, "rawtracepoint:vmlinux:sched_switch");
    assert_eq!(
        (switch.group.as_str(), switch.item.as_str()),
        ("", "sched_switch")
    );
    assert_eq!(one("rawtracepoint:vmlinux:sched_switch"), switch);
    let found = expand_text("rawtracepoint:sched_wak*", &ExpandOptions::default());
    assert!(found.expect("some").len() > 1);
    assert!(error("rawtracepoint:sched_swich").contains("did you mean sched_switch?"));
    assert!(error("rawtracepoint:none*").contains("No raw tracepoint matches"));
    assert!(error("rawtracepoint:no_module:sched_switch").contains("not found"));
}

#[test]
fn functions_of_the_kernel_need_kprobes() {
    let kernel = Kernel::running().expect("Linux");
    if !kernel.has_kprobes() {
        let refused = error("kprobe:vfs_read");
        assert!(refused.contains("CONFIG_KPROBES"), "{refused}");
        return eprintln!("SKIPPED: this kernel has no kprobes");
    }
    assert_eq!(one("k:vfs_read").name, "kprobe:vfs_read");
    let within = one("kprobe:vfs_read+0x4");
    assert_eq!((within.item.as_str(), within.offset), ("vfs_read", 4));
    let found = expand_text("kprobe:vfs_rea*", &ExpandOptions::default()).expect("some");
    assert!(found.iter().any(|one| one.name == "kprobe:vfs_read"));
    let of_kernel = one("kprobe:vmlinux:vfs_read");
    assert_eq!(
        (of_kernel.group.as_str(), of_kernel.item.as_str()),
        ("", "vfs_read")
    );
    let none = error("kprobe:vfs_raed");
    assert!(
        none.contains("no function vfs_raed; did you mean vfs_read"),
        "{none}"
    );
    assert!(error("kprobe:vfs_none*").contains("No function"));
    assert!(error("kretprobe:vfs_read+4").contains("takes no offset"));
    assert!(error("kprobe:0xffffffff81000000").contains("--unsafe"));
    let options = ExpandOptions {
        allow_unsafe: true,
        ..ExpandOptions::default()
    };
    let found = expand_text("kprobe:0xffffffff81000000", &options).expect("allowed");
    assert_eq!(
        (found[0].item.as_str(), found[0].offset),
        ("", 0xffff_ffff_8100_0000)
    );
}

#[test]
fn trampolines_name_the_module() {
    let kernel = Kernel::running().expect("Linux");
    if let Err(error) = kernel.btf() {
        return eprintln!("SKIPPED: {error:#}");
    }
    let read = one("fentry:vfs_read");
    assert_eq!(read.name, "fentry:vmlinux:vfs_read");
    assert_eq!((read.group.as_str(), read.item.as_str()), ("", "vfs_read"));
    assert_eq!(
        one("kretfunc:vmlinux:vfs_read").name,
        "fexit:vmlinux:vfs_read"
    );
    let found = expand_text("fentry:vfs_rea*", &ExpandOptions::default()).expect("some");
    assert!(found.contains(&read));
    let none = error("fentry:vfs_raed");
    assert!(none.contains("did you mean vfs_read"), "{none}");
    assert!(error("fentry:bpf:x:y:z").contains("is written as"));
}

#[test]
fn functions_of_programs_are_places_in_files() {
    let kernel = Kernel::running().expect("Linux");
    if !kernel.has_uprobes() {
        assert!(error("uprobe:/bin/sh:main").contains("CONFIG_UPROBES"));
        return eprintln!("SKIPPED: this kernel has no uprobes");
    }
    let own = std::env::current_exe().expect("own path");
    let own = own.canonicalize().expect("it is there");
    let path = own.display();
    let pattern = "*functions_of_programs_are_places*";
    let found = expand_text(&format!("u:{path}:{pattern}"), &ExpandOptions::default());
    let found = found.expect("it is there").remove(0);
    assert_eq!(found.group, path.to_string());
    assert_eq!(found.name, format!("uprobe:{path}:{}", found.item));
    let within = one(&format!("uprobe:{path}:{}+0x2", found.item));
    assert_eq!(within.offset, found.offset + 2);
    assert_eq!(
        one(&format!("ur:{path}:{}", found.item)).offset,
        found.offset
    );
    // Its name with its first letter left open.
    let pattern = format!(
        "{}/?{}",
        own.parent().expect("it is in one").display(),
        &file_name(&own)[1..]
    );
    let in_folder = expand_text(
        &format!("uprobe:{pattern}:{}", found.item),
        &ExpandOptions::default(),
    );
    assert!(in_folder.expect("in one of them").contains(&found));
    assert!(error(&format!("uprobe:{path}:no_such_function")).contains("has no function"));
    assert!(error(&format!("uprobe:{path}:0xfffffffffffffff0")).contains("nothing at"));
    assert!(error("uprobe:/no/such/file:f").contains("cannot find"));
    assert!(error("uprobe:/no/such*/file:f").contains("No file matches"));
    assert!(error("uprobe:/bin/sh:cpp:f").contains("no function that is called f in C++"));
}

#[test]
fn watchpoints_are_of_what_processors_can_watch() {
    let target = one("w:0x1000:8:rw");
    assert_eq!(target.name, "watchpoint:0x1000:8:rw");
    assert_eq!((target.offset, target.count), (0x1000, 8));
    assert_eq!(target.group, "rw");
    for (wrong, part) in [
        ("w:0x1000:8", "is written as"),
        ("w:nowhere:8:w", "is no address"),
        ("w:0x1000:3:w", "3 bytes cannot be watched"),
        ("w:0x1001:8:w", "no multiple"),
        ("w:0x1000:8:", "is no mode"),
        ("w:0x1000:8:ww", "is no mode"),
        ("w:0x1000:8:rwx", "alone"),
    ] {
        assert!(error(wrong).contains(part), "{wrong}: {}", error(wrong));
    }
}
