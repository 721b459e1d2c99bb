//! Private directories that stand in for file systems in memory where Landlock stands in for mounts,
//! and what is left of them.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Child;

use support::host::has_landlock;
use support::tree::{mark, nothing_stays, wait_until};
use support::{Caller, UNPRIVILEGED, Workspace, callers};

/// Starts a run that lasts, and gives back its private directory for `/tmp`.
fn lasting(workspace: &Workspace, temporary: &Path, mark: &str) -> (Child, PathBuf) {
    let told = workspace.project().join(format!("told-{mark}"));
    let script = format!("echo $TMPDIR >told-{mark}; : {mark}; sleep 60");
    let words = ["run", "-q", "-p", "landlock-only", "--", "sh", "-c", &script];
    let mut call = workspace.ringfence(words);
    call.command.env("TMPDIR", temporary);
    let child = call.command.spawn().unwrap();
    let text = || std::fs::read_to_string(&told).unwrap_or_default();
    wait_until("the run says where its directory is", || text().ends_with('\n'));
    (child, PathBuf::from(text().trim()))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A run that uses private directories.
fn next(workspace: &Workspace, temporary: &Path) {
    let mut call = workspace.ringfence(["run", "-q", "-p", "landlock-only", "--", "true"]);
    call.command.env("TMPDIR", temporary);
    call.finish().success();
}

#[test]
fn what_a_killed_launcher_left_is_removed_by_the_next_run() {
    if !has_landlock() {
        return;
    }
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let temporary = workspace.write("tmp/file", "").parent().unwrap().to_owned();
        let mark = mark();
        let (mut launcher, private) = lasting(&workspace, &temporary, &mark);
        std::fs::write(private.join("secret"), "a secret").unwrap();
        let outside = workspace.write("home/outside/file", "kept");
        symlink(outside.parent().unwrap(), private.join("link")).unwrap();
        launcher.kill().unwrap();
        launcher.wait().unwrap();
        nothing_stays(&mark);
        assert!(private.exists(), "{caller:?}: there is nothing to test");
        next(&workspace, &temporary);
        assert_eq!(names(&temporary), ["file"], "{caller:?}");
        assert!(outside.exists(), "{caller:?}: a link was followed");
    }
}

#[test]
fn what_a_living_launcher_holds_stays() {
    if !has_landlock() {
        return;
    }
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let temporary = workspace.write("tmp/file", "").parent().unwrap().to_owned();
        let mark = mark();
        let (mut launcher, private) = lasting(&workspace, &temporary, &mark);
        next(&workspace, &temporary);
        assert!(private.is_dir(), "{caller:?}");
        launcher.kill().unwrap();
        launcher.wait().unwrap();
        nothing_stays(&mark);
    }
}

#[test]
fn what_only_looks_like_a_left_over_directory_stays() {
    if !has_landlock() {
        return;
    }
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let temporary = workspace.write("tmp/file", "").parent().unwrap().to_owned();
        let outside = workspace.write("home/outside/file", "kept");
        let name =
            |digit: char| temporary.join(format!("ringfence-{}", digit.to_string().repeat(16)));
        symlink(outside.parent().unwrap(), name('a')).unwrap();
        std::fs::write(name('b'), "a file").unwrap();
        std::fs::create_dir(temporary.join("ringfence-notes")).unwrap();
        if callers().contains(&Caller::Root) {
            let other = if caller == Caller::Root { UNPRIVILEGED } else { 0 };
            std::fs::create_dir(name('c')).unwrap();
            std::os::unix::fs::chown(name('c'), Some(other), Some(other)).unwrap();
        }
        let before = names(&temporary);
        next(&workspace, &temporary);
        assert_eq!(names(&temporary), before, "{caller:?}");
        assert!(outside.exists(), "{caller:?}: a link was followed");
    }
}

#[test]
fn the_command_of_another_user_uses_its_private_directories() {
    if !has_landlock() {
        return;
    }
    if !callers().contains(&Caller::Root) {
        return support::skip("root", "only root becomes another user");
    }
    let workspace = Workspace::new(Caller::Root);
    let temporary = workspace.write("tmp/file", "").parent().unwrap().to_owned();
    let user = UNPRIVILEGED.to_string();
    let words = ["run", "-q", "-p", "landlock-only", "--user", &user, "--"];
    let script = "echo a >$TMPDIR/a && cat $TMPDIR/a && stat -c %u $TMPDIR";
    let mut call = workspace.ringfence(words.iter().chain(&["sh", "-c", script]));
    call.command.env("TMPDIR", &temporary);
    assert_eq!(call.finish().success(), format!("a\n{user}"));
    assert_eq!(names(&temporary), ["file"]);
}
