//! Level 1: what crosses the boundary between the caller and the command, and what doesn't. It
//! holds at every level. Rows of the hostile cases: 11, 16, 23, 31.

mod support;

use std::process::Stdio;

use support::{Caller, LEVELS, Workspace, callers};

/// Runs `test` as every caller at every level.
fn everywhere(test: impl Fn(&Workspace, Caller, &str)) {
    for caller in callers() {
        for level in LEVELS {
            test(&Workspace::new(caller), caller, level);
        }
    }
}

#[test]
fn the_command_leads_a_group_of_a_session_without_a_terminal() {
    // Also where the caller has a terminal (row 11). The session is init's, which is the command's
    // parent: else the group would be an orphan, which a terminal can't stop.
    let script = "read pid name state parent group session tty rest < /proc/$$/stat
        echo $((session == parent)) $((group == pid)) $tty; : < /dev/tty";
    everywhere(|workspace, caller, level| {
        let words = ["run", "-l", level, "--", "sh", "-c", script];
        for state in [&[][..], &["terminal"]] {
            let run = workspace.hostile(state, &words).finish();
            assert_eq!(run.stdout(), "1 1 0\n", "{caller:?} {level} {state:?}: {run:?}");
            assert_ne!(run.code(), 0, "{caller:?} {level}: /dev/tty can be opened");
        }
    });
}

/// What the command has open.
const DESCRIPTORS: &str = "ls /proc/$$/fd; :";

#[test]
fn descriptors_that_were_not_declared_are_closed() {
    // Row 16: a directory outside of the root is a way out of it, by fchdir.
    everywhere(|workspace, caller, level| {
        let secret = workspace.write("home/secret", "secret");
        let state = [
            "open=3:/".to_owned(),
            format!("open=7:{}", secret.display()),
            "open=900:/etc".to_owned(),
        ];
        let state: Vec<_> = state.iter().map(String::as_str).collect();
        let run = workspace.hostile(&state, &["run", "-l", level, "--", "sh", "-c", DESCRIPTORS]);
        assert_eq!(run.finish().success(), "0\n1\n2", "{caller:?} {level}");
    });
}

#[test]
fn a_declared_descriptor_is_handed_on_and_no_other() {
    everywhere(|workspace, caller, level| {
        let file = workspace.write("project/data", "of the caller");
        let state = [format!("open=7:{}", file.display()), "open=8:/".to_owned()];
        let state: Vec<_> = state.iter().map(String::as_str).collect();
        let script = format!("{DESCRIPTORS}; cat <&7");
        let words = ["run", "-l", level, "--pass-fd", "7", "--", "sh", "-c", &script];
        let run = workspace.hostile(&state, &words).finish();
        assert_eq!(run.success(), "0\n1\n2\n7\nof the caller", "{caller:?} {level}");
    });
}

#[test]
fn a_declared_descriptor_that_is_not_open_is_refused() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let run = workspace.shell(&["-l", "basic", "--pass-fd", "77"], "echo ran");
        assert_eq!(run.code(), 125, "{caller:?}: {run:?}");
        assert_eq!(run.stdout(), "", "{caller:?}");
        assert!(run.stderr().contains("77"), "{caller:?}: {}", run.stderr());
    }
}

#[test]
fn a_declared_descriptor_can_have_another_number_in_the_command() {
    everywhere(|workspace, caller, level| {
        let first = workspace.write("project/first", "first ");
        let second = workspace.write("project/second", "second ");
        // In a ring: each takes a number that the other leaves.
        let state = [format!("open=7:{}", first.display()), format!("open=8:{}", second.display())];
        let state: Vec<_> = state.iter().map(String::as_str).collect();
        let script = "cat <&8 <&8; cat <&7; cat <&9; echo; ls /proc/$$/fd; :";
        let words = ["run", "-l", level, "--pass-fd", "7:8", "--pass-fd=8:7", "--pass-fd=0:9"];
        let words = [&words[..], &["--", "sh", "-c", script]].concat();
        let run = workspace.hostile(&state, &words).finish();
        let expected = "first second \n0\n1\n2\n7\n8\n9";
        assert_eq!(run.success(), expected, "{caller:?} {level}: {run:?}");
    });
}

#[test]
fn a_descriptor_that_cant_be_moved_is_refused() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let report = workspace.home().join("report.json");
        let report = report.to_str().unwrap();
        // Not open, also where this program itself has something there; a directory; what is no
        // number; a standard stream; two at one number.
        for (options, said) in [
            (&["--pass-fd", "77:5"][..], "descriptor 77"),
            (&["--report", report, "--pass-fd", "3:9"], "descriptor 3"),
            (&["--pass-fd", "7:5"], "is a directory"),
            (&["--pass-fd", "7:x"], "\"x\" isn't the number"),
            (&["--pass-fd", "7:"], "\"\" isn't the number"),
            (&["--pass-fd", "7:1"], "--pass-fd"),
            (&["--pass-fd", "8:5", "--pass-fd", "9:5"], "two are to be at 5"),
        ] {
            let words = [&["run"], options, &["--", "echo", "ran"]].concat();
            let run = workspace.hostile(&["open=7:/", "open=8:/dev/null"], &words).finish();
            assert_eq!((run.code() > 0, &*run.stdout()), (true, ""), "{caller:?}: {run:?}");
            assert!(run.stderr().contains(said), "{caller:?} {options:?}: {}", run.stderr());
        }
    }
}

#[test]
fn standard_descriptors_closed_by_the_caller_are_open_inside() {
    // Row 16: else the first file that the command opens becomes its standard output.
    everywhere(|workspace, caller, level| {
        for (closed, script) in [
            ("0", "readlink /proc/$$/fd/0; :"),
            ("1", "it=$(readlink /proc/$$/fd/1); echo $it >&2"),
            ("2", "readlink /proc/$$/fd/2; :"),
        ] {
            let state = format!("close={closed}");
            let words = ["run", "-q", "-l", level, "--", "sh", "-c", script];
            let run = workspace.hostile(&[&state], &words).finish();
            let said = run.stdout() + &run.stderr();
            assert_eq!(said, "/dev/null\n", "{caller:?} {level} {closed}: {run:?}");
        }
        let state = ["close=0", "close=1", "close=2"];
        let script = "cd /proc/$$/fd; [ -e 0 ] && [ -e 1 ] && [ -e 2 ] && [ ! -e 3 ] && exit 9";
        let run = workspace.hostile(&state, &["run", "-l", level, "--", "sh", "-c", script]);
        assert_eq!(run.finish().code(), 9, "{caller:?} {level}");
    });
}

#[test]
fn signals_that_the_caller_ignores_or_blocks_are_as_new() {
    // Row 23: SIGHUP, SIGINT, SIGPIPE and SIGCHLD ignored; SIGTERM and SIGUSR1 blocked.
    let state = ["ignore=1", "ignore=2", "ignore=13", "ignore=17", "block=15", "block=10"];
    let script = "grep -E 'SigBlk|SigIgn|ShdPnd' /proc/self/status; exit 5";
    everywhere(|workspace, caller, level| {
        let words = ["run", "-l", level, "--", "sh", "-c", script];
        let run = workspace.hostile(&state, &words).finish();
        assert_eq!(run.code(), 5, "{caller:?} {level}: {run:?}");
        let masks: Vec<_> = run.stdout().split_whitespace().map(str::to_owned).collect();
        let none = "0".repeat(16);
        let expected = ["ShdPnd:", &none, "SigBlk:", &none, "SigIgn:", &none];
        assert_eq!(masks, expected, "{caller:?} {level}");
    });
}

#[test]
fn variables_pass_only_by_name() {
    // Row 31: secrets, and the sockets of agents.
    everywhere(|workspace, caller, level| {
        let options = ["--env", "WANTED", "--env", "GIVEN=a=b", "--env", "ABSENT"];
        let words = [&["run", "-l", level], &options[..], &["--", "env"]].concat();
        let mut run = workspace.ringfence(words);
        run.command.env("SECRET_TOKEN", "1").env("SSH_AUTH_SOCK", "/agent").env("WANTED", "yes");
        run.command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/bus").env("LD_PRELOAD", "");
        let output = run.finish().success();
        let mut names: Vec<_> = output.lines().collect();
        names.sort_unstable();
        let home = format!("HOME={}", workspace.home().display());
        let path = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
        assert_eq!(names, ["GIVEN=a=b", &home, path, "WANTED=yes"], "{caller:?} {level}");
    });
}

#[test]
fn no_new_privileges_can_be_gained() {
    everywhere(|workspace, caller, level| {
        let run = workspace.shell(&["-l", level], "grep NoNewPrivs /proc/self/status");
        assert_eq!(run.success(), "NoNewPrivs:\t1", "{caller:?} {level}");
    });
}

#[test]
fn limits_of_each_process_are_soft_and_hard() {
    everywhere(|workspace, caller, level| {
        let options = ["--set", "limits.open_files=64", "--set", "limits.stack=1MiB"];
        let script = "ulimit -Sn; ulimit -Hn; ulimit -Ss; ulimit -Hs; ulimit -Sc; ulimit -Hc";
        let run = workspace.shell(&[&["-l", level], &options[..]].concat(), script);
        let limits: Vec<_> = run.success().split_whitespace().map(str::to_owned).collect();
        assert_eq!(limits, ["64", "64", "1024", "1024", "0", "0"], "{caller:?} {level}");
    });
}

#[test]
fn a_limit_above_the_callers_own_is_no_reason_to_fail() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let words = ["run", "-l", "basic", "--set", "limits.open_files=5000"];
        let words = [&words[..], &["--", "sh", "-c", "ulimit -Hn"]].concat();
        let run = workspace.hostile(&["files=300"], &words).finish();
        assert_eq!(run.success(), "300", "{caller:?}");
    }
}

#[test]
fn the_umask_is_the_callers_unless_the_profile_says_otherwise() {
    everywhere(|workspace, caller, level| {
        let words = ["run", "-l", level, "--", "sh", "-c", "umask"];
        let run = workspace.hostile(&["umask=027"], &words).finish();
        assert_eq!(run.success(), "0027", "{caller:?} {level}");
        let run = workspace.shell(&["-l", level, "--set", "process.umask=0077"], "umask");
        assert_eq!(run.success(), "0077", "{caller:?} {level}");
    });
}

#[test]
fn input_and_output_are_the_callers() {
    everywhere(|workspace, caller, level| {
        let run =
            workspace.ringfence(["run", "-q", "-l", level, "--", "sh", "-c", "cat; echo b >&2"]);
        let run = run.finish_with_input(b"a");
        assert_eq!((run.stdout(), run.stderr()), ("a".into(), "b\n".into()), "{caller:?} {level}");
    });
}

#[test]
fn a_reader_of_the_output_that_goes_away_ends_the_command() {
    // Row 23: SIGPIPE has to reach it, whatever the caller does about that signal.
    for caller in callers() {
        for level in LEVELS {
            let workspace = Workspace::new(caller);
            let words = ["run", "-q", "-l", level, "--", "sh", "-c", "while :; do echo y; done"];
            let mut run = workspace.hostile(&["ignore=13"], &words);
            let mut child = run.command.stdout(Stdio::piped()).spawn().unwrap();
            drop(child.stdout.take());
            let output = child.wait_with_output().unwrap();
            assert_eq!(support::code(output.status), 128 + 13, "{caller:?} {level}: {output:?}");
        }
    }
}
