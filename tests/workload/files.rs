//! Known opens and writes.

use std::{
    ffi::{CString, OsString},
    fs::{self, File, OpenOptions},
    os::unix::{
        ffi::OsStringExt as _,
        fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::Path,
    time::{Duration, Instant},
};

use super::number;

/// Where `opens` works.
const FOLDER: &str = "/tmp/tracer-e2e-open";

/// `opens`: files with odd names, relative ones, a long path, and one that is not there.
pub fn opens() {
    fs::create_dir_all(format!("{FOLDER}/deep")).expect("make folders");
    let odd = ["with space", "quote'\"", "tab\tand\nnewline"];
    for name in odd {
        File::create(format!("{FOLDER}/{name}")).expect("open");
    }
    let mut bytes = format!("{FOLDER}/bytes").into_bytes();
    bytes.extend([0xff, 0xfe]);
    File::create(OsString::from_vec(bytes)).expect("open");
    assert!(File::open(format!("{FOLDER}/missing")).is_err());
    assert!(File::open(long_path()).is_err());
    std::env::set_current_dir(FOLDER).expect("change folder");
    File::create("relative").expect("open");
    open_at("deep", "relative");
}

/// 4000 bytes that name nothing.
fn long_path() -> String {
    let mut path = String::from("/tmp");
    while path.len() < 4000 {
        path.push('/');
        let left = (4000 - path.len()).min(100);
        path.extend(std::iter::repeat_n('x', left));
    }
    path
}

/// Opens a name relative to a folder's descriptor.
fn open_at(folder: &str, name: &str) {
    use std::os::fd::AsRawFd as _;
    let folder = File::open(Path::new(folder)).expect("open the folder");
    let name = CString::new(name).expect("no NUL");
    // SAFETY: the descriptor is open, and the name ends with NUL.
    let fd = unsafe {
        libc::openat(
            folder.as_raw_fd(),
            name.as_ptr(),
            libc::O_CREAT | libc::O_WRONLY,
            0o600,
        )
    };
    assert!(fd >= 0, "openat failed");
    // SAFETY: it is ours.
    unsafe { libc::close(fd) };
}

/// `opens-for SECONDS`: opens that fail, for so long.
pub fn opens_for(arguments: &[&str]) {
    let end = Instant::now() + Duration::from_secs(number(arguments, 0));
    while Instant::now() < end {
        let _ = File::open("/no/such/file");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// `write-direct DISK BYTES COUNT`: so many writes of so many bytes, one behind the other, past the page
/// cache.
pub fn write_direct(arguments: &[&str]) {
    let (bytes, count) = (number(arguments, 1), number(arguments, 2));
    let disk = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_DIRECT)
        .open(arguments[0])
        .expect("open the disk");
    // Direct I/O wants memory that is aligned to the disk's blocks.
    let mut memory = vec![0u8; bytes as usize + 4096];
    let start = memory.as_ptr().align_offset(4096);
    let block = &mut memory[start..start + bytes as usize];
    for index in 0..count {
        block.fill(index as u8);
        disk.write_all_at(block, index * bytes).expect("write");
    }
}
