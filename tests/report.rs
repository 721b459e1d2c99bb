//! The report: what it says of every way a run can end, and that the command can't touch it. Row
//! of the hostile cases: 34.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;

use serde_json::Value;
use support::host::landlock_version;
use support::{Caller, Finished, Workspace, callers};

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap();
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

/// Runs a script in the writable project directory, where the report goes as well.
fn beside(workspace: &Workspace, script: &str) -> Finished {
    workspace.shell(&["-q", "--report", "report.json"], script)
}

#[test]
fn every_way_of_ending_has_a_kind_and_a_code() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let path = workspace.home().join("report.json");
        for (options, script, kind, code) in [
            (&[][..], "exit 3", "exited", 3),
            (&[], "kill -6 $$", "signaled", 134),
            (&["--timeout", "0.1"], "sleep 60", "timed-out", 124),
            (
                &["--set", "limits.file_size=1KiB"],
                "exec head -c 2000 /dev/zero > big",
                "limit",
                153,
            ),
            (&["--set", "limits.open_files=0"], "true", "launcher-error", 125),
            (&["--cwd", "/no/such/directory"], "true", "launcher-error", 125),
            (&["-p", "no-such-profile"], "true", "launcher-error", 125),
        ] {
            let (run, report) = workspace.report(&[&["-q"], options].concat(), script);
            assert_eq!(report["outcome"]["kind"], kind, "{caller:?} {script}: {report}");
            assert_eq!(report["exit_code"], code, "{caller:?} {script}: {report}");
            assert_eq!(run.code(), code, "{caller:?} {script}: {run:?}");
            assert_eq!(report["version"], 1, "{caller:?}");
        }
        let words = ["run", "-q", "--report", path.to_str().unwrap(), "no-such-command"];
        workspace.ringfence(words).finish();
        let report = read(&path);
        assert_eq!(report["outcome"]["kind"], "launcher-error", "{caller:?}: {report}");
        assert_eq!(report["exit_code"], 127, "{caller:?}: {report}");
    }
}

#[test]
fn it_names_the_profile_the_command_and_the_levels() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        for level in support::LEVELS {
            let (_, report) = workspace.report(&["-q", "-l", level], "true");
            assert_eq!(report["profile"]["name"], "default", "{caller:?}");
            let digest = report["profile"]["sha256"].as_str().unwrap();
            assert_eq!(digest.len(), 64, "{caller:?}: {digest}");
            assert_eq!(report["command"], serde_json::json!(["sh", "-c", "true"]), "{caller:?}");
            assert_eq!(report["requested_level"], level, "{caller:?}");
            if caller == Caller::Root {
                // The highest has Landlock in it.
                let lacking = level == "containerized" && landlock_version() == 0;
                let reached = if lacking { "resource-limited" } else { level };
                assert_eq!(report["effective_level"], reached, "{caller:?}: {report}");
            }
            let layers = report["layers"].as_array().unwrap();
            let known = ["enforced", "fallback", "unavailable", "off"];
            for layer in layers {
                assert!(known.contains(&layer["status"].as_str().unwrap()), "{caller:?}: {layer}");
            }
            assert!(layers.len() > 15, "{caller:?}: {report}");
        }
    }
}

#[test]
fn the_command_cannot_forge_it() {
    for caller in callers() {
        let forged = r#"echo '{"forged": true}'"#;
        for script in [
            format!("{forged} > report.json"),
            format!("{forged} > other; ln other report.json"),
            format!("{forged} > other; ln -s other report.json"),
            format!("{forged} > report.json; chmod 444 report.json"),
            format!("for f in .ringfence*; do {forged} > $f; done"),
            "mkfifo report.json".to_owned(),
        ] {
            let workspace = Workspace::new(caller);
            let run = beside(&workspace, &script);
            assert_eq!(run.code(), 0, "{caller:?} {script}: {run:?}");
            let path = workspace.project().join("report.json");
            assert!(path.symlink_metadata().unwrap().is_file(), "{caller:?} {script}");
            assert_eq!(read(&path)["outcome"]["kind"], "exited", "{caller:?} {script}");
            let other = std::fs::read_to_string(workspace.project().join("other"));
            assert!(!other.is_ok_and(|text| text.contains("version")), "{caller:?} {script}");
        }
    }
}

#[test]
fn a_link_planted_by_the_command_leads_the_report_nowhere() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let victim = workspace.write("home/victim", "precious");
        let script = format!("ln -s {} report.json", victim.display());
        assert_eq!(beside(&workspace, &script).code(), 0, "{caller:?}");
        assert_eq!(std::fs::read(victim).unwrap(), b"precious", "{caller:?}");
    }
}

#[test]
fn a_report_that_cannot_be_written_in_the_end_leaves_the_result() {
    // Row 34: the command has put a directory where the report goes.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let run = beside(&workspace, "mkdir -p report.json/sub; exit 6");
        assert_eq!(run.code(), 6, "{caller:?}: {run:?}");
        assert!(run.stderr().contains("the report could not be written"), "{caller:?}: {run:?}");
        assert!(run.stderr().contains("exited with 6"), "{caller:?}: {run:?}");
        let left: Vec<_> = std::fs::read_dir(workspace.project()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{caller:?}: {left:?}");
    }
}

#[test]
fn where_no_report_can_be_written_nothing_is_run() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let target = workspace.write("home/target", "precious");
        symlink(&target, workspace.project().join("link")).unwrap();
        std::fs::create_dir(workspace.project().join("directory")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            workspace.project().join("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o666),
            0,
        )
        .unwrap();
        // /proc stands for a file system that nobody can make files on.
        for path in ["link", "directory", "fifo", "no/such/place", "/proc/report.json", "", "/"] {
            let run = workspace.shell(&["--report", path], "echo ran");
            assert_eq!(
                (run.code(), run.stdout()),
                (125, String::new()),
                "{caller:?} {path}: {run:?}"
            );
            assert!(run.stderr().contains("--report"), "{caller:?} {path}: {run:?}");
        }
        assert_eq!(std::fs::read(target).unwrap(), b"precious", "{caller:?}");
        let fifo = workspace.project().join("fifo").metadata().unwrap().file_type();
        assert!(fifo.is_fifo(), "{caller:?}");
        for number in ["77", "0"] {
            let run = workspace.shell(&["--report-fd", number], "echo ran");
            assert_eq!((run.code(), run.stdout()), (125, String::new()), "{caller:?} {number}");
        }
    }
}

#[test]
fn a_full_disk_leaves_the_result() {
    // Row 34.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let run = workspace.shell(&["-q", "--report", "/dev/full"], "echo out; exit 6");
        assert_eq!((run.code(), run.stdout()), (6, "out\n".into()), "{caller:?}: {run:?}");
        assert!(run.stderr().contains("No space left"), "{caller:?}: {run:?}");
        assert!(run.stderr().contains("exited with 6"), "{caller:?}: {run:?}");
    }
}

#[test]
fn it_goes_to_a_descriptor_that_the_command_does_not_get() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let words = ["run", "-q", "--report-fd", "2", "--", "sh", "-c", "ls /proc/$$/fd; :"];
        let run = workspace.ringfence(words).finish();
        assert_eq!(run.success(), "0\n1\n2", "{caller:?}");
        let report: Value = serde_json::from_str(&run.stderr()).unwrap();
        assert_eq!(report["outcome"]["kind"], "exited", "{caller:?}");
    }
}
