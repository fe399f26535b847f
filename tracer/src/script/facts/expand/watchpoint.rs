//! `watchpoint`: memory whose reads, writes or execution the processor tells of.
//!
//! Source: `PERF_TYPE_BREAKPOINT` of `man 2 perf_event_open`.

use tracer_script::probe::Target;

use super::{Point, number};

/// `offset` is the address, `count` how many bytes are watched, `group` what is watched for: a part of `rwx`.
pub(super) fn expand(point: &Point<'_>) -> Result<Vec<Target>, String> {
    let failed = |reason: String| point.failed(&reason);
    let [address, length, mode] = point.rest.as_slice() else {
        return Err(point.misshapen(&format!(
            "{}:ADDRESS:LENGTH:MODE, the mode of r, w and x",
            point.kind.name()
        )));
    };
    let address = number(address)
        .ok_or_else(|| failed(format!("{address} is no address, such as 0x1000")))?;
    let length = number(length)
        .filter(|length| matches!(length, 1 | 2 | 4 | 8))
        .ok_or_else(|| {
            failed(format!(
                "{length} bytes cannot be watched: 1, 2, 4 or 8 can"
            ))
        })?;
    if address % length != 0 {
        return Err(failed(format!(
            "the address is no multiple of the length {length}: the processor watches none other"
        )));
    }
    must_be_watchable(mode, length).map_err(failed)?;
    Ok(vec![Target {
        group: (*mode).to_owned(),
        offset: address,
        count: length,
        pid: point.options.pid.or(point.options.child),
        ..Target::new(point.kind, point.name())
    }])
}

/// What x86 and 64-bit Arm processors can watch for.
fn must_be_watchable(mode: &str, length: u64) -> Result<(), String> {
    let has = |wanted: char| mode.chars().filter(|&c| c == wanted).count();
    let (reads, writes, runs) = (has('r'), has('w'), has('x'));
    if mode.is_empty() || reads + writes + runs != mode.len() || reads.max(writes).max(runs) > 1 {
        return Err(format!(
            "{mode:?} is no mode: it is made of r (read), w (write) and x (execute), each once"
        ));
    }
    if runs == 1 && reads + writes > 0 {
        return Err("execution is watched for alone: the mode is x, or made of r and w".to_owned());
    }
    if cfg!(target_arch = "x86_64") {
        if mode == "r" {
            return Err("x86 processors do not tell reads alone: take rw".to_owned());
        }
        if runs == 1 && length != 8 {
            return Err("execution is watched for with a length of 8".to_owned());
        }
    }
    Ok(())
}
