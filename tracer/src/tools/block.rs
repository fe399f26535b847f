//! What the block I/O tools share: hooks, facts of the kernel, and the names of operations.

use std::collections::BTreeMap;

use tracer_common::block::{Io, OPERATION_MASK};

use crate::{
    cli::Common,
    kernel::{
        Kernel,
        plan::{Attachment, Choice, Global, Plan},
        session::{read_u32, read_u64},
    },
    probe::Hook,
    report::Value,
};

/// Requests that may be on their way at a time: an NVMe disk has some thousand in each of its queues.
const REQUESTS: u32 = 65_536;

/// What a tool wants to know of requests, beside when they are given to the driver and done.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// When they enter the queue.
    pub queue: bool,
    /// The task that asked for them.
    pub task: bool,
}

impl Watch {
    /// What these flags need: a filter must know the task, and that is known only where a request begins.
    pub fn needed(queue: bool, task: bool, common: &Common) -> Self {
        let filters = &common.filters;
        let filtered = filters.pid.is_some()
            || filters.comm.is_some()
            || filters.cgroup.is_some()
            || filters.container.is_some()
            || !common.command.is_empty();
        let task = task || filtered;
        Self {
            queue: queue || task,
            task,
        }
    }
}

/// The programs that follow requests.
pub fn hooks(watch: Watch) -> Vec<Choice> {
    let at = |program, name| vec![Attachment::new(program, Hook::RawTracepoint(name))];
    let choice = |purpose, alternatives| Choice {
        purpose,
        alternatives,
    };
    let mut hooks = Vec::new();
    if watch.queue {
        hooks.push(choice(
            "a request enters the queue",
            vec![
                at("io_start", "block_io_start"),
                at("rq_insert", "block_rq_insert"),
            ],
        ));
        hooks.push(choice(
            "a request is merged",
            vec![at("rq_merge", "block_rq_merge")],
        ));
    }
    hooks.extend([
        choice(
            "a request is given to the driver",
            vec![at("rq_issue", "block_rq_issue")],
        ),
        choice(
            "a request is taken back",
            vec![at("rq_requeue", "block_rq_requeue")],
        ),
        choice(
            "a request is done",
            vec![at("rq_complete", "block_rq_complete")],
        ),
    ]);
    hooks
}

/// Fills in what follows requests.
pub fn plan(plan: &mut Plan, watch: Watch, kernel: &Kernel) -> anyhow::Result<()> {
    for choice in hooks(watch) {
        plan.attachments.extend(choice.attachments(kernel)?);
    }
    plan.map_sizes.push(("REQUESTS", REQUESTS));
    plan.facts.extend([
        Global::u32("WATCH_QUEUE", watch.queue.into()),
        Global::u32("WATCH_TASK", watch.task.into()),
        Global::u32("REQUEST_ARGUMENT", request_argument(kernel)?),
        Global::u32("OPERATION_DRIVER", operation(kernel, "REQ_OP_DRV_IN")?),
        Global::u32("OFFSET_DISK_MAJOR", kernel.offset("gendisk", "major")?),
        Global::u32(
            "OFFSET_DISK_MINOR",
            kernel.offset("gendisk", "first_minor")?,
        ),
        Global::u32(
            "OFFSET_REQUEST_FLAGS",
            kernel.offset("request", "cmd_flags")?,
        ),
        Global::u32(
            "OFFSET_REQUEST_SECTOR",
            kernel.offset("request", "__sector")?,
        ),
        Global::u32(
            "OFFSET_REQUEST_LENGTH",
            kernel.offset("request", "__data_len")?,
        ),
    ]);
    match kernel.offset("request", "rq_disk") {
        Ok(offset) => plan.facts.push(Global::u32("OFFSET_REQUEST_DISK", offset)),
        // Linux 5.17 moved the disk to the queue.
        Err(_) => plan.facts.extend([
            Global::u32("OFFSET_REQUEST_QUEUE", kernel.offset("request", "q")?),
            Global::u32("OFFSET_QUEUE_DISK", kernel.offset("request_queue", "disk")?),
        ]),
    }
    Ok(())
}

/// Which argument of `block_rq_issue` is the request: Linux 5.11 dropped the queue before it. Told by the
/// tracepoint's own prototype, whose first parameter is the data of whoever listens.
fn request_argument(kernel: &Kernel) -> anyhow::Result<u32> {
    let parameters = kernel.raw_tracepoint_parameters("block_rq_issue")?;
    Ok(u32::from(parameters > 1))
}

/// The names by which kernels have called the enumeration of operations.
const OPERATION_ENUMS: [&str; 2] = ["req_op", "req_opf"];

fn operation(kernel: &Kernel, name: &str) -> anyhow::Result<u32> {
    let [first, second] = OPERATION_ENUMS;
    let value = kernel
        .enumerator(first, name)
        .or_else(|_| kernel.enumerator(second, name))?;
    Ok(value as u32)
}

/// How this kernel writes operations and their flags.
pub struct Operations {
    operations: BTreeMap<u32, String>,
    flags: Vec<(u32, &'static str)>,
    names: BTreeMap<u32, Vec<u8>>,
}

/// Flags that tell requests apart for people, and how they are written.
const FLAGS: [(&str, &str); 7] = [
    ("__REQ_SYNC", "Sync"),
    ("__REQ_META", "Metadata"),
    ("__REQ_PRIO", "Priority"),
    ("__REQ_FUA", "FUA"),
    ("__REQ_PREFLUSH", "Preflush"),
    ("__REQ_RAHEAD", "Readahead"),
    ("__REQ_BACKGROUND", "Background"),
];

impl Operations {
    /// Reads the enumerations of this kernel.
    pub fn read(kernel: &Kernel) -> anyhow::Result<Self> {
        let btf = kernel.btf()?;
        let known = OPERATION_ENUMS
            .iter()
            .find_map(|name| btf.enumerators(name));
        let operations = known
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, value)| {
                let name = name.strip_prefix("REQ_OP_")?;
                Some((value as u32, title_case(name)))
            });
        let flag = |(name, written): &(&str, &'static str)| {
            kernel
                .enumerator("req_flag_bits", name)
                .ok()
                .map(|bit| (1u32 << bit, *written))
        };
        Ok(Self {
            operations: operations.collect(),
            flags: FLAGS.iter().filter_map(flag).collect(),
            names: BTreeMap::new(),
        })
    }

    /// The operation alone: `Read`.
    pub fn operation(&self, flags: u32) -> String {
        let operation = flags & OPERATION_MASK;
        self.operations
            .get(&operation)
            .cloned()
            .unwrap_or_else(|| format!("Operation-{operation}"))
    }

    /// The operation with its flags: `Sync-Write`.
    pub fn with_flags(&mut self, flags: u32) -> Value {
        if !self.names.contains_key(&flags) {
            let set = self.flags.iter().filter(|(bit, _)| flags & bit != 0);
            let mut words: Vec<String> = set.map(|(_, word)| (*word).to_owned()).collect();
            words.push(self.operation(flags));
            self.names.insert(flags, words.join("-").into_bytes());
        }
        Value::Text(self.names[&flags].clone())
    }
}

/// `WRITE_ZEROES` to `Write-Zeroes`.
fn title_case(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + &rest.to_lowercase()
    };
    name.split('_').map(word).collect::<Vec<_>>().join("-")
}

/// Takes a request apart by the layout of [`Io`].
pub fn read_io(bytes: &[u8]) -> Io {
    let word = |at: usize| read_u64(&bytes[at..]);
    let half = |at: usize| read_u32(&bytes[at..]);
    Io {
        queued: word(0),
        issued: word(8),
        completed: word(16),
        sector: word(24),
        cgroup: word(32),
        bytes: half(40),
        flags: half(44),
        device: half(48),
        tgid: half(52),
        tid: half(56),
        error: half(60) as i32,
        wanted: half(64),
        padding: 0,
        comm: bytes[72..88].try_into().expect("16 bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_written_for_people() {
        assert_eq!(title_case("READ"), "Read");
        assert_eq!(title_case("WRITE_ZEROES"), "Write-Zeroes");
    }
}
