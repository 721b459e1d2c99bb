//! The look from outside: what `/proc` says of the process that waits to become the command.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};

use super::child::hard_limit;
use super::explain::{outside, unconfirmed, unreadable};
use super::mountinfo;
use super::running::Running;
use super::{fault, files};
use crate::error::LaunchError;
use crate::plan::facts::Resource;
use crate::plan::step::{NewRoot, Step};
use crate::plan::{Expected, Plan};
use crate::profile::vocabulary::{Layer, Namespace};

/// What the launcher's own namespaces are called, read while the child sets itself up.
pub(super) struct Own(Vec<(Namespace, Vec<u8>)>);

impl Own {
    pub(super) fn look(plan: &Plan) -> Result<Self, LaunchError> {
        let own = Process::open("self".to_owned())?;
        let link = |namespace: &Namespace| Ok((*namespace, own.namespace(*namespace)?));
        plan.expected.namespaces.iter().map(link).collect::<Result<_, _>>().map(Self)
    }
}

/// A process's directory in `/proc`.
struct Process {
    directory: OwnedFd,
    name: String,
}

impl Process {
    fn open(name: String) -> Result<Self, LaunchError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = format!("/proc/{name}");
        let directory = fault::point()
            .and_then(|()| rustix::fs::open(path.as_str(), flags, Mode::empty()))
            .map_err(|errno| unreadable(Layer::ProcessTree, &path, errno))?;
        Ok(Self { directory, name })
    }

    fn read(&self, file: &str, layer: Layer) -> Result<String, LaunchError> {
        self.bytes(file, layer).map(files::text)
    }

    fn bytes(&self, file: &str, layer: Layer) -> Result<Vec<u8>, LaunchError> {
        let fail = |errno| unreadable(layer, &format!("/proc/{}/{file}", self.name), errno);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        fault::point().map_err(fail)?;
        let opened =
            rustix::fs::openat(&self.directory, file, flags, Mode::empty()).map_err(fail)?;
        files::read_open(&opened).map_err(fail)
    }

    fn namespace(&self, namespace: Namespace) -> Result<Vec<u8>, LaunchError> {
        let file = format!("ns/{}", namespace.proc_name());
        rustix::fs::readlinkat(&self.directory, file.as_str(), Vec::new())
            .map(std::ffi::CString::into_bytes)
            .map_err(|errno| unconfirmed(namespace, &format!("/proc/{}/{file}", self.name), errno))
    }
}

/// Compares what the kernel says of the process with what was planned. The system call filter is
/// the only thing that comes later; the process itself reads that back.
pub(super) fn inspect(plan: &Plan, running: &Running, own: &Own) -> Result<(), LaunchError> {
    let expected = &plan.expected;
    let process = Process::open(running.target.to_string())?;
    let status = process.read("status", Layer::NoNewPrivs)?;
    let status = Status::parse(&status);
    identity(plan, &status)?;
    credentials(expected, &status)?;
    namespaces(own, &process)?;
    let own_view = plan.steps.iter().any(|step| matches!(step, Step::NewRoot(_)));
    if own_view && !plan.mount_attributes {
        read_only_mounts(plan, &process.bytes("mountinfo", Layer::Filesystem)?)?;
    }
    if !expected.rlimits.is_empty() {
        limits(expected, &process.read("limits", Layer::Rlimits)?)?;
    }
    if let Some(cgroup) = &running.tree.cgroup {
        match cgroup.contains(running.target.cast_unsigned()) {
            Ok(true) => {}
            Ok(false) => {
                return Err(outside(Layer::Cgroup, "the process isn't in its cgroup".into()));
            }
            Err(error) => {
                let text = format!("/proc/{}/cgroup: {error}", running.target);
                return Err(outside(Layer::Cgroup, text));
            }
        }
    } else if expected.cgroup {
        return Err(outside(Layer::Cgroup, "no cgroup was made".into()));
    }
    Ok(())
}

/// The fields of `/proc/PID/status` (`proc_pid_status(5)`).
struct Status<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Status<'a> {
    /// Taken apart once, for a launch asks for eight of sixty.
    #[expect(
        clippy::manual_pattern_char_comparison,
        reason = "to look at each character is quicker than to search for the ends of short lines"
    )]
    fn parse(text: &'a str) -> Self {
        let mut fields = Vec::with_capacity(64);
        fields.extend(text.split(|c| c == '\n').filter_map(|line| line.split_once(':')));
        Self(fields)
    }

    fn field(&self, name: &str) -> &'a str {
        let found = self.0.iter().find(|(own, _)| *own == name);
        found.map(|(_, value)| value.trim()).unwrap_or_default()
    }
}

/// Real, effective, saved and file system ids, all of which could be taken up again were one
/// forgotten, and the groups, as the launcher's user namespace has them.
fn identity(plan: &Plan, status: &Status<'_>) -> Result<(), LaunchError> {
    let mapped = plan.steps.iter().find_map(|step| match step {
        Step::MapIds(map) => Some(map.outside),
        _ => None,
    });
    if let Some(inside) = plan.expected.ids {
        let ids = mapped.unwrap_or(inside);
        for (name, id) in [("Uid", ids.uid), ("Gid", ids.gid)] {
            let found: Vec<_> = status.field(name).split_whitespace().collect();
            if found.len() != 4 || found.iter().any(|found| *found != id.to_string()) {
                return Err(outside(Layer::User, format!("{name} is {}", found.join(" "))));
            }
        }
    }
    if let Some(groups) = &plan.expected.groups {
        let mut wanted: Vec<_> = groups.iter().map(u32::to_string).collect();
        let mut found: Vec<_> = status.field("Groups").split_whitespace().collect();
        wanted.sort_unstable();
        found.sort_unstable();
        if found != wanted {
            return Err(outside(Layer::User, format!("Groups are {}", found.join(" "))));
        }
    }
    Ok(())
}

fn credentials(expected: &Expected, status: &Status<'_>) -> Result<(), LaunchError> {
    let field = |name: &str| status.field(name);
    if expected.no_new_privs && field("NoNewPrivs") != "1" {
        return Err(outside(Layer::NoNewPrivs, format!("NoNewPrivs is {}", field("NoNewPrivs"))));
    }
    let Some(capabilities) = expected.capabilities else { return Ok(()) };
    let kept = format!("{:016x}", capabilities.kept);
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        if field(set) != kept {
            return Err(outside(Layer::Capabilities, format!("{set} is {}", field(set))));
        }
    }
    if capabilities.bounding && field("CapBnd") != kept {
        return Err(outside(Layer::Capabilities, format!("CapBnd is {}", field("CapBnd"))));
    }
    Ok(())
}

/// Each namespace that was to be made must be another than the launcher's.
fn namespaces(own: &Own, process: &Process) -> Result<(), LaunchError> {
    for (namespace, link) in &own.0 {
        if process.namespace(*namespace)? == *link {
            let text = format!("its {namespace} namespace is the launcher's");
            return Err(outside(namespace.layer(), text));
        }
    }
    Ok(())
}

fn limits(expected: &Expected, text: &str) -> Result<(), LaunchError> {
    for (resource, limit) in &expected.rlimits {
        let line = text.lines().find_map(|line| line.strip_prefix(title(*resource)));
        let mut values = line.unwrap_or_default().split_whitespace();
        let hard = hard_limit(super::prepare::rlimit(*resource), *limit).to_string();
        let limit = limit.to_string();
        let allowed = [Some(limit.as_str()), Some(hard.as_str())];
        if values.next() != Some(&limit) || !allowed.contains(&values.next()) {
            let name = resource.kernel_name();
            return Err(outside(Layer::Rlimits, format!("{name} isn't {limit}")));
        }
    }
    Ok(())
}

/// What `/proc/PID/limits` calls a limit.
fn title(resource: Resource) -> &'static str {
    match resource {
        Resource::AddressSpace => "Max address space",
        Resource::Core => "Max core file size",
        Resource::CpuTime => "Max cpu time",
        Resource::FileSize => "Max file size",
        Resource::OpenFiles => "Max open files",
        Resource::Processes => "Max processes",
        Resource::Stack => "Max stack size",
    }
}

/// Where each mount was made read-only by itself: makes sure that none was missed.
fn read_only_mounts(plan: &Plan, mountinfo: &[u8]) -> Result<(), LaunchError> {
    let decided = decided(plan);
    let mounts: Vec<_> = mountinfo::mounts(mountinfo).collect();
    // A mask may lie on what is writable.
    for mount in mounts.iter().filter(|mount| !mount.is_covered(&mounts)) {
        let deepest = decided.iter().rev().find(|(at, _)| mount.point.starts_with(at));
        let writable = deepest.is_some_and(|(_, writable)| *writable);
        if !writable && !mount.has(b"ro") {
            let text = format!("{} isn't read-only", mount.point.display());
            return Err(outside(Layer::Filesystem, text));
        }
    }
    Ok(())
}

/// What was planned of each place, whether it is writable; deeper places come later.
fn decided(plan: &Plan) -> Vec<(PathBuf, bool)> {
    let mut decided: BTreeMap<PathBuf, bool> = BTreeMap::new();
    for step in &plan.steps {
        let (path, writable) = match step {
            Step::NewRoot(root) => (PathBuf::from("/"), *root == NewRoot::Empty),
            Step::Bind(bind) => (bind.target.clone(), bind.writable),
            Step::Tmpfs(tmpfs) => (tmpfs.target.clone(), true),
            Step::Proc(path) | Step::DevPts(path) => (path.clone(), true),
            Step::Seal(path) | Step::ReadOnly { path, .. } | Step::Mask { path, .. } => {
                (path.clone(), false)
            }
            _ => continue,
        };
        decided.insert(path, writable);
    }
    decided.into_iter().collect()
}

#[cfg(test)]
mod tests;
