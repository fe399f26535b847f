//! Known numbers of system calls.

use std::{
    ffi::{CStr, CString},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::{flag, number, set_comm};

/// `getppid` is cheap, and nothing else calls it.
pub fn getppid(times: u64) {
    for _ in 0..times {
        // SAFETY: the call takes no argument.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
}

/// `calls N [--comm NAME] [--cpu CPU]`: N calls.
pub fn calls(arguments: &[&str]) {
    if let Some(cpu) = flag(arguments, "--cpu") {
        pin(cpu.parse().expect("CPU"));
    }
    if let Some(comm) = flag(arguments, "--comm") {
        set_comm(comm);
    }
    getppid(number(arguments, 0));
}

fn pin(cpu: usize) {
    // SAFETY: cpu_set_t is a plain bit set; the call reads it for its size.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set)
    };
    assert_eq!(result, 0, "cannot run on CPU {cpu}");
}

/// `calls-for SECONDS`: calls for that long, and tells their number on standard error.
pub fn calls_for(arguments: &[&str]) {
    let end = Instant::now() + Duration::from_secs_f64(arguments[0].parse().expect("seconds"));
    let mut made = 0u64;
    while Instant::now() < end {
        getppid(1000);
        made += 1000;
    }
    eprintln!("made {made}");
}

/// `calls-on-signal N`: waits for SIGUSR1 in one call, then makes N others.
pub fn calls_on_signal(arguments: &[&str]) {
    static SIGNALLED: AtomicBool = AtomicBool::new(false);
    extern "C" fn on_signal(_signal: libc::c_int) {
        SIGNALLED.store(true, Ordering::Relaxed);
    }
    // SAFETY: the handler only stores to an atomic.
    unsafe { libc::signal(libc::SIGUSR1, on_signal as *const () as libc::sighandler_t) };
    while !SIGNALLED.load(Ordering::Relaxed) {
        // SAFETY: the call takes no argument.
        unsafe { libc::pause() };
    }
    getppid(number(arguments, 0));
}

/// `threads T N`: N calls in each of T threads.
pub fn threads(arguments: &[&str]) {
    let (threads, times) = (number(arguments, 0), number(arguments, 1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(move || getppid(times));
        }
    });
}

/// `failing-opens N`: N opens of what is not there.
pub fn failing_opens(arguments: &[&str]) {
    fail_to_open(number(arguments, 0), c"/no/such/file");
}

fn fail_to_open(times: u64, path: &CStr) {
    for _ in 0..times {
        // SAFETY: the path ends with NUL.
        let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) };
        assert_eq!(fd, -1);
    }
}

/// `socket-option`: a TCP socket that sends what it has without delay.
pub fn socket_option() {
    let on: libc::c_int = 1;
    // SAFETY: the call takes three integers.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) };
    assert!(fd >= 0);
    // SAFETY: the option's value is an int, which lives on.
    let done = unsafe {
        libc::setsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_NODELAY,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    assert_eq!(done, 0);
}

/// `bad-closes N`: N closes of a descriptor that is not open.
pub fn bad_closes(arguments: &[&str]) {
    for _ in 0..number(arguments, 0) {
        // SAFETY: no descriptor has this number.
        assert_eq!(unsafe { libc::close(1_000_000) }, -1);
    }
}

/// `sleeps`: 90 of 2 ms, 9 of 20 ms, 1 of 200 ms.
pub fn sleeps() {
    for (times, ms) in [(90, 2), (9, 20), (1, 200)] {
        for _ in 0..times {
            std::thread::sleep(Duration::from_millis(ms));
        }
    }
}

/// `measured-sleeps N --comm NAME`: N sleeps of 0.5 to 8 ms, as many of each magnitude, and the seconds that each took,
/// on standard output.
pub fn measured_sleeps(arguments: &[&str]) {
    if let Some(comm) = flag(arguments, "--comm") {
        set_comm(comm);
    }
    let times = number(arguments, 0);
    for index in 0..times {
        let magnitude = index as f64 / times as f64;
        let wanted = Duration::from_secs_f64(0.0005 * 16f64.powf(magnitude));
        let begin = Instant::now();
        std::thread::sleep(wanted);
        println!("{}", begin.elapsed().as_secs_f64());
    }
}

/// `compat N`: N calls of the 32-bit `getppid`.
pub fn compat(arguments: &[&str]) {
    for _ in 0..number(arguments, 0) {
        assert!(compat_getppid() > 0);
    }
}

/// True where the kernel serves 32-bit calls: tried in a child, which dies of it otherwise.
pub fn has_compat() -> bool {
    // SAFETY: the child only makes one call and ends.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::_exit(i32::from(compat_getppid() <= 0));
        }
        let mut status = 0;
        libc::waitpid(pid, &mut status, 0);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}

/// `getppid` by the 32-bit entry, where its number is 64.
fn compat_getppid() -> i64 {
    compat_call(64, 0, 0)
}

/// `compat-open`: the 32-bit `open` (5) of what is not there.
pub fn compat_open() {
    // The path must lie where 32 bits reach.
    // SAFETY: asks for fresh memory anywhere below 2 GiB.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
            -1,
            0,
        )
    };
    assert_ne!(memory, libc::MAP_FAILED);
    let path = b"/tracer-e2e-compat\0";
    // SAFETY: the memory is ours, and larger than the path.
    unsafe { std::ptr::copy_nonoverlapping(path.as_ptr(), memory.cast(), path.len()) };
    assert_eq!(compat_call(5, memory as i64, 0), -i64::from(libc::ENOENT));
}

/// A call by the 32-bit entry, with its first two arguments.
#[cfg(target_arch = "x86_64")]
fn compat_call(number: i64, first: i64, second: i64) -> i64 {
    let result: i64;
    // SAFETY: the 32-bit entry takes the number in eax, the arguments in ebx and ecx, and clobbers r8 to
    // r11. The compiler keeps rbx for itself: it is put back.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first}",
            "int 0x80",
            "xchg rbx, {first}",
            first = inout(reg) first => _,
            inlateout("rax") number => result,
            in("rcx") second,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result as i32 as i64
}

#[cfg(not(target_arch = "x86_64"))]
fn compat_call(_number: i64, _first: i64, _second: i64) -> i64 {
    -i64::from(libc::ENOSYS)
}

/// Parts that calls are timed in: their median is not moved by what else the processor had to do meanwhile.
const PARTS: u64 = 200;

/// `timed-calls N [--cpu CPU]`: N calls, and the nanoseconds that each took, on standard output.
pub fn timed_calls(arguments: &[&str]) {
    if let Some(cpu) = flag(arguments, "--cpu") {
        pin(cpu.parse().expect("CPU"));
    }
    let times = number(arguments, 0);
    getppid(times / 10);
    let each = times / PARTS;
    let part = |_| {
        let begin = Instant::now();
        getppid(each);
        begin.elapsed()
    };
    let mut parts: Vec<Duration> = (0..PARTS).map(part).collect();
    parts.sort_unstable();
    let median = parts[parts.len() / 2];
    println!("{:.1}", median.as_nanos() as f64 / each as f64);
}

/// `timed-opens N [--cpu CPU] [--path PATH]`: N opens of what is not there, and how many a second, on standard
/// output. An empty path is what the kernel finds missing soonest.
pub fn timed_opens(arguments: &[&str]) {
    if let Some(cpu) = flag(arguments, "--cpu") {
        pin(cpu.parse().expect("CPU"));
    }
    let path = flag(arguments, "--path").unwrap_or("/no/such/file");
    let path = CString::new(path).expect("no NUL");
    let times = number(arguments, 0);
    let begin = Instant::now();
    fail_to_open(times, &path);
    println!("{:.0}", times as f64 / begin.elapsed().as_secs_f64());
}
