//! What is around this process: a container, security modules, settings that harden the host.

use std::path::Path;

use super::blockers::{self, read};
use crate::plan::facts::Surrounding;

/// Looks around.
pub(crate) fn surroundings() -> Vec<Surrounding> {
    let mut list = vec![container(), filter(), modules()];
    list.extend(settings());
    list
}

fn container() -> Surrounding {
    let exists = |path: &str| Path::new(path).exists();
    let told = read("/run/systemd/container").filter(|name| !name.is_empty());
    let value = if exists("/.dockerenv") {
        "docker".to_owned()
    } else if exists("/run/.containerenv") {
        "podman".to_owned()
    } else if let Some(name) = told {
        name
    } else if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        "kubernetes".to_owned()
    } else {
        "none seen".to_owned()
    };
    let meaning = if value == "none seen" {
        "nothing says that this is a container"
    } else {
        "what the container forbids, this can't give; see the causes"
    };
    Surrounding { name: "container", value: Some(value), meaning }
}

fn filter() -> Surrounding {
    let filtered = blockers::filtered();
    Surrounding {
        name: "seccomp filter",
        value: filtered.map(|filtered| if filtered { "yes" } else { "no" }.to_owned()),
        meaning: match filtered {
            Some(true) => "a filter is on this process already, and on all it starts",
            Some(false) => "no filter is on this process yet",
            None => "/proc/self/status doesn't tell",
        },
    }
}

fn modules() -> Surrounding {
    let value = read("/sys/kernel/security/lsm");
    let meaning = match &value {
        Some(_) => "each of them can deny more than ringfence does",
        None => "securityfs isn't mounted, or can't be read",
    };
    Surrounding { name: "security modules", value, meaning }
}

/// A setting's name, and what follows from its value.
type Setting = (&'static str, fn(&str) -> &'static str);

/// Settings by `sysctl(8)` that matter where a layer is off.
fn settings() -> impl Iterator<Item = Surrounding> {
    let known: [Setting; 4] = [
        ("kernel.yama.ptrace_scope", |value| match value {
            "0" => {
                "processes of one user can trace each other, where no pid namespace or \
                    Landlock keeps them apart"
            }
            _ => "only descendants, or nobody, can be traced",
        }),
        ("kernel.io_uring_disabled", |value| match value {
            "0" => "io_uring is there for everybody that no seccomp filter keeps from it",
            _ => "io_uring is switched off, for some or all",
        }),
        ("dev.tty.legacy_tiocsti", |value| match value {
            "0" => "nobody but CAP_SYS_ADMIN can push characters into a terminal",
            _ => {
                "characters can be pushed into a terminal: the layers session and seccomp \
                  keep commands from it"
            }
        }),
        ("kernel.unprivileged_bpf_disabled", |value| match value {
            "0" => "every user can load BPF programs, where no seccomp filter denies bpf(2)",
            _ => "loading BPF programs takes a privilege",
        }),
    ];
    known.into_iter().filter_map(|(name, meaning)| {
        // A kernel that lacks the setting lacks what it is about, or has no switch for it.
        let value = read(&format!("/proc/sys/{}", name.replace('.', "/")))?;
        Some(Surrounding { name, meaning: meaning(&value), value: Some(value) })
    })
}
