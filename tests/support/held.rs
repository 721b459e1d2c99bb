//! What this process, and the kernel for it, holds: everything that a run could leave behind.

use std::collections::BTreeSet;
use std::path::Path;

/// Everything that a run could leave behind.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    pub descriptors: BTreeSet<String>,
    pub threads: usize,
    /// Children, zombies among them.
    pub children: String,
    pub mounts: String,
    /// The cgroups of this process's runs, in every hierarchy.
    pub cgroups: BTreeSet<String>,
    pub temporary: BTreeSet<String>,
}

impl Held {
    /// What is held now; `temporary` is where this process's temporary files go.
    pub fn now(temporary: &Path) -> Self {
        let mut children = String::new();
        for task in names("/proc/self/task") {
            let path = format!("/proc/self/task/{task}/children");
            children += &std::fs::read_to_string(path).unwrap_or_default();
        }
        let mut descriptors = names("/proc/self/fd");
        // The one that lists them has whatever number is free.
        let open = |number: &str| Path::new("/proc/self/fd").join(number).symlink_metadata();
        descriptors.retain(|number| open(number).is_ok());
        let cgroups = super::tree::cgroups_of(std::process::id());
        Self {
            descriptors,
            threads: names("/proc/self/task").len(),
            children,
            mounts: std::fs::read_to_string("/proc/self/mountinfo").unwrap(),
            cgroups: cgroups.iter().map(|path| path.display().to_string()).collect(),
            temporary: names(temporary),
        }
    }
}

pub fn names(directory: impl AsRef<Path>) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// A number of kilobytes in `/proc/self/status`.
pub fn kilobytes(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap().split_whitespace().next().unwrap().parse().unwrap()
}

/// How many objects of a kind the whole kernel has, for those that no process is asked for: network
/// namespaces (`net_namespace`), mounts (`mnt_cache`). Only root may know.
pub fn kernel_objects(kind: &str) -> Option<u64> {
    let slabs = std::fs::read_to_string("/proc/slabinfo").ok()?;
    let line = slabs.lines().find(|line| line.split_whitespace().next() == Some(kind))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
