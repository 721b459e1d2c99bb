//! Many runs, one after the other and all at once: the supervisor doesn't grow, and nothing stays
//! behind. What is counted is counted in a process that does nothing else.
//!
//! `RINGFENCE_RUNS` and `RINGFENCE_CROWD` are how many runs there are in a row, and at once.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ringfence::{Child, Ending, Profile, Sandbox};
use support::held::{Held, kernel_objects, kilobytes};
use support::tree::{cgroups_of, mark, nothing_is_left, wait_until};
use support::{Workspace, callers, programs};

/// How many runs there are in a row.
const RUNS: &str = "RINGFENCE_RUNS";

/// How many there are at once.
const CROWD: &str = "RINGFENCE_CROWD";

/// Whether this is the test run again, in a process that does nothing else, and with which worker.
const AGAIN: &str = "RINGFENCE_TEST_WORKER";
const NAME: &str = "the_supervisor_grows_neither_by_many_runs_nor_by_many_at_once";

/// How many threads start runs at the same time.
const THREADS: usize = 8;

/// Runs before the first count: what is opened or allocated once and for all is there then.
const WARM_UP: usize = 200;

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|count| count.parse().ok()).unwrap_or(usual)
}

/// A containerized sandbox with every layer that this host gives to this user.
fn sandbox(worker: &Path) -> Sandbox {
    let mut profile = Profile::load("default").unwrap().memory("256MiB");
    profile = profile.set("level", "containerized");
    let directory = worker.parent().unwrap();
    profile = profile.set("filesystem.mounts", serde_json::json!([{ "source": directory }]));
    if !rustix::process::geteuid().is_root() {
        // Cgroups are delegated to a user or not.
        profile = profile.set("enforcement.cgroup", "best-effort");
    }
    Sandbox::new(&profile).unwrap()
}

/// How long launches took.
#[derive(Default)]
struct Times(Mutex<Vec<Duration>>);

impl Times {
    fn add(&self, time: Duration) {
        self.0.lock().unwrap().push(time);
    }

    fn tell(&self, what: &str) {
        let mut times = self.0.lock().unwrap();
        times.sort();
        let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
        let who = if rustix::process::geteuid().is_root() { "root" } else { "a user" };
        say(&format!(
            "LOAD {what}, as {who}: {} launches: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            times.len(),
            at(50),
            at(99),
            at(100)
        ));
    }
}

/// Says it where the harness doesn't swallow it.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Starts a worker; how long that took, from the call to the moment at which it was let go.
fn launch(sandbox: &Sandbox, worker: &Path, words: &[&str], times: &Times) -> Child {
    let mut command = sandbox.command(worker);
    command.args(words).stdin(ringfence::Stdio::piped()).stdout(ringfence::Stdio::piped());
    let began = Instant::now();
    let child = command.spawn().unwrap();
    times.add(began.elapsed());
    child
}

/// Waits for a worker; it has done what it was to do.
fn finish(mut child: Child, code: u8) {
    let mut said = String::new();
    let mut output = child.stdout.take().unwrap();
    drop(child.stdin.take());
    output.read_to_string(&mut said).unwrap();
    let outcome = child.wait().unwrap();
    assert_eq!((&*said, outcome.ending), ("done\n", Ending::Exited { code }));
}

/// Network namespaces go a while after their last process; the kernel counts roughly, and for
/// everybody. A leak of one for each run would be seen all the same.
fn nothing_grows_in_the_kernel(before: &[(&str, Option<u64>)], runs: usize) {
    for (kind, before) in before {
        let Some(before) = before else {
            support::skip(
                "slabinfo",
                &format!("the kernel doesn't tell how many {kind} there are"),
            );
            continue;
        };
        let most = before + u64::try_from(runs / 10).unwrap().max(200);
        wait_until(kind, || kernel_objects(kind).is_some_and(|now| now <= most));
    }
}

fn kernel_counts() -> [(&'static str, Option<u64>); 3] {
    ["net_namespace", "mnt_cache", "pid_namespace"].map(|kind| (kind, kernel_objects(kind)))
}

fn in_a_row(sandbox: &Sandbox, worker: &Path, temporary: &Path) {
    let runs = number(RUNS, 10_000);
    let times = Times::default();
    let run = |number: usize, times: &Times| {
        let code = u8::try_from(number % 100).unwrap();
        let child = launch(sandbox, worker, &["200", "64", &code.to_string()], times);
        finish(child, code);
    };
    (0..WARM_UP).for_each(|number| run(number, &Times::default()));
    let before = Held::now(temporary);
    let memory = kilobytes("RssAnon");
    for number in 0..runs {
        run(number, &times);
        // Not only in the end: what is left for a while would add up under load.
        if number % 1000 == 0 {
            assert_eq!(Held::now(temporary), before, "after {number} runs");
        }
    }
    assert_eq!(Held::now(temporary), before);
    let grown = kilobytes("RssAnon").saturating_sub(memory);
    // The list of times grows, by 16 bytes for each.
    let most = 256 + u64::try_from(runs * 32 / 1024).unwrap();
    assert!(grown <= most, "{grown} KiB more after {runs} runs");
    times.tell("in a row");
}

fn at_once(sandbox: &Sandbox, worker: &Path, temporary: &Path) {
    let crowd = number(CROWD, 500);
    let times = Times::default();
    let round = |times: &Times| {
        let children = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (children, mine) = (&children, (thread..crowd).step_by(THREADS));
                scope.spawn(move || {
                    for number in mine {
                        let code = u8::try_from(number % 100).unwrap();
                        let words = ["5000", "256", &code.to_string(), "wait"];
                        let child = launch(sandbox, worker, &words, times);
                        children.lock().unwrap().push((child, code));
                    }
                });
            }
        });
        let mut children = children.into_inner().unwrap();
        // All of them are there at the same time.
        for (child, _) in &mut children {
            assert!(child.try_wait().unwrap().is_none());
        }
        let cgroups = cgroups_of(std::process::id()).len();
        for (child, code) in children {
            finish(child, code);
        }
        // The end of a scope comes a moment before the threads' own.
        wait_until("the threads' end", || support::held::names("/proc/self/task").len() <= 2);
        cgroups
    };
    let cgroups = round(&Times::default());
    assert!(!rustix::process::geteuid().is_root() || cgroups >= crowd, "{cgroups} cgroups");
    let before = Held::now(temporary);
    let memory = kilobytes("RssAnon");
    for _ in 0..3 {
        round(&times);
        assert_eq!(Held::now(temporary), before);
    }
    let grown = kilobytes("RssAnon").saturating_sub(memory);
    assert!(grown <= 1024, "{grown} KiB more");
    times.tell(&format!("{crowd} at once"));
}

/// The measuring itself, in a process of its own.
fn measure(worker: &Path) {
    raise_limit_of_files();
    let temporary = std::env::temp_dir();
    let sandbox = sandbox(worker);
    at_once(&sandbox, worker, &temporary);
    in_a_row(&sandbox, worker, &temporary);
}

/// Each child takes some descriptors.
fn raise_limit_of_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
}

#[test]
fn the_supervisor_grows_neither_by_many_runs_nor_by_many_at_once() {
    if let Some(worker) = std::env::var_os(AGAIN) {
        return measure(Path::new(&worker));
    }
    let worker = programs::program("worker");
    let own = worker.with_file_name("load");
    support::copy_program(&std::env::current_exe().unwrap(), &own);
    let kernel = kernel_counts();
    // Root's runs have more layers, and more to leave behind.
    for (caller, share) in callers().into_iter().zip([1, 5]) {
        let runs = number(RUNS, 10_000) / share;
        let workspace = Workspace::new(caller);
        let temporary = workspace.write("temporary/file", "").parent().unwrap().to_owned();
        let mut again = workspace.call(&own, ["--exact", NAME, "--nocapture"]).command;
        again.env(AGAIN, &worker).env("TMPDIR", temporary).stderr(Stdio::inherit());
        // Else threads that come and go leave memory behind in pools of their own.
        again.env("MALLOC_ARENA_MAX", "1");
        again.env(RUNS, runs.to_string()).env(CROWD, number(CROWD, 500).to_string());
        let output = again.output().unwrap();
        assert!(output.status.success(), "{caller:?}: {output:?}");
        nothing_grows_in_the_kernel(&kernel, runs);
    }
}

/// Launchers that know nothing of each other, as on a server of jobs.
#[test]
fn five_hundred_launchers_at_once_all_run_their_commands() {
    let worker = programs::program("worker");
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let mark = mark();
        let words = ["run", "-q", "-l", "containerized", "--degrade", "--ro"];
        let directory = worker.parent().unwrap().to_str().unwrap();
        let rest = [directory, "--", worker.to_str().unwrap(), "2000", "64", "7", "wait", &mark];
        let began = Instant::now();
        let start = |_| {
            let mut run = workspace.ringfence(words.iter().chain(&rest)).command;
            run.stdin(Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<_> = (0..number(CROWD, 500)).map(start).collect();
        let ids: Vec<_> = children.iter().map(std::process::Child::id).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert_eq!((output.status.code(), &*output.stdout), (Some(7), &b"done\n"[..]));
        }
        say(&format!("LOAD {} launchers at once, {caller:?}: {:?}", ids.len(), began.elapsed()));
        nothing_is_left(&mark);
        assert!(ids.iter().all(|id| cgroups_of(*id).is_empty()), "{caller:?}");
    }
}
