//! Kernel functions, at their start or their return.

use std::{
    ffi::c_char,
    fmt,
    os::fd::{BorrowedFd, OwnedFd},
};

use super::{Failure, c_string, perf_event};
use crate::{
    glob::Glob,
    kernel::{
        Kernel, functions,
        sys::{self, PerfEvent},
    },
};

/// Functions of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Functions {
    /// Their names, 1 or more.
    pub names: Vec<String>,
    /// At the return.
    pub on_return: bool,
}

impl fmt::Display for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = if self.on_return {
            "kretprobe"
        } else {
            "kprobe"
        };
        match self.names.as_slice() {
            [function] => write!(f, "{provider}:{function}"),
            many => write!(f, "{provider} on {} functions", many.len()),
        }
    }
}

pub(super) fn available(kernel: &Kernel) -> Result<(), String> {
    if kernel.has_kprobes() {
        Ok(())
    } else {
        Err("this kernel was built without kprobes (CONFIG_KPROBES)".to_owned())
    }
}

/// Told by version and by the tracefs file that comes with fprobe; attaching is the last word.
pub(super) fn available_multi(kernel: &Kernel) -> Result<(), String> {
    available(kernel)?;
    if !kernel.since(5, 18) {
        return Err(format!(
            "kprobe.multi came with Linux 5.18; this is {}",
            kernel.release
        ));
    }
    let btf = kernel.btf().map_err(|error| format!("{error:#}"))?;
    match btf.function("register_fprobe_ips") {
        Some(_) => Ok(()),
        None => Err("this kernel was built without fprobe (CONFIG_FPROBE)".to_owned()),
    }
}

/// A place in the kernel's code.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The module that the function is in; empty for any.
    pub module: &'a str,
    /// The function; empty where `offset` is an address.
    pub function: &'a str,
    /// Bytes from the function's start, or the address.
    pub offset: u64,
    /// At the function's return.
    pub on_return: bool,
}

/// Attaches to one place; to all functions of that name where there are several. A cookie is left out before
/// Linux 5.15.
pub fn attach(
    program: BorrowedFd<'_>,
    place: &Place<'_>,
    cookie: Option<u64>,
) -> Result<Vec<OwnedFd>, Failure> {
    let Place {
        module, function, ..
    } = *place;
    let qualified = match module {
        "" => function.to_owned(),
        module => format!("{module}:{function}"),
    };
    let attached = match attach_named(program, place, &qualified, cookie) {
        // Some kernels look the name up with the module's in it, and find nothing.
        Err(failure) if failure.errno == Some(libc::ENOENT) && !module.is_empty() => {
            attach_named(program, place, function, cookie)
        }
        result => result,
    };
    match attached {
        // From Linux 6.6 on, and in stable kernels before, a name that is not unique is refused.
        Err(failure) if failure.errno == Some(libc::EADDRNOTAVAIL) => {
            attach_to_namesakes(program, place, cookie, failure)
        }
        Err(failure) if failure.errno == Some(libc::EINVAL) => Err(Failure {
            reason: "the kernel does not let this function be probed (see available_filter_functions in tracefs, \
                     and kprobes/blacklist in debugfs)"
                .to_owned(),
            ..failure
        }),
        result => result.map(|link| vec![link]),
    }
}

/// Attaches to each of several functions by its address.
fn attach_to_namesakes(
    program: BorrowedFd<'_>,
    place: &Place<'_>,
    cookie: Option<u64>,
    failure: Failure,
) -> Result<Vec<OwnedFd>, Failure> {
    let module = (!place.module.is_empty()).then(|| Glob::new(place.module));
    let found = functions::symbols(module.as_ref(), &Glob::new(place.function))
        .map_err(|error| Failure::from(format!("{error:#}")))?;
    let addresses: Vec<u64> = found.iter().map(|function| function.address).collect();
    if addresses.is_empty() || addresses.contains(&0) {
        return Err(failure);
    }
    let attach = |address: u64| {
        let place = Place {
            module: "",
            function: "",
            offset: address + place.offset,
            on_return: place.on_return,
        };
        attach_named(program, &place, "", cookie)
    };
    addresses.into_iter().map(attach).collect()
}

fn attach_named(
    program: BorrowedFd<'_>,
    place: &Place<'_>,
    name: &str,
    cookie: Option<u64>,
) -> Result<OwnedFd, Failure> {
    let (kind, return_config) = perf_event::pmu("kprobe")?;
    let name = c_string(name.as_bytes())?;
    let event = PerfEvent {
        kind,
        config: if place.on_return { return_config } else { 0 },
        config1: match name.is_empty() {
            true => 0,
            false => name.as_ptr() as u64,
        },
        config2: place.offset,
        ..PerfEvent::default()
    };
    Ok(perf_event::attach(program, &event, None, cookie)?)
}

/// Attaches to many functions by one link, each with its cookie.
pub fn attach_multi<'a>(
    program: BorrowedFd<'_>,
    functions: impl Iterator<Item = &'a str>,
    cookies: &[u64],
    on_return: bool,
) -> Result<OwnedFd, Failure> {
    let names = functions
        .map(|name| c_string(name.as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    let pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    Ok(sys::link_kprobe_multi(
        program, &pointers, cookies, on_return,
    )?)
}

pub(super) fn attach_each(
    program: BorrowedFd<'_>,
    functions: &Functions,
) -> Result<Vec<OwnedFd>, Failure> {
    let attach_one = |(index, name): (usize, &String)| {
        let place = Place {
            module: "",
            function: name,
            offset: 0,
            on_return: functions.on_return,
        };
        attach(program, &place, Some(index as u64)).map_err(|failure| Failure {
            hook: Some(format!("kprobe:{name}")),
            ..failure
        })
    };
    let attached: Result<Vec<_>, _> = functions.names.iter().enumerate().map(attach_one).collect();
    Ok(attached?.into_iter().flatten().collect())
}

pub(super) fn attach_all(
    program: BorrowedFd<'_>,
    functions: &Functions,
) -> Result<Vec<OwnedFd>, Failure> {
    let cookies: Vec<u64> = (0..functions.names.len() as u64).collect();
    let names = functions.names.iter().map(String::as_str);
    let link = attach_multi(program, names, &cookies, functions.on_return)?;
    Ok(vec![link])
}
