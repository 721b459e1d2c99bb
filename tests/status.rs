//! What the launcher exits with, at every level. Row of the hostile cases: 24, 33.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::os::unix::fs::PermissionsExt;

use support::{Caller, LEVELS, Workspace, callers};

fn everywhere(test: impl Fn(&Workspace, Caller, &str)) {
    for caller in callers() {
        for level in LEVELS {
            test(&Workspace::new(caller), caller, level);
        }
    }
}

/// Writes a file that everybody may execute.
fn executable(workspace: &Workspace, name: &str, text: &[u8]) -> std::path::PathBuf {
    let path = workspace.write(name, text);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

#[test]
fn the_commands_own_status_is_handed_on() {
    everywhere(|workspace, caller, level| {
        for code in [0, 1, 124, 125, 126, 127, 255] {
            let run = workspace.shell(&["-l", level], &format!("exit {code}"));
            assert_eq!(run.code(), code, "{caller:?} {level}");
        }
    });
}

#[test]
fn a_signal_is_128_and_its_number() {
    everywhere(|workspace, caller, level| {
        for signal in [1, 2, 6, 9, 15, 34, 64] {
            let run = workspace.shell(&["-l", level], &format!("kill -{signal} $$; sleep 9"));
            assert_eq!(run.code(), 128 + signal, "{caller:?} {level}: {run:?}");
        }
    });
}

#[test]
fn a_missing_command_is_127() {
    everywhere(|workspace, caller, level| {
        for name in ["no-such-command", "/no/such/command", "./no-such-command", ""] {
            let run = workspace.ringfence(["run", "-l", level, "--", name]).finish();
            assert_eq!(run.code(), 127, "{caller:?} {level} {name:?}: {run:?}");
            assert!(run.stderr().contains("command not found"), "{caller:?} {level}: {run:?}");
        }
    });
}

#[test]
fn a_command_that_only_the_host_has_is_127_and_says_so() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let tool = executable(&workspace, "home/tool", b"#!/bin/sh\necho ran\n");
        let words = ["run", "-l", "containerized", "--", tool.to_str().unwrap()];
        let by_path = workspace.ringfence(words).finish();
        let mut by_name = workspace.ringfence(["run", "--", "tool"]);
        let path = format!("{}:/usr/bin", workspace.home().display());
        by_name.command.env("PATH", path);
        for run in [by_path, by_name.finish()] {
            assert_eq!((run.code(), run.stdout()), (127, String::new()), "{caller:?}: {run:?}");
            let place = format!("it exists on the host, at {}", tool.display());
            assert!(run.stderr().contains(&place), "{caller:?}: {}", run.stderr());
            assert!(run.stderr().contains("--ro "), "{caller:?}: no remedy: {}", run.stderr());
        }
    }
}

#[test]
fn a_command_that_cannot_be_executed_is_126_and_says_why() {
    everywhere(|workspace, caller, level| {
        workspace.write("project/plain", "echo ran\n");
        executable(workspace, "project/interpreted", b"#!/no/such/interpreter\n");
        executable(workspace, "project/empty", b"");
        executable(workspace, "project/text", b"echo no interpreter line\n");
        // The head of an ELF file for a machine that doesn't exist.
        let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xff\xfe\x01\0\0\0".to_vec();
        elf.resize(200, 0);
        executable(workspace, "project/foreign", &elf);
        std::fs::create_dir(workspace.project().join("directory")).unwrap();
        for (name, why) in [
            ("./plain", "permissions"),
            ("./interpreted", "interpreter"),
            ("./empty", "ENOEXEC"),
            ("./text", "ENOEXEC"),
            ("./foreign", "architecture"),
            ("./directory", "directory"),
            ("/usr", "directory"),
        ] {
            let run = workspace.ringfence(["run", "-l", level, "--", name]).finish();
            assert_eq!(run.code(), 126, "{caller:?} {level} {name}: {run:?}");
            assert!(run.stderr().contains(why), "{caller:?} {level} {name}: {}", run.stderr());
        }
    });
}

#[test]
fn a_wrong_command_line_is_125_and_nothing_is_run() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let ran = ["--", "sh", "-c", "echo ran"];
        for options in [
            &["--no-such-option"][..],
            &["-l", "fortress"],
            &["-p", "no-such-profile"],
            &["--memory", "lots"],
            &["--memory", "0"],
            &["--memory", "99999999999999999999GiB"],
            &["--pids", "-1"],
            &["--cpus", "0"],
            &["--enforcement", "cgruop=off"],
            &["--enforcement", "cgroup=perhaps"],
            &["--ro", "relative:also/relative"],
            &["--ro", "/usr:/x/../y"],
            &["--ro", ""],
            &["--set", "limits.open_file=3"],
            &["--set", "limits"],
            &["--env", "=x"],
            &["--connect", "99999"],
        ] {
            let run = workspace.ringfence([&["run"], options, &ran].concat()).finish();
            assert_eq!((run.code(), run.stdout()), (125, String::new()), "{caller:?} {options:?}");
            assert!(!run.stderr().is_empty(), "{caller:?} {options:?}: silent");
        }
        assert_eq!(workspace.ringfence(["run", "--"]).finish().code(), 125, "{caller:?}");
        assert_eq!(workspace.ringfence(["run"]).finish().code(), 125, "{caller:?}");
    }
}

#[test]
fn a_layer_by_a_wrong_name_gets_the_nearest() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let run = workspace.shell(&["--enforcement", "cgruop=off"], "echo ran");
        assert!(run.stderr().contains("cgroup"), "{caller:?}: {}", run.stderr());
    }
}

#[test]
fn huge_arguments_and_environments_pass_or_are_an_error() {
    // Row 33. One string can have 128 KiB (`MAX_ARG_STRLEN`); together they have a share of the
    // stack's limit.
    everywhere(|workspace, caller, level| {
        let word = "x".repeat(131_000);
        let script = "echo ${#1} ${#BIG} $#";
        let words = ["run", "-l", level, "--env", "BIG", "--", "sh", "-c", script, "sh"];
        let mut run = workspace.ringfence(words);
        run.command.args([&word; 5]).env("BIG", &word[..130_000]);
        assert_eq!(run.finish().success(), "131000 130000 5", "{caller:?} {level}");
        // What was enough for the launcher may be too much for a command with a smaller stack.
        let words = ["run", "-l", level, "--set", "limits.stack=256KiB", "--", "echo"];
        let mut run = workspace.ringfence(words);
        run.command.args([&word; 5]);
        let run = run.finish();
        assert_eq!((run.code(), run.stdout()), (126, String::new()), "{caller:?} {level}");
        assert!(run.stderr().contains("E2BIG"), "{caller:?} {level}: {}", run.stderr());
    });
}
