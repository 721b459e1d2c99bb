//! The look from outside: what `/proc` says of the process that waits to become the command.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::child::hard_limit;
use super::explain::{outside, unreadable};
use super::spawn::Running;
use crate::error::LaunchError;
use crate::plan::facts::Resource;
use crate::plan::step::{NewRoot, Step};
use crate::plan::{Expected, Plan};
use crate::profile::vocabulary::Layer;

/// Compares what the kernel says of the process with what was planned. The system call filter is
/// the only thing that comes later; the process itself reads that back.
pub(super) fn inspect(plan: &Plan, running: &Running) -> Result<(), LaunchError> {
    let expected = &plan.expected;
    let proc = format!("/proc/{}", running.target);
    let status = read(&proc, "status", Layer::NoNewPrivs)?;
    credentials(expected, &status)?;
    namespaces(expected, &proc)?;
    let own_view = plan.steps.iter().any(|step| matches!(step, Step::NewRoot(_)));
    if own_view && !plan.mount_attributes {
        read_only_mounts(plan, &read(&proc, "mountinfo", Layer::Filesystem)?)?;
    }
    if !expected.rlimits.is_empty() {
        limits(expected, &read(&proc, "limits", Layer::Rlimits)?)?;
    }
    if let Some(cgroup) = &running.cgroup {
        let pid = running.target.cast_unsigned();
        match cgroup.contains(pid) {
            Ok(true) => {}
            Ok(false) => {
                return Err(outside(Layer::Cgroup, "the process isn't in its cgroup".into()));
            }
            Err(error) => {
                return Err(outside(Layer::Cgroup, format!("{proc}/cgroup: {error}")));
            }
        }
    } else if expected.cgroup {
        return Err(outside(Layer::Cgroup, "no cgroup was made".into()));
    }
    Ok(())
}

fn read(proc: &str, file: &str, layer: Layer) -> Result<String, LaunchError> {
    let path = format!("{proc}/{file}");
    std::fs::read_to_string(&path).map_err(|error| {
        let errno = rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO);
        unreadable(layer, &path, errno)
    })
}

fn credentials(expected: &Expected, status: &str) -> Result<(), LaunchError> {
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
            .unwrap_or_default()
    };
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
fn namespaces(expected: &Expected, proc: &str) -> Result<(), LaunchError> {
    for namespace in expected.namespaces.iter().copied() {
        let layer = namespace.layer();
        let link = |of: &str| {
            let path = format!("{of}/ns/{}", namespace.proc_name());
            rustix::fs::readlink(path.as_str(), Vec::new())
                .map_err(|errno| unreadable(layer, &path, errno))
        };
        if link(proc)? == link("/proc/self")? {
            let text = format!("its {namespace} namespace is the launcher's");
            return Err(outside(layer, text));
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
fn read_only_mounts(plan: &Plan, mountinfo: &str) -> Result<(), LaunchError> {
    let decided = decided(plan);
    for line in mountinfo.lines() {
        let mut fields = line.split(' ').skip(4);
        let (Some(path), Some(options)) = (fields.next(), fields.next()) else { continue };
        let deepest = decided.iter().rev().find(|(at, _)| Path::new(path).starts_with(at));
        let writable = deepest.is_some_and(|(_, writable)| *writable);
        if !writable && !options.split(',').any(|option| option == "ro") {
            return Err(outside(Layer::Filesystem, format!("{path} isn't read-only")));
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
