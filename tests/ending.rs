//! How runs end: time limits, signals, and the whole process tree gone. At every level. Rows of
//! the hostile cases: 18, 19, 20, 32.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::time::{Duration, Instant};

use support::tree::{cgroups_of, mark, marked, nothing_is_left, nothing_stays, wait_until};
use support::{Caller, LEVELS, Workspace, callers};

/// Far above what any of these runs should take, and far below what they sleep.
const SOON: Duration = Duration::from_secs(30);

/// Runs `test` as every caller at every level, with the program `tree` and a mark.
fn everywhere(test: impl Fn(&Workspace, Caller, &str, &str)) {
    for caller in callers() {
        for level in LEVELS {
            let workspace = Workspace::new(caller);
            workspace.bring("tree");
            test(&workspace, caller, level, &mark());
        }
    }
}

#[test]
fn the_time_limit_ends_the_run_with_124() {
    everywhere(|workspace, caller, level, mark| {
        let began = Instant::now();
        let run =
            workspace.shell(&["-l", level, "--timeout", "0.2s"], &format!("sleep 90 # {mark}"));
        assert_eq!(run.code(), 124, "{caller:?} {level}: {run:?}");
        assert!(began.elapsed() >= Duration::from_millis(200), "{caller:?} {level}: too early");
        assert!(began.elapsed() < SOON, "{caller:?} {level}: too late");
        nothing_is_left(mark);
    });
}

#[test]
fn a_command_is_asked_to_end_before_it_is_killed() {
    everywhere(|workspace, caller, level, mark| {
        let script = format!("trap 'echo asked; exit 3' TERM; sleep 90 & wait # {mark}");
        let run = workspace.shell(&["-l", level, "--timeout", "200ms"], &script);
        assert_eq!((run.code(), run.stdout()), (124, "asked\n".into()), "{caller:?} {level}");
        nothing_is_left(mark);
    });
}

#[test]
fn a_command_that_ignores_every_signal_is_killed_after_the_grace() {
    everywhere(|workspace, caller, level, mark| {
        let began = Instant::now();
        let options =
            ["run", "-q", "-l", level, "--timeout", "0.2", "--set", "process.grace=200ms"];
        let run = workspace.ringfence([&options[..], &["./tree", "deaf", mark]].concat()).finish();
        assert_eq!((run.code(), run.stdout()), (124, "deaf\n".into()), "{caller:?} {level}");
        assert!(began.elapsed() >= Duration::from_millis(400), "{caller:?} {level}: no grace");
        assert!(began.elapsed() < SOON, "{caller:?} {level}: too late");
        nothing_is_left(mark);
    });
}

#[test]
fn a_stopped_command_is_woken_up_to_be_ended() {
    everywhere(|workspace, caller, level, mark| {
        let words = ["run", "-q", "-l", level, "--timeout", "200ms", "./tree", "stop", mark];
        let run = workspace.ringfence(words).finish();
        assert_eq!((run.code(), run.stdout()), (124, "stopping\n".into()), "{caller:?} {level}");
        let script = format!("trap 'echo asked' TERM; kill -STOP $$; echo on # {mark}");
        let run = workspace.shell(&["-q", "-l", level, "--timeout", "200ms"], &script);
        assert_eq!((run.code(), run.stdout()), (124, "asked\non\n".into()), "{caller:?} {level}");
        nothing_is_left(mark);
    });
}

#[test]
fn times_that_make_no_sense_are_refused_and_long_ones_hold() {
    // Row 32.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        for time in
            ["0", "0s", "-1", "-5s", "nan", "inf", "1e30", "99999999999999999999s", "5 parsecs"]
        {
            let run = workspace.shell(&["-l", "basic", &format!("--timeout={time}")], "echo ran");
            assert_eq!((run.code(), run.stdout()), (125, String::new()), "{caller:?} {time}");
        }
        let run = workspace.shell(&["-l", "basic", "--timeout", "2540000h"], "echo ran");
        assert_eq!(run.success(), "ran", "{caller:?}: 290 years");
    }
}

#[test]
fn a_daemon_ends_with_the_run() {
    // Row 19.
    everywhere(|workspace, caller, level, mark| {
        let run =
            workspace.ringfence(["run", "-q", "-l", level, "./tree", "daemon", mark]).finish();
        assert_eq!(run.code(), 3, "{caller:?} {level}: {run:?}");
        nothing_is_left(mark);
    });
}

#[test]
fn orphans_in_sessions_of_their_own_end_with_the_run() {
    everywhere(|workspace, caller, level, mark| {
        let words = ["run", "-q", "-l", level, "./tree", "orphans", mark, "40"];
        let run = workspace.ringfence(words).finish();
        assert_eq!(run.code(), 4, "{caller:?} {level}: {run:?}");
        nothing_is_left(mark);
    });
}

#[test]
fn a_tree_that_forks_away_from_its_killer_ends_with_the_run() {
    everywhere(|workspace, caller, level, mark| {
        let run = workspace.ringfence(["run", "-q", "-l", level, "./tree", "fast", mark]).finish();
        assert_eq!(run.code(), 6, "{caller:?} {level}: {run:?}");
        nothing_is_left(mark);
    });
}

#[test]
fn signals_to_the_launcher_reach_the_command() {
    everywhere(|workspace, caller, level, mark| {
        let script = format!(
            "trap 'echo got it; exit 9' USR1; echo ready; while :; do sleep 0.02; done # {mark}"
        );
        let mut run = workspace.ringfence(["run", "-q", "-l", level, "--", "sh", "-c", &script]);
        let mut child = run.command.spawn().unwrap();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        signal(child.id(), rustix::process::Signal::USR1);
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        assert_eq!(line, "ready\ngot it\n", "{caller:?} {level}");
        assert_eq!(child.wait().unwrap().code(), Some(9), "{caller:?} {level}");
        nothing_is_left(mark);
    });
}

/// How often a launcher is killed at each level by each caller: a thousand times in all.
/// `RINGFENCE_KILLS=500` is thorough.
fn kills() -> u32 {
    std::env::var("RINGFENCE_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(100)
}

/// Random moments within the first 40 ms, denser at their start, where the setup is.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        Self(u64::from(std::process::id()) << 20 | 1)
    }

    fn next(&mut self) -> Duration {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let share = f64::from(u32::try_from(self.0 >> 32).unwrap()) / f64::from(u32::MAX);
        Duration::from_secs_f64(0.04 * share * share)
    }
}

#[test]
fn nothing_survives_a_launcher_killed_at_any_moment() {
    // Row 18: before the clone, between any two steps of the setup, and while the command runs.
    let moments = std::cell::RefCell::new(Moments::new());
    everywhere(|workspace, caller, level, mark| {
        let script =
            format!("./tree deaf {mark} & setsid ./tree deaf {mark} & exec ./tree deaf {mark}");
        let words = ["run", "-q", "-l", level, "--", "sh", "-c", &script];
        let mut launchers = Vec::new();
        for _ in 0..kills() {
            let mut child = workspace.ringfence(words).command.spawn().unwrap();
            std::thread::sleep(moments.borrow_mut().next());
            child.kill().unwrap();
            let id = child.id();
            child.wait_with_output().unwrap();
            nothing_stays(mark);
            launchers.push(id);
        }
        // A killed launcher can't remove its cgroup; the next one does.
        workspace.shell(&["-q", "-l", level], "true").success();
        for id in launchers {
            assert!(cgroups_of(id).is_empty(), "{caller:?} {level}: {:?}", cgroups_of(id));
        }
    });
}

#[test]
fn what_a_killed_launcher_left_on_disk_is_removed_by_the_next() {
    if !support::host::has_landlock() {
        return;
    }
    let mut moments = Moments::new();
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let mark = mark();
        let temporary = workspace.project().join("temporary");
        std::fs::create_dir(&temporary).unwrap();
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(&temporary, everybody).unwrap();
        let run = |script: &str| {
            // Where nothing can be mounted, directories stand in for file systems in memory.
            let script = format!("{script} # {mark}");
            let mut run = workspace.quietly(&["-p", "landlock-only"], &["sh", "-c", &script]);
            run.command.env("TMPDIR", &temporary);
            run
        };
        for _ in 0..kills() {
            let mut child = run("sleep 60; exit").command.spawn().unwrap();
            std::thread::sleep(moments.next());
            child.kill().unwrap();
            child.wait_with_output().unwrap();
            nothing_stays(&mark);
        }
        run("exit").finish().success();
        let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().flatten().collect();
        assert!(left.is_empty(), "{caller:?}: {left:?}");
    }
}

#[test]
fn nothing_survives_an_init_killed_from_outside() {
    for caller in callers() {
        // Below, init isn't the tree's only hold: see the layer process-tree.
        for level in ["namespaced", "resource-limited", "containerized"] {
            let workspace = Workspace::new(caller);
            workspace.bring("tree");
            let mark = mark();
            let script = format!("setsid ./tree deaf {mark} & exec ./tree deaf {mark}");
            let words = ["run", "-q", "-l", level, "--", "sh", "-c", &script];
            let child = workspace.ringfence(words).command.spawn().unwrap();
            let both =
                || marked(&mark).iter().filter(|it| it.contains(") ./tree deaf")).count() >= 2;
            wait_until("the command and its child", both);
            // Init would be seen as well, were it left.
            let init = || marked(&mark).iter().any(|it| it.contains("ringfence-init"));
            assert!(init() || !rustix::process::geteuid().is_root(), "{:?}", marked(&mark));
            let path = format!("/proc/{0}/task/{0}/children", child.id());
            let init = std::fs::read_to_string(path).unwrap();
            signal(init.trim().parse().unwrap(), rustix::process::Signal::KILL);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(125), "{caller:?} {level}: {output:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("init was killed by signal 9"), "{caller:?} {level}: {said}");
            nothing_is_left(&mark);
        }
    }
}

fn signal(id: u32, signal: rustix::process::Signal) {
    let id = rustix::process::Pid::from_raw(id.cast_signed()).unwrap();
    rustix::process::kill_process(id, signal).unwrap();
}
