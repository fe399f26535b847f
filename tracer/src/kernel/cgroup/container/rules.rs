//! The forms that container runtimes and systemd give to the names of cgroups.
//!
//! A runtime that uses the systemd driver asks for a scope, `docker-ID.scope`; one that uses the
//! cgroupfs driver makes the folder itself, `docker/ID`. Where the two are mixed up, systemd's
//! `SLICE:PREFIX:ID` ends up as the name of a folder.

use super::Runtime;

/// A container found by the name of its cgroup.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) runtime: Runtime,
    pub(super) id: String,
    /// The runtime knows its containers by name: the id is one.
    pub(super) is_name: bool,
}

/// How a cgroup's name holds the id.
enum Form {
    /// The id stands between this beginning and one of these ends.
    Between(&'static str, &'static [&'static str]),
    /// The name is the id, and the cgroup above is called this.
    Under(&'static str),
}

struct Rule {
    form: Form,
    /// The id, where the text has the form of one.
    id: fn(&str) -> Option<String>,
    runtime: Runtime,
}

const fn rule(form: Form, id: fn(&str) -> Option<String>, runtime: Runtime) -> Rule {
    Rule { form, id, runtime }
}

/// The ends of an OCI container's cgroup, by the systemd driver and by cgroupfs.
const OCI: &[&str] = &[".scope", ""];
const SCOPE: &[&str] = &[".scope"];
const SERVICE: &[&str] = &[".service"];
const PLAIN: &[&str] = &[""];

/// One row for each form; the first that fits counts.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    rule(Form::Between("docker-", OCI),                      hex64,       Runtime::Docker),
    rule(Form::Between("cri-containerd-", OCI),              hex64,       Runtime::Containerd),
    rule(Form::Between("containerd-", OCI),                  hex64,       Runtime::Containerd),
    rule(Form::Between("nerdctl-", OCI),                     hex64,       Runtime::Containerd),
    rule(Form::Between("crio-", OCI),                        hex64,       Runtime::CriO),
    rule(Form::Between("libpod-", OCI),                      hex64,       Runtime::Podman),
    // `podman run --cgroups=split`, which is what Quadlet does.
    rule(Form::Between("libpod-payload-", OCI),              hex64,       Runtime::Podman),
    rule(Form::Between("buildkit-", OCI),                    buildkit_id, Runtime::Buildkit),
    // Docker's own BuildKit, by the systemd driver.
    rule(Form::Between("docker-", OCI),                      buildkit_id, Runtime::Buildkit),
    rule(Form::Between("lxc.payload.", PLAIN),               name,        Runtime::Lxc),
    rule(Form::Between("machine-", SCOPE),                   domain,      Runtime::Libvirt),
    rule(Form::Between("machine-", SCOPE),                   unescaped,   Runtime::Nspawn),
    rule(Form::Between("systemd-nspawn@", SERVICE),          unescaped,   Runtime::Nspawn),
    rule(Form::Under("docker"),                              hex64,       Runtime::Docker),
    rule(Form::Under("moby"),                                hex64,       Runtime::Docker),
    rule(Form::Under("default"),                             hex64,       Runtime::Containerd),
    rule(Form::Under("k8s.io"),                              hex64,       Runtime::Containerd),
    rule(Form::Under("buildkit"),                            buildkit_id, Runtime::Buildkit),
    rule(Form::Under("lxc"),                                 name,        Runtime::Lxc),
    rule(Form::Under("lxc.payload"),                         name,        Runtime::Lxc),
    rule(Form::Under("garden"),                              name,        Runtime::Garden),
];

/// The kinds of units that hold processes. Slices hold other units.
const UNITS: &[&str] = &[".service", ".scope", ".socket", ".mount", ".swap"];

/// The container whose own cgroup is called `component`, in one called `parent`; `in_pod` where a pod
/// is further up.
pub(super) fn container(parent: &str, component: &str, in_pod: bool) -> Option<Found> {
    let joined;
    let name = match delegated(component) {
        Some((_, prefix, id)) => {
            joined = format!("{prefix}-{id}");
            &joined
        }
        None => component,
    };
    let row = RULES
        .iter()
        .find_map(|rule| Some((rule, apply(rule, parent, name)?)));
    if let Some((rule, id)) = row {
        let is_name = matches!(
            rule.runtime,
            Runtime::Lxc | Runtime::Nspawn | Runtime::Libvirt | Runtime::Garden
        );
        return Some(Found {
            runtime: rule.runtime,
            id,
            is_name,
        });
    }
    let runtime = if in_pod {
        Runtime::Kubernetes
    } else {
        Runtime::Oci
    };
    hex64(component).map(|id| Found {
        runtime,
        id,
        is_name: false,
    })
}

fn apply(rule: &Rule, parent: &str, component: &str) -> Option<String> {
    match rule.form {
        Form::Between(start, ends) => {
            let rest = component.strip_prefix(start)?;
            ends.iter()
                .find_map(|end| (rule.id)(rest.strip_suffix(end)?))
        }
        Form::Under(above) if parent == above => (rule.id)(component),
        Form::Under(_) => None,
    }
}

/// The parts of `SLICE:PREFIX:ID`, the form in which runtimes ask systemd for a scope. It becomes the
/// name of a folder where the runtime is told to use systemd, and the one below it is not.
fn delegated(component: &str) -> Option<(&str, &str, &str)> {
    let (rest, id) = component.rsplit_once(':')?;
    let (slice, prefix) = rest.rsplit_once(':')?;
    Some((slice, prefix, id))
}

/// The id of the pod whose cgroup this is, as it is written there: `podUID` by the cgroupfs driver,
/// `kubepods-burstable-podUID.slice` (dashes as underscores) by systemd, `libpod_pod_ID` by Podman.
pub(super) fn pod(component: &str) -> Option<&str> {
    let name = delegated(component).map_or(component, |(slice, ..)| slice);
    let name = name.strip_suffix(".slice").unwrap_or(name);
    let last = name.rsplit('-').next().unwrap_or(name);
    if let Some(id) = last.strip_prefix("libpod_pod_") {
        return is_hex64(id).then_some(id);
    }
    let uid = name
        .strip_prefix("pod")
        .or_else(|| last.strip_prefix("pod"))?;
    is_pod_uid(uid).then_some(uid)
}

/// A UUID, or for static pods the 32 digits of a hash.
fn is_pod_uid(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let dashes = text.bytes().filter(|&b| b == b'-' || b == b'_').count();
    digits == 32 && (dashes == 0 || dashes == 4) && digits + dashes == text.len()
}

/// True for the name of a systemd unit that holds processes.
pub(super) fn is_unit(component: &str) -> bool {
    UNITS
        .iter()
        .any(|end| component.len() > end.len() && component.ends_with(end))
}

/// Takes away the underscore that systemd puts before a name which the cgroup file system keeps for
/// itself: `cg_escape()` of its `src/basic/cgroup-util.c`.
pub(super) fn unescape_prefix(component: &str) -> &str {
    component.strip_prefix('_').unwrap_or(component)
}

/// True for 64 lower-case hexadecimal digits.
pub(super) fn is_hex64(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn hex64(text: &str) -> Option<String> {
    is_hex64(text).then(|| text.to_owned())
}

/// BuildKit's ids are 25 digits in base 36.
fn buildkit_id(text: &str) -> Option<String> {
    let digits = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    (text.len() == 25 && digits).then(|| text.to_owned())
}

fn name(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn unescaped(text: &str) -> Option<String> {
    name(&unescape(text))
}

/// libvirt registers a domain as `qemu-NUMBER-NAME`.
fn domain(text: &str) -> Option<String> {
    let text = unescape(text);
    let rest = text
        .strip_prefix("qemu-")
        .or_else(|| text.strip_prefix("lxc-"))?;
    let (number, domain) = rest.split_once('-')?;
    let numbered = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    if numbered { name(domain) } else { None }
}

/// Undoes systemd's `\xNN`, see `man systemd-escape`. What is no escape stays as it is.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.strip_prefix(b"x").and_then(hex_byte);
        match escaped {
            Some(byte) if first == b'\\' => {
                out.push(byte);
                rest = &rest[4..];
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The byte that two hexadecimal digits at the beginning stand for.
fn hex_byte(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}
