//! Following block I/O requests from the queue to their end.
//!
//! A request is known by its address. It enters the kernel's queue (`block_io_start` from Linux 6.5 on,
//! `block_rq_insert` before, which a request that goes straight to the driver never meets), is given to
//! the driver (`block_rq_issue`), perhaps taken back (`block_rq_requeue`) or swallowed by its neighbour
//! (`block_rq_merge`), and completes in one or more parts (`block_rq_complete`).

use aya_ebpf::{helpers::bpf_get_current_comm, macros::map, maps::HashMap};
use tracer_common::{
    block::{Io, OPERATION_MASK},
    loss::Loss,
};

use crate::{filter, loss::lost, task};

constants! {
    /// 1 where requests are seen before they are given to the driver.
    WATCH_QUEUE: u32 = 0;
    /// 1 where the task that asked is to be known, for the filters or for the reader.
    WATCH_TASK: u32 = 0;
    /// Byte offset of `request.rq_disk`; -1 from Linux 5.17 on, where it is `request.q->disk`.
    OFFSET_REQUEST_DISK: i32 = -1;
    /// Byte offset of `request.q`.
    OFFSET_REQUEST_QUEUE: u32 = 0;
    /// Byte offset of `request_queue.disk`.
    OFFSET_QUEUE_DISK: u32 = 0;
    /// Byte offset of `gendisk.major`.
    OFFSET_DISK_MAJOR: u32 = 0;
    /// Byte offset of `gendisk.first_minor`.
    OFFSET_DISK_MINOR: u32 = 0;
    /// Byte offset of `request.cmd_flags`.
    OFFSET_REQUEST_FLAGS: u32 = 0;
    /// Byte offset of `request.__sector`.
    OFFSET_REQUEST_SECTOR: u32 = 0;
    /// Byte offset of `request.__data_len`: what is still to be done.
    OFFSET_REQUEST_LENGTH: u32 = 0;
    /// `REQ_OP_DRV_IN`: this operation and the next are commands for the driver, not I/O.
    OPERATION_DRIVER: u32 = 34;
}

/// Requests on their way, by address. User space sets the size.
#[map]
static REQUESTS: HashMap<u64, Io> = HashMap::with_max_entries(1, 0);

/// A request enters the queue.
#[inline(always)]
pub fn queued(request: u64) {
    let Some(mut io) = begin(request) else { return };
    io.queued = task::now();
    keep(request, &io);
}

/// A request is given to the driver.
#[inline(always)]
pub fn issued(request: u64) {
    if let Some(io) = REQUESTS.get_ptr_mut(&request) {
        // SAFETY: a request is in one place at a time, and so is what writes its entry.
        let io = unsafe { &mut *io };
        if WATCH_QUEUE.load() != 0 {
            describe(request, io);
            io.issued = task::now();
            return;
        }
    }
    // A request that completed unseen may have left an entry: it is written over.
    let Some(mut io) = begin(request) else { return };
    describe(request, &mut io);
    io.issued = task::now();
    keep(request, &io);
}

/// A request is taken back from the driver: it will be given to it again.
#[inline(always)]
pub fn requeued(request: u64) {
    if let Some(io) = REQUESTS.get_ptr_mut(&request) {
        // SAFETY: as in `issued`.
        unsafe { (*io).issued = 0 };
    }
}

/// A request is swallowed by its neighbour, which from here on does its work.
#[inline(always)]
pub fn merged(request: u64) {
    let _ = REQUESTS.remove(request);
}

/// `bytes` of a request are done. Where that is all of it, hands it to `take`.
#[inline(always)]
pub fn completed(request: u64, error: i32, bytes: u32, take: impl FnOnce(&Io)) {
    let Some(io) = REQUESTS.get_ptr_mut(&request) else {
        // A write that is framed by flushes ends once more when they are done, with nothing left to do.
        if bytes != 0 && is_io(request) {
            lost(Loss::InFlight);
        }
        return;
    };
    let left = task::read::<u32>(request, OFFSET_REQUEST_LENGTH.load()).unwrap_or(0);
    if bytes < left {
        return;
    }
    // SAFETY: as in `issued`; the entry is removed only below.
    let io = unsafe { &mut *io };
    if io.wanted != 0 && (io.issued != 0 || io.queued != 0) {
        io.completed = task::now();
        io.error = error;
        take(io);
    }
    let _ = REQUESTS.remove(request);
}

/// A request that is met for the first time; `None` for one that is no I/O.
#[inline(always)]
fn begin(request: u64) -> Option<Io> {
    if !is_io(request) {
        return None;
    }
    let mut io = Io::default();
    if WATCH_TASK.load() == 0 {
        io.wanted = 1;
        return Some(io);
    }
    io.wanted = u32::from(filter::wanted().is_some());
    let task = filter::current();
    io.tgid = task.tgid;
    io.tid = task.tid;
    io.comm = bpf_get_current_comm().unwrap_or_default();
    io.cgroup = task::cgroup_id();
    Some(io)
}

#[inline(always)]
fn keep(request: u64, io: &Io) {
    if REQUESTS.insert(&request, io, 0).is_err() {
        lost(Loss::MapFull);
    }
}

#[inline(always)]
fn flags(request: u64) -> u32 {
    task::read::<u32>(request, OFFSET_REQUEST_FLAGS.load()).unwrap_or(0)
}

/// False for commands to the driver, which no statistics count as I/O.
#[inline(always)]
fn is_io(request: u64) -> bool {
    let operation = flags(request) & OPERATION_MASK;
    operation < OPERATION_DRIVER.load() || operation > OPERATION_DRIVER.load() + 1
}

/// What is known of a request only when it is given to the driver, as neighbours may have joined it
/// until then.
#[inline(always)]
fn describe(request: u64, io: &mut Io) {
    io.sector = task::read::<u64>(request, OFFSET_REQUEST_SECTOR.load()).unwrap_or(0);
    io.bytes = task::read::<u32>(request, OFFSET_REQUEST_LENGTH.load()).unwrap_or(0);
    io.flags = flags(request);
    io.device = device(request).unwrap_or(0);
}

#[inline(always)]
fn device(request: u64) -> Option<u32> {
    let disk = if OFFSET_REQUEST_DISK.load() >= 0 {
        task::read::<u64>(request, OFFSET_REQUEST_DISK.load() as u32)?
    } else {
        let queue = task::read::<u64>(request, OFFSET_REQUEST_QUEUE.load())?;
        task::read::<u64>(queue, OFFSET_QUEUE_DISK.load())?
    };
    let major = task::read::<u32>(disk, OFFSET_DISK_MAJOR.load())?;
    let minor = task::read::<u32>(disk, OFFSET_DISK_MINOR.load())?;
    Some(major << 20 | minor)
}

constants! {
    /// Which argument of `block_rq_insert`, `_issue`, `_requeue` and `_merge` is the request: the second
    /// before Linux 5.11, the first from then on.
    REQUEST_ARGUMENT: u32 = 0;
}

/// Declares the programs of a block tool, which hands each request that has ended to `$take`.
#[macro_export]
macro_rules! block_programs {
    ($take:path) => {
        #[inline(always)]
        fn request(ctx: &::aya_ebpf::programs::RawTracePointContext) -> u64 {
            if $crate::block::REQUEST_ARGUMENT.load() == 0 {
                ctx.arg(0)
            } else {
                ctx.arg(1)
            }
        }

        #[::aya_ebpf::macros::raw_tracepoint(tracepoint = "block_io_start")]
        pub fn io_start(ctx: ::aya_ebpf::programs::RawTracePointContext) -> u32 {
            $crate::block::queued(ctx.arg(0));
            0
        }

        #[::aya_ebpf::macros::raw_tracepoint(tracepoint = "block_rq_insert")]
        pub fn rq_insert(ctx: ::aya_ebpf::programs::RawTracePointContext) -> u32 {
            $crate::block::queued(request(&ctx));
            0
        }

        #[::aya_ebpf::macros::raw_tracepoint(tracepoint = "block_rq_issue")]
        pub fn rq_issue(ctx: ::aya_ebpf::programs::RawTracePointContext) -> u32 {
            $crate::block::issued(request(&ctx));
            0
        }

        #[::aya_ebpf::macros::raw_tracepoint(tracepoint = "block_rq_requeue")]
        pub fn rq_requeue(ctx: ::aya_ebpf::programs::RawTracePointContext) -> u32 {
            $crate::block::requeued(request(&ctx));
            ::aya_log_ebpf::debug!(
                &ctx,
                "request {:x} is taken back from the driver",
                request(&ctx)
            );
            0
        }

        #[::aya_ebpf::macros::raw_tracepoint(tracepoint = "block_rq_merge")]
        pub fn rq_merge(ctx: ::aya_ebpf::programs::RawTracePointContext) -> u32 {
            $crate::block::merged(request(&ctx));
            0
        }

        #[::aya_ebpf::macros::raw_tracepoint(tracepoint = "block_rq_complete")]
        pub fn rq_complete(ctx: ::aya_ebpf::programs::RawTracePointContext) -> u32 {
            let (request, error, bytes) = (
                ctx.arg::<u64>(0),
                ctx.arg::<u64>(1) as i32,
                ctx.arg::<u64>(2) as u32,
            );
            $crate::block::completed(request, error, bytes, $take);
            0
        }
    };
}
