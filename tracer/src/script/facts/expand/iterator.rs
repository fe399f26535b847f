//! `iter`: objects of the kernel, one after the other.

use std::path::Path;

use tracer_script::{
    facts::{Facts as _, Field},
    probe::Target,
    types::Type,
};

use super::{Point, did_you_mean};
use crate::{kernel::btf::Layers, script::facts::KernelFacts};

/// Iterators that go through what another object holds, which has to be named when they are attached.
const OF_OTHERS: [&str; 4] = ["bpf_map_elem", "bpf_sk_storage_map", "sockmap", "cgroup"];

/// The function that stands for an iterator among the kernel's types, less the iterator's name.
const FUNCTION: &str = "bpf_iter_";

/// Where files for objects of BPF are usually mounted: those whose path is not whole are put there.
const BPF_FILES: &str = "/sys/fs/bpf";

/// `item` is the iterator, `group` the file that it is pinned at.
pub(super) fn expand(point: &Point<'_>) -> Result<Vec<Target>, String> {
    let failed = |reason: String| point.failed(&reason);
    let (name, file) = match point.rest.as_slice() {
        [name] => (*name, None),
        [name, file] => (*name, Some(*file)),
        _ => return Err(point.misshapen("iter:task, iter:task_file or iter:task_vma")),
    };
    let known = iterators(point.facts).map_err(|error| failed(format!("{error:#}")))?;
    if !known.iter().any(|iterator| iterator == name) {
        let near = tracer_script::diagnostic::nearest(name, known.iter().map(String::as_str));
        let hint = did_you_mean(near);
        let known = known.join(", ");
        return Err(failed(format!(
            "this kernel has no such iterator; it has {known}{hint}"
        )));
    }
    let file = file.map(|file| Path::new(BPF_FILES).join(file));
    Ok(vec![Target {
        group: file.map_or(String::new(), |file| file.display().to_string()),
        item: name.to_owned(),
        pid: point.options.pid,
        ..Target::new(point.kind, point.name())
    }])
}

/// The iterators of this kernel, in order: those that have a function and a context.
pub(crate) fn iterators(facts: &KernelFacts<'_>) -> anyhow::Result<Vec<String>> {
    let btf = facts.kernel.btf()?;
    let layers = Layers::new(btf, None);
    let names = btf
        .functions()
        .filter_map(|name| name.strip_prefix(FUNCTION).map(str::to_owned));
    let mut known: Vec<String> = names
        .filter(|name| !OF_OTHERS.contains(&name.as_str()))
        .filter(|name| {
            let context = format!("bpf_iter__{name}");
            layers.find_struct(&context, false).is_some()
        })
        .collect();
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

/// What the context of an iterator has, behind what is common to all.
pub(crate) fn members(facts: &KernelFacts<'_>, iterator: &str) -> Vec<(String, Type)> {
    let Some(context) = facts.structure(&format!("struct bpf_iter__{iterator}")) else {
        return Vec::new();
    };
    // Pointers are wrapped into unions without names, which are of 64 bits on all machines.
    let within = |field: &Field| match &field.kind {
        Type::Struct(key) if field.name.is_empty() => {
            let inner = facts.structure(key)?;
            inner
                .fields
                .iter()
                .find(|one| !one.name.is_empty())
                .cloned()
        }
        _ => Some(field.clone()),
    };
    let members = context.fields.iter().filter_map(within);
    members
        .filter(|field| &*field.name != "meta")
        .map(|field| (field.name.to_string(), field.kind))
        .collect()
}
