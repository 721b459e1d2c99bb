//! Handing out controllers from a delegated version 2 cgroup.
//!
//! Such a cgroup has either processes or children with controllers. So the launcher moves into a
//! leaf beside the run's cgroup for as long as runs go on, and back after the last one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::NAME;
use super::directory::Directory;
use super::error::{CgroupError, Problem, Step};
use super::place::supervisor_name;
use crate::plan::facts::cgroup::{Controller, Missing};

const CONTROL: &str = "cgroup.subtree_control";

/// The launcher moves as a whole, so the threads of one process take turns.
static TURN: Mutex<()> = Mutex::new(());

pub(super) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The launcher is in a leaf of the delegated cgroup.
#[derive(Debug)]
pub(super) struct Delegation {
    base: Directory,
    leaf: String,
}

impl Delegation {
    /// Moves this process into its leaf, unless an earlier run has; for the one whose [`turn`] it is.
    pub(super) fn enter(base: Directory) -> Result<Self, CgroupError> {
        let leaf = supervisor_name();
        let failed =
            |errno| CgroupError::errno(None, Step::MoveLauncher, base.file_path(&leaf), errno);
        match base.make_child(&leaf) {
            Ok(_) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let moved = base.child(&leaf).and_then(|child| child.write("cgroup.procs", "0"));
        if let Err(errno) = moved {
            let _ = base.remove_child(&leaf);
            return Err(failed(errno));
        }
        let entered = Self { base, leaf };
        let others = entered.base.processes().map_or(0, |pids| pids.len());
        if others > 0 {
            let path = entered.base.path().to_path_buf();
            let problem = Problem::Missing(Missing::Busy { path: path.clone(), others });
            let _ = entered.undo();
            return Err(CgroupError { controller: None, step: Step::Place, path, problem });
        }
        Ok(entered)
    }

    /// Puts everything back, if this was the last run.
    pub(super) fn leave(self) -> Result<(), CgroupError> {
        let _turn = turn();
        self.undo()
    }

    fn undo(&self) -> Result<(), CgroupError> {
        let failed = |step, file: &str, errno| {
            CgroupError::errno(None, step, self.base.file_path(file), errno)
        };
        let names = self.base.child_names().unwrap_or_default();
        if names.iter().any(|name| name.starts_with(NAME) && *name != self.leaf) {
            return Ok(());
        }
        // The kernel lets no process in while a controller is enabled. None was before: we were.
        let enabled =
            self.base.read(CONTROL).map_err(|errno| failed(Step::Enable, CONTROL, errno))?;
        for name in enabled.split_whitespace() {
            self.base
                .write(CONTROL, &format!("-{name}"))
                .map_err(|errno| failed(Step::Enable, CONTROL, errno))?;
        }
        let leaf = self
            .base
            .child(&self.leaf)
            .map_err(|errno| failed(Step::MoveLauncher, &self.leaf, errno))?;
        // Also what this process has started outside of sandboxes in the meantime.
        for pid in leaf.processes().unwrap_or_default() {
            match self.base.write("cgroup.procs", &pid.to_string()) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(failed(Step::MoveLauncher, "cgroup.procs", errno)),
            }
        }
        self.base.remove_child(&self.leaf).map_err(|errno| failed(Step::Remove, &self.leaf, errno))
    }
}

/// Enables what isn't enabled yet for the children of `parent`.
///
/// It stays enabled in a cgroup that isn't ours alone: others may have come to rely on it, and
/// disabling a controller drops their limits without a word.
pub(super) fn enable(parent: &Directory, controllers: &[Controller]) -> Result<(), CgroupError> {
    if controllers.is_empty() {
        return Ok(());
    }
    let failed = |controller, errno| {
        CgroupError::errno(controller, Step::Enable, parent.file_path(CONTROL), errno)
    };
    let enabled = parent.read(CONTROL).map_err(|errno| failed(controllers[0], errno))?;
    for &controller in controllers {
        let Some(name) = controller.v2_name() else { continue };
        if enabled.split_whitespace().all(|own| own != name) {
            let text = format!("+{name}");
            parent.write(CONTROL, &text).map_err(|errno| failed(controller, errno))?;
        }
    }
    Ok(())
}
