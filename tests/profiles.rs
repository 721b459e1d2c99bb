//! What the built-in profiles keep away from a command, looked at from inside.

mod support;

use support::host::{enforceable, has_landlock, landlock_if_any, owns_what_is_the_callers};
use support::{Caller, Finished, Ringfence, Workspace, callers, python, skip};

/// Profiles in which nothing of the home directory shows.
const CLOSED: [&str; 5] = ["default", "untrusted", "compute", "network-client", "landlock-only"];

const NOT_WRITABLE: [&str; 2] = ["untrusted", "compute"];

fn run(workspace: &Workspace, options: &[&str], words: &[&str]) -> Finished {
    call(workspace, options, words).finish()
}

fn call(workspace: &Workspace, options: &[&str], words: &[&str]) -> Ringfence {
    workspace.quietly(options, words)
}

#[test]
fn every_built_in_profile_runs_a_command() {
    let profiles = ["default", "ci", "untrusted", "compute", "network-client"];
    let others = ["landlock-only", "ci-landlock", "system"];
    for caller in callers() {
        for profile in enforceable(profiles.into_iter().chain(others)) {
            let workspace = Workspace::new(caller);
            let run = run(&workspace, &["-p", profile], &["/bin/echo", "hello"]);
            assert_eq!(run.success(), "hello", "{caller:?} {profile}");
        }
    }
}

#[test]
fn secrets_in_the_home_directory_do_not_show() {
    for caller in callers() {
        for profile in enforceable(CLOSED.into_iter().chain(["ci", "ci-landlock"])) {
            let workspace = Workspace::new(caller);
            for name in [".ssh/id_rsa", ".aws/credentials", ".npmrc", ".cargo/credentials.toml"] {
                let secret = workspace.write(&format!("home/{name}"), "a secret");
                let run = run(&workspace, &["-p", profile], &["cat", secret.to_str().unwrap()]);
                assert_eq!(run.code(), 1, "{caller:?} {profile} {name}: {run:?}");
                assert_eq!(run.stdout(), "", "{caller:?} {profile} {name}");
            }
        }
    }
}

#[test]
fn secrets_of_the_host_do_not_show() {
    let secrets =
        ["/etc/shadow", "/etc/gshadow", "/etc/ssh", "/etc/ssl/private", "/etc/machine-id"];
    for caller in callers() {
        for profile in enforceable(CLOSED.into_iter().chain(["ci", "ci-landlock"])) {
            let workspace = Workspace::new(caller);
            for path in secrets {
                // ls opens a directory, and of a file it shows the name only: cat opens both.
                for words in [["ls", &format!("{path}/")], ["cat", path]] {
                    let run = run(&workspace, &["-p", profile], &words);
                    assert_ne!(run.code(), 0, "{caller:?} {profile} {words:?}: {run:?}");
                }
            }
        }
    }
}

#[test]
fn the_working_directory_is_writable_and_what_is_made_there_is_the_callers() {
    use std::os::unix::fs::MetadataExt;
    for caller in callers() {
        let profiles = ["default", "ci", "network-client", "landlock-only", "ci-landlock"];
        for profile in enforceable(profiles) {
            let workspace = Workspace::new(caller);
            run(&workspace, &["-p", profile], &["touch", "made"]).success();
            if !owns_what_is_the_callers(caller) {
                continue;
            }
            let made = std::fs::metadata(workspace.project().join("made")).unwrap();
            let project = std::fs::metadata(workspace.project()).unwrap();
            assert_eq!(made.uid(), project.uid(), "{caller:?} {profile}");
            assert_eq!(made.gid(), project.gid(), "{caller:?} {profile}");
        }
    }
}

#[test]
fn the_default_profile_runs_as_nobody_for_root() {
    if callers().contains(&Caller::Root) {
        let workspace = Workspace::new(Caller::Root);
        assert_eq!(run(&workspace, &[], &["id", "-u"]).success(), "65534");
    }
}

#[test]
fn the_working_directory_is_read_only_for_the_untrusted() {
    for caller in callers() {
        for profile in NOT_WRITABLE {
            let workspace = Workspace::new(caller);
            let file = workspace.write("project/file", "text");
            assert_eq!(run(&workspace, &["-p", profile], &["cat", "file"]).success(), "text");
            for words in [&["touch", "made"][..], &["rm", "-f", "file"], &["mkdir", "made"]] {
                let run = run(&workspace, &["-p", profile], words);
                assert_ne!(run.code(), 0, "{caller:?} {profile} {words:?}");
            }
            assert!(file.exists());
            assert!(!workspace.project().join("made").exists());
        }
    }
}

#[test]
fn a_private_file_of_the_caller_is_readable_in_the_working_directory() {
    use std::os::unix::fs::PermissionsExt;
    for caller in callers().into_iter().filter(|caller| owns_what_is_the_callers(*caller)) {
        for profile in enforceable(["default", "untrusted", "compute", "landlock-only"]) {
            let workspace = Workspace::new(caller);
            let file = workspace.write("project/file", "text");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            let run = run(&workspace, &["-p", profile], &["cat", "file"]);
            assert_eq!(run.success(), "text", "{caller:?} {profile}");
        }
    }
}

#[test]
fn started_at_home_or_above_the_home_stays_closed_and_one_line_says_so() {
    for caller in callers() {
        for profile in enforceable(["default", "untrusted", "landlock-only"]) {
            let workspace = Workspace::new(caller);
            workspace.write("home/secret", "a secret");
            for start in [workspace.home(), workspace.path().to_owned(), "/".into()] {
                let words = ["run", "-p", profile, "--", "sh", "-c", "ls -A ~; cat ~/secret"];
                let mut call = workspace.ringfence(words);
                call.command.current_dir(&start);
                let run = call.finish();
                assert_eq!(run.stdout(), "", "{caller:?} {profile} in {}", start.display());
                let told = run.stderr().lines().filter(|line| line.contains("--rw")).count();
                assert_eq!(told, 1, "{caller:?} {profile}: {}", run.stderr());
            }
        }
    }
}

#[test]
fn the_home_directory_is_opened_by_the_option_that_the_message_names() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("home/file", "text");
        let home = workspace.home();
        let words =
            ["run", "--rw", home.to_str().unwrap(), "--", "sh", "-c", "cat file; touch ~/x"];
        let mut call = workspace.ringfence(words);
        call.command.current_dir(&home);
        let run = call.finish();
        assert_eq!(run.success(), "text", "{caller:?}");
        assert!(!run.stderr().contains("isn't opened"), "{}", run.stderr());
    }
}

#[test]
fn directories_of_the_system_are_not_opened_and_still_a_place_to_start_in() {
    for caller in callers() {
        for start in ["/tmp", "/usr", "/etc", "/opt", "/run", "/var/tmp"] {
            if !std::path::Path::new(start).is_dir() {
                skip(start, "no such directory");
                continue;
            }
            let workspace = Workspace::new(caller);
            let mark = format!("{start}/ringfence-test-mark-{}", std::process::id());
            let script = format!("touch {mark}; ls -A /tmp");
            let mut call = workspace.ringfence(["run", "--", "sh", "-c", &script]);
            call.command.current_dir(start);
            let run = call.finish();
            assert_eq!(run.code(), 0, "{caller:?} {start}: {run:?}");
            assert!(run.stderr().contains("isn't opened"), "{caller:?} {start}: {}", run.stderr());
            assert!(!std::path::Path::new(&mark).exists(), "{caller:?} {start}");
        }
    }
}

#[test]
fn a_home_directory_that_is_the_root_is_no_obstacle() {
    for caller in callers() {
        for profile in enforceable(["default", "ci", "untrusted", "landlock-only"]) {
            let workspace = Workspace::new(caller);
            let mut call = call(&workspace, &["-p", profile], &["pwd"]);
            call.command.env("HOME", "/");
            let project = workspace.project();
            assert_eq!(call.finish().success(), project.to_str().unwrap(), "{caller:?} {profile}");
        }
    }
}

#[test]
fn a_working_directory_that_is_gone_is_one_problem() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let words = ["run", "-q", "-l", "basic", "--rw", "/tmp", "--", "sh", "-c"];
        let script = format!("rmdir $PWD; {} run -- true", support::binary().display());
        let run = workspace.ringfence(words.iter().copied().chain([script.as_str()])).finish();
        assert_eq!(run.code(), 125, "{caller:?}: {run:?}");
        assert_eq!(run.stderr().matches("${CWD} is not set").count(), 1, "{caller:?}: {run:?}");
    }
}

#[test]
fn home_and_the_directory_for_temporary_files_are_writable_and_private() {
    let script = "echo mine >~/file; f=$(mktemp); echo text >$f; cat $f ~/file";
    for caller in callers() {
        let profiles = ["default", "ci", "untrusted", "network-client", "landlock-only"];
        for profile in enforceable(profiles) {
            let workspace = Workspace::new(caller);
            let run = run(&workspace, &["-p", profile], &["sh", "-c", script]);
            assert_eq!(run.success(), "text\nmine", "{caller:?} {profile}");
            assert!(!workspace.home().join("file").exists(), "{caller:?} {profile}");
        }
    }
}

#[test]
fn landlock_only_closes_the_hosts_tmp_and_leaves_nothing_there() {
    if !has_landlock() {
        return;
    }
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let tmp = workspace.write("tmp/others", "of somebody else");
        let tmp = tmp.parent().unwrap();
        let script = "echo $TMPDIR; ls /tmp; echo x >/tmp/ringfence-test-mark";
        let mut call = call(&workspace, &["-p", "landlock-only"], &["sh", "-c", script]);
        call.command.env("TMPDIR", tmp);
        let run = call.finish();
        assert_ne!(run.code(), 0, "{run:?}");
        assert_eq!(run.stdout().lines().count(), 1, "{caller:?}: {run:?}");
        let private = std::path::PathBuf::from(run.stdout().trim());
        assert!(private.starts_with(tmp), "{caller:?}: {run:?}");
        assert!(!private.exists(), "{caller:?}");
        assert_eq!(std::fs::read_dir(tmp).unwrap().count(), 1, "{caller:?}");
    }
}

#[test]
fn where_namespaces_are_forbidden_another_profile_takes_the_place_and_one_line_says_so() {
    if !has_landlock() {
        return;
    }
    let binary = support::binary().to_str().unwrap();
    for caller in callers() {
        for (profile, instead) in [("default", "landlock-only"), ("ci", "ci-landlock")] {
            let workspace = Workspace::new(caller);
            // The filter of the outer sandbox forbids the inner one its namespaces.
            let options = ["-p", "landlock-only", "--ro", binary];
            let script = format!("{binary} run -p {profile} -- sh -c 'echo x >made; cat made'");
            let run = run(&workspace, &options, &["sh", "-c", &script]);
            assert_eq!(run.success(), "x", "{caller:?} {profile}");
            let told = run.stderr().lines().filter(|line| line.contains(instead)).count();
            assert_eq!(told, 1, "{caller:?} {profile}: {}", run.stderr());
        }
    }
}

#[test]
fn the_untrusted_profiles_refuse_where_namespaces_are_forbidden() {
    let binary = support::binary().to_str().unwrap();
    for caller in callers() {
        for profile in ["untrusted", "compute", "network-client"] {
            let workspace = Workspace::new(caller);
            let options = [&["-p", "landlock-only", "--ro", binary], landlock_if_any()].concat();
            let run = run(&workspace, &options, &[binary, "run", "-p", profile, "--", "echo"]);
            assert_eq!(run.code(), 125, "{caller:?} {profile}: {run:?}");
            let by = format!("what the profile {profile} requires");
            assert!(run.stderr().contains(&by), "{caller:?} {profile}: {run:?}");
        }
    }
}

#[test]
fn compute_makes_no_process_no_socket_and_no_file() {
    let Some(python) = python() else { return };
    let tries = [
        "import os; os.fork()",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import socket; socket.socket()",
        "open('/tmp/x', 'w')",
        "open('x', 'w')",
        "open('/dev/shm/x', 'w')",
    ];
    for caller in callers() {
        for program in tries {
            let workspace = Workspace::new(caller);
            let run = run(&workspace, &["-p", "compute"], &[python, "-c", program]);
            assert_eq!(run.code(), 1, "{caller:?} {program}: {run:?}");
        }
    }
}

#[test]
fn compute_reads_and_writes_its_standard_streams() {
    let Some(python) = python() else { return };
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("project/sum.py", "import sys; print(sum(map(int, sys.stdin)))");
        let call = call(&workspace, &["-p", "compute"], &[python, "sum.py"]);
        assert_eq!(call.finish_with_input(b"1\n2\n39\n").success(), "42", "{caller:?}");
    }
}

#[test]
fn compute_ends_at_its_limit_of_processor_time() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let report = workspace.path().join("project/report.json");
        let options = ["--set", "limits.cpu_time=1s", "--report", report.to_str().unwrap()];
        let options = ["-p", "compute"].iter().chain(&options).copied().collect::<Vec<_>>();
        let run = run(&workspace, &options, &["sh", "-c", "while :; do :; done"]);
        assert_ne!(run.code(), 0, "{caller:?}");
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        assert_eq!(report["outcome"]["kind"], "limit", "{caller:?}: {report:#}");
        assert_eq!(report["outcome"]["limit"], "cpu_time", "{caller:?}: {report:#}");
    }
}

#[test]
fn a_program_that_ignores_the_limit_of_processor_time_is_killed_a_second_later() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let options = ["-p", "compute", "--set", "limits.cpu_time=1s"];
        let script = "trap '' XCPU; while :; do :; done";
        let run = run(&workspace, &options, &["sh", "-c", script]);
        assert_eq!(run.code(), 128 + 9, "{caller:?}: {run:?}");
    }
}

#[test]
fn compute_ends_at_its_limit_of_memory() {
    let Some(python) = python() else { return };
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let report = workspace.path().join("project/report.json");
        let options = ["-p", "compute", "--report", report.to_str().unwrap()];
        let program = "x = bytearray(b'x') * (1 << 30); print(len(x))";
        let run = run(&workspace, &options, &[python, "-c", program]);
        assert_ne!(run.code(), 0, "{caller:?}");
        assert_eq!(run.stdout(), "", "{caller:?}");
        let report: serde_json::Value =
            serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        let cgroup = report["layers"].as_array().unwrap().iter().find(|l| l["layer"] == "cgroup");
        if cgroup.is_some_and(|layer| layer["status"] == "enforced") {
            assert_eq!(report["outcome"]["kind"], "out-of-memory", "{caller:?}: {report:#}");
        } else {
            // Held by RLIMIT_AS: the program itself is told.
            assert!(run.stderr().contains("MemoryError"), "{caller:?}: {run:?}");
        }
    }
}

#[test]
fn untrusted_has_a_limit_of_the_size_of_files() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let script = "head -c 80000000 /dev/zero >/tmp/big; stat -c %s /tmp/big";
        let run = run(&workspace, &["-p", "untrusted"], &["sh", "-c", script]);
        let size: u64 = run.stdout().trim().parse().unwrap();
        assert!(size <= 64 << 20, "{caller:?}: {run:?}");
    }
}

#[test]
fn a_build_job_can_fill_caches_and_not_what_is_executed() {
    for caller in callers() {
        for profile in enforceable(["ci", "ci-landlock"]) {
            let workspace = Workspace::new(caller);
            for name in ["registry/index", "git/db", "bin/cargo"] {
                workspace.write(&format!("home/.cargo/{name}"), "");
            }
            workspace.write("home/.npm/_cacache/index", "");
            workspace.write("home/.cache/pip/index", "");
            workspace.write("home/.cache/browser/history", "a secret");
            let script = "cd ~; touch .cargo/registry/a .cargo/git/a .npm/_cacache/a .cache/pip/a; \
                touch .cargo/bin/a; rm -f .cargo/bin/cargo; cat .cache/browser/history";
            let run = run(&workspace, &["-p", profile], &["sh", "-c", script]);
            assert_eq!(run.stdout(), "", "{caller:?} {profile}: {run:?}");
            for made in [".cargo/registry/a", ".cargo/git/a", ".npm/_cacache/a", ".cache/pip/a"] {
                assert!(
                    workspace.home().join(made).exists(),
                    "{caller:?} {profile} {made}: {run:?}"
                );
            }
            assert!(!workspace.home().join(".cargo/bin/a").exists(), "{caller:?} {profile}");
            assert!(workspace.home().join(".cargo/bin/cargo").exists(), "{caller:?} {profile}");
        }
    }
}

#[test]
fn tokens_in_the_environment_are_not_passed() {
    for caller in callers() {
        for profile in enforceable(CLOSED.into_iter().chain(["ci", "ci-landlock"])) {
            let workspace = Workspace::new(caller);
            let mut call = call(&workspace, &["-p", profile], &["env"]);
            call.command.envs([("GITHUB_TOKEN", "s3cret"), ("AWS_SECRET_ACCESS_KEY", "s3cret")]);
            call.command.env("SSH_AUTH_SOCK", "/s3cret");
            assert!(!call.finish().success().contains("s3cret"), "{caller:?} {profile}");
        }
    }
}
