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

#[test]
fn the_memory_and_the_environment_of_init_are_closed_from_the_first_moment() {
    // Init is a copy of the launcher, whose environment may hold secrets. A command that is quick
    // must not find it open: without a shell before it, `cat` reads within a millisecond.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        for _ in 0..20 {
            for file in ["environ", "mem", "maps"] {
                let path = format!("/proc/1/{file}");
                let run = workspace.ringfence(["run", "-q", "--", "cat", &path]).finish();
                assert!(run.stdout().is_empty(), "{caller:?} {file}: {run:?}");
                assert_eq!(run.code(), 1, "{caller:?} {file}: {run:?}");
            }
        }
    }
}
