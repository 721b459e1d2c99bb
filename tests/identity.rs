//! Level 2: who the command is, and that it can't become anybody else. It holds at every level
//! from this one on.

mod support;

use std::os::unix::fs::PermissionsExt;

use support::{Caller, UNPRIVILEGED, Workspace, callers};

const LEVELS: [&str; 4] = ["user-based", "namespaced", "resource-limited", "containerized"];

/// Who the command is, by default.
fn expected(caller: Caller) -> u32 {
    match caller {
        Caller::Root => 65_534,
        Caller::User if rustix::process::geteuid().is_root() => UNPRIVILEGED,
        Caller::User => rustix::process::geteuid().as_raw(),
    }
}

fn everywhere(test: impl Fn(&Workspace, Caller, &str)) {
    for caller in callers() {
        for level in LEVELS {
            test(&Workspace::new(caller), caller, level);
        }
    }
}

#[test]
fn all_ids_are_dropped_and_no_group_is_kept() {
    everywhere(|workspace, caller, level| {
        let script = "grep -E '^(Uid|Gid|Groups):' /proc/self/status | tr -s '\\t ' ' '";
        let run = workspace.shell(&["-l", level], script);
        let id = expected(caller);
        let ids = format!("{id} {id} {id} {id}");
        let mut lines: Vec<_> = run.success().lines().map(|line| line.trim().to_owned()).collect();
        let groups = lines.pop().unwrap();
        assert_eq!(lines, [format!("Uid: {ids}"), format!("Gid: {ids}")], "{caller:?} {level}");
        // An unprivileged caller's group can't be dropped from the list, but is no other.
        let own = format!("Groups: {id}");
        assert!(groups == "Groups:" || (caller == Caller::User && groups == own), "{groups}");
    });
}

#[test]
fn all_five_capability_sets_are_empty() {
    everywhere(|workspace, caller, level| {
        let run = workspace
            .shell(&["-l", level], "grep -c 'Cap...:.0000000000000000$' /proc/self/status");
        assert_eq!(run.success(), "5", "{caller:?} {level}");
    });
}

#[test]
fn securebits_are_set_and_locked() {
    everywhere(|workspace, caller, level| {
        workspace.bring("regain");
        let run =
            workspace.ringfence(["run", "-q", "-l", level, "./regain", "securebits"]).finish();
        // NOROOT, NO_SETUID_FIXUP, KEEP_CAPS' lock, NO_CAP_AMBIENT_RAISE: all locked.
        assert_eq!(run.success(), "0xef EPERM", "{caller:?} {level}");
    });
}

#[test]
fn no_identity_can_be_regained() {
    everywhere(|workspace, caller, level| {
        workspace.bring("regain");
        let run = workspace.ringfence(["run", "-q", "-l", level, "./regain", "ids"]).finish();
        for line in run.success().lines() {
            let (call, came) = line.split_once(' ').unwrap();
            assert!(["EPERM", "EINVAL"].contains(&came), "{caller:?} {level} {call}: {came}");
        }
        assert!(run.stdout().lines().count() >= 6, "{caller:?} {level}: {run:?}");
    });
}

#[test]
fn roots_own_groups_are_dropped() {
    if !support::callers().contains(&Caller::Root) || !support::has_program("setpriv") {
        return;
    }
    for level in LEVELS {
        let workspace = Workspace::new(Caller::Root);
        let binary = support::binary().to_str().unwrap();
        let words = ["--groups", "4,27,65533", binary, "run", "-q", "-l", level, "id", "-G"];
        let run = workspace.call(std::path::Path::new("/usr/bin/setpriv"), words).finish();
        assert_eq!(run.success(), "65534", "{level}");
    }
}

#[test]
fn a_setuid_program_gains_nothing() {
    everywhere(|workspace, caller, level| {
        workspace.bring("regain");
        let copy = workspace.project().join("regain");
        // A setuid root program where the tests are root's, else the caller's own.
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&copy, Some(0), Some(0)).unwrap();
        }
        std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o6755)).unwrap();
        let run = workspace.ringfence(["run", "-q", "-l", level, "./regain", "who"]).finish();
        let id = expected(caller);
        assert_eq!(run.success(), format!("{id} {id} {id} {id} 0"), "{caller:?} {level}");
    });
}

#[test]
fn root_chooses_another_user_by_name_or_number() {
    if !callers().contains(&Caller::Root) {
        return support::skip("root", "only root can become another user");
    }
    for level in LEVELS {
        let workspace = Workspace::new(Caller::Root);
        for (user, ids) in [("1234", "1234 1234"), ("1234:77", "1234 77"), ("daemon", "1 1")] {
            let run = workspace
                .shell(&["-q", "-l", level, "--user", user], "echo $(id -u) $(id -g) $(id -G)");
            let group = ids.split_once(' ').unwrap().1;
            assert_eq!(run.success(), format!("{ids} {group}"), "{level} {user}");
        }
        let run = workspace.shell(&["-l", level, "--user", "no-such-user"], "echo ran");
        assert_eq!((run.code(), run.stdout()), (125, String::new()), "{level}");
        assert!(run.stderr().contains("no-such-user"), "{level}: {}", run.stderr());
    }
}

#[test]
fn an_unprivileged_user_is_another_only_inside() {
    let workspace = Workspace::new(Caller::User);
    let run = workspace.shell(
        &["-q", "--user", "0"],
        "id -u; : > made; grep Cap /proc/self/status | grep -v 0000000000000000; :",
    );
    assert_eq!(run.success(), "0");
    let owner =
        std::os::unix::fs::MetadataExt::uid(&workspace.project().join("made").metadata().unwrap());
    assert_eq!(owner, expected(Caller::User));
}

#[test]
fn only_capabilities_that_the_profile_keeps_are_there() {
    if !callers().contains(&Caller::Root) {
        return support::skip("root", "only root has capabilities to keep");
    }
    let workspace = Workspace::new(Caller::Root);
    let keep = r#"capabilities.keep=["CAP_NET_BIND_SERVICE"]"#; // Number 10.
    let options = ["-q", "-l", "user-based", "--set", keep];
    let run = workspace.shell(&options, "grep Cap /proc/self/status | cut -f2 | sort -u");
    assert_eq!(run.success(), "0000000000000400");
}

#[test]
fn a_user_who_does_not_exist_never_means_the_caller() {
    // Regression: a profile with another in reserve took that one, which runs as the caller.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let run = workspace.shell(&["--user", "no-such-user"], "echo ran");
        assert_eq!((run.code(), run.stdout()), (125, String::new()), "{caller:?}: {run:?}");
    }
}

#[test]
fn a_root_that_cannot_become_nobody_runs_what_a_user_can() {
    // A user namespace that maps one user, as `unshare -r` and build sandboxes make it.
    if !support::has_program("unshare") {
        return;
    }
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let binary = support::binary().to_str().unwrap();
        for level in support::LEVELS {
            // No cgroup is that user's.
            let options = ["run", "-q", "-l", level, "--enforcement", "cgroup=best-effort"];
            let script = "id -u; grep CapEff /proc/self/status; echo mine > made; cat made";
            let words = [&["-r", binary][..], &options, &["--", "sh", "-c", script]].concat();
            let run = workspace.call(std::path::Path::new("/usr/bin/unshare"), words).finish();
            let said = run.success();
            assert!(
                said.starts_with("0\n") && said.ends_with("mine"),
                "{caller:?} {level}: {run:?}"
            );
            let emptied = said.contains("CapEff:\t0000000000000000");
            assert_eq!(emptied, level != "basic", "{caller:?} {level}: {run:?}");
        }
    }
}
