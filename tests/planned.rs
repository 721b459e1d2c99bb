//! What is refused before anything is set up, by `run` as by `explain`.

mod support;

use support::{Caller, Workspace, callers};

/// `run` and `explain` refuse it with the same words, and nothing is run.
#[track_caller]
fn refused(workspace: &Workspace, options: &[&str], words: &[&str]) {
    let run = workspace.shell(options, "echo ran");
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{options:?}: {run:?}");
    let explained = workspace.ringfence(["explain"].iter().chain(options)).finish();
    assert_eq!(explained.code(), 125, "{options:?}: {explained:?}");
    for word in ["refused", "remedy"].iter().chain(words) {
        assert!(run.stderr().contains(word), "{options:?} {word}: {}", run.stderr());
        assert!(explained.stderr().contains(word), "{options:?} {word}: {}", explained.stderr());
    }
}

#[test]
fn a_target_that_the_host_s_tree_does_not_have_is_refused() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let project = workspace.project();
        let file = workspace.write("project/file", "text");
        let below = |name: &str| project.join(name).display().to_string();
        let bound = format!("/usr/share:{}", below("new"));
        let (tmpfs, file) = (below("new"), format!("/usr/share:{}", file.display()));
        // The working directory is the host's, whatever the root is made of.
        for level in ["namespaced", "containerized"] {
            for (option, value) in [("--ro", &bound), ("--tmpfs", &tmpfs)] {
                let options = ["-l", level, option, value];
                refused(
                    &workspace,
                    &options,
                    &["which the host has to have", "project/new: ENOENT"],
                );
            }
            refused(&workspace, &["-l", level, "--ro", &file], &["is a file"]);
        }
        refused(&workspace, &["-l", "namespaced", "--ro", "/usr:/nowhere"], &["/nowhere: ENOENT"]);
        assert!(!project.join("new").exists(), "{caller:?}: something was made");
    }
}

#[test]
fn a_target_behind_a_link_of_the_host_s_may_be_made_inside() {
    for caller in callers() {
        if !std::path::Path::new("/var/run").is_symlink() {
            return support::skip("/var/run", "isn't a link here");
        }
        let workspace = Workspace::new(caller);
        let mounts = r#"filesystem.mounts=[{"type": "tmpfs", "target": "/run/made-inside"},
            {"source": "/usr/share", "target": "/var/run/made-inside"}]"#;
        let options = ["-l", "namespaced", "--set", mounts];
        let run = workspace.shell(&options, "ls -d /run/made-inside/man");
        assert_eq!(run.success(), "/run/made-inside/man", "{caller:?}");
    }
}

#[test]
fn a_higher_priority_than_the_caller_may_set_is_refused() {
    let set = ["--set", "limits.nice=-5"];
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let in_namespace = ["--set", "namespaces.user=true"];
        let options = [&["-l", "namespaced"], &set[..], &in_namespace].concat();
        refused(&workspace, &options, &["limits.nice: -5", "CAP_SYS_NICE"]);
        if caller == Caller::Root {
            assert_eq!(workspace.shell(&set, "nice").success(), "-5");
            continue;
        }
        refused(&workspace, &set, &["limits.nice: -5", "without CAP_SYS_NICE"]);
        let options = [&set[..], &["--enforcement", "rlimits=best-effort"]].concat();
        let run = workspace.shell(&options, "nice");
        assert_eq!(run.success(), "0");
        assert!(run.stderr().contains("rlimits: fallback"), "{run:?}");
        // What was taken away from the caller isn't given back either.
        let mut niced = std::process::Command::new("nice");
        niced.args(["-n", "10"]).arg(support::binary());
        niced.args(["run", "-l", "basic", "--set", "limits.nice=5", "true"]);
        workspace.become_caller(&mut niced);
        let output = niced.current_dir(workspace.project()).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{output:?}");
    }
}
