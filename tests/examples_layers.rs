//! The examples of single layers, run as a user would, by root and by an unprivileged user: what
//! they show is true.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use support::host::{has_landlock_tcp, landlock_version, owns_what_is_the_callers};
use support::{Caller, Finished, Workspace, callers, example, has_program, patience};

/// Runs an example as each caller, and hands on what it printed.
#[track_caller]
fn shown(name: &str, arguments: &[&str], check: impl Fn(Caller, &Finished)) {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let mut call = workspace.call(&example(name), arguments);
        call.command.env("API_TOKEN", "secret").env("MY_MODE", "fast");
        check(caller, &call.finish());
    }
}

/// The lines between a title and the next one that isn't indented.
fn section(text: &str, title: &str) -> Vec<String> {
    let after = text.lines().skip_while(|line| line.trim_end_matches(':') != title).skip(1);
    after.take_while(|line| line.starts_with(' ')).map(|line| line.trim().to_owned()).collect()
}

#[track_caller]
fn assert_lines(caller: Caller, run: &Finished, expected: &[&str]) {
    let text = run.success();
    for line in expected {
        assert!(text.lines().any(|l| l.trim().starts_with(line)), "{caller:?}: {line}\n{run:?}");
    }
}

#[test]
fn environment() {
    shown("environment", &[], |caller, run| {
        let text = run.success();
        let changed = section(&text, "with changes");
        for line in ["GREETING=hello from the command", "ONE_MORE=1", "MY_MODE=fast"] {
            assert!(changed.iter().any(|other| other == line), "{caller:?}: {run:?}");
        }
        for name in ["API_TOKEN", "TERM"] {
            assert!(!changed.iter().any(|line| line.starts_with(name)), "{caller:?}: {run:?}");
        }
        assert_eq!(section(&text, "from nothing"), ["ONLY=this"], "{caller:?}: {run:?}");
    });
}

#[test]
fn descriptors() {
    shown("descriptors", &[], |caller, run| {
        let expected = "pipe: 42\npipe: the command exited with 0\n\
            socket: 6 7 is 42\nsocket: 12 12 is 144\nsocket: the command exited with 0\n\
            memory: 6000 words\nmemory: the input is still \"to be or not to be\"\n\
            memory: writing to it: the command exited with 1";
        assert_eq!(run.success(), expected, "{caller:?}: {run:?}");
    });
}

#[test]
fn limits() {
    // Filling memory must not take the processor time of the next limit that is shown: before it
    // gives up, the kernel looks for what it can free.
    let seconds = patience().max(4).to_string();
    shown("limits", &[&seconds], |caller, run| {
        let expected = [
            "nothing: the command exited with 0; done",
            // What a shell says that can't start another process.
            "processes: the command exited with ",
            "cpu_time: a limit was reached (limits.cpu_time)",
            "wall_time: the wall-clock limit was reached",
            "file_size: a limit was reached (limits.file_size)",
            "open_files: the command exited with 0; 32",
            "output: a limit was reached (limits.output); y",
        ];
        assert_lines(caller, run, &expected);
        let text = run.stdout();
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
        assert!(!line("processes").contains("exited with 0"), "{caller:?}: {run:?}");
        let memory = "memory: the memory limit was reached";
        if text.contains("note: cgroup: fallback") {
            // The kernel refuses more, and the shell fails in its own way.
            assert!(!line("memory").contains("exited with 0"), "{caller:?}: {run:?}");
        } else {
            assert!(line("memory").starts_with(memory), "{caller:?}: {run:?}");
            assert!(text.contains("held: memory = 67108864 by "), "{caller:?}: {run:?}");
        }
    });
}

#[test]
fn namespaces() {
    shown("namespaces", &[], |caller, run| {
        let text = run.success();
        let own = section(&text, "all");
        let user = if caller == Caller::Root { "the caller's" } else { "its own" };
        let expected = ["mnt", "pid", "ipc", "uts", "net", "cgroup", "time"];
        for kind in expected {
            let line = format!("{kind}: its own");
            assert!(own.contains(&line), "{caller:?} {kind}: {run:?}");
        }
        assert_eq!(own[0], format!("user: {user}"), "{caller:?}: {run:?}");
        // Init and the shell.
        assert_eq!(own[8..], ["hostname: inside", "processes in sight: 2", "network devices: lo"]);
        let shared = section(&text, "host's network and ipc");
        for line in ["ipc: the caller's", "net: the caller's", "pid: its own", "uts: its own"] {
            assert!(shared.iter().any(|other| other == line), "{caller:?} {line}: {run:?}");
        }
    });
}

#[test]
fn filesystem() {
    shown("filesystem", &[], |caller, run| {
        // The directory to write in is one that the example has made.
        let owned = owns_what_is_the_callers(caller);
        let text = if owned { run.success() } else { run.stdout() };
        let minimal = section(&text, "minimal").join("\n");
        for (command, word) in [
            ("cat source: ", "ok: text of the project"),
            ("echo x > source: ", "failed"),
            ("cat .env: ", "failed"),
            ("echo made > out/made: ", if owned { "ok" } else { "failed" }),
            ("cat /scratch/file: ", "ok: private"),
            ("/dev/zero > /scratch/file: ", "failed"),
            ("ls /home: ", "failed"),
            ("echo x > /usr/x: ", "failed"),
        ] {
            assert!(minimal.contains(&format!("{command}{word}")), "{caller:?} {command}: {run:?}");
        }
        assert!(!text.contains("secret"), "{caller:?}: {run:?}");
        if !owned {
            return;
        }
        assert!(text.contains("on the host: out/made says made"), "{caller:?}: {run:?}");
        let directory = section(&text, "directory").join("\n");
        for part in ["motd: ok: a root of its own", "> /motd: failed", "ls /project: failed"] {
            assert!(directory.contains(part), "{caller:?} {part}: {run:?}");
        }
    });
}

#[test]
fn landlock() {
    if !has_program("bash") {
        return;
    }
    shown("landlock", &[], |caller, run| {
        if run.stdout().is_empty() && !has_landlock_tcp() {
            return;
        }
        let expected = [
            "landlock: enforced: Landlock ABI ",
            "cat read/file: ok",
            "echo x >> read/file: failed",
            "cat write/file && echo x >> write/file: ok",
            "cat neither/file: failed",
            "ls neither: failed",
            "test -s neither/file: ok",
            "connecting where any port is allowed: connected",
            "connecting where port 1 is allowed: refused",
        ];
        assert_lines(caller, run, &expected);
    });
}

#[test]
fn seccomp() {
    shown("seccomp", &[], |caller, run| {
        let text = run.success();
        let line = |title: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(title));
            found.unwrap_or_else(|| panic!("{caller:?} {title}: {run:?}")).to_owned()
        };
        assert_eq!(line("usual set: "), "made (the command exited with 0)", "{caller:?}");
        let refused = line("without mkdir: ");
        assert!(refused.contains("Operation not permitted"), "{caller:?}: {refused}");
        let rule = line("by argument: ");
        assert!(rule.starts_with("fine; "), "{caller:?}: {rule}");
        assert!(rule.contains("not supported; after"), "{caller:?}: {rule}");
        let killed = line("killed: ");
        assert!(killed.contains("ended for what is denied: a system call"), "{caller:?}: {killed}");
    });
}

#[test]
fn identity() {
    shown("identity", &[], |caller, run| {
        let text = run.success();
        let own = if caller == Caller::Root { 65534 } else { number_of(caller) };
        let none = "0000000000000000";
        for (title, user, group, kept) in [
            ("default", own, own, none),
            ("1234:2345", 1234, 2345, none),
            ("one capability", own, own, "0000000000000400"),
        ] {
            let lines = section(&text, title);
            let expected = [
                format!("Uid: {user} {user} {user} {user}"),
                format!("Gid: {group} {group} {group} {group}"),
                format!("CapEff: {kept}"),
                format!("CapBnd: {kept}"),
                "NoNewPrivs: 1".to_owned(),
            ];
            // A user can't give up the groups that come from outside.
            let shown: Vec<_> =
                lines.into_iter().filter(|line| !line.starts_with("Groups")).collect();
            assert_eq!(shown, expected, "{caller:?} {title}: {run:?}");
        }
    });
}

/// The user and group of an unprivileged caller.
fn number_of(caller: Caller) -> u32 {
    match (caller, rustix::process::geteuid().is_root()) {
        (Caller::User, true) => support::UNPRIVILEGED,
        _ => rustix::process::geteuid().as_raw(),
    }
}

#[test]
fn explain_layers_tells_what_a_run_enforced() {
    shown("explain_layers", &["default", "cgroup=off"], |caller, run| {
        let text = run.stdout();
        assert!(text.contains("planned: "), "{caller:?}: {run:?}");
        let of_layer = |line: &&str| ringfence::Layer::NAMES.contains(&line[..18].trim_end());
        let layers = text.lines().filter(|line| line.len() > 18).filter(of_layer).count();
        assert_eq!(layers, ringfence::Layer::ALL.len(), "{caller:?}: {run:?}");
        assert!(text.contains("\ncgroup             off\n"), "{caller:?}: {run:?}");
        for layer in ["no-new-privs", "capabilities", "process-tree"] {
            let line = format!("\n{layer:<18} enforced\n");
            assert!(text.contains(&line), "{caller:?} {layer}: {run:?}");
        }
        // The level has a cgroup: without it, it isn't reached.
        assert_eq!(run.code(), 1, "{caller:?}: {run:?}");
    });
}

#[test]
fn explain_layers_tells_of_a_refusal_and_of_a_mistake() {
    shown("explain_layers", &["untrusted", "cgroup=required"], |caller, run| {
        // Without Landlock, the level isn't reached.
        if run.code() == i32::from(landlock_version() == 0) {
            assert!(run.stdout().contains("cgroup             enforced"), "{caller:?}: {run:?}");
            return;
        }
        assert_eq!(run.code(), 125, "{caller:?}: {run:?}");
        assert!(
            run.stdout().starts_with("refused: nothing was run\ncgroup: "),
            "{caller:?}: {run:?}"
        );
        assert!(run.stdout().contains("  remedy: "), "{caller:?}: {run:?}");
    });
    shown("explain_layers", &["no-such-profile"], |caller, run| {
        assert_eq!(run.code(), 125, "{caller:?}: {run:?}");
        assert!(run.stdout().contains("there is no profile"), "{caller:?}: {run:?}");
    });
}
