//! The exporter as a service: with few privileges, and telling who started it how it is.

use std::{
    fs, io, os::unix::net::UnixDatagram, os::unix::process::CommandExt as _, time::Duration,
};

use super::super::test;
use crate::{
    exporter::{Exporter, Folder},
    harness::{Test, command, workload},
};

pub fn tests() -> Vec<Test> {
    vec![
        test("export::three_capabilities_are_enough", &[], few_privileges),
        test("export::systemd_is_told", &[], notify),
    ]
}

/// Numbers of `include/uapi/linux/capability.h`: `CAP_DAC_READ_SEARCH`, `CAP_PERFMON`, `CAP_BPF`.
const CAPABILITIES: [u64; 3] = [2, 38, 39];

/// Debian's kernels take `CAP_SYS_ADMIN` for perf events at this level of `kernel.perf_event_paranoid`.
const PARANOID: i32 = 3;
const SYS_ADMIN: u64 = 21;

/// What loading takes on this machine.
fn capabilities() -> Vec<u64> {
    let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").expect("a sysctl");
    let level: i32 = level.trim().parse().expect("a number");
    let mut all = CAPABILITIES.to_vec();
    all.extend((level >= PARANOID).then_some(SYS_ADMIN));
    all
}

const NOBODY: u32 = 65534;

/// Makes this process nobody's, with these capabilities only, over the next exec, too: `man 7 capabilities`.
fn become_nobody(capabilities: &[u64]) -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let all: u64 = capabilities.iter().map(|number| 1 << number).sum();
    let (low, high) = (all as u32, (all >> 32) as u32);
    let header = [VERSION_3, 0];
    // Effective, permitted and inheritable, the lower half of each first.
    let sets = [low, low, low, high, high, high];
    let checked = |result: i64| match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: the calls take numbers, setrlimit a limit, and capset a header and two triples of numbers.
    unsafe {
        // As the unit does: `LimitRTPRIO=1`, `LimitMEMLOCK=infinity`.
        let limits = [
            (libc::RLIMIT_RTPRIO, 1),
            (libc::RLIMIT_MEMLOCK, libc::RLIM_INFINITY),
        ];
        for (resource, most) in limits {
            let limit = libc::rlimit {
                rlim_cur: most,
                rlim_max: most,
            };
            // Where root may not raise them, the kernel must do without: the exporter fails if it does not.
            libc::setrlimit(resource, &limit);
        }
        checked(libc::prctl(libc::PR_SET_KEEPCAPS, 1).into())?;
        checked(libc::setgroups(0, std::ptr::null()).into())?;
        checked(libc::setresgid(NOBODY, NOBODY, NOBODY).into())?;
        checked(libc::setresuid(NOBODY, NOBODY, NOBODY).into())?;
        checked(libc::syscall(
            libc::SYS_capset,
            header.as_ptr(),
            sets.as_ptr(),
        ))?;
        for &number in capabilities {
            let raise = libc::PR_CAP_AMBIENT_RAISE;
            checked(libc::prctl(libc::PR_CAP_AMBIENT, raise, number, 0, 0).into())?;
        }
    }
    Ok(())
}

/// What a thread may do at the moment, and whether it can ever get more.
fn privileges(status: &str) -> (u64, bool) {
    let field = |name: &str| {
        let mut lines = status.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .expect(name)
            .trim()
    };
    let effective = u64::from_str_radix(field("CapEff:"), 16).expect("a number");
    (effective, field("NoNewPrivs:") == "1")
}

fn few_privileges() {
    const TOOL: &str = "[[tool]]\nrun = \"syscount --comm e2e-few\"\n";
    const SCRIPT: &str = "[[script]]\nsource = 'tracepoint:syscalls:sys_enter_getppid / comm == \"e2e-few\" / { @few = count(); }'\n";
    let folder = Folder::new();
    let config = folder.write("t.toml", TOOL);
    let mut tracer = command(&[
        "export",
        "-v",
        "--config",
        &config,
        "--listen",
        "127.0.0.1:0",
    ]);
    let capabilities = capabilities();
    // SAFETY: only makes system calls.
    unsafe { tracer.pre_exec(move || become_nobody(&capabilities)) };
    let exporter = Exporter::spawn(tracer);
    for thread in fs::read_dir(format!("/proc/{}/task", exporter.pid())).expect("threads") {
        let status = fs::read_to_string(thread.expect("a thread").path().join("status"));
        let (effective, is_bound) = privileges(&status.expect("its status"));
        // CAP_BPF: kernels before 5.19 ask for it where maps are read.
        assert_eq!(effective & !(1 << 39), 0, "{effective:x}");
        assert!(is_bound, "it can get privileges");
    }
    folder.write("t.toml", &format!("{TOOL}{SCRIPT}"));
    exporter.hang_up();
    exporter.wait_said("the configuration was read again", 1);
    let mut calls = workload(&["calls", "100", "--comm", "e2e-few"]);
    assert!(calls.status().expect("start").success());
    let scrape = exporter.wait_sum("tracer_script_few_total", 100);
    assert_eq!(
        scrape.sum("tracer_syscount_calls_total{syscall=\"getppid\"}"),
        100.0
    );
}

fn notify() {
    let folder = Folder::new();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("bind");
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("set");
    let mut tracer = command(&["export", "-v", "--listen", "127.0.0.1:0", "--config"]);
    let config = folder.write("t.toml", "[[tool]]\nrun = \"syscount\"\n");
    tracer
        .arg(config)
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "1000000");
    let exporter = Exporter::spawn(tracer);
    wait_told(&socket, "READY=1");
    for _ in 0..2 {
        wait_told(&socket, "WATCHDOG=1");
    }
    exporter.hang_up();
    wait_told(&socket, "RELOADING=1\nMONOTONIC_USEC=");
    wait_told(&socket, "READY=1");
    exporter.end(libc::SIGTERM);
    wait_told(&socket, "STOPPING=1");
}

/// Waits until this is told, as the beginning of a message.
#[track_caller]
fn wait_told(socket: &UnixDatagram, what: &str) {
    let mut bytes = [0; 4096];
    loop {
        let length = socket.recv(&mut bytes).expect("it is told something");
        if bytes[..length].starts_with(what.as_bytes()) {
            return;
        }
    }
}
