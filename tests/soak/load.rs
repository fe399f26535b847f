//! The load of a soak: system calls, writes, short-lived processes and cgroups, in rounds of a second.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Instant,
};

use super::PERIOD;
use crate::{
    cgroup,
    exporter::Folder,
    harness::{cgroups, run_workload},
};

/// Calls by `e2e-soak` in each round.
pub const CALLS: u64 = 20_000;

/// Processes named `soak-worker` in each round, and the calls of each.
pub const WORKERS: (u64, u64) = (30, 3);

/// Calls in the cgroup of each round.
pub const CGROUP_CALLS: u64 = 7;

/// Bytes written and synchronized in each round.
const WRITTEN: usize = 4 << 20;

/// What the load has done.
pub struct Done {
    /// Rounds.
    pub rounds: u64,
    /// Cgroups that were made and removed.
    pub cgroups: u64,
}

/// The load at work. It ends, and leaves nothing behind, when it is dropped, too: where the soak fails.
pub struct Load {
    stop: Arc<AtomicBool>,
    rounds: Option<JoinHandle<Done>>,
}

impl Load {
    /// Starts it.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Rounds {
            folder: Folder::new(),
            cgroup: Cgroup::new(),
        };
        let rounds = std::thread::spawn({
            let stop = stop.clone();
            move || rounds.run(&stop)
        });
        Self {
            stop,
            rounds: Some(rounds),
        }
    }

    /// Ends it behind the round that it is in.
    pub fn end(mut self) -> Done {
        self.stop.store(true, Ordering::Relaxed);
        let rounds = self.rounds.take().expect("it is ended once");
        rounds.join().expect("the load")
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(rounds) = self.rounds.take() {
            // Where it has failed, too, it has said so itself.
            let _ = rounds.join();
        }
    }
}

/// The cgroup that those of the rounds are made in; removed with what is in it when it is dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    /// [`None`] where this host has no cgroups.
    fn new() -> Option<Self> {
        let path = cgroups()?.join(format!("tracer-soak-{}", std::process::id()));
        fs::create_dir(&path).expect("a cgroup");
        Some(Self(path))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let below = fs::read_dir(&self.0).into_iter().flatten().flatten();
        for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            cgroup::remove_or_tell(&entry.path());
        }
        cgroup::remove_or_tell(&self.0);
    }
}

struct Rounds {
    folder: Folder,
    cgroup: Option<Cgroup>,
}

impl Rounds {
    fn run(self, stop: &AtomicBool) -> Done {
        let mut done = Done {
            rounds: 0,
            cgroups: 0,
        };
        while !stop.load(Ordering::Relaxed) {
            let next = Instant::now() + PERIOD;
            run_workload(&["calls", &CALLS.to_string(), "--comm", "e2e-soak"]);
            let (workers, calls) = WORKERS;
            run_workload(&[
                "in-turn",
                &workers.to_string(),
                &calls.to_string(),
                "soak-worker",
            ]);
            self.write();
            done.rounds += 1;
            done.cgroups += self.cgroup_once(done.rounds);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        done
    }

    fn write(&self) {
        let mut file = File::create(self.folder.path().join("data")).expect("a file");
        file.write_all(&vec![1; WRITTEN]).expect("write");
        file.sync_all().expect("sync");
    }

    /// Makes a cgroup, has calls made in it, and removes it; tells how many that were.
    fn cgroup_once(&self, round: u64) -> u64 {
        let Some(Cgroup(root)) = &self.cgroup else {
            return 0;
        };
        let words = [&CGROUP_CALLS.to_string(), "soak-cgroup"];
        cgroup::calls_in_new(&root.join(round.to_string()), &words);
        1
    }
}
