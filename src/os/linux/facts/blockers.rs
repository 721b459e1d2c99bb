//! Who says no: the sysctl, security module or container behind an error number.

use rustix::io::Errno;

use crate::error::errno_text;
use crate::plan::facts::Cause;
use crate::profile::vocabulary::Namespace;

pub(super) fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn text(errno: Errno) -> String {
    errno_text(errno.raw_os_error())
}

/// What doing without user namespaces looks like.
const WITHOUT: &str = "or do without: -p landlock-only";

/// User namespaces that are ruled out for everybody, root included.
pub(super) fn no_user_namespaces() -> Option<Cause> {
    let none = read("/proc/sys/user/max_user_namespaces").as_deref() == Some("0");
    none.then(|| {
        Cause::new(
            "user namespaces are switched off: sysctl user.max_user_namespaces is 0",
            format!("as root: sysctl -w user.max_user_namespaces=10000; {WITHOUT}"),
        )
    })
}

/// User namespaces that a sysctl rules out, before anything was tried.
pub(super) fn user_namespaces_by_sysctl() -> Option<Cause> {
    if let Some(cause) = no_user_namespaces() {
        return Some(cause);
    }
    // Debian's and Ubuntu's own switch.
    if read("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return Some(Cause::new(
            "user namespaces are for root only: sysctl kernel.unprivileged_userns_clone is 0",
            format!("as root: sysctl -w kernel.unprivileged_userns_clone=1; {WITHOUT}"),
        ));
    }
    None
}

/// Why a user namespace can't be made.
pub(in super::super) fn user_namespace(errno: Errno) -> Cause {
    if let Some(cause) = user_namespaces_by_sysctl() {
        return cause;
    }
    let found = format!("clone3(CLONE_NEWUSER): {}", text(errno));
    match errno {
        Errno::NOSPC | Errno::USERS => Cause::new(
            format!("{found}: too many user namespaces, or nested too deep"),
            format!("as root: raise sysctl user.max_user_namespaces; {WITHOUT}"),
        ),
        Errno::INVAL => not_built_in(found),
        Errno::PERM | Errno::ACCESS | Errno::NOSYS => denied_namespace(found),
        _ => Cause::new(found, WITHOUT.to_owned()),
    }
}

/// Which namespaces the kernel was built without.
fn not_built_in(found: String) -> Cause {
    let missing: Vec<_> = Namespace::ALL
        .iter()
        .filter(|namespace| {
            let path = format!("/proc/self/ns/{}", namespace.proc_name());
            rustix::fs::access(path, rustix::fs::Access::EXISTS).is_err()
        })
        .map(|namespace| namespace.as_str())
        .collect();
    let what = if missing.is_empty() { "some".to_owned() } else { missing.join(", ") };
    Cause::new(
        format!(
            "{found}: the kernel is built without namespaces of a kind that is asked for ({what})"
        ),
        format!("use a kernel that is built with them; {WITHOUT}"),
    )
}

/// The caller lacks no privilege that the kernel asks for, but is denied: by whom?
fn denied_namespace(found: String) -> Cause {
    if filtered() == Some(true) {
        return Cause::new(
            format!("{found}: a seccomp filter around this process forbids it, as containers have"),
            format!("start the container with --security-opt seccomp=unconfined; {WITHOUT}"),
        );
    }
    if let Some(cause) = apparmor(&found) {
        return cause;
    }
    if changed_root() {
        return Cause::new(
            format!("{found}: the process is in a chroot, where user namespaces can't be made"),
            format!("start it outside of the chroot; {WITHOUT}"),
        );
    }
    Cause::new(
        format!("{found}: a security module denies it"),
        format!("allow user namespaces in its policy; {WITHOUT}"),
    )
}

/// Whether a seccomp filter is on this process already; `None`: it can't be told.
pub(super) fn filtered() -> Option<bool> {
    let status = read("/proc/self/status")?;
    status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(|mode| mode.trim() == "2")
}

/// AppArmor, by Ubuntu's restriction of unprivileged user namespaces or by a profile on us.
fn apparmor(found: &str) -> Option<Cause> {
    let restricted = read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    let label =
        read("/proc/self/attr/apparmor/current").or_else(|| read("/proc/self/attr/current"));
    let label = label.filter(|label| !label.is_empty() && !label.starts_with("unconfined"));
    let profile = |what: &str| {
        Cause::new(
            format!("{found}: AppArmor denies it ({what})"),
            format!(
                "as root: install an AppArmor profile that allows \"userns,\" for ringfence; {WITHOUT}"
            ),
        )
    };
    match (restricted.as_deref(), label) {
        (Some("1"), _) => Some(profile("sysctl kernel.apparmor_restrict_unprivileged_userns is 1")),
        (_, Some(label)) if label != "kernel" => Some(profile(&format!("profile {label}"))),
        _ => None,
    }
}

fn changed_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // Only root may look at process 1's root; not knowing is no.
    let identity = |path: &str| std::fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
    match (identity("/"), identity("/proc/1/root/")) {
        (Some(own), Some(first)) => own != first,
        _ => false,
    }
}

/// Why namespaces can't be made with the caller's own privileges.
pub(in super::super) fn namespaces(errno: Errno) -> Cause {
    let found = format!("clone3(2): {}", text(errno));
    match errno {
        Errno::PERM | Errno::NOSYS => denied_namespace(found),
        Errno::INVAL => not_built_in(found),
        Errno::NOSPC => Cause::new(
            format!("{found}: too many namespaces"),
            "as root: raise the sysctls user.max_*_namespaces",
        ),
        _ => Cause::new(found, WITHOUT),
    }
}

/// Why the hostname of a new namespace can't be set.
pub(in super::super) fn hostname(errno: Errno) -> Cause {
    denied_namespace(format!("sethostname(2) in a new namespace: {}", text(errno)))
}

/// Why it can't be read which namespaces a command is in that runs as another user: the kernel asks
/// for `CAP_SYS_PTRACE`, of which a container's root has none (`ptrace_may_access()`).
pub(in super::super) fn confirming(errno: Errno) -> Cause {
    Cause::new(
        format!(
            "/proc/PID/ns of a command that runs as another user: {}: which namespaces it is in \
             can't be confirmed without CAP_SYS_PTRACE",
            text(errno)
        ),
        format!("start the container with --cap-add SYS_PTRACE; {WITHOUT}"),
    )
}

/// Why the maps of a new user namespace can't be written, though it could be made.
pub(in super::super) fn id_map(file: &str, errno: Errno) -> Cause {
    let found = format!("writing {file} of a new user namespace: {}", text(errno));
    if matches!(errno, Errno::PERM | Errno::ACCESS)
        && let Some(cause) = apparmor(&found)
    {
        return cause;
    }
    Cause::new(
        format!("{found}: a security module denies capabilities in new user namespaces"),
        format!("allow them in its policy; {WITHOUT}"),
    )
}

/// Why no fresh `/proc` can be mounted.
pub(in super::super) fn fresh_proc(errno: Errno) -> Cause {
    Cause::new(
        format!(
            "mounting a fresh proc: {}: parts of the present /proc are masked, as in a container",
            text(errno)
        ),
        "start the container with --security-opt systempaths=unconfined (docker) or \
         --security-opt unmask=ALL (podman); or do without: -p landlock-only",
    )
}

/// Why nothing can be mounted, though there is a mount namespace.
pub(in super::super) fn mounting(call: &str, errno: Errno) -> Cause {
    let found = format!("{call}: {}", text(errno));
    if errno == Errno::NOSYS {
        return Cause::new(
            format!("{found}: the kernel, or a filter around this process, lacks it"),
            format!("use Linux 5.12 or later; {WITHOUT}"),
        );
    }
    denied_namespace(found)
}

/// Why there is no Landlock.
pub(super) fn landlock(errno: Errno) -> Cause {
    let found = format!("landlock_create_ruleset(2): {}", text(errno));
    match errno {
        Errno::OPNOTSUPP => Cause::new(
            format!("{found}: Landlock is built in, but not switched on at boot"),
            "add landlock to the kernel's command line: lsm=landlock,…",
        ),
        Errno::NOSYS => Cause::new(
            format!(
                "{found}: the kernel has no Landlock, or a filter around this process forbids it"
            ),
            "use Linux 5.13 or later, built with CONFIG_SECURITY_LANDLOCK",
        ),
        _ => Cause::new(found, "a filter around this process may forbid it: run outside of it"),
    }
}
