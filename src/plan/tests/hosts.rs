//! Hosts to plan for.

use std::path::{Path, PathBuf};

use crate::plan::facts::cgroup::{
    CgroupFacts, CgroupLayout, Controller, Missing, NO_SWAP, Parent, Place, PlaceKind, Support,
    Supports,
};
use crate::plan::facts::{
    Accounts, Caller, Cause, Errno, HostFacts, LandlockFacts, PathFact, Support as Usable,
};
use crate::plan::landlock::access;
use crate::policy::arch::Arch;
use crate::profile::vocabulary::Namespace;

/// Every capability up to `CAP_CHECKPOINT_RESTORE`.
pub(super) const ALL_CAPABILITIES: u64 = (1 << 41) - 1;

/// What Docker gives by default: among others `CAP_SETGID` (6), `CAP_SETUID` (7) and
/// `CAP_SETPCAP` (8), not `CAP_SYS_ADMIN` (21).
const DOCKER_CAPABILITIES: u64 = 0xa804_25fb;

/// The user who calls where it isn't root.
pub(super) const USER: u32 = 1000;

/// A current kernel that denies nothing, started by root.
pub(super) fn root() -> HostFacts {
    HostFacts {
        kernel: "6.12.0".into(),
        arch: Some(Arch::X86_64),
        caller: Caller {
            capabilities: ALL_CAPABILITIES,
            bounding: ALL_CAPABILITIES,
            processes: Some(100),
            ..Caller::default()
        },
        namespaces: Namespace::ALL.iter().map(|ns| (*ns, Usable::Proved)).collect(),
        mount_descriptors: Usable::Proved,
        mount_attributes: Usable::Proved,
        owner_mapping: Usable::Assumed,
        unmappable: std::collections::BTreeSet::new(),
        fresh_proc: Usable::Proved,
        landlock: landlock(7),
        seccomp: Usable::Proved,
        cgroup: cgroup_v2(),
        accounts: accounts(),
        paths: paths(),
        mounts: Vec::new(),
        real_paths: std::collections::BTreeMap::new(),
        processors: vec![0, 1, 2, 3],
    }
}

/// The same, started by a user without privileges, for whom a cgroup was delegated.
pub(super) fn user() -> HostFacts {
    let caller = Caller {
        uid: USER,
        gid: USER,
        groups: vec![27, USER],
        capabilities: 0,
        bounding: ALL_CAPABILITIES,
        processes: Some(40),
        ..Caller::default()
    };
    HostFacts { caller, ..root() }
}

/// Ubuntu 24.04 with AppArmor's restriction, started by a user; its cgroup isn't delegated.
pub(super) fn ubuntu() -> HostFacts {
    let mut host = user();
    host.namespaces.insert(Namespace::User, Usable::Missing(apparmor()));
    host.cgroup = without_cgroup(CgroupLayout::V2, &not_writable(13));
    host
}

/// Why user namespaces are missing on [`ubuntu`].
pub(super) fn apparmor() -> Cause {
    Cause::new(
        "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns = 1)",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile",
    )
}

/// Inside Docker, as its root: a part of root's capabilities, no namespaces, no mounts, cgroups
/// read-only.
pub(super) fn docker() -> HostFacts {
    let mut host = root();
    host.caller.capabilities = DOCKER_CAPABILITIES;
    host.caller.bounding = DOCKER_CAPABILITIES;
    let seccomp = Cause::new("clone3(CLONE_NEWUSER): EPERM (seccomp)", "docker run --privileged");
    host.namespaces.insert(Namespace::User, Usable::Missing(seccomp));
    host.fresh_proc = Usable::Missing(masked_proc());
    host.cgroup = without_cgroup(CgroupLayout::V2, &not_writable(30));
    host
}

/// Inside Docker with its system call filter off: user namespaces, but no fresh `/proc`.
pub(super) fn docker_unconfined() -> HostFacts {
    let mut host = docker();
    host.namespaces.insert(Namespace::User, Usable::Proved);
    host
}

/// Why `/proc` can't be mounted inside of Docker.
pub(super) fn masked_proc() -> Cause {
    Cause::new("parts of /proc are masked here", "docker run --security-opt systempaths=unconfined")
}

/// Debian 11: Linux 5.10, before `mount_setattr(2)` and Landlock; started by root.
pub(super) fn old_kernel() -> HostFacts {
    HostFacts {
        kernel: "5.10.0-28-amd64".into(),
        mount_attributes: Usable::Missing(no_mount_setattr()),
        owner_mapping: Usable::Missing(no_mount_setattr()),
        landlock: landlock(0),
        ..root()
    }
}

/// The same, started by a user.
pub(super) fn old_kernel_user() -> HostFacts {
    HostFacts { caller: user().caller, ..old_kernel() }
}

/// What the backend says of kernels before 5.12.
pub(super) fn no_mount_setattr() -> Cause {
    Cause::new("mount_setattr(2): ENOSYS", "use Linux 5.12 or later")
}

/// A processor for which there are no tables of system calls.
pub(super) fn unknown_arch() -> HostFacts {
    HostFacts { arch: None, ..root() }
}

/// A kernel without system call filters.
pub(super) fn no_seccomp() -> HostFacts {
    let cause = Cause::new("seccomp(2): EINVAL", "use a kernel with CONFIG_SECCOMP_FILTER");
    HostFacts { seccomp: Usable::Missing(cause), ..user() }
}

/// A kernel in which nothing can be mounted by descriptor.
pub(super) fn no_mounts() -> HostFacts {
    let cause = Cause::new("fsopen(2): EPERM", "allow it in the outer sandbox's filter");
    HostFacts { mount_descriptors: Usable::Missing(cause), ..user() }
}

/// A user's host with this Landlock ABI.
pub(super) fn with_landlock(abi: u32) -> HostFacts {
    HostFacts { landlock: landlock(abi), ..user() }
}

/// Root's host with these control groups.
pub(super) fn with_cgroup(cgroup: CgroupFacts) -> HostFacts {
    HostFacts { cgroup, ..root() }
}

/// What Landlock offers at an ABI version.
pub(super) fn landlock(abi: u32) -> LandlockFacts {
    let since = |version: u32, bits: u64| if abi >= version { bits } else { 0 };
    LandlockFacts {
        abi,
        access_fs: since(1, (1 << 13) - 1)
            | since(2, access::REFER)
            | since(3, access::TRUNCATE)
            | since(5, access::IOCTL_DEV),
        access_net: since(4, access::ALL_NET),
        scopes: since(6, access::ALL_SCOPES),
        missing: (abi == 0).then(|| Cause::new("landlock: ENOSYS", "use Linux 5.13 or later")),
    }
}

/// Version 2 with all controllers.
pub(super) fn cgroup_v2() -> CgroupFacts {
    CgroupFacts {
        layout: CgroupLayout::V2,
        supports: all(&Support::V2),
        place: Some(Place { parent: parent("/sys/fs/cgroup"), kind: PlaceKind::Delegated }),
        host_has_swap: true,
    }
}

/// Version 1 with all controllers.
pub(super) fn cgroup_v1() -> CgroupFacts {
    CgroupFacts {
        layout: CgroupLayout::V1,
        supports: all(&Support::V1 { parent: parent("/sys/fs/cgroup/memory") }),
        place: None,
        host_has_swap: true,
    }
}

/// Controllers on version 1, a version 2 hierarchy without any beside them.
pub(super) fn cgroup_hybrid() -> CgroupFacts {
    CgroupFacts {
        layout: CgroupLayout::Hybrid,
        place: Some(Place { parent: parent("/sys/fs/cgroup/unified"), kind: PlaceKind::Bare }),
        ..cgroup_v1()
    }
}

/// No control group at all.
pub(super) fn no_cgroup() -> CgroupFacts {
    let mut facts = without_cgroup(CgroupLayout::None, &Missing::NotMounted);
    facts.host_has_swap = false;
    facts.supports.swap = Support::HeldByHost { why: NO_SWAP };
    facts
}

/// Version 2 in which only `pids` was delegated, as for users of a stock systemd.
pub(super) fn only_pids() -> CgroupFacts {
    let path = PathBuf::from("/sys/fs/cgroup/user.slice/cgroup.controllers");
    let missing = Support::Missing(Missing::NotOffered { path });
    let mut facts = cgroup_v2();
    facts.supports = Supports { processes: Support::V2, kill: Support::V2, ..all(&missing) };
    facts
}

/// A hierarchy that nothing can be made in.
pub(super) fn without_cgroup(layout: CgroupLayout, why: &Missing) -> CgroupFacts {
    CgroupFacts {
        layout,
        supports: all(&Support::Missing(why.clone())),
        place: None,
        host_has_swap: true,
    }
}

fn not_writable(errno: i32) -> Missing {
    Missing::NotWritable { path: "/sys/fs/cgroup".into(), errno: Errno(errno) }
}

fn all(support: &Support) -> Supports {
    let [memory, swap, processes, cpu, cpu_accounting, cpuset, io, kill] =
        Controller::ALL.map(|_| support.clone());
    Supports { memory, swap, processes, cpu, cpu_accounting, cpuset, io, kill }
}

fn parent(directory: &str) -> Parent {
    Parent {
        directory: directory.into(),
        cgroup: "/".into(),
        mount_point: Path::new(directory).into(),
    }
}

fn accounts() -> Accounts {
    Accounts {
        users: [("nobody".to_owned(), (65_534, 65_534)), ("build".to_owned(), (2000, 2001))].into(),
        groups: [("audio".to_owned(), 29)].into(),
        primary_groups: [(2000, 2001), (USER, USER)].into(),
    }
}

/// A merged `/usr`, a home directory, and a few files.
fn paths() -> std::collections::BTreeMap<PathBuf, PathFact> {
    let directory = |owner| PathFact::Directory { owner };
    let link = |text: &str| PathFact::Link { text: text.into(), end: Box::new(directory(0)) };
    [
        ("/usr", directory(0)),
        ("/usr/local", directory(0)),
        ("/opt", directory(0)),
        ("/bin", link("usr/bin")),
        ("/lib", link("usr/lib")),
        ("/srv/data", directory(0)),
        ("/srv/data/v1", directory(0)),
        ("/srv/data/current", link("v1")),
        ("/home/me", directory(USER)),
        ("/home/me/work", directory(USER)),
        ("/etc/passwd", PathFact::File { owner: 0 }),
        ("/dev/null", PathFact::File { owner: 0 }),
        ("/srv/rootfs", directory(0)),
        ("/sys", directory(0)),
        ("/nowhere", PathFact::Missing("ENOENT".into())),
        ("/closed", PathFact::Missing("EACCES".into())),
    ]
    .map(|(path, fact)| (PathBuf::from(path), fact))
    .into()
}

/// All of them, with a name each.
pub(super) fn every() -> Vec<(&'static str, HostFacts)> {
    let mut hosts = vec![
        ("root", root()),
        ("user", user()),
        ("ubuntu", ubuntu()),
        ("docker", docker()),
        ("docker without seccomp", docker_unconfined()),
        ("Linux 5.10, root", old_kernel()),
        ("Linux 5.10, user", old_kernel_user()),
        ("unknown architecture", unknown_arch()),
        ("no seccomp", no_seccomp()),
        ("no mounts", no_mounts()),
        ("cgroup v1", with_cgroup(cgroup_v1())),
        ("cgroup hybrid", with_cgroup(cgroup_hybrid())),
        ("no cgroup", with_cgroup(no_cgroup())),
        ("no cgroup, user", HostFacts { cgroup: no_cgroup(), ..user() }),
        ("only pids", HostFacts { cgroup: only_pids(), ..user() }),
    ];
    for (name, abi) in [
        ("Landlock 0", 0),
        ("Landlock 1", 1),
        ("Landlock 2", 2),
        ("Landlock 3", 3),
        ("Landlock 4", 4),
        ("Landlock 6", 6),
    ] {
        hosts.push((name, with_landlock(abi)));
    }
    hosts
}
