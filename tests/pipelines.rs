//! Runs as parts of a pipeline: the launcher is in no path of data, and ends are ends.

mod support;

use std::io::{Read, Write};
use std::os::fd::AsFd;
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

/// A script of bash's in which `rf` is ringfence at a level; what it has written.
fn bash(workspace: &Workspace, level: &str, script: &str) -> support::Finished {
    let mut run = workspace.ringfence([""]);
    let mut command = std::process::Command::new("bash");
    let start = format!("rf() {{ {} run -q -l {level} \"$@\"; }}\n", support::binary().display());
    command.args(["--norc", "--noprofile", "-c", &(start + script)]);
    command.env_clear().envs(run.command.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command.current_dir(workspace.project()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    workspace.become_caller(&mut command);
    run.command = command;
    run.finish()
}

#[test]
fn the_command_has_the_very_pipes_of_its_neighbours() {
    everywhere(|workspace, caller, level| {
        let mut run =
            workspace.quietly(&["-l", level], &["sh", "-c", "readlink /proc/$$/fd/[012]"]);
        let mut child = run.command.stdin(Stdio::piped()).spawn().unwrap();
        let inode = |file: &dyn AsFd| rustix::fs::fstat(file.as_fd()).unwrap().st_ino;
        let streams = [
            inode(child.stdin.as_ref().unwrap()),
            inode(child.stdout.as_ref().unwrap()),
            inode(child.stderr.as_ref().unwrap()),
        ];
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        let wanted = streams.map(|inode| format!("pipe:[{inode}]\n")).concat();
        assert_eq!(said, wanted, "{caller:?} {level}");
        assert!(child.wait().unwrap().success(), "{caller:?} {level}");
    });
}

#[test]
fn a_gigabyte_passes_unchanged() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let script = "head -c 1G /dev/zero | rf -- cat | rf -- wc -c";
        let run = bash(&workspace, "containerized", script);
        assert_eq!(run.success(), (1_u64 << 30).to_string(), "{caller:?}");
    }
}

#[test]
fn binary_data_passes_unchanged() {
    everywhere(|workspace, caller, level| {
        let script = "head -c 3000001 /dev/urandom > data
            rf -- cat < data | rf -- cat | cmp - data && cat data | rf -- cat > copy && cmp copy data";
        let run = bash(workspace, level, script);
        assert_eq!((run.code(), run.stderr()), (0, String::new()), "{caller:?} {level}");
    });
}

#[test]
fn a_neighbour_that_goes_away_ends_the_pipeline() {
    everywhere(|workspace, caller, level| {
        let run = bash(workspace, level, "rf -- yes | head -n 1; echo ${PIPESTATUS[*]}");
        assert_eq!(run.success(), "y\n141 0", "{caller:?} {level}");
        let run = bash(workspace, level, "yes | rf -- head -n 1; echo ${PIPESTATUS[*]}");
        assert_eq!(run.success(), "y\n141 0", "{caller:?} {level}");
        let run = bash(
            workspace,
            level,
            "rf -- yes | rf -- cat | rf -- head -n 1; echo ${PIPESTATUS[*]}",
        );
        assert_eq!(run.success(), "y\n141 141 0", "{caller:?} {level}");
    });
}

#[test]
fn ends_of_input_and_closed_streams_are_seen() {
    everywhere(|workspace, caller, level| {
        let run = bash(workspace, level, "printf 'a\nb' | rf -- cat; echo; : | rf -- wc -c");
        assert_eq!(run.success(), "a\nb\n0", "{caller:?} {level}");
        // Closed by the caller, they are empty inside.
        let run = bash(
            workspace,
            level,
            "rf -- cat <&-; rf -- echo lost >&-; rf -- sh -c 'echo on; exit 3'",
        );
        assert_eq!((run.code(), &*run.stdout()), (3, "on\n"), "{caller:?} {level}: {run:?}");
    });
}

#[test]
fn a_reader_sees_the_end_of_output_when_the_command_ends() {
    // Not when somebody who has inherited the pipe does: neither launcher nor init keeps it.
    everywhere(|workspace, caller, level| {
        let mut run = workspace.quietly(&["-l", level], &["sh", "-c", "exec >&- 2>&-; read -r it"]);
        let mut child = run.command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = Vec::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut said)
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(child.try_wait().unwrap().is_none(), "{caller:?} {level}: it has ended");
        child.stdin.take().unwrap().write_all(b"on\n").unwrap_or_default();
        child.wait().unwrap();
    });
}
