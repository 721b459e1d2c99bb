//! What once broke the sandbox, or let it say what wasn't so.

mod support;

use std::os::unix::fs::symlink;

use support::host::{enforceable, owns_what_is_the_callers};
use support::{Caller, Workspace, callers, skip};

#[test]
fn a_link_in_the_working_directory_does_not_turn_a_bind_into_one_of_something_else() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("home/secret", "hidden\n");
        symlink(workspace.home(), workspace.project().join("out")).unwrap();
        let out = workspace.project().join("out");
        for option in ["--rw", "--ro"] {
            let out = out.to_str().unwrap();
            let script = "cat out/secret; echo planted > out/planted";
            let run = workspace.shell(&["-q", option, out], script);
            assert_eq!(run.code(), 125, "{caller:?} {option}: {run:?}");
            assert!(run.stderr().contains("symbolic link"), "{caller:?} {option}: {run:?}");
            assert!(!workspace.home().join("planted").exists());
        }
    }
}

#[test]
fn the_home_directory_is_recognized_behind_a_link() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("home/secret", "hidden\n");
        let link = workspace.path().join("link-to-home");
        symlink(workspace.home(), &link).unwrap();
        let mut call = workspace.ringfence(["run", "--", "ls", "-A", "."]);
        call.command.env("HOME", &link).current_dir(workspace.home());
        let run = call.finish();
        assert!(!run.stdout().contains("secret"), "{caller:?}: {run:?}");
        assert!(run.stderr().contains("isn't opened"), "{caller:?}: {run:?}");
    }
}

#[test]
fn a_directory_as_standard_input_is_refused() {
    for caller in callers() {
        for level in ["namespaced", "containerized"] {
            let workspace = Workspace::new(caller);
            let mut call = workspace.ringfence(["run", "-q", "-l", level, "--", "true"]);
            call.command.stdin(std::fs::File::open(workspace.home()).unwrap());
            let run = call.finish();
            assert_eq!(run.code(), 125, "{caller:?} {level}: {run:?}");
            assert!(run.stderr().contains("descriptor 0 is a directory"), "{run:?}");
        }
    }
}

#[test]
fn the_host_s_root_cannot_change_the_kernel_s_settings_where_masks_are_off() {
    for caller in callers().into_iter().filter(|caller| *caller == Caller::Root) {
        let workspace = Workspace::new(caller);
        // Opened for writing, and nothing written.
        let script = "exec 3>>/proc/sys/kernel/core_pattern && echo opened";
        for level in ["namespaced", "resource-limited"] {
            let run = workspace.shell(&["-q", "-l", level, "--user", "0"], script);
            assert!(!run.stdout().contains("opened"), "{level}: {run:?}");
        }
    }
}

#[test]
fn no_setuid_file_of_root_s_is_left_behind_by_mapped_owners() {
    for caller in callers().into_iter().filter(|caller| *caller == Caller::Root) {
        if !owns_what_is_the_callers(caller) {
            continue;
        }
        let workspace = Workspace::new(caller);
        let script = "echo x > file && chmod 755 file; chmod u+s file; stat -c %a file";
        let run = workspace.shell(&["-q", "-l", "namespaced"], script);
        assert_eq!(run.stdout().trim(), "755", "{run:?}");
    }
}

#[test]
fn a_file_system_that_cant_map_owners_keeps_no_other_from_it() {
    for caller in callers().into_iter().filter(|caller| *caller == Caller::Root) {
        let workspace = Workspace::new(caller);
        // The kernel maps owners of no file in sysfs.
        let profile = workspace.write(
            "home/two.json",
            r#"{"version": 1, "level": "namespaced", "filesystem": {"mounts": [
                {"source": "/sys/kernel", "target": "/run/kernel", "map_owner": true},
                {"source": "${CWD}", "access": "rw", "map_owner": true}]}}"#,
        );
        let options = ["-p", profile.to_str().unwrap()];
        let (run, report) = workspace.report(&options, "ls /run/kernel; echo x > file");
        run.success();
        let notes = report["notes"].to_string();
        if notes.contains("project belongs to user") {
            skip("idmapped mounts", "this file system can't map owners either");
            continue;
        }
        assert!(workspace.project().join("file").exists(), "{run:?}");
        assert!(notes.contains("/sys/kernel belongs to user 0"), "{report}");
    }
}

#[test]
fn what_kills_init_does_not_outlive_the_run() {
    for caller in callers() {
        for level in ["basic", "user-based"] {
            let workspace = Workspace::new(caller);
            let mark = format!("{}.{}", std::process::id() % 1000 + 4000, level.len());
            let script = format!(
                "setsid sleep {mark} </dev/null >/dev/null 2>&1 & sleep 0.2; kill -9 $PPID; sleep 5"
            );
            workspace.shell(&["-q", "-l", level], &script);
            let alive = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
                std::fs::read(entry.path().join("cmdline"))
                    .is_ok_and(|line| line == format!("sleep\0{mark}\0").as_bytes())
            });
            assert!(!alive, "{caller:?} {level}");
        }
    }
}

#[test]
fn a_pipe_as_a_profile_is_refused_without_waiting() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let pipe = workspace.project().join("pipe.json");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let run = workspace.ringfence(["run", "-p", "./pipe.json", "--", "true"]).finish();
        assert_eq!(run.code(), 125, "{caller:?}: {run:?}");
    }
}

#[test]
fn the_limits_of_init_are_out_of_reach() {
    // With no descriptors, init could not even wait any more, and the outcome would be forged.
    if !support::has_program("prlimit") {
        return;
    }
    for caller in callers() {
        for profile in enforceable(["default", "untrusted", "landlock-only"]) {
            let workspace = Workspace::new(caller);
            let script = "prlimit --pid $PPID --nofile=0:0 && echo changed; exit 7";
            let run = workspace.shell(&["-q", "-p", profile], script);
            assert_eq!(
                (run.code(), run.stdout().as_str()),
                (7, ""),
                "{caller:?} {profile}: {run:?}"
            );
        }
    }
}

#[test]
fn a_command_s_name_cannot_forge_a_line_of_ringfence_s() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let run = workspace.ringfence(["run", "-q", "--", "a\nringfence: forged"]).finish();
        assert_eq!(run.code(), 127, "{caller:?}: {run:?}");
        assert!(!run.stderr().lines().any(|line| line == "ringfence: forged"), "{run:?}");
        assert_eq!(run.stderr().lines().count(), 1, "{caller:?}: {run:?}");
    }
}

#[test]
fn the_launchers_options_are_not_to_be_read_inside() {
    for caller in callers() {
        for level in support::LEVELS {
            let workspace = Workspace::new(caller);
            let secret = workspace.write("home/a-telling-name/file", "");
            let hide = secret.to_str().unwrap();
            // The parent is init, whichever number it has.
            let script = "tr '\\0' ' ' < /proc/$PPID/cmdline";
            let mut options = vec!["-q", "-l", level, "--set", "process.hostname=a-telling-name"];
            if level == "containerized" {
                options.extend(["--ro", hide]);
            }
            let run = workspace.shell(&options, script);
            assert!(run.stdout().starts_with("ringfence-init"), "{caller:?} {level}: {run:?}");
            assert!(!run.stdout().contains("telling"), "{caller:?} {level}: {run:?}");
        }
    }
}

#[test]
fn a_home_that_the_command_may_not_enter_is_no_place_to_start_in() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let profile =
            workspace.write("home/plain.json", r#"{"version": 1, "level": "namespaced"}"#);
        let words = ["run", "-q", "-p", profile.to_str().unwrap(), "--", "pwd"];
        let mut call = workspace.ringfence(words);
        // Below /tmp, which the sandbox covers by one of its own; and a home that is root's alone.
        call.command.current_dir(workspace.project()).env("HOME", "/root");
        let run = call.finish();
        assert_eq!(run.success(), "/", "{caller:?}: {run:?}");
    }
}

#[test]
fn a_look_from_outside_that_fails_does_not_wait_for_who_waits_for_its_word() {
    // Init slept until the command's process had its word, and could end nothing: for twenty
    // seconds, where no pid namespace ends it.
    if !rustix::process::geteuid().is_root() {
        return support::skip("root", "nothing can be mounted over /proc");
    }
    for caller in callers() {
        let workspace = Workspace::new(caller);
        for level in ["basic", "user-based"] {
            let words = ["run", "-q", "-l", level, "--", "true"];
            let began = std::time::Instant::now();
            let run = workspace.hostile(&["tmpfs=/proc"], &words).finish();
            assert_eq!(run.code(), 125, "{caller:?} {level}: {run:?}");
            assert!(run.stderr().contains("/proc"), "{caller:?} {level}: {run:?}");
            let took = began.elapsed();
            assert!(took < std::time::Duration::from_secs(9), "{caller:?} {level}: {took:?}");
        }
    }
}

#[test]
fn capabilities_that_nobody_may_ask_for_are_not_taken_for_none() {
    // A root that is taken for one without capabilities seemed not to need the filter that keeps it
    // from typing into the caller's terminal.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let words =
            ["run", "-q", "-l", "basic", "--", "grep", "Seccomp_filters", "/proc/self/status"];
        let filters = |run: support::Finished| -> u32 {
            run.success().split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let usual = filters(workspace.ringfence(words).finish());
        let run = workspace.hostile(&["refuse=capget:1"], &words).finish();
        // One is that which refuses; a user gets one too that it doesn't need.
        assert!(filters(run) > usual, "{caller:?}: {usual}");
    }
}

/// A limit that a run asked for at a level without cgroups was none, and nobody was told.
#[test]
fn a_limit_of_one_run_is_not_lost_where_its_layer_is_off() {
    use ringfence::{Error, Layer, Level, Profile, Sandbox, Status};
    let basic = Sandbox::new(&Profile::new(Level::Basic)).unwrap();
    match basic.command("true").memory(64 << 20).status() {
        Ok(outcome) => {
            let cgroup = outcome.layers.iter().find(|state| state.layer == Layer::Cgroup).unwrap();
            assert_eq!(cgroup.status, Status::Enforced);
            assert!(outcome.limits.iter().any(|held| held.limit == "memory"), "{outcome:?}");
        }
        // Where there is no cgroup to be had, nothing is run.
        Err(Error::Refused(refusal)) => {
            assert!(refusal.problems.iter().any(|problem| problem.layer == Layer::Cgroup));
        }
        Err(other) => panic!("{other}"),
    }
    let off = Profile::new(Level::Basic).set("enforcement.wall-time", "off");
    let mut command = Sandbox::new(&off).unwrap().command("sleep");
    let outcome =
        command.arg("60").wall_time(std::time::Duration::from_millis(50)).status().unwrap();
    assert_eq!(outcome.ending, ringfence::Ending::TimedOut);
}

/// The host's tree is shown without its devices: at levels without a `/dev` of their own, a hidden
/// path took `/dev/null` away too.
#[test]
fn what_is_hidden_below_the_levels_with_a_view_leaves_devices_usable() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let secret = workspace.write("project/secret", "hush");
        let secret = secret.to_str().unwrap();
        for level in ["basic", "user-based"] {
            let profile = format!(
                r#"{{"version": 1, "level": "{level}", "filesystem": {{"hide": ["{secret}"]}}}}"#
            );
            let profile = workspace.write("home/hiding.json", profile);
            let options = ["-q", "-p", profile.to_str().unwrap()];
            let script = "echo x > /dev/null && head -c 3 /dev/zero | wc -c; cat secret";
            let run = workspace.shell(&options, script);
            // And not a word of the secret.
            assert_eq!(run.stdout().trim(), "3", "{caller:?} {level}: {run:?}");
        }
    }
}
