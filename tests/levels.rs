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

#[test]
fn nothing_of_the_old_root_is_left_above_or_below_the_new_one() {
    for caller in callers() {
        // Landlock would hide what the mounts got wrong.
        let only_listed = ["--enforcement", "landlock=off", "--hide", "/usr/share"];
        let script = "ls -d /../work /../root /../../home; grep -c ' / / ' /proc/self/mountinfo";
        let run = Workspace::new(caller).shell(&only_listed, script);
        assert_eq!(run.stdout().trim(), "1", "{caller:?}: {run:?}");
    }
}
