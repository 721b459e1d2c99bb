//! Hosts that fail: disks, descriptors, memory, pipes, a hidden `/proc`. The kernel is made to fail
//! around the launcher, which is the one that everybody runs.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use ringfence::Layer;
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::Value;
use support::held::names;
use support::tree::{cgroups_of, mark, marked, nothing_is_left, wait_until};
use support::{Finished, LEVELS, Workspace, callers};

const EIO: &str = "5";
const ENOMEM: &str = "12";

/// Calls `test` as every caller at every level.
fn everywhere(test: impl Fn(&Workspace, &str)) {
    for caller in callers() {
        for level in LEVELS {
            test(&Workspace::new(caller), level);
        }
    }
}

/// A run by a process in this state; nothing of it is left.
fn run(workspace: &Workspace, state: &[&str], options: &[&str], script: &str) -> Finished {
    let mark = mark();
    let script = format!("{script} # {mark}");
    let arguments = [&["run", "-q"], options, &["--", "sh", "-c", &script]].concat();
    let child = workspace.hostile(state, &arguments).command.spawn().unwrap();
    let launcher = child.id();
    let run = Finished(child.wait_with_output().unwrap());
    nothing_is_left(&mark);
    assert!(cgroups_of(launcher).is_empty(), "{state:?} {options:?}: {run:?}");
    run
}

/// Nothing was run, and the layer that failed is named.
#[track_caller]
fn is_refused(run: &Finished, errno: &str) {
    let said = run.stderr();
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{run:?}");
    let subject = said.strip_prefix("ringfence: ").and_then(|line| line.split(':').next());
    let known =
        subject.is_some_and(|subject| subject == "refused" || Layer::from_name(subject).is_some());
    assert!(known && said.contains(errno), "{run:?}");
}

#[test]
fn a_report_on_a_full_or_failing_disk_leaves_the_result_and_no_part_of_it() {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        support::skip("root", "a full file system can't be mounted");
    }
    everywhere(|workspace, level| {
        let disk = workspace.write("home/disk/file", "").parent().unwrap().to_owned();
        let place = format!("tmpfs={}", disk.display());
        let failing = format!("refuse=fdatasync:{EIO}");
        let full = [&*place];
        let cases = [(&full[..], "No space left"), (&[&*failing][..], "Input/output error")];
        for (state, error) in cases.into_iter().filter(|(state, _)| is_root || *state != full) {
            let report = disk.join("report.json");
            let options = ["-l", level, "--report", report.to_str().unwrap()];
            let run = run(workspace, state, &options, "echo out; exit 6");
            assert_eq!((run.code(), run.stdout()), (6, "out\n".into()), "{level}: {run:?}");
            assert!(run.stderr().contains(error), "{level}: {run:?}");
            assert!(run.stderr().contains("exited with 6"), "{level}: {run:?}");
            assert_eq!(names(&disk).into_iter().collect::<Vec<_>>(), ["file"], "{level}");
        }
    });
}

#[test]
fn without_memory_for_a_process_nothing_is_run() {
    everywhere(|workspace, level| {
        // For init, and for the process that becomes the command.
        for call in ["clone3", "clone"] {
            let state = format!("refuse={call}:{ENOMEM}");
            let run = run(workspace, &[&state], &["-l", level], "echo ran");
            is_refused(&run, "ENOMEM");
        }
    });
}

#[test]
fn where_proc_is_hidden_nothing_is_run() {
    if !rustix::process::geteuid().is_root() {
        return support::skip("root", "nothing can be mounted over /proc");
    }
    everywhere(|workspace, level| {
        let run = run(workspace, &["tmpfs=/proc"], &["-l", level], "echo ran");
        is_refused(&run, "ENOENT");
        assert!(run.stderr().contains("/proc"), "{run:?}");
    });
}

#[test]
fn with_every_number_of_descriptors_there_is_a_run_or_a_typed_error() {
    everywhere(|workspace, level| {
        workspace.bring("crowd");
        let (mut failed, mut succeeded) = (0, 0);
        for count in 3..40 {
            let mark = mark();
            // A static program that opens nothing.
            let words = ["run", "-q", "-l", level, "--", "./crowd", "orphans", &mark, "0"];
            let run = workspace.hostile(&[&format!("files={count}")], &words).finish();
            nothing_is_left(&mark);
            if run.code() == 0 {
                assert_eq!(run.success(), "0", "{level} {count}");
                succeeded += 1;
            } else {
                is_refused(&run, "");
                let lacks = ["EMFILE", "Too many open files", "EBADF", "EINVAL"];
                let said = run.stderr();
                assert!(lacks.iter().any(|error| said.contains(error)), "{level} {count}: {run:?}");
                failed += 1;
            }
        }
        assert!(failed > 0 && succeeded > 0, "{level}: {failed} {succeeded}");
    });
}

/// A pipe that takes nothing more, and how much is in it.
fn full_pipe() -> (OwnedFd, OwnedFd, usize) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    let mut filled = 0;
    while let Ok(count) = rustix::io::write(&writer, &[b'.'; 4096]) {
        filled += count;
    }
    (reader, writer, filled)
}

/// Has writers and readers of the pipe wait.
fn wait_for_room(pipe: &OwnedFd) {
    rustix::io::ioctl_fionbio(pipe, false).unwrap();
}

#[test]
fn a_full_pipe_holds_up_the_account_and_nothing_of_the_sandbox() {
    everywhere(|workspace, level| {
        for options in [&["--report-fd", "2"][..], &["--events", "fd:2"]] {
            let mark = mark();
            let (reader, writer, filled) = full_pipe();
            wait_for_room(&writer);
            wait_for_room(&reader);
            // The time limit is kept all the same.
            let options = [&["-l", level, "--timeout", "100ms"], options].concat();
            let script = format!("sleep 60; : {mark}");
            let mut call = workspace.quietly(&options, &["sh", "-c", &script]).command;
            let mut child = call.stderr(Stdio::from(writer)).spawn().unwrap();
            drop(call);
            let launcher = child.id().to_string();
            wait_until("the end of all but the launcher", || {
                let left = marked(&mark);
                left.len() == 1 && left[0].contains(&format!("/proc/{launcher} "))
            });
            assert!(child.try_wait().unwrap().is_none(), "{level} {options:?}");
            let mut text = String::new();
            std::fs::File::from(reader).read_to_string(&mut text).unwrap();
            assert_eq!(support::code(child.wait().unwrap()), 124, "{level} {options:?}");
            // All that was told has arrived, and in its order.
            let told = serde_json::Deserializer::from_str(&text[filled..]).into_iter::<Value>();
            let told: Vec<_> = told.map(Result::unwrap).collect();
            let last = &told[told.len() - 1];
            assert_eq!(last["outcome"]["kind"], "timed-out", "{level} {options:?}: {told:#?}");
            nothing_is_left(&mark);
        }
    });
}

#[test]
fn a_full_pipe_that_nobody_waits_for_loses_the_report_and_not_the_result() {
    everywhere(|workspace, level| {
        let (reader, writer, filled) = full_pipe();
        let options = ["-l", level, "--report-fd", "1"];
        let mut call = workspace.quietly(&options, &["sh", "-c", "exit 6"]).command;
        let child = call.stdout(Stdio::from(writer)).spawn().unwrap();
        drop(call);
        let run = Finished(child.wait_with_output().unwrap());
        assert_eq!(run.code(), 6, "{level}: {run:?}");
        assert!(run.stderr().contains("the report could not be written"), "{level}: {run:?}");
        assert!(run.stderr().contains("exited with 6"), "{level}: {run:?}");
        let mut text = String::new();
        std::fs::File::from(reader).read_to_string(&mut text).unwrap();
        assert_eq!(text.len(), filled, "{level}");
    });
}

#[test]
fn a_command_held_up_by_a_full_pipe_is_ended_in_time() {
    everywhere(|workspace, level| {
        let mark = mark();
        let (_reader, writer, _) = full_pipe();
        wait_for_room(&writer);
        let script = format!("echo held up; : {mark}");
        let options = ["-l", level, "--timeout", "100ms"];
        let mut call = workspace.quietly(&options, &["sh", "-c", &script]).command;
        let child = call.stdout(Stdio::from(writer)).spawn().unwrap();
        let run = Finished(child.wait_with_output().unwrap());
        assert_eq!(run.code(), 124, "{level}: {run:?}");
        nothing_is_left(&mark);
    });
}
