use super::*;

const ID: &str = "3f2a9c0d1e5b4c7786a1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7081";
const INNER: &str = "aa11bb22cc33dd44ee55ff66aa77bb88cc99dd00ee11ff22aa33bb44cc55dd66";
const UID: &str = "87a18a64-b74a-454a-b10b-a4a36059d0a3";
const HASH: &str = "00ff4f1c8d5a8e1d94cbd8de8e1e2d3c";
const BUILD: &str = "x0bcg8ts2n4yq9s6v0k3m1h7d";

fn container(path: &str) -> Container {
    Owner::of(path)
        .container
        .unwrap_or_else(|| panic!("no container in {path}"))
}

/// Checks runtime and id in `form`, where `ID`, `UID` (underscored), `POD` and `BUILD` stand for
/// the constants above.
#[track_caller]
fn check(form: &str, runtime: Runtime, id: &str) -> Container {
    let path = form
        .replace("ID!", ID)
        .replace("UID_", &UID.replace('-', "_"))
        .replace("POD", UID)
        .replace("BUILD", BUILD);
    let found = container(&path);
    assert_eq!((found.runtime, found.id.as_str()), (runtime, id), "{path}");
    found
}

#[track_caller]
fn check_none(path: &str) -> Owner {
    let owner = Owner::of(path);
    assert_eq!(owner.container, None, "{path}");
    owner
}

#[test]
fn oci_containers_outside_of_kubernetes() {
    check("/docker/ID!", Runtime::Docker, ID);
    check("/system.slice/docker-ID!.scope", Runtime::Docker, ID);
    check("/system.slice:docker:ID!", Runtime::Docker, ID);
    check(
        "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID!.scope",
        Runtime::Docker,
        ID,
    );
    check("/moby/ID!", Runtime::Docker, ID);
    check("/default/ID!", Runtime::Containerd, ID);
    check("/system.slice/nerdctl-ID!.scope", Runtime::Containerd, ID);
    check("/machine.slice/libpod-ID!.scope", Runtime::Podman, ID);
    check(
        "/machine.slice/libpod-ID!.scope/container",
        Runtime::Podman,
        ID,
    );
    check("/libpod_parent/libpod-ID!", Runtime::Podman, ID);
    check(
        "/system.slice/web.service/libpod-payload-ID!",
        Runtime::Podman,
        ID,
    );
    check(
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID!.scope/container",
        Runtime::Podman,
        ID,
    );
    check("/actions_job/ID!", Runtime::Oci, ID);
    check(
        "/ecs/0123456789abcdef0123456789abcdef/ID!",
        Runtime::Oci,
        ID,
    );
}

#[test]
fn containers_of_kubernetes_bear_their_pod() {
    let forms = [
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/cri-containerd-ID!.scope",
            Runtime::Containerd,
        ),
        (
            "/kubepods.slice/kubepods-podUID_.slice/crio-ID!.scope",
            Runtime::CriO,
        ),
        (
            "/kubepods.slice/kubepods-podUID_.slice/crio-ID!.scope/container",
            Runtime::CriO,
        ),
        ("/kubepods/besteffort/podPOD/crio-ID!", Runtime::CriO),
        ("/kubepods/burstable/podPOD/ID!", Runtime::Kubernetes),
        ("/kubepods/podPOD/ID!", Runtime::Kubernetes),
        (
            "/kubepods.slice/kubepods-besteffort-podUID_.slice/docker-ID!.scope",
            Runtime::Docker,
        ),
        (
            "/kubepods.slice/kubepods-besteffort-podUID_.slice/ID!",
            Runtime::Kubernetes,
        ),
        (
            "/system.slice/containerd.service/kubepods-podUID_.slice:cri-containerd:ID!",
            Runtime::Containerd,
        ),
        (
            "/kubepods-burstable-podUID_.slice:cri-containerd:ID!",
            Runtime::Containerd,
        ),
        (
            "/k3s.slice/k3s-kubepods-podUID_.slice/cri-containerd-ID!.scope",
            Runtime::Containerd,
        ),
    ];
    for (form, runtime) in forms {
        assert_eq!(check(form, runtime, ID).pod.as_deref(), Some(UID), "{form}");
    }
}

#[test]
fn static_pods_have_a_hash() {
    let found = container(&format!("/kubepods/burstable/pod{HASH}/{ID}"));
    assert_eq!(
        (found.runtime, found.pod.as_deref()),
        (Runtime::Kubernetes, Some(HASH))
    );
    let systemd = format!("/kubepods.slice/kubepods-burstable-pod{HASH}.slice/crio-{ID}.scope");
    assert_eq!(container(&systemd).pod.as_deref(), Some(HASH));
}

#[test]
fn podman_pods_are_named() {
    let path =
        format!("/machine.slice/machine-libpod_pod_{INNER}.slice/libpod-{ID}.scope/container");
    let found = container(&path);
    assert_eq!(
        (found.runtime, found.pod.as_deref()),
        (Runtime::Podman, Some(INNER))
    );
}

#[test]
fn a_pod_alone_is_no_container() {
    check_none(&format!("/kubepods/burstable/pod{UID}"));
    check_none(&format!("/machine.slice/machine-libpod_pod_{INNER}.slice"));
    check_none("/kubepods.slice/kubepods-burstable.slice");
}

#[test]
fn monitors_are_no_containers() {
    let owner = check_none(&format!("/kubepods.slice/crio-conmon-{ID}.scope"));
    assert_eq!(owner.unit, Some(format!("crio-conmon-{ID}.scope")));
    check_none(&format!("/machine.slice/libpod-conmon-{ID}.scope"));
    check_none("/lxc.monitor.web");
}

#[test]
fn build_steps() {
    check("/docker/buildkit/BUILD", Runtime::Buildkit, BUILD);
    check("/buildkit/BUILD", Runtime::Buildkit, BUILD);
    check("/system.slice/docker-BUILD.scope", Runtime::Buildkit, BUILD);
    check("/system.slice:docker:BUILD", Runtime::Buildkit, BUILD);
    check(
        "/system.slice/buildkit-BUILD.scope",
        Runtime::Buildkit,
        BUILD,
    );
    check_none("/docker/buildkit");
}

#[test]
fn containers_known_by_name() {
    for (path, runtime, name) in [
        ("/lxc.payload.web", Runtime::Lxc, "web"),
        (
            "/lxc.payload.web/system.slice/nginx.service",
            Runtime::Lxc,
            "web",
        ),
        ("/lxc.payload/web", Runtime::Lxc, "web"),
        ("/lxc/web/init.scope", Runtime::Lxc, "web"),
        (
            "/machine.slice/machine-fedora.scope",
            Runtime::Nspawn,
            "fedora",
        ),
        (
            r"/machine.slice/machine-my\x2dbox.scope/payload",
            Runtime::Nspawn,
            "my-box",
        ),
        (
            "/machine.slice/systemd-nspawn@fedora.service/payload",
            Runtime::Nspawn,
            "fedora",
        ),
        (
            r"/machine.slice/machine-qemu\x2d3\x2ddb\x2d1.scope/emulator",
            Runtime::Libvirt,
            "db-1",
        ),
        (
            r"/machine.slice/machine-lxc\x2d7\x2dweb.scope",
            Runtime::Libvirt,
            "web",
        ),
        (
            r"/machine.slice/machine-qemu\x2dbox.scope",
            Runtime::Nspawn,
            "qemu-box",
        ),
        (
            "/garden/5ab1c2d3-0000-4000-8000-000000000001",
            Runtime::Garden,
            "5ab1c2d3-0000-4000-8000-000000000001",
        ),
    ] {
        let found = container(path);
        assert_eq!(
            (found.runtime, found.name.as_deref()),
            (runtime, Some(name)),
            "{path}"
        );
        assert_eq!(found.id, name, "{path}");
        assert_eq!(found.label(), format!("{}:{name}", runtime.name()));
    }
}

#[test]
fn the_innermost_container_wins_and_keeps_the_outer() {
    let kind = format!(
        "/docker/{ID}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{}.slice/cri-containerd-{INNER}.scope",
        UID.replace('-', "_")
    );
    let found = container(&kind);
    assert_eq!(
        (found.runtime, found.id.as_str()),
        (Runtime::Containerd, INNER)
    );
    assert_eq!(found.pod.as_deref(), Some(UID));
    let outer = found.outer.expect("the node is a container, too");
    assert_eq!((outer.runtime, outer.id.as_str()), (Runtime::Docker, ID));
    assert_eq!(
        (outer.pod.as_deref(), outer.root),
        (None, format!("/docker/{ID}"))
    );

    let nested = container(&format!("/kubepods/pod{UID}/{ID}/docker/{INNER}"));
    assert_eq!((nested.runtime, nested.pod), (Runtime::Docker, None));
    assert_eq!(
        nested.outer.and_then(|outer| outer.pod).as_deref(),
        Some(UID)
    );
}

#[test]
fn a_container_knows_its_own_cgroup() {
    let own = format!("/system.slice/docker-{ID}.scope");
    assert_eq!(container(&own).root, own);
    assert_eq!(container(&format!("{own}/init.scope/x")).root, own);
    assert_eq!(
        container(&format!("//docker//{ID}/x")).root,
        format!("//docker//{ID}")
    );
}

#[test]
fn units_of_systemd() {
    for (path, unit) in [
        ("/system.slice/nginx.service", Some("nginx.service")),
        (
            "/system.slice/system-getty.slice/getty@tty1.service",
            Some("getty@tty1.service"),
        ),
        (
            "/system.slice/postgres.service/worker-1",
            Some("postgres.service"),
        ),
        (
            "/user.slice/user-1000.slice/session-2.scope",
            Some("session-2.scope"),
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/vim.service",
            Some("vim.service"),
        ),
        ("/init.scope", Some("init.scope")),
        ("/system.slice/tmp.mount", Some("tmp.mount")),
        ("/system.slice/_cpu.service", Some("cpu.service")),
        (
            "/system.slice/dev-sda\\x2d1.swap",
            Some("dev-sda\\x2d1.swap"),
        ),
        ("/system.slice", None),
        ("/.service", None),
        ("/", None),
        ("", None),
    ] {
        assert_eq!(check_none(path).unit.as_deref(), unit, "{path}");
    }
}

#[test]
fn a_unit_inside_a_container_is_kept_beside_it() {
    let owner = Owner::of(&format!("/docker/{ID}/system.slice/nginx.service"));
    assert_eq!(owner.unit.as_deref(), Some("nginx.service"));
    assert_eq!(
        owner.container.map(|c| c.label()),
        Some("docker:3f2a9c0d1e5b".to_owned())
    );
}

#[test]
fn what_looks_alike_is_no_container() {
    check_none("/docker");
    check_none("/docker/web");
    check_none("/system.slice/docker.service");
    check_none(&format!("/docker/{}", &ID[1..]));
    check_none(&format!("/docker/{ID}0"));
    check_none(&format!("/docker/{}", ID.to_uppercase()));
    check_none("/system.slice/docker-.scope");
    check_none("/machine.slice/machine-.scope");
    check_none("/lxc.payload.");
    check_none("/a:b");
    check_none("/::");
}

#[test]
fn hostile_names_do_no_harm() {
    check_none(&"/x".repeat(100_000));
    check_none(&format!("/{}", "é\u{fffd}\n\u{1b}[2J".repeat(10_000)));
    check_none(&format!("/docker/{}", "é".repeat(32)));
    check_none("/machine.slice/machine-");
    let odd = container(r"/machine.slice/machine-\x\x2\xzz\xff.scope");
    assert_eq!(odd.id, "\\x\\x2\\xzz\u{fffd}");
    let deep = format!("/docker/{ID}").repeat(60);
    assert_eq!(container(&deep).id, ID);
    let endless = format!("/docker/{ID}").repeat(50_000);
    let mut levels = 0;
    let mut at = Some(Box::new(container(&endless)));
    while let Some(container) = at {
        levels += 1;
        at = container.outer;
    }
    assert_eq!(levels, MAX_DEPTH / 2);
}

#[test]
fn labels_prefer_a_name() {
    let mut found = container(&format!("/docker/{ID}"));
    assert_eq!(
        (found.short(), found.label().as_str()),
        ("3f2a9c0d1e5b", "docker:3f2a9c0d1e5b")
    );
    found.name = Some("web".to_owned());
    assert_eq!(found.label(), "docker:web");
}
