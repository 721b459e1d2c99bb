//! Whatever way a run ends, or fails to begin, nothing of it is left in the program that started
//! it. One test, alone in its process: it counts what the process holds.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "changing the environment can't be had without")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ringfence::{Enforcement, Layer, Profile, Sandbox, Stdio};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::held::Held;
use support::host::with_landlock_if_any;

/// Every way of ending, and of not beginning.
fn ways(profile: &str) -> Vec<(String, Box<dyn Fn()>)> {
    let load = || with_landlock_if_any(Profile::load(profile).unwrap());
    let sandbox = Sandbox::new(&load()).unwrap();
    let mut ways: Vec<(String, Box<dyn Fn()>)> = Vec::new();
    let mut way = |name: &str, act: Box<dyn Fn()>| ways.push((format!("{profile}: {name}"), act));
    let own = sandbox.clone();
    way("a run to its end", Box::new(move || drop(own.command("true").status().unwrap())));
    let own = sandbox.clone();
    way("output", Box::new(move || drop(own.command("ls").output().unwrap())));
    let own = sandbox.clone();
    let spawn = move || {
        let mut command = own.command("sh");
        command.args(["-c", "sleep 60 & (setsid sleep 60 &); sleep 60"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let start = spawn.clone();
    way("a child that is dropped", Box::new(move || drop(start())));
    let start = spawn.clone();
    way(
        "a child that is killed",
        Box::new(move || {
            let mut child = start();
            child.kill();
            child.wait().unwrap();
        }),
    );
    let start = spawn.clone();
    way(
        "a child whose init is killed",
        Box::new(move || {
            let child = start();
            if ends_with_init(&child) {
                let own = std::fs::read_to_string("/proc/thread-self/children").unwrap();
                let init = own.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
                rustix::process::kill_process(init.unwrap(), rustix::process::Signal::KILL)
                    .unwrap();
            }
        }),
    );
    let start = spawn;
    way(
        "a panic",
        Box::new(move || {
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                let _child = start();
                std::panic::resume_unwind(Box::new("on purpose"));
            }));
            assert!(unwound.is_err());
        }),
    );
    let own = sandbox.clone();
    way(
        "a command that isn't there",
        Box::new(move || {
            assert!(own.command("no-such-command").spawn().is_err());
        }),
    );
    let own = sandbox.clone();
    way(
        "one that can't be executed",
        Box::new(move || {
            assert!(own.command("/etc/passwd").stdout(Stdio::piped()).spawn().is_err());
        }),
    );
    let own = sandbox.clone();
    way(
        "a directory that isn't there",
        Box::new(move || {
            assert!(own.command("true").current_dir("/nowhere").spawn().is_err());
        }),
    );
    let own = sandbox;
    way(
        "a descriptor that is refused",
        Box::new(move || {
            let root: OwnedFd = std::fs::File::open("/").unwrap().into();
            let refused = own.command("true").fd(9, root).spawn();
            assert!(refused.is_err() || profile_shows_all(&refused.unwrap()));
        }),
    );
    ways
}

/// Whether something ends the tree of a child whose init was killed: else that is a way out that
/// `explain` tells of.
fn ends_with_init(child: &ringfence::Child) -> bool {
    let holds = [Layer::PidNamespace, Layer::Cgroup];
    child
        .layers()
        .iter()
        .any(|state| holds.contains(&state.layer) && state.status == ringfence::Status::Enforced)
}

/// A child of a sandbox without a view of files of its own: there, directories are no secret.
fn profile_shows_all(child: &ringfence::Child) -> bool {
    let shown = [Layer::Filesystem, Layer::Landlock];
    child
        .layers()
        .iter()
        .all(|state| !shown.contains(&state.layer) || state.enforcement == Enforcement::Off)
}

#[test]
fn nothing_is_left_of_a_run() {
    let temporary = tempfile::tempdir().unwrap();
    // SAFETY: nobody reads the environment but by std, which has a lock for it.
    unsafe { std::env::set_var("TMPDIR", temporary.path()) };
    let profiles = ["default", "untrusted", "compute", "landlock-only"];
    for profile in profiles {
        for (name, way) in ways(profile) {
            way(); // What is opened once and for all is open now.
            let before = Held::now(temporary.path());
            way();
            assert_eq!(Held::now(temporary.path()), before, "{name}");
        }
    }
    without_descriptors();
}

/// With every number of descriptors that can be had there is a run, or an error that says what is
/// missing; never a part of a sandbox.
fn without_descriptors() {
    let sandbox = Sandbox::new(&Profile::load("default").unwrap()).unwrap();
    let file = tempfile::tempfile().unwrap();
    let run = || {
        let mut command = sandbox.command("true");
        command.fd(20, file.try_clone()?);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).status().map_err(Box::new)?;
        Ok::<(), Box<dyn std::error::Error>>(())
    };
    run().unwrap();
    let before = Held::now(Path::new("/nonexistent"));
    let limits = getrlimit(Resource::Nofile);
    let (mut failed, mut succeeded) = (0, 0);
    for count in 4..80 {
        setrlimit(Resource::Nofile, Rlimit { current: Some(count), ..limits }).unwrap();
        let result = run();
        setrlimit(Resource::Nofile, limits).unwrap();
        match result {
            Ok(()) => succeeded += 1,
            Err(error) => {
                failed += 1;
                let text = error.to_string();
                let said = ["EMFILE", "Too many open files", "EBADF", "EINVAL"];
                assert!(said.iter().any(|word| text.contains(word)), "{count}: {text}");
            }
        }
        assert_eq!(Held::now(Path::new("/nonexistent")), before, "{count} descriptors");
    }
    assert!(failed > 3 && succeeded > 3, "{failed} {succeeded}");
}
