//! What a command can still reach or do, that somebody might think it can't.
//!
//! Each line is derived from the plan; none is told where the plan closes it.

use super::{Holder, Permissions, Subject, What};
use crate::plan::landlock::access;
use crate::profile::vocabulary::{Layer, Namespace, NetworkMode, Stdin};

/// `AF_UNIX` and `SOCK_STREAM`.
const UNIX_STREAM: [u64; 6] = [1, 1, 0, 0, 0, 0];

/// `fchmodat` with mode 4755.
const SETUID_MODE: [u64; 6] = [0, 0, 0o4755, 0, 0, 0];

/// How many paths a line names; the others are counted.
const NAMED: usize = 5;

pub(super) fn ways_out(subject: &Subject<'_>, permissions: &Permissions) -> Vec<String> {
    let mut list = Vec::new();
    kernel(permissions, &mut list);
    network(subject, permissions, &mut list);
    identity(subject, permissions, &mut list);
    processes(subject, &mut list);
    files(subject, permissions, &mut list);
    inherited(subject, permissions, &mut list);
    consumption(permissions, &mut list);
    list.push(
        "side channels: processor caches, timing and the graphics processor are shared with the \
         host"
            .into(),
    );
    list
}

fn kernel(permissions: &Permissions, list: &mut Vec<String>) {
    match &permissions.system_calls {
        Some(filter) => list.push(format!(
            "the kernel is the host's: a bug in one of the {} system calls that get through is a \
             way out",
            filter.allowed + filter.conditional
        )),
        None => list.push(
            "the kernel is the host's, and no seccomp filter keeps its system calls from the \
             command: io_uring, bpf, keyrings and new user namespaces are as reachable as for any \
             program of this user"
                .into(),
        ),
    }
}

fn network(subject: &Subject<'_>, permissions: &Permissions, list: &mut Vec<String>) {
    let network = &permissions.network;
    let scopes = subject.landlock().map_or(0, |rules| rules.scoped);
    if network.mode == NetworkMode::Host {
        match (&network.connect_tcp, &network.bind_tcp) {
            (None, None) => list.push(
                "the network is the host's: every address it reaches, services on its loopback \
                 among them"
                    .into(),
            ),
            _ => list.push(
                "only TCP is limited: UDP (name service, QUIC), ICMP and other protocols reach \
                 whatever the host does; an allowed port is open to every address"
                    .into(),
            ),
        }
    }
    let unix = subject.permits("socket", &UNIX_STREAM);
    if !subject.makes(Namespace::Network)
        && unix
        && scopes & access::SCOPE_ABSTRACT_UNIX_SOCKET == 0
    {
        list.push("abstract UNIX sockets of the host (D-Bus, X11) can be connected to".into());
    }
    if subject.policy.network != NetworkMode::Host && network.mode == NetworkMode::Host {
        list.push(format!(
            "the profile asks for the network \"{}\", which isn't enforced",
            subject.policy.network
        ));
    }
    if unix {
        list.push(
            "UNIX sockets that are files in a visible path can be connected to, where their \
             permissions allow it"
                .into(),
        );
    }
}

fn identity(subject: &Subject<'_>, permissions: &Permissions, list: &mut Vec<String>) {
    let caller = &subject.facts.caller;
    let user = &permissions.user;
    if user.outside_uid == 0 {
        list.push(
            "the command is the host's root: files of root's that it sees are its own".into(),
        );
    } else if user.outside_uid == caller.uid {
        list.push(format!(
            "outside, the command is the caller (user {}): visible files obey the caller's \
             permissions",
            caller.uid
        ));
    }
    let sets_groups =
        subject.plan.steps.iter().any(|step| matches!(step, crate::plan::step::Step::SetGroups(_)));
    let kept = caller.groups.iter().filter(|group| **group != caller.gid).count();
    if !sets_groups && kept > 0 {
        list.push(format!(
            "{kept} supplementary groups of the caller are kept, and count for visible files"
        ));
    }
    if !permissions.capabilities.is_empty() {
        let scope = if subject.makes(Namespace::User) {
            "inside its user namespace"
        } else {
            "on the host"
        };
        list.push(format!("capabilities {scope}: {}", permissions.capabilities.join(", ")));
    }
}

fn processes(subject: &Subject<'_>, list: &mut Vec<String>) {
    let scoped = subject.landlock();
    let scopes = scoped.map_or(0, |rules| rules.scoped);
    if !subject.makes(Namespace::Pid) {
        if scopes & access::SCOPE_SIGNAL == 0 {
            list.push(
                "other processes of the same user can be sent signals, ringfence's own among them"
                    .into(),
            );
        }
        // A Landlock domain keeps its processes from tracing those outside of it.
        if scoped.is_none() {
            list.push(
                "other processes of the same user can be traced (ptrace) and read, where the \
                 host's Yama setting allows it"
                    .into(),
            );
        }
        list.push("other processes are listed in /proc, where that is visible".into());
    }
    if !subject.makes(Namespace::Ipc) && subject.permits("shmget", &[0; 6]) {
        list.push("System V IPC and POSIX message queues are the host's".into());
    }
    if !subject.holds(Layer::Session) {
        list.push("the command stays in the caller's session, and may read its terminal".into());
    }
}

fn files(subject: &Subject<'_>, permissions: &Permissions, list: &mut Vec<String>) {
    let files = &permissions.files;
    let own_view = subject.holds(Layer::Filesystem);
    if !own_view && subject.landlock().is_none() {
        list.push("every file that the user may change can be changed".into());
        return;
    }
    let writable: Vec<String> = files
        .visible
        .iter()
        .filter(|visible| visible.what.is_writable_host())
        .map(|visible| visible.path.display().to_string())
        .collect();
    if !writable.is_empty() {
        let mut named = writable[..writable.len().min(NAMED)].join(", ");
        if writable.len() > NAMED {
            named += &format!(" and {} more", writable.len() - NAMED);
        }
        list.push(format!(
            "what is in {named} can be changed for good: files that are run or sourced later \
             (scripts, hooks, build files) run outside of the sandbox then"
        ));
        list.push(format!("the file systems of {named} can be filled up: no quota is set"));
        if subject.permits("fchmodat", &SETUID_MODE) {
            list.push(
                "setuid and setgid files of the command's user can be left in writable paths"
                    .into(),
            );
        }
    }
    if !own_view {
        list.push(
            "Landlock doesn't check chmod, chown, utime, xattrs, stat, readlink and chdir: the \
             user's own files can have their permissions and times changed, and the existence of \
             any file be found out"
                .into(),
        );
    }
    if own_view && files.visible.iter().any(|visible| visible.what == What::Proc) {
        list.push("/proc tells of the host's kernel, processors, memory and load".into());
    }
}

fn inherited(subject: &Subject<'_>, permissions: &Permissions, list: &mut Vec<String>) {
    let process = &subject.policy.process;
    if process.stdin == Stdin::Inherit {
        list.push(
            "standard input, output and error are the caller's: on a terminal, what is written \
             there is obeyed by it, escape sequences too"
                .into(),
        );
    } else {
        list.push(
            "standard output and error are the caller's: on a terminal, what is written there is \
             obeyed by it, escape sequences too"
                .into(),
        );
    }
    if !process.descriptors.is_empty() {
        list.push(format!(
            "descriptors {:?} are inherited, with all rights they were opened with",
            process.descriptors
        ));
    }
    let secrets: Vec<&str> = permissions
        .environment
        .passed
        .iter()
        .map(String::as_str)
        .filter(|name| looks_secret(name))
        .collect();
    if !secrets.is_empty() {
        list.push(format!("variables that look like secrets are passed: {}", secrets.join(", ")));
    }
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "PRIVATE_KEY", "AUTH_SOCK"]
        .iter()
        .any(|mark| name.contains(mark))
}

fn consumption(permissions: &Permissions, list: &mut Vec<String>) {
    let holder = |name: &str| {
        permissions.limits.iter().find(|limit| limit.limit == name).map(|limit| limit.held_by)
    };
    let unlimited: Vec<&str> = [
        ("memory", "memory"),
        ("processes", "processes"),
        ("cpus", "processor time"),
        ("wall_time", "wall-clock time"),
    ]
    .into_iter()
    .filter(|(limit, _)| matches!(holder(limit), None | Some(Holder::Nobody)))
    .map(|(_, text)| text)
    .collect();
    if !unlimited.is_empty() {
        list.push(format!("nothing limits the whole tree's {}", unlimited.join(", ")));
    }
    if holder("memory") == Some(Holder::EachProcess) {
        list.push(
            "memory is limited for each process only: many processes together may use much more"
                .into(),
        );
    }
    for limit in permissions.limits.iter().filter(|limit| limit.held_by == Holder::Nobody) {
        list.push(format!("limits.{} ({}) isn't enforced here", limit.limit, limit.value));
    }
}
