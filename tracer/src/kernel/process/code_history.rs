//! Where processes had their code, told by the kernel while it comes about: what an address meant can be found out when its
//! process is gone.
//!
//! Source: `man 2 perf_event_open`, `PERF_RECORD_MMAP2`, `PERF_RECORD_COMM`, `PERF_RECORD_FORK`.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs,
    io::{self, PipeReader, PipeWriter},
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::Context as _;

use crate::kernel::{
    cpus,
    sys::{self, PerfRing, SysError},
    sys_privileges,
};

/// Pages of each processor's ring: some 500 records.
const RING_PAGES: usize = 16;

/// A ring is emptied once there is so much in it.
const WAKE_BYTES: u32 = 16 << 10;

/// Processes that are remembered; the first is forgotten for one more.
const PROCESSES_MAX: usize = 2048;

/// Mappings of a process that are remembered: those that come first.
const REGIONS_MAX: usize = 256;

/// Paths that are kept, though no process has them mapped any more.
const PATHS_MAX: usize = 4096;

/// Remembers what code processes map from here on, until it is dropped.
pub struct CodeHistory {
    told: Arc<Mutex<Told>>,
    /// Closed, it ends the thread that empties the rings.
    _end: PipeWriter,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Bytes from its start.
    pub offset: u64,
}

impl CodeHistory {
    /// Begins. Takes `CAP_PERFMON`.
    pub fn begin() -> anyhow::Result<Self> {
        let ring = |cpu| {
            let event = sys::perf_code_events(cpu as u32, WAKE_BYTES)?;
            PerfRing::of(event, RING_PAGES)
        };
        let rings = cpus::online()?.into_iter().map(ring);
        let told = Told {
            rings: rings.collect::<Result<_, SysError>>()?,
            ..Told::default()
        };
        let (stop, end) = io::pipe()?;
        let told = Arc::new(Mutex::new(told));
        let shared = Arc::clone(&told);
        thread::Builder::new()
            .name("code-history".to_owned())
            .spawn(move || empty_rings(&shared, &stop))
            .context("cannot start a thread")?;
        Ok(Self { told, _end: end })
    }

    /// What a process had at an address, where that was a file which is still there.
    pub fn place(&self, pid: u32, address: u64) -> Option<Place> {
        let mut told = lock(&self.told);
        told.catch_up();
        let found = told.processes.get(&pid)?.find(address)?;
        let path = found.path.to_path_buf();
        // In another file of that name the place would mean something else.
        let is_same = fs::metadata(&path).is_ok_and(|file| file.ino() == found.inode);
        is_same.then(|| Place {
            path,
            offset: address - found.start + found.offset,
        })
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn empty_rings(told: &Mutex<Told>, stop: &PipeReader) {
    // Capabilities are each thread's own, and this one outlives those that its process gives up.
    if let Err(error) = sys_privileges::set_capabilities(0, 0) {
        log::debug!("the code of processes is not followed: {error}");
        return;
    }
    let polled = |fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let mut watched = vec![polled(stop.as_raw_fd())];
    watched.extend(
        lock(told)
            .rings
            .iter()
            .map(|ring| polled(ring.as_fd().as_raw_fd())),
    );
    loop {
        // SAFETY: the array is ours, as long as told; the descriptors are open as long as `told` and `stop` are.
        let ready = unsafe { libc::poll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, -1) };
        let is_interrupted = || io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
        if watched[0].revents != 0 || ready < 0 && !is_interrupted() {
            return;
        }
        lock(told).catch_up();
        for ring in &mut watched[1..] {
            // Nothing comes of it any more, and it would be ready for ever.
            if ring.revents & !libc::POLLIN != 0 {
                ring.fd = -1;
            }
        }
    }
}

/// All that was told.
#[derive(Default)]
struct Told {
    rings: Vec<PerfRing>,
    processes: HashMap<u32, Code>,
    /// In the order in which they were first heard of.
    order: VecDeque<u32>,
    /// Each once: most processes have the same libraries.
    paths: HashSet<Arc<Path>>,
}

/// The code of a process.
#[derive(Clone, Default)]
struct Code(Vec<Region>);

#[derive(Clone)]
struct Region {
    start: u64,
    end: u64,
    /// In the file.
    offset: u64,
    inode: u64,
    path: Arc<Path>,
}

impl Code {
    /// What was mapped last at an address.
    fn find(&self, address: u64) -> Option<&Region> {
        let mut last = self.0.iter().rev();
        last.find(|region| (region.start..region.end).contains(&address))
    }
}

/// What a record tells of a process.
enum Event {
    Mapped(u32, Region),
    /// It became another program.
    Executed(u32),
    /// It was made by another.
    Made {
        pid: u32,
        by: u32,
    },
}

impl Told {
    /// Reads what has been told meanwhile, in the order of time: a process may have moved between processors.
    fn catch_up(&mut self) {
        let mut events = Vec::new();
        for ring in &mut self.rings {
            ring.drain(|record| events.extend(parse(record)));
        }
        events.sort_by_key(|(time, _)| *time);
        for (_, event) in events {
            self.take(event);
        }
        if self.paths.len() > PATHS_MAX {
            self.paths.retain(|path| Arc::strong_count(path) > 1);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Mapped(pid, mut region) => {
                region.path = self.kept(region.path);
                let code = self.of(pid);
                if code.0.len() < REGIONS_MAX {
                    code.0.push(region);
                }
            }
            Event::Executed(pid) => self.of(pid).0.clear(),
            Event::Made { pid, by } => {
                let code = self.processes.get(&by).cloned().unwrap_or_default();
                *self.of(pid) = code;
            }
        }
    }

    fn kept(&mut self, path: Arc<Path>) -> Arc<Path> {
        if let Some(kept) = self.paths.get(&path) {
            return kept.clone();
        }
        self.paths.insert(path.clone());
        path
    }

    fn of(&mut self, pid: u32) -> &mut Code {
        if !self.processes.contains_key(&pid) {
            if self.order.len() == PROCESSES_MAX
                && let Some(first) = self.order.pop_front()
            {
                self.processes.remove(&first);
            }
            self.order.push_back(pid);
        }
        self.processes.entry(pid).or_default()
    }
}

/// A record, with the time that stands at its end. [`None`] for what tells nothing of code.
fn parse(record: &[u8]) -> Option<(u64, Event)> {
    const COMM: u32 = 3;
    const FORK: u32 = 7;
    const MMAP2: u32 = 10;
    /// `PERF_RECORD_MISC_COMM_EXEC`
    const EXECUTED: u16 = 1 << 13;
    let (body, time) = record.split_last_chunk::<8>()?;
    let time = u64::from_ne_bytes(*time);
    let word = |at: usize| Some(u32::from_ne_bytes(*body.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_ne_bytes(*body.get(at..)?.first_chunk()?));
    let misc = u16::from_ne_bytes(*body.get(4..)?.first_chunk()?);
    let pid = word(8)?;
    let event = match word(0)? {
        COMM if misc & EXECUTED != 0 => Event::Executed(pid),
        // Threads are made, too.
        FORK if word(12)? != pid => Event::Made { pid, by: word(12)? },
        MMAP2 => {
            let (start, length, inode) = (long(16)?, long(24)?, long(48)?);
            let path = body.get(72..)?.split(|&byte| byte == 0).next()?;
            let path = Path::new(std::ffi::OsStr::from_bytes(path));
            // Memory without a file has a name such as `//anon`.
            if inode == 0 || !path.is_absolute() {
                return None;
            }
            let region = Region {
                start,
                end: start.saturating_add(length),
                offset: long(32)?,
                inode,
                path: path.into(),
            };
            Event::Mapped(pid, region)
        }
        _ => return None,
    };
    Some((time, event))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::kernel::process::Privileges;

    fn record(kind: u32, misc: u16, body: &[u8], time: u64) -> Vec<u8> {
        let size = (8 + body.len() + 8) as u16;
        let mut record = kind.to_ne_bytes().to_vec();
        record.extend(misc.to_ne_bytes());
        record.extend(size.to_ne_bytes());
        record.extend(body);
        record.extend(time.to_ne_bytes());
        record
    }

    fn mapped(pid: u32, start: u64, path: &str) -> Vec<u8> {
        let pids = [pid, pid].map(u32::to_ne_bytes).concat();
        let place = [start, 0x1000, 0x2000].map(u64::to_ne_bytes).concat();
        let file = [&[0; 8][..], &7u64.to_ne_bytes(), &[0; 16], path.as_bytes()].concat();
        record(10, 0, &[pids, place, file, vec![0; 4]].concat(), 5)
    }

    fn find(told: &Told, pid: u32, address: u64) -> Option<&str> {
        told.processes.get(&pid)?.find(address)?.path.to_str()
    }

    #[test]
    fn processes_have_the_code_that_they_were_made_with() {
        let mut told = Told::default();
        let mut take = |record: &[u8]| {
            if let Some((time, event)) = parse(record) {
                assert_eq!(time, 5);
                told.take(event);
            }
        };
        take(&mapped(1, 0x10000, "/bin/a"));
        take(&mapped(1, 0x20000, "//anon"));
        let pair = |pid: u32, by: u32| [pid, by, pid, by].map(u32::to_ne_bytes).concat();
        take(&record(7, 0, &pair(2, 1), 5));
        take(&record(7, 0, &pair(1, 1), 5));
        let name = [2u32, 2].map(u32::to_ne_bytes).concat();
        take(&record(3, 0, &name, 5));
        take(&record(3, 1 << 13, &pair(3, 3), 5));
        take(&mapped(3, 0x10000, "/bin/old"));
        take(&mapped(3, 0x10800, "/bin/new"));
        take(&[1, 2, 3]);
        assert_eq!(find(&told, 1, 0x10fff), Some("/bin/a"));
        assert_eq!(find(&told, 2, 0x10000), Some("/bin/a"));
        assert_eq!(find(&told, 2, 0x11000), None);
        assert_eq!(find(&told, 3, 0x10800), Some("/bin/new"));
        told.take(Event::Executed(2));
        assert_eq!(find(&told, 2, 0x10000), None);
    }

    #[test]
    fn only_so_many_processes_are_remembered() {
        let mut told = Told::default();
        for pid in 0..PROCESSES_MAX as u32 + 2 {
            told.take(Event::Executed(pid));
        }
        assert_eq!(
            (told.processes.len(), told.order.len()),
            (PROCESSES_MAX, PROCESSES_MAX)
        );
        assert!(!told.processes.contains_key(&1) && told.processes.contains_key(&2));
    }

    #[test]
    fn a_process_that_is_gone_is_known() {
        if Privileges::read().is_ok_and(|own| own.require_for_tracing().is_err()) {
            return eprintln!("SKIPPED: this takes rights to trace");
        }
        let history = CodeHistory::begin().expect("perf events");
        let child = Command::new("true").spawn().expect("true");
        let pid = child.id();
        child.wait_with_output().expect("it runs");
        let mut told = lock(&history.told);
        told.catch_up();
        let regions = &told.processes.get(&pid).expect("it was told of").0;
        let program = regions.iter().find(|region| region.path.ends_with("true"));
        let program = program.expect("its own code").clone();
        drop(told);
        let place = history.place(pid, program.start + 1).expect("it is there");
        assert_eq!(place.offset, program.offset + 1);
        assert!(history.place(pid, 1).is_none());
    }
}
