//! What is watched while a command runs, and what happens then.

use serde::Serialize;

use super::{Holder, Permissions, Subject};
use crate::profile::units::format_duration;
use crate::profile::vocabulary::Layer;

/// Something that is watched.
#[derive(Clone, Debug, Serialize)]
pub struct Monitored {
    /// What.
    pub what: &'static str,
    /// What happens then.
    pub then: String,
}

pub(super) fn monitored(subject: &Subject<'_>, permissions: &Permissions) -> Vec<Monitored> {
    let mut list = Vec::new();
    let mut add = |what, then: String| list.push(Monitored { what, then });
    add(
        "setup",
        "before the command starts, what the kernel says of its process is compared with the \
         plan; a difference ends the run (125)"
            .into(),
    );
    let tree = if subject.plan.supervision.pid_namespace {
        "the kernel kills what is left of its tree, with the pid namespace"
    } else {
        "init kills what is left of its tree"
    };
    add("the command's end", format!("its exit status is handed on, and {tree}"));
    add("the launcher's end", "also by SIGKILL: the whole tree is killed".into());
    if let Some(limit) = subject.plan.supervision.wall_time {
        let (limit, grace) =
            (format_duration(limit), format_duration(subject.plan.supervision.grace));
        add(
            "wall-clock time",
            format!("after {limit} SIGTERM, {grace} later SIGKILL to the whole tree (124)"),
        );
    }
    for limit in &permissions.limits {
        if let Some((what, then)) = at_limit(limit.limit, limit.held_by) {
            add(what, format!("{then} ({})", limit.value));
        }
    }
    if let Some(filter) = &permissions.system_calls {
        let kills = match filter.killing {
            0 => String::new(),
            count => {
                format!("; {count} of them end it with SIGSYS, and the report says \"denied\"")
            }
        };
        add("system calls", format!("the kernel refuses those that the filter denies{kills}"));
    }
    if subject.holds(Layer::Landlock) {
        add("files and ports", "the kernel denies what no Landlock rule allows (EACCES)".into());
    }
    add("signals", format!("handed on to the command: {}", subject.forwarded.join(", ")));
    let usage = if subject.plan.expected.cgroup {
        "time, memory, processes and I/O of the whole tree are counted"
    } else {
        "time and I/O of the tree, and the memory of its largest process, are counted"
    };
    add("usage", format!("{usage}, and told in the report (--report)"));
    list
}

/// What happens at a limit.
fn at_limit(limit: &str, holder: Holder) -> Option<(&'static str, &'static str)> {
    use Holder::{Cgroup, EachProcess};
    Some(match (limit, holder) {
        ("memory", Cgroup) => {
            ("memory", "beyond it the kernel kills the tree; the report says \"out-of-memory\"")
        }
        ("memory", EachProcess) => {
            ("memory", "beyond it a process gets ENOMEM; nothing counts the tree's sum")
        }
        ("processes", Cgroup) => ("processes", "beyond it fork and clone fail with EAGAIN"),
        ("processes", EachProcess) => {
            ("processes", "beyond it, counted per user, fork and clone fail with EAGAIN")
        }
        ("cpus", Cgroup) => {
            ("processors", "beyond it the tree is held back; the report says how long")
        }
        ("cpu_time", EachProcess) => {
            ("processor time", "beyond it the kernel kills the process; the report says \"limit\"")
        }
        ("cpu_time", Cgroup) => (
            "processor time",
            "beyond it the launcher sends SIGXCPU, and kills the tree a second later; the report \
             says \"limit\"",
        ),
        ("file_size", EachProcess) => ("file size", "beyond it the process gets SIGXFSZ or EFBIG"),
        ("open_files", EachProcess) => ("open files", "beyond it opening fails with EMFILE"),
        _ => return None,
    })
}
