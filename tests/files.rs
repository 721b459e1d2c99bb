//! What is bound, mounted and hidden. Rows of the hostile cases: 6 to 10, 25, 29, 33.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use support::host::owns_what_is_the_callers;
use support::{Caller, LEVELS, Workspace, callers};

/// The names in a directory of the host.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<_> =
        entries.map(|it| it.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

/// Runs `test` with a view of its own: at the levels that have one.
fn everywhere(test: impl Fn(&Workspace, Caller, &str)) {
    for caller in callers() {
        for level in &LEVELS[2..] {
            test(&Workspace::new(caller), caller, level);
        }
    }
}

#[test]
fn a_bind_is_read_only_unless_it_says_otherwise() {
    everywhere(|workspace, caller, level| {
        workspace.write("read/file", "read");
        workspace.open_to_command(&workspace.write("write/file", "write"), 0o666);
        let bind = |name: &str| format!("{}:/mnt/{name}", workspace.path().join(name).display());
        let options = ["-q", "-l", level, "--ro", &bind("read"), "--rw", &bind("write")];
        if level == "namespaced" || level == "resource-limited" {
            // The host's root is shown, and nothing is made in it.
            let run = workspace.shell(&options, "echo ran");
            assert_eq!((run.code(), run.stdout()), (125, String::new()), "{caller:?} {level}");
            assert!(!Path::new("/mnt/read").exists());
            return;
        }
        let script = "cd /mnt; cat */file; for d in read write; do for act in 'true > new' 'echo y > file' \
            'truncate -s0 file' 'mv file other' 'ln file link' 'rm -f file' 'chmod 600 .' 'touch .'; do
            (cd $d && eval \"$act\") 2> /dev/null && echo \"$d: $act\"; done; done; :";
        let output = workspace.shell(&options, script).success();
        assert!(output.starts_with("readwrite"), "{caller:?}: {output}");
        assert!(!output.contains("read:"), "{caller:?}: {output}");
        assert!(output.contains("write: echo y > file"), "{caller:?}: {output}");
        assert_eq!(std::fs::read(workspace.path().join("read/file")).unwrap(), b"read");
    });
}

#[test]
fn a_read_only_file_stays_so_by_every_way_to_it() {
    // Row 29.
    everywhere(|workspace, caller, level| {
        let file = workspace.write("read/file", "read");
        let file_name = file.display();
        let options = ["-q", "-l", level, "--ro", workspace.path().to_str().unwrap()];
        let script = format!(
            "exec 3< {file_name}
            for way in {file_name} /proc/self/fd/3 /proc/self/root{file_name}; do
                for do in 'echo y >' 'truncate -s0' 'chmod 777' 'touch' 'chown 0:0' 'ln -f /dev/null'; do
                    eval \"$do $way\" 2> /dev/null && echo $do $way; done; done; :"
        );
        let run = workspace.shell(&options, &script);
        assert_eq!(run.success(), "", "{caller:?} {level}");
        assert_eq!(std::fs::read(&file).unwrap(), b"read", "{caller:?} {level}");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644, "{caller:?}");
    });
}

#[test]
fn the_root_of_the_host_shows_what_the_host_has() {
    // By every name that leads to it; the sandbox's own root is stacked on it at that moment.
    everywhere(|workspace, caller, level| {
        workspace.write("read/file", "read");
        symlink("/", workspace.path().join("link")).unwrap();
        let link = workspace.path().join("link");
        let above = format!("{}/..", workspace.path().join("read/../../..").display());
        let lacking = format!("refuse=mount_setattr:{}", libc::ENOSYS);
        for source in ["/", link.to_str().unwrap(), &above] {
            let bind = format!("{source}:/mnt");
            let script =
                format!("cat /mnt{}/read/file /mnt/proc/1/comm", workspace.path().display());
            let words = ["run", "-q", "-l", level, "--ro", &bind, "--", "sh", "-c", &script];
            let first = std::fs::read_to_string("/proc/1/comm").unwrap();
            let expected = format!("read{}", first.trim());
            let name = format!("{caller:?} {level} {source}");
            assert_eq!(workspace.ringfence(words).finish().success(), expected, "{name}");
            let run = workspace.hostile(&[&lacking], &words).finish();
            assert_eq!(run.success(), expected, "{name}");
        }
    });
}

#[test]
fn links_in_a_bound_tree_send_no_mount_to_the_host() {
    // Row 6 (CVE-2026-87766): a mount point below a tree that the command could write to before.
    everywhere(|workspace, caller, level| {
        let outside = workspace.path().join("outside");
        workspace.write("outside/keep", "");
        for (number, text) in [
            outside.to_str().unwrap().to_owned(),
            format!("../../{}", outside.display()),
            format!("/proc/1/root{}", outside.display()),
            "../outside".to_owned(),
            "/proc/self/root/tmp".to_owned(),
        ]
        .into_iter()
        .enumerate()
        {
            let link = workspace.project().join(format!("link{number}"));
            symlink(&text, &link).unwrap();
            for target in [link.clone(), link.join("new"), link.join("a/b")] {
                for option in ["--tmpfs", "--hide"] {
                    let options = ["-q", "-l", level, option, target.to_str().unwrap()];
                    // Refused or done inside; what counts is the host.
                    workspace.shell(&options, "true");
                }
                let bind = format!("/usr/share:{}", target.display());
                workspace.shell(&["-q", "-l", level, "--ro", &bind], "true");
            }
            assert_eq!(names(&outside), ["keep"], "{caller:?} {level} {text}");
        }
        assert_eq!(names(&workspace.project()).len(), 5, "{caller:?} {level}: something was made");
    });
}

#[test]
fn hidden_paths_are_empty_and_locked() {
    everywhere(|workspace, caller, level| {
        workspace.write("project/.env", "secret");
        workspace.write("project/.ssh/key", "secret");
        let options = ["-q", "-l", level, "--hide", ".env", "--hide", ".ssh"];
        let script = "cat .env .ssh/key; ls .ssh; true > .ssh/new && echo made; rm -rf .env .ssh;
            mv .env x; mv .ssh y; true > .env && echo written; :";
        let run = workspace.shell(&options, script);
        assert_eq!(run.stdout(), "", "{caller:?} {level}: {run:?}");
        let key = workspace.project().join(".ssh/key");
        assert_eq!(std::fs::read(key).unwrap(), b"secret", "{caller:?} {level}");
        assert_eq!(names(&workspace.project()), [".env", ".ssh"], "{caller:?} {level}");
    });
}

#[test]
fn hiding_what_does_not_exist_leaves_nothing_behind() {
    // Row 8.
    everywhere(|workspace, caller, level| {
        let options = ["-q", "-l", level, "--hide", "missing", "--hide", "no/such/path"];
        let run = workspace.shell(&options, "ls -A");
        assert_eq!(run.success(), "", "{caller:?} {level}");
        assert_eq!(names(&workspace.project()), [""; 0], "{caller:?} {level}");
    });
}

#[test]
fn a_path_hidden_before_it_exists_ends_the_run_that_makes_it() {
    // Rows 8 and 25: a command that makes its own hook.
    everywhere(|workspace, caller, level| {
        let options = ["-q", "-l", level, "--hide", "hook", "--timeout", "20"];
        let run = workspace.shell(&options, "echo evil > hook; sleep 15");
        assert_ne!(run.code(), 0, "{caller:?} {level}: {run:?}");
        assert_ne!(run.code(), 124, "{caller:?} {level}: {run:?}");
    });
}

#[test]
fn a_missing_source_is_an_error_unless_optional() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let run = workspace.shell(&["--ro", "/no/such/source"], "echo ran");
        assert_eq!((run.code(), run.stdout()), (125, String::new()), "{caller:?}: {run:?}");
        for part in ["/no/such/source", "ENOENT", "optional"] {
            assert!(run.stderr().contains(part), "{caller:?}: {}", run.stderr());
        }
        let set = r#"filesystem.mounts=[{"source": "/no/such/source", "optional": true}]"#;
        assert_eq!(
            workspace.shell(&["-q", "--set", set], "echo ran").success(),
            "ran",
            "{caller:?}"
        );
    }
}

#[test]
fn a_source_that_is_swapped_meanwhile_is_seen_as_it_was_or_as_it_is() {
    // Row 9: never something else, and never what the swapped link led to in the meantime for a
    // mount that was to be read-only: the mount is of what was opened.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("one/file", "one");
        workspace.write("two/file", "two");
        let link = workspace.path().join("link");
        symlink("one", &link).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let new = workspace.path().join("new");
                for target in ["two", "one"].iter().cycle() {
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                    let _ = symlink(target, &new);
                    let _ = std::fs::rename(&new, &link);
                }
            });
            let bind = format!("{}:/mnt", link.display());
            for _ in 0..20 {
                let run =
                    workspace.shell(&["-q", "--ro", &bind], "cat /mnt/file; echo x > /mnt/file");
                assert!(["one", "two"].contains(&run.stdout().as_str()), "{caller:?}: {run:?}");
                assert_ne!(run.code(), 0, "{caller:?}: {run:?}");
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}

#[test]
fn strange_targets_are_refused_or_stay_inside() {
    // Row 7.
    everywhere(|workspace, caller, level| {
        let before = names(Path::new("/"));
        let long = "x".repeat(300);
        let deep = "/d".repeat(3000);
        for target in ["", "relative", "/a/../../b", "/..", &format!("/{long}"), &deep, "/a\nb"] {
            let bind = format!("/usr/share:{target}");
            let run = workspace.shell(&["-q", "-l", level, "--ro", &bind], "echo ran");
            let refused = (run.code(), run.stdout()) == (125, String::new());
            let inside = target == "/a\nb" && run.code() == 0;
            assert!(refused || inside, "{caller:?} {level} {target:.20}: {run:?}");
        }
        let dotted = workspace
            .shell(&["-q", "-l", level, "--tmpfs", "/tmp/.", "--tmpfs", "/run//"], "ls /tmp /run");
        assert!([0, 125].contains(&dotted.code()), "{caller:?} {level}: {dotted:?}");
        assert_eq!(names(Path::new("/")), before, "{caller:?} {level}");
    });
}

#[test]
fn a_tmpfs_holds_what_it_was_given_and_is_gone_afterwards() {
    everywhere(|workspace, caller, level| {
        let options = ["-q", "-l", level, "--tmpfs", "/tmp:1MiB"];
        let script = "head -c 3000000 /dev/zero > /tmp/big; stat -c %s /tmp/big";
        let run = workspace.shell(&options, script);
        assert_eq!(run.stdout(), "1048576\n", "{caller:?} {level}: {run:?}");
    });
}

#[test]
fn files_made_in_the_working_directory_belong_to_the_caller() {
    // Root's command runs as nobody, and its files appear as nobody's inside: an idmapped mount.
    for caller in callers().into_iter().filter(|caller| owns_what_is_the_callers(*caller)) {
        let workspace = Workspace::new(caller);
        workspace.write("project/given", "x");
        let script =
            "umask 022; echo x > made; mkdir dir; chmod 640 made; id -u; stat -c %u made given .";
        let run = workspace.shell(&["-q"], script);
        let output = run.success();
        let mut ids: Vec<_> = output.lines().collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "{caller:?}: {output}");
        let owner = workspace.project().metadata().unwrap().uid();
        for (name, mode) in [("made", 0o640), ("dir", 0o755)] {
            let metadata = workspace.project().join(name).metadata().unwrap();
            assert_eq!(
                (metadata.uid(), metadata.mode() & 0o777),
                (owner, mode),
                "{caller:?} {name}"
            );
        }
    }
}

#[test]
fn started_at_home_nothing_of_it_is_shown() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("home/secret", "secret");
        let mut run = workspace.ringfence(["run", "--", "sh", "-c", "ls -A; true > made; pwd"]);
        run.command.current_dir(workspace.home());
        let run = run.finish();
        assert_eq!(run.success(), workspace.home().to_str().unwrap(), "{caller:?}");
        assert!(run.stderr().contains("--rw"), "{caller:?}: {}", run.stderr());
        assert_eq!(names(&workspace.home()), ["secret"], "{caller:?}");
    }
}

#[test]
fn a_hidden_file_that_is_replaced_outside_ends_the_run() {
    use std::io::{BufRead, BufReader};
    for (caller, there) in
        callers().into_iter().flat_map(|caller| [(caller, true), (caller, false)])
    {
        let workspace = Workspace::new(caller);
        if there {
            workspace.write("project/.env", "secret");
        }
        let new = workspace.write("project/new", "secret");
        let hidden = workspace.project().join(".env");
        let script = "cat .env; echo ready; exec sleep 600";
        let options = ["--hide", hidden.to_str().unwrap()];
        let mut command = workspace.quietly(&options, &["sh", "-c", script]).command;
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{caller:?}");
        std::fs::rename(&new, &hidden).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(crate::support::code(ended.status), 128 + 9, "{caller:?}, {there}: {ended:?}");
    }
}

#[test]
fn a_command_that_can_take_mounts_away_is_said_to() {
    // Root keeps its capabilities at this level, and can show itself what is hidden; whoever has none
    // can't, and nothing is said.
    let (said, by_root) = ("CAP_SYS_ADMIN, by which it can take mounts away", Caller::Root);
    for caller in callers() {
        for level in ["basic", "containerized"] {
            let workspace = Workspace::new(caller);
            workspace.write("project/.env", "secret");
            let script = "umount .env && cat .env";
            let options = ["-l", level, "--hide", ".env"];
            let (run, report) = workspace.report(&options, script);
            let shown = run.stdout().contains("secret");
            let told = run.stderr().contains(said) && report["notes"].to_string().contains(said);
            let can = caller == by_root && level == "basic";
            assert_eq!((shown, told), (can, can), "{caller:?} {level}: {run:?} {report}");
        }
    }
}

#[test]
fn hidden_paths_that_cannot_be_watched_are_an_error() {
    let caller = Caller::User;
    let workspace = Workspace::new(caller);
    let secret = workspace.write("shut/secret", "secret");
    // It may be entered, but not read.
    std::fs::set_permissions(workspace.path().join("shut"), PermissionsExt::from_mode(0o311))
        .unwrap();
    let hidden = secret.to_str().unwrap();
    let shown = workspace.path().to_str().unwrap().to_owned();
    let run = workspace.shell(&["-q", "--ro", &shown, "--hide", hidden], "echo ran");
    std::fs::set_permissions(workspace.path().join("shut"), PermissionsExt::from_mode(0o755))
        .unwrap();
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{run:?}");
    assert!(run.stderr().contains("inotify_add_watch(2)"), "{run:?}");
}

#[test]
fn a_profile_of_the_working_directory_is_not_found_by_its_bare_name() {
    // Row 25.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        workspace.write("project/mine.json", r#"{"version": 1, "level": "basic"}"#);
        workspace.write("project/default.json", r#"{"version": 1, "level": "basic"}"#);
        let run = workspace.shell(&["-p", "mine"], "echo ran");
        assert_eq!((run.code(), run.stdout()), (125, String::new()), "{caller:?}: {run:?}");
        let run = workspace.shell(&["-q"], "grep Seccomp: /proc/self/status");
        assert_eq!(run.success(), "Seccomp:\t2", "{caller:?}");
    }
}

#[test]
fn root_takes_no_profile_that_others_can_write() {
    // Row 25.
    if !callers().contains(&Caller::Root) {
        return support::skip("root", "only root distrusts profiles");
    }
    let workspace = Workspace::new(Caller::Root);
    let profile = workspace.write("open.json", r#"{"version": 1, "level": "basic"}"#);
    let options = ["-p", profile.to_str().unwrap()];
    assert_eq!(workspace.shell(&options, "echo ran").success(), "ran");
    std::fs::set_permissions(&profile, PermissionsExt::from_mode(0o666)).unwrap();
    let run = workspace.shell(&options, "echo ran");
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{run:?}");
    std::fs::set_permissions(&profile, PermissionsExt::from_mode(0o644)).unwrap();
    std::os::unix::fs::chown(&profile, Some(support::UNPRIVILEGED), None).unwrap();
    let run = workspace.shell(&options, "echo ran");
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{run:?}");
}
