//! Following a command: the kernel keeps the set of processes that descend from it.

use crate::{
    kernel::{
        Kernel,
        object::Shared,
        plan::{Attachment, Choice, Global, Plan},
        session::Session,
    },
    objects,
    probe::Hook,
};

/// Processes of one command at a time, at most.
const PROCESSES_MAX: u32 = 16_384;

/// The set of processes, kept while this lives.
pub struct Follow {
    session: Session,
}

/// What following attaches to.
pub fn hooks() -> Vec<Choice> {
    let choice = |purpose, program, name| {
        Choice::only(purpose, Attachment::new(program, Hook::RawTracepoint(name)))
    };
    vec![
        choice("a process is made", "process_fork", "sched_process_fork"),
        choice("a process ends", "process_exit", "sched_process_exit"),
    ]
}

impl Follow {
    /// Follows the process `pid` and all that come from it.
    pub fn start(kernel: &Kernel, pid: u32, log_level: Global) -> anyhow::Result<Self> {
        let mut plan = Plan {
            object: objects::FOLLOW,
            globals: vec![
                Global::u32("OFFSET_TASK_TGID", kernel.offset("task_struct", "tgid")?),
                Global::u32(
                    "OFFSET_TASK_SIGNAL",
                    kernel.offset("task_struct", "signal")?,
                ),
                Global::u32(
                    "OFFSET_SIGNAL_LIVE",
                    kernel.offset("signal_struct", "live")?,
                ),
            ],
            facts: vec![log_level],
            map_sizes: vec![("TREE", PROCESSES_MAX)],
            ..Plan::default()
        };
        for choice in hooks() {
            plan.attachments.extend(choice.attachments(kernel)?);
        }
        let mut session = Session::load(plan, &Shared::new())?;
        session.map("TREE").set(&pid.to_ne_bytes(), &[1])?;
        session.attach()?;
        Ok(Self { session })
    }

    /// The maps that the tool's object shares.
    pub fn shared(&self) -> Shared<'_> {
        Shared::from([("TREE", self.session.map("TREE"))])
    }

    /// What it lost.
    pub fn session(&self) -> &Session {
        &self.session
    }
}
