//! Whose cgroup a path belongs to: which container, which systemd unit.
//!
//! Pure: a path goes in, names come out. The forms that container runtimes give to their cgroups are
//! rows of the table in `rules.rs`.

mod rules;
#[cfg(test)]
mod tests;

/// Components of a path that are looked at. Deeper ones belong to whatever was found above them.
const MAX_DEPTH: usize = 128;

/// Characters of an id that people are shown, as in `docker ps`.
const SHORT_ID: usize = 12;

/// The program that made a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Runtime {
    /// Docker Engine.
    Docker,
    /// containerd, by its CRI plugin, `nerdctl` or `ctr`.
    Containerd,
    /// CRI-O.
    CriO,
    /// Podman.
    Podman,
    /// A container of a Kubernetes pod whose path does not tell the runtime.
    Kubernetes,
    /// A build step of BuildKit.
    Buildkit,
    /// LXC, LXD, Incus.
    Lxc,
    /// systemd-nspawn, or another machine registered with systemd-machined.
    Nspawn,
    /// A domain of libvirt: a virtual machine or an LXC container.
    Libvirt,
    /// Garden, of Cloud Foundry.
    Garden,
    /// Something with an OCI container's 64-digit id, under a parent cgroup of the user's own choice.
    Oci,
}

impl Runtime {
    /// The name in labels and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "crio",
            Self::Podman => "podman",
            Self::Kubernetes => "k8s",
            Self::Buildkit => "buildkit",
            Self::Lxc => "lxc",
            Self::Nspawn => "nspawn",
            Self::Libvirt => "libvirt",
            Self::Garden => "garden",
            Self::Oci => "container",
        }
    }
}

/// A container, as far as a path tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Who made it.
    pub runtime: Runtime,
    /// 64 hexadecimal digits for OCI containers; for the runtimes that know no ids, the name.
    pub id: String,
    /// What people call it, where that is known.
    pub name: Option<String>,
    /// The UID of its Kubernetes pod, or the id of its Podman pod.
    pub pod: Option<String>,
    /// The path of its own cgroup, from the root of the hierarchy: `/docker/…`. Its tasks are in this
    /// one or below.
    pub root: String,
    /// The container that this one runs in, for Docker in Docker, kind and their like.
    pub outer: Option<Box<Container>>,
}

impl Container {
    /// The id as people are shown it: the first 12 digits, or a name in full.
    pub fn short(&self) -> &str {
        if rules::is_hex64(&self.id) {
            &self.id[..SHORT_ID]
        } else {
            &self.id
        }
    }

    /// What a column shows: `docker:web`, or `docker:3f2a9c0d1e5b` where the name is not known.
    pub fn label(&self) -> String {
        let name = self.name.as_deref().unwrap_or_else(|| self.short());
        format!("{}:{name}", self.runtime.name())
    }
}

/// Whom a cgroup belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The innermost container.
    pub container: Option<Container>,
    /// The innermost systemd unit that is not a slice: `nginx.service`, `session-2.scope`.
    pub unit: Option<String>,
}

impl Owner {
    /// Reads the path of a cgroup, from the root of its hierarchy: `/system.slice/nginx.service`.
    pub fn of(path: &str) -> Self {
        let mut owner = Self::default();
        let mut pod = None;
        let mut parent = "";
        for (component, end) in components(path).take(MAX_DEPTH) {
            pod = rules::pod(component).map(str::to_owned).or(pod);
            if let Some(found) = rules::container(parent, component, pod.is_some()) {
                owner.container = Some(Container {
                    runtime: found.runtime,
                    name: found.is_name.then(|| found.id.clone()),
                    id: found.id,
                    pod: pod.take().map(|uid| uid.replace('_', "-")),
                    root: path[..end].to_owned(),
                    outer: owner.container.take().map(Box::new),
                });
            }
            if rules::is_unit(component) {
                owner.unit = Some(rules::unescape_prefix(component).to_owned());
            }
            parent = component;
        }
        owner
    }
}

/// The components of a path, each with the offset of its end.
fn components(path: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut end = 0;
    path.split('/').filter_map(move |component| {
        end += component.len();
        let item = (!component.is_empty()).then_some((component, end));
        end += 1;
        item
    })
}
