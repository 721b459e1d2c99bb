//! What the command line takes away from a profile, and a section refines in its level.

mod support;

use support::host::has_landlock_tcp;
use support::{Finished, Workspace, callers};

/// The lines that say what a profile loses.
fn lost(run: &Finished) -> Vec<String> {
    let lines = run.stderr();
    lines.lines().filter(|line| line.contains("has no effect now")).map(str::to_owned).collect()
}

const PORTS: &str = r#"{"version": 1, "level": "containerized", "extends": "default",
    "enforcement": {"landlock": "required"}, "otherwise": [],
    "network": {"mode": "host", "connect_tcp": [443]},
    "filesystem": {"hide": ["/usr/share"]},
    "seccomp": {"deny": ["@ipc"]}, "limits": {"wall_time": "1m"}}"#;

#[test]
fn an_option_that_takes_away_what_the_profile_asks_for_says_so_in_one_line() {
    let cases: [(&[&str], &[&str]); 4] = [
        (
            &["--level", "namespaced"],
            &["--level namespaced", "landlock (enforcement.landlock, connect_tcp)", "seccomp.deny"],
        ),
        (&["--level", "basic"], &["filesystem.hide", "connect_tcp", "filesystem.mounts"]),
        (
            &["--enforcement", "seccomp=off"],
            &["--enforcement seccomp=off", "seccomp (seccomp.deny)"],
        ),
        (&["--enforcement", "wall-time=off"], &["wall-time (limits.wall_time)"]),
    ];
    for caller in callers() {
        for (options, told) in cases {
            let workspace = Workspace::new(caller);
            workspace.write("project/ports.json", PORTS);
            let options = [&["-p", "./ports.json"], options].concat();
            let (run, report) = workspace.report(&options, "echo ran");
            if run.code() == 125 && !has_landlock_tcp() {
                continue;
            }
            assert_eq!(run.success(), "ran", "{caller:?} {options:?}");
            let lines = lost(&run);
            assert_eq!(lines.len(), 1, "{caller:?} {options:?}: {run:?}");
            for text in told {
                assert!(lines[0].contains(text), "{caller:?} {options:?} {text}: {lines:?}");
            }
            let notes = report["notes"].as_array().unwrap();
            let noted = notes.iter().filter_map(|note| note.as_str());
            assert!(noted.into_iter().any(|note| lines[0].ends_with(note)), "{report:#}");
        }
    }
}

#[test]
fn options_are_silent_where_nothing_is_lost_that_the_profile_says_itself() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("project/plain.json", r#"{"version": 1, "level": "containerized"}"#);
        for options in [
            &["-p", "./plain.json", "--level", "basic"][..],
            &["-p", "./plain.json", "--level", "namespaced"],
            &["--level", "namespaced"],
            &["--enforcement", "landlock=off"],
            &["--enforcement", "seccomp=off"],
        ] {
            let run = workspace.shell(options, "echo ran");
            assert_eq!(run.success(), "ran", "{caller:?} {options:?}");
            assert_eq!(lost(&run), Vec::<String>::new(), "{caller:?} {options:?}");
        }
    }
}

#[test]
fn what_an_option_asks_for_and_another_takes_away_is_told_as_well() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let options = ["--level", "basic", "--set", "seccomp.deny=[\"mlockall\"]"];
        let run = workspace.shell(&options, "echo ran");
        let told = lost(&run).concat();
        assert!(told.contains("seccomp (seccomp.deny)"), "{caller:?}: {run:?}");
    }
}

/// A profile of a level with a root of its own.
fn rooted(level: &str, root: &str, more: &str) -> String {
    format!(
        r#"{{"version": 1, "level": "{level}", "enforcement": {{"cgroup": "best-effort"{more}}},
             "filesystem": {{
                 "root": {root},
                 "mounts": ["/usr", "/bin", "/lib", {{"source": "/lib64", "optional": true}}]}}}}"#
    )
}

#[test]
fn a_root_of_its_own_is_made_at_every_level_that_can_show_one() {
    let script = "ls /; ls /etc /root /home 2>&1 | grep -c 'No such file'";
    for caller in callers() {
        let workspace = Workspace::new(caller);
        std::fs::create_dir(workspace.project().join("rootfs")).unwrap();
        for name in ["usr", "bin", "lib", "lib64", "proc", "dev", "tmp", "run"] {
            std::fs::create_dir(workspace.project().join("rootfs").join(name)).unwrap();
        }
        let directory = r#"{"directory": "${PROFILE_DIR}/rootfs"}"#;
        for (level, more) in [
            ("namespaced", ""),
            ("resource-limited", ""),
            ("basic", r#", "mount-namespace": "required", "pid-namespace": "required""#),
        ] {
            for root in [r#""minimal""#, directory] {
                workspace.write("project/rooted.json", rooted(level, root, more));
                let run = workspace.shell(&["-p", "./rooted.json"], script);
                let text = run.stdout();
                assert_eq!(text.lines().last(), Some("3"), "{caller:?} {level} {root}: {run:?}");
                assert!(!text.lines().any(|name| name == "etc"), "{caller:?} {level}: {run:?}");
            }
        }
    }
}

#[test]
fn the_layer_root_asked_for_by_name_is_a_minimal_root() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let options = ["--set", "level=\"namespaced\"", "--enforcement", "root=required"];
        let run = workspace.shell(&options, "ls -d /home /srv /var 2>/dev/null; echo ran");
        assert_eq!(run.success(), "ran", "{caller:?}");
    }
}

#[test]
fn a_root_that_no_layer_of_the_level_could_show_is_an_error_at_its_line() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        for level in ["basic", "user-based"] {
            workspace.write("project/rooted.json", rooted(level, r#""minimal""#, ""));
            let run = workspace.shell(&["-p", "./rooted.json"], "echo ran");
            assert_eq!((run.code(), run.stdout()), (125, String::new()), "{caller:?}: {run:?}");
            for text in ["rooted.json:3", "filesystem.root", "mount-namespace", "\"host\""] {
                assert!(run.stderr().contains(text), "{caller:?} {text}: {}", run.stderr());
            }
        }
    }
}

#[test]
fn a_lower_level_of_the_command_line_gives_the_hosts_root_and_says_so() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("project/rooted.json", rooted("containerized", r#""minimal""#, ""));
        for level in ["namespaced", "basic"] {
            let run = workspace.shell(&["-p", "./rooted.json", "-l", level], "ls -d /etc");
            assert_eq!(run.success(), "/etc", "{caller:?} {level}");
            let told = lost(&run).concat();
            assert!(told.contains("root (filesystem.root)"), "{caller:?} {level}: {run:?}");
        }
    }
}
