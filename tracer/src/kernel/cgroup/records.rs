//! What people call a container, from the records that its runtime keeps: a path has only its id.
//!
//! The files are read where runtimes put them unless told otherwise. A runtime that keeps them
//! elsewhere, or a rootless one, leaves its containers with their ids.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::container::{Container, Runtime};

/// A larger record is not read.
const MAX_RECORD_BYTES: u64 = 16 << 20;

/// Namespaces of containerd that are looked into.
const MAX_NAMESPACES: usize = 32;

/// containerd's folders of running tasks: its own, and k3s's.
const CONTAINERD_TASKS: &[&str] = &[
    "run/containerd/io.containerd.runtime.v2.task",
    "run/k3s/containerd/io.containerd.runtime.v2.task",
];

/// The annotations by which an OCI `config.json` names a pod and a container: those of containerd's CRI
/// plugin, and those of CRI-O.
const POD_ANNOTATIONS: &[[&str; 3]] = &[
    [
        "io.kubernetes.cri.sandbox-namespace",
        "io.kubernetes.cri.sandbox-name",
        "io.kubernetes.cri.container-name",
    ],
    [
        "io.kubernetes.pod.namespace",
        "io.kubernetes.pod.name",
        "io.kubernetes.container.name",
    ],
];

/// The name of a container: `web`, or `NAMESPACE/POD/CONTAINER` in Kubernetes. `root` is the root of
/// the file system with the records.
pub(super) fn name(root: &Path, container: &Container) -> Option<String> {
    let id = container.id.as_str();
    match container.runtime {
        Runtime::Docker => docker(root, id),
        Runtime::Containerd => containerd(root, id),
        Runtime::CriO => storage(root, id),
        Runtime::Podman => podman(root, id),
        Runtime::Kubernetes => containerd(root, id).or_else(|| storage(root, id)),
        Runtime::Oci => docker(root, id).or_else(|| containerd(root, id)),
        Runtime::Buildkit | Runtime::Lxc | Runtime::Nspawn | Runtime::Libvirt | Runtime::Garden => {
            None
        }
    }
}

/// Docker Engine writes names with a slash before them.
fn docker(root: &Path, id: &str) -> Option<String> {
    let record = read(
        &root
            .join("var/lib/docker/containers")
            .join(id)
            .join("config.v2.json"),
    )?;
    let name = record.get("Name")?.as_str()?.trim_start_matches('/');
    (!name.is_empty()).then(|| name.to_owned())
}

fn containerd(root: &Path, id: &str) -> Option<String> {
    let namespaces = CONTAINERD_TASKS
        .iter()
        .flat_map(|tasks| folders(&root.join(tasks)));
    let mut configs = namespaces.map(|namespace| namespace.join(id).join("config.json"));
    configs.find_map(|config| annotated(&read(&config)?))
}

fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map_while(Result::ok);
    entries.take(MAX_NAMESPACES).map(|entry| entry.path())
}

/// The `config.json` of a container whose storage is that of the `containers/storage` library.
fn storage(root: &Path, id: &str) -> Option<String> {
    let containers = root.join("run/containers/storage/overlay-containers");
    annotated(&read(&containers.join(id).join("userdata/config.json"))?)
}

fn podman(root: &Path, id: &str) -> Option<String> {
    let list = read(&root.join("var/lib/containers/storage/overlay-containers/containers.json"))?;
    let of_id = |record: &&Value| record.get("id").and_then(Value::as_str) == Some(id);
    let name = list
        .as_array()?
        .iter()
        .find(of_id)?
        .get("names")?
        .get(0)?
        .as_str()?;
    Some(name.to_owned())
}

fn annotated(config: &Value) -> Option<String> {
    let annotations = config.get("annotations")?;
    let get = |key: &str| annotations.get(key).and_then(Value::as_str);
    let pod = POD_ANNOTATIONS
        .iter()
        .find_map(|[namespace, pod, container]| {
            let pod = format!("{}/{}", get(namespace)?, get(pod)?);
            // The container that holds a pod's namespaces has no name of its own.
            Some(
                get(container).map_or(format!("{pod}/-"), |container| format!("{pod}/{container}")),
            )
        });
    pod.or_else(|| get("nerdctl/name").map(str::to_owned))
}

fn read(path: &Path) -> Option<Value> {
    let mut text = Vec::new();
    let file = File::open(path).ok()?;
    file.take(MAX_RECORD_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2a9c0d1e5b4c7786a1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7081";

    /// The name of a container of `runtime` on a host that has one record at `path`.
    fn named(runtime: Runtime, path: &str, record: &str) -> Option<String> {
        let root = std::env::temp_dir().join(format!(
            "tracer-records-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let file = root.join(path.replace("ID", ID));
        fs::create_dir_all(file.parent().expect("a folder")).expect("folders can be made");
        fs::write(&file, record.replace("ID", ID)).expect("files can be written");
        let container = Container {
            runtime,
            id: ID.into(),
            name: None,
            pod: None,
            root: "/".into(),
            outer: None,
        };
        let name = name(&root, &container);
        fs::remove_dir_all(&root).expect("folders can be removed");
        name
    }

    #[test]
    fn names_come_from_the_records_of_each_runtime() {
        let cri = r#"{"annotations":{"io.kubernetes.cri.sandbox-namespace":"shop",
            "io.kubernetes.cri.sandbox-name":"web-0","io.kubernetes.cri.container-name":"nginx"}}"#;
        let crio = r#"{"annotations":{"io.kubernetes.pod.namespace":"shop",
            "io.kubernetes.pod.name":"web-0","io.kubernetes.container.name":"nginx"}}"#;
        let list = r#"[{"id":"0"},{"id":"ID","names":["db","alias"]}]"#;
        let task = "run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json";
        let k3s = "run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json";
        let nerdctl = "run/containerd/io.containerd.runtime.v2.task/default/ID/config.json";
        let userdata = "run/containers/storage/overlay-containers/ID/userdata/config.json";
        let containers = "var/lib/containers/storage/overlay-containers/containers.json";
        let engine = "var/lib/docker/containers/ID/config.v2.json";
        for (runtime, path, record, expected) in [
            (Runtime::Docker, engine, r#"{"Name":"/web"}"#, "web"),
            (Runtime::Oci, engine, r#"{"Name":"/web"}"#, "web"),
            (Runtime::Containerd, task, cri, "shop/web-0/nginx"),
            (Runtime::Kubernetes, k3s, cri, "shop/web-0/nginx"),
            (
                Runtime::Containerd,
                nerdctl,
                r#"{"annotations":{"nerdctl/name":"web"}}"#,
                "web",
            ),
            (Runtime::CriO, userdata, crio, "shop/web-0/nginx"),
            (Runtime::Kubernetes, userdata, crio, "shop/web-0/nginx"),
            (Runtime::Podman, containers, list, "db"),
        ] {
            assert_eq!(
                named(runtime, path, record).as_deref(),
                Some(expected),
                "{path}"
            );
        }
    }

    #[test]
    fn broken_records_give_no_name() {
        let engine = "var/lib/docker/containers/ID/config.v2.json";
        for record in ["", "{", "[]", r#"{"Name":7}"#, r#"{"Name":"/"}"#, "\u{0}"] {
            assert_eq!(named(Runtime::Docker, engine, record), None, "{record}");
        }
        assert_eq!(named(Runtime::Podman, engine, "{}"), None);
        assert_eq!(named(Runtime::Lxc, engine, r#"{"Name":"/web"}"#), None);
    }
}
