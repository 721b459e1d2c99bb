//! A thousand children at once. Alone in its process, as it counts threads and raises a limit.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use ringfence::{Profile, Sandbox, Stdio, tokio as sandboxed};

#[test]
fn a_thousand_children_live_at_once_on_one_thread() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // As many files as are needed, which root may have; else as many as there may be.
    let limit = |most| Rlimit { current: most, maximum: most };
    if setrlimit(Resource::Nofile, limit(Some(20_000))).is_err() {
        setrlimit(Resource::Nofile, limit(getrlimit(Resource::Nofile).maximum)).unwrap();
    }
    // A light sandbox each, as this is about the waiting.
    let profile = Profile::load("default").unwrap().set("enforcement.cgroup", "off");
    let sandbox = Sandbox::new(&profile).unwrap();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut children = Vec::new();
        for _ in 0..1000 {
            let mut command = sandbox.command("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::null());
            children.push(sandboxed::spawn(&mut command).unwrap());
        }
        assert_eq!(threads(), before);
        for child in &mut children {
            assert!(child.try_wait().unwrap().is_none());
        }
        // All of them end when their input does.
        for child in &mut children {
            drop(child.stdin.take());
        }
        for child in &mut children {
            assert!(child.wait().await.unwrap().success());
        }
    });
}
