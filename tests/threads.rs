//! A sandbox is used by many threads of a busy program at once.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "changing the environment can't be had without")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ringfence::{Ending, Profile, Sandbox, Stdio};

/// How many runs there are in all: enough for rare mishaps.
fn runs() -> usize {
    std::env::var("RINGFENCE_RUNS").ok().and_then(|count| count.parse().ok()).unwrap_or(10_000)
}
const THREADS: usize = 16;

/// Numbers of open descriptors and of threads of this process.
fn held() -> (usize, usize) {
    let count = |directory: &str| std::fs::read_dir(directory).unwrap().count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

/// Descriptors that are open in a command: 0 to 2, and the one that lists them.
const OPEN_IN_COMMAND: &[u8] = b"0\n1\n2\n3\n";

#[test]
fn sixteen_threads_spawn_while_others_allocate_and_change_the_environment() {
    // As light as it gets, so that there can be many: what is tried here is the launcher.
    let profile = Profile::load("default").unwrap().set(
        "limits",
        serde_json::json!({
            "memory": "unlimited", "processes": "unlimited", "swap": "unlimited",
        }),
    );
    let profile = ["basic", "containerized"].map(|level| {
        let profile = if level == "basic" {
            Profile::new(ringfence::Level::Basic)
        } else {
            profile.clone().set("enforcement.cgroup", "off")
        };
        Sandbox::new(&profile).unwrap()
    });
    profile[1].command("true").status().unwrap();
    // Neither a program that ignores SIGCHLD, for which the kernel reaps, nor one that waits for any
    // child takes an outcome away.
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    let before = held();
    let (stop, runs) = (AtomicBool::new(false), runs());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // SAFETY: nobody reads the environment but by std, which has a lock for it.
                unsafe { std::env::set_var("RINGFENCE_TEST", "x".repeat(1000)) };
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        scope.spawn(|| {
            let mut kept = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                kept.push(vec![1_u8; 100_000]);
                kept.truncate(50);
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let any = rustix::process::wait(rustix::process::WaitOptions::NOHANG);
                assert_eq!(any.map(|_| ()), Err(rustix::io::Errno::CHILD));
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= runs {
                            break;
                        }
                        one_run(&profile[number % 2], number);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    // The end of a scope comes a moment before the threads' own.
    let deadline = Instant::now() + Duration::from_secs(5);
    while held() != before && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(held(), before);
    // Nobody is left who could be waited for, of whatever kind.
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    assert_eq!(children, "");
}

/// Runs one command, in one of the ways there are.
fn one_run(sandbox: &Sandbox, number: usize) {
    match number % 5 {
        0 => {
            let output = sandbox.command("ls").arg("/proc/self/fd").output().unwrap();
            assert_eq!(output.stdout, OPEN_IN_COMMAND, "{number}");
        }
        1 => {
            let code = (number % 200) as u8;
            let mut command = sandbox.command("sh");
            let outcome = command.args(["-c", &format!("exit {code}")]).status().unwrap();
            assert_eq!(outcome.ending, Ending::Exited { code }, "{number}");
        }
        2 => {
            let mut command = sandbox.command("sleep");
            let mut child = command.arg("60").stdin(Stdio::piped()).spawn().unwrap();
            child.kill();
            assert_eq!(child.wait().unwrap().ending, Ending::Killed, "{number}");
        }
        3 => drop(sandbox.command("sleep").arg("60").stdout(Stdio::piped()).spawn().unwrap()),
        _ => assert!(sandbox.command("no-such-command").spawn().is_err()),
    }
}
