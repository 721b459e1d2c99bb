//! What the tests share.

use std::io::Write;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::os::linux::cgroup::{Cgroup, CgroupError, Effort, Layout, Request, Roots, probe};
use crate::plan::facts::cgroup::{CgroupFacts, Controller, Support};
use crate::policy::limits::TreeLimits;

pub(super) const LONG: Duration = Duration::from_secs(20);

/// The facilities in `RINGFENCE_REQUIRE` must be there: their tests fail instead of being skipped.
fn is_required(facility: &str) -> bool {
    std::env::var("RINGFENCE_REQUIRE")
        .is_ok_and(|list| list.split(',').any(|name| [facility, "all"].contains(&name.trim())))
}

pub(super) fn skip(test: &str, facility: &str, reason: &str) {
    assert!(!is_required(facility), "{test} needs {facility}: {reason}");
    // Not by eprintln!, which the test harness swallows for tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIP {test}: {reason}");
}

/// This host, for one test at a time: moving the launcher moves the whole test process.
pub(super) struct Host {
    pub(super) facts: CgroupFacts,
    pub(super) roots: Roots,
    _turn: MutexGuard<'static, ()>,
}

static HOST: Mutex<()> = Mutex::new(());

impl Host {
    /// This host, if it has all that is needed.
    pub(super) fn with(test: &str, needed: &[Controller]) -> Option<Self> {
        let turn = HOST.lock().unwrap_or_else(PoisonError::into_inner);
        let roots = Roots::default();
        let layout = Layout::read(&roots).expect("/proc is mounted");
        let facts = probe(&layout, &roots, Effort::Try);
        for &controller in needed {
            let support = facts.support(controller);
            let facility = match support {
                // What every version 2 cgroup can do, a hybrid host does there.
                _ if controller.v2_name().is_none() => None,
                Support::V1 { .. } => Some("cgroup-v1"),
                Support::V2 => Some("cgroup-v2"),
                Support::HeldByHost { .. } => None,
                Support::Missing(_) => Some("neither"),
            };
            for required in ["cgroup-v1", "cgroup-v2"] {
                assert!(
                    facility.is_none_or(|facility| facility == required) || !is_required(required),
                    "{test} needs {controller} by {required}: {support:?}"
                );
            }
            if let Support::Missing(missing) = support {
                skip(test, "cgroup", &format!("{controller}: {missing}"));
                return None;
            }
        }
        Some(Self { facts, roots, _turn: turn })
    }

    /// The same host, if it had no version 2 hierarchy.
    pub(super) fn without_v2(mut self) -> Self {
        let layout = Layout::read(&self.roots).expect("/proc is mounted");
        self.facts = probe(&Layout { v2: None, ..layout }, &self.roots, Effort::Try);
        self
    }

    pub(super) fn create(&self, limits: &TreeLimits) -> Result<Cgroup, CgroupError> {
        let request =
            Request { limits, extra_processes: 0, accounting: true, cpu_time: false, kill: true };
        Cgroup::create(&self.facts, &request, &self.roots)
    }

    /// The directories of this process that are still there.
    pub(super) fn left_behind(&self) -> Vec<String> {
        let ours = format!("ringfence-{}-", std::process::id());
        let supervisor = format!("ringfence-supervisor-{}", std::process::id());
        self.facts
            .parents()
            .flat_map(|parent| std::fs::read_dir(parent).expect("a parent can be read"))
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with(&ours) || *name == supervisor)
            .collect()
    }
}

/// A shell that joins the cgroup, and only then runs the script.
pub(super) fn run_inside(cgroup: &Cgroup, script: &str) -> Child {
    let mut child = Command::new("sh")
        .args(["-c", &format!("read go; {script}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    cgroup.add(child.id()).expect("the child can be put into the cgroup");
    assert!(cgroup.contains(child.id()).expect("/proc/PID/cgroup"), "the child is in all parts");
    child.stdin.take().expect("a pipe").write_all(b"go\n").expect("the child reads");
    child
}

pub(super) fn finish_inside(cgroup: &Cgroup, script: &str) -> ExitStatus {
    run_inside(cgroup, script).wait().expect("the child ends")
}
