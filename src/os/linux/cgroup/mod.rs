//! A cgroup for one run: made, limited, joined, watched, killed and removed.
//!
//! Version 1, version 2 and both at once (hybrid). No path is fixed: where the hierarchies are
//! comes from `/proc/self/mountinfo`, so a temporary directory can stand in for them.
mod create;
mod delegation;
mod directory;
mod error;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod kill;
mod layout;
mod place;
mod probe;
mod setting;
mod statistics;
mod sweep;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

pub use create::Request;
pub use error::{CgroupError, Problem, Step};
pub use layout::{Hierarchy, Layout};
pub use probe::{Effort, probe};
pub use setting::LimitInForce;
pub use statistics::Statistics;
pub use sweep::sweep;

use crate::os::linux::{fault, files};
use crate::plan::facts::cgroup::Controller;
use delegation::Delegation;
use directory::Directory;
use layout::memberships;

/// How long a removal waits for dying processes, where nobody says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Where the kernel's file systems are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// `/proc`
    pub proc: PathBuf,
    /// `/sys`
    pub sys: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into() }
    }
}

/// A cgroup of one run, in every hierarchy that it takes; removed when dropped.
#[derive(Debug)]
pub struct Cgroup {
    members: Vec<Member>,
    join_files: Vec<OwnedFd>,
    in_force: Vec<LimitInForce>,
    delegation: Option<Delegation>,
    proc: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// The cgroup's directory in one hierarchy.
#[derive(Debug)]
struct Member {
    parent: Directory,
    directory: Directory,
    name: String,
    version: Version,
    /// What it is there for.
    controllers: Vec<Controller>,
    /// Its path as `/proc/PID/cgroup` shows it.
    cgroup: String,
}

impl Cgroup {
    /// The directory for `CLONE_INTO_CGROUP`, where there is a version 2 part.
    #[must_use]
    pub fn clone_into_fd(&self) -> Option<BorrowedFd<'_>> {
        self.v2().map(|member| member.directory.as_fd())
    }

    /// A `tasks` for each version 1 part, open for writing and closed on exec: the child, which has
    /// one thread, joins by writing `0` to each.
    ///
    /// Through `cgroup.procs` a process joins with all of its threads, and for those the kernel
    /// first waits until no processor is in the middle of a fork or an exit, 5 to 14 ms. A thread
    /// that moves itself needs no such wait (`cgroup_procs_write_start()` in `kernel/cgroup`).
    #[must_use]
    pub fn join_files(&self) -> &[OwnedFd] {
        &self.join_files
    }

    /// The `cgroup.procs` of the version 2 part, for a child that can't be born into it.
    pub fn open_v2_join_file(&self) -> Result<Option<OwnedFd>, CgroupError> {
        self.v2().map(|member| open_to_join(&member.directory, "cgroup.procs")).transpose()
    }

    /// Puts a process into all parts, with all of its threads.
    pub fn add(&self, pid: u32) -> Result<(), CgroupError> {
        for member in &self.members {
            let directory = &member.directory;
            directory.write("cgroup.procs", &pid.to_string()).map_err(|errno| {
                CgroupError::errno(None, Step::Write, directory.file_path("cgroup.procs"), errno)
            })?;
        }
        Ok(())
    }

    /// Whether a process is in every part, by `/proc/PID/cgroup`.
    pub fn contains(&self, pid: u32) -> io::Result<bool> {
        let text = files::read_text(self.proc.join(pid.to_string()).join("cgroup"))?;
        Ok(self.members.iter().all(|member| member.is_named_in(&text)))
    }

    /// The limits as the kernel held them after they were written.
    #[must_use]
    pub fn in_force(&self) -> &[LimitInForce] {
        &self.in_force
    }

    /// The directories that this cgroup is made of.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        self.members.iter().map(|member| member.directory.path())
    }

    /// Removes it, waiting up to `patience` for dying processes; it tries to remove every part,
    /// and gives back the first error.
    pub fn remove(mut self, patience: Duration) -> Result<(), CgroupError> {
        self.take_down(patience)
    }

    fn take_down(&mut self, patience: Duration) -> Result<(), CgroupError> {
        let deadline = Instant::now() + patience;
        self.join_files.clear();
        let mut result = Ok(());
        while let Some(member) = self.members.pop() {
            result = result.and(member.remove(deadline));
        }
        if let Some(delegation) = self.delegation.take() {
            result = result.and(delegation.leave());
        }
        result
    }

    fn v2(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.version == Version::V2)
    }

    /// The part that carries `controller`.
    fn part(&self, controller: Controller) -> Option<&Member> {
        self.members.iter().find(|member| member.controllers.contains(&controller))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Whoever wants to know calls remove().
        let _ = self.take_down(PATIENCE);
    }
}

impl Member {
    /// Whether the text of a `/proc/PID/cgroup` says that the process is in here or below.
    fn is_named_in(&self, proc_cgroup: &str) -> bool {
        memberships(proc_cgroup).any(|membership| {
            let same_hierarchy = match self.version {
                Version::V2 => membership.is_v2(),
                Version::V1 => self
                    .controllers
                    .iter()
                    .any(|controller| membership.controllers.contains(&controller.v1_name())),
            };
            same_hierarchy
                && membership
                    .cgroup
                    .strip_prefix(self.cgroup.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    fn remove(&self, deadline: Instant) -> Result<(), CgroupError> {
        kill::remove_tree(&self.parent, &self.name, deadline)
            .map_err(|errno| CgroupError::errno(None, Step::Remove, self.directory.path(), errno))
    }
}

fn open_to_join(directory: &Directory, file: &str) -> Result<OwnedFd, CgroupError> {
    fault::point().and_then(|()| directory.open_file(file, OFlags::WRONLY)).map_err(|errno| {
        CgroupError::errno(None, Step::OpenProcs, directory.file_path(file), errno)
    })
}

/// The start of the names of all cgroups of runs.
const NAME: &str = "ringfence-";

/// A name that says whose it is, for [`sweep`], and that nobody has guessed.
fn cgroup_name() -> String {
    let mut random = [0; 8];
    // getrandom(2) fails only before the kernel's pool is ready, or where a filter forbids it: a
    // name that is taken makes mkdir fail, and nothing worse.
    let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::NONBLOCK);
    format!("{NAME}{}-{:016x}", std::process::id(), u64::from_ne_bytes(random))
}
