//! Each level, as root and as an unprivileged user: what holds is looked at from inside.

mod support;

use support::{Workspace, callers};

#[test]
fn every_level_runs_a_command_and_hands_on_its_exit_status() {
    for caller in callers() {
        for level in ["basic", "user-based", "namespaced", "resource-limited", "containerized"] {
            let workspace = Workspace::new(caller);
            let run = workspace.shell(&["-l", level], "exit 7");
            assert_eq!(run.code(), 7, "{caller:?} {level}: {}", run.stderr());
        }
    }
}
