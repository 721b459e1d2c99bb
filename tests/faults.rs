//! A launch that fails, or is killed, at any of its numbered steps: a typed error, and nothing is
//! left. The steps are walked through by the feature `fault-injection`, up to the first number at
//! which no fault strikes any more.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ringfence::{Layer, Profile, Sandbox};
use support::held::{Held, names};
use support::host::has_landlock;
use support::tree::{cgroups_of, mark, nothing_is_left, nothing_stays};
use support::{Caller, Finished, LEVELS, Workspace, callers};

/// `EIO`, which no step expects: of the host it teaches nothing.
const FAILS: &str = "5";

/// `EBUSY`, as of a cgroup that others are changing.
const BUSY: &str = "16";

/// Without it the next plan does without the cgroup that couldn't be made.
const REQUIRED: [&str; 2] = ["--enforcement", "cgroup=required"];

/// Longer than anything that is waited for in a launch that fails, on a busy machine too; less than
/// it takes to lose patience with processes that can't be killed.
const PATIENCE: Duration = Duration::from_secs(9);

/// One caller's launches at one level.
struct Walk {
    workspace: Workspace,
    caller: Caller,
    options: Vec<&'static str>,
    temporary: PathBuf,
    /// Of launchers that were killed.
    killed: Vec<u32>,
    /// How many steps failed that a run can do without.
    done_without: u32,
}

/// A launch with a fault in it.
struct Struck {
    run: Finished,
    took: Duration,
    launcher: u32,
    mark: String,
}

impl Walk {
    fn new(caller: Caller, options: &[&'static str]) -> Self {
        let workspace = Workspace::new(caller);
        let temporary = workspace.write("temporary/file", "").parent().unwrap().to_owned();
        std::fs::remove_file(temporary.join("file")).unwrap();
        Self {
            workspace,
            caller,
            options: options.to_vec(),
            temporary,
            killed: Vec::new(),
            done_without: 0,
        }
    }

    fn launch(&self, fault: Option<&str>) -> Struck {
        let mark = mark();
        let script = format!("echo ran # {mark}");
        let mut call = self.workspace.quietly(&self.options, &["sh", "-c", &script]);
        call.command.env("TMPDIR", &self.temporary);
        call.command.envs(fault.map(|fault| ("RINGFENCE_TEST_FAULT", fault)));
        let began = Instant::now();
        let child = call.command.spawn().unwrap();
        let launcher = child.id();
        let run = Finished(child.wait_with_output().unwrap());
        Struck { run, took: began.elapsed(), launcher, mark }
    }

    /// Has every step of an actor's struck in turn, and `check` look at each launch; how many there
    /// are.
    fn every_step(
        &mut self,
        actor: &str,
        what: &str,
        check: impl Fn(&mut Self, &str, Struck),
    ) -> u16 {
        for number in 0.. {
            let fault = format!("{actor}:{number}:{what}");
            let struck = self.launch(Some(&fault));
            let name = format!("{:?} {:?} {fault}", self.caller, self.options);
            if !struck.run.stderr().contains("a fault strikes") {
                assert_eq!(struck.run.success(), "ran", "{name}");
                self.nothing_is_left(&name, &struck);
                return number;
            }
            check(self, &name, struck);
        }
        unreachable!("some step is the last")
    }

    /// Nothing of a launch whose launcher could clear up.
    fn nothing_is_left(&self, name: &str, struck: &Struck) {
        nothing_is_left(&struck.mark);
        assert!(
            cgroups_of(struck.launcher).is_empty(),
            "{name}: {:?}",
            cgroups_of(struck.launcher)
        );
        assert!(names(&self.temporary).is_empty(), "{name}: {:?}", names(&self.temporary));
    }

    /// A step that fails is told with its layer, and the command wasn't run.
    fn fails(&mut self, name: &str, struck: Struck) {
        let (run, said) = (&struck.run, struck.run.stderr());
        if run.code() == 0 && self.options.contains(&"landlock-only") {
            // The cgroup that only helps to end the tree: another plan does without it.
            self.done_without += 1;
            assert_eq!((&*run.success(), self.done_without), ("ran", 1), "{name}: {run:?}");
            return self.nothing_is_left(name, &struck);
        }
        assert!([125, 126, 127].contains(&run.code()), "{name}: {run:?}");
        let line = said.lines().find_map(|line| line.strip_prefix("ringfence: ")).unwrap();
        let subject = line.split(':').next().unwrap();
        // Or the plan changes with what was learned, or it is the command that can't be executed.
        let known = Layer::from_name(subject).is_some() || ["refused", "sh"].contains(&subject);
        assert!(known, "{name}: {subject}: {run:?}");
        let errno = ["EIO", "EBUSY"].iter().any(|errno| said.contains(errno));
        assert!(errno || said.contains("doesn't confirm"), "{name}: {run:?}");
        assert_eq!(run.stdout(), "", "{name}: {run:?}");
        assert!(struck.took < PATIENCE, "{name}: {:?}", struck.took);
        self.nothing_is_left(name, &struck);
    }

    /// Whatever was killed, no process outlives it, and the next run clears up.
    fn dies(&mut self, name: &str, struck: Struck) {
        nothing_stays(&struck.mark);
        match struck.run.code() {
            137 => self.killed.push(struck.launcher),
            125 => {
                assert!(struck.took < PATIENCE, "{name}: {:?}", struck.took);
                self.nothing_is_left(name, &struck);
            }
            _ => panic!("{name}: {:?}", struck.run),
        }
    }

    /// The next run clears up what killed launchers have left.
    fn next_run_clears_up(&mut self) {
        assert_eq!(self.launch(None).run.success(), "ran");
        for launcher in std::mem::take(&mut self.killed) {
            let left = cgroups_of(launcher);
            assert!(left.is_empty(), "{:?} {:?}: {left:?}", self.caller, self.options);
        }
        let left = names(&self.temporary);
        assert!(left.is_empty(), "{:?} {:?}: {left:?}", self.caller, self.options);
    }
}

/// Whether a caller has a cgroup to make others in; a user has if one is delegated.
fn has_cgroup(caller: Caller) -> bool {
    let options = [&["-l", "resource-limited"], &REQUIRED[..]].concat();
    let run = || Workspace::new(caller).quietly(&options, &["true"]).finish();
    caller == Caller::Root || run().code() == 0
}

/// Calls `test` for every caller at every level, and where directories stand in for mounts.
fn everywhere(test: impl Fn(&mut Walk) + Sync) {
    if !cfg!(debug_assertions) {
        return support::skip(
            "debug-assertions",
            "faults can be injected in builds for debugging only",
        );
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    std::thread::scope(|scope| {
        for caller in callers() {
            let test = &test;
            scope.spawn(move || {
                let cgroup = if has_cgroup(caller) { &REQUIRED[..] } else { &[] };
                for level in LEVELS {
                    let limits = ["resource-limited", "containerized"].contains(&level);
                    let options = [&["-l", level][..], if limits { cgroup } else { &[] }].concat();
                    test(&mut Walk::new(caller, &options));
                }
                if has_landlock() {
                    test(&mut Walk::new(caller, &[&["-p", "landlock-only"], cgroup].concat()));
                }
            });
        }
    });
    assert_eq!(std::fs::read_to_string("/proc/self/mountinfo").unwrap(), mounts);
}

#[test]
fn every_step_that_fails_is_a_typed_error_and_leaves_nothing() {
    everywhere(|walk| {
        let steps =
            ["launcher", "init", "command"].map(|actor| walk.every_step(actor, FAILS, Walk::fails));
        assert!(steps.iter().all(|count| *count >= 2), "{steps:?}");
    });
}

#[test]
fn a_launcher_killed_at_any_step_leaves_nothing_that_the_next_run_doesnt_clear_up() {
    everywhere(|walk| {
        for actor in ["launcher", "init", "command"] {
            walk.every_step(actor, "kill-launcher", Walk::dies);
        }
        walk.next_run_clears_up();
    });
}

#[test]
fn an_init_killed_at_any_step_is_an_error_and_leaves_nothing() {
    everywhere(|walk| {
        for actor in ["init", "command"] {
            walk.every_step(actor, "kill-init", Walk::dies);
        }
        walk.next_run_clears_up();
    });
}

#[test]
fn a_command_killed_before_it_is_executed_leaves_nothing() {
    everywhere(|walk| {
        walk.every_step("command", "kill-command", Walk::dies);
    });
}

#[test]
fn a_cgroup_that_is_busy_is_an_error_that_names_the_file() {
    if !rustix::process::geteuid().is_root() {
        return support::skip("root", "cgroups are delegated to a user or not");
    }
    everywhere(|walk| {
        if !walk.options.contains(&"cgroup=required") {
            return;
        }
        let told = std::cell::Cell::new(0);
        walk.every_step("launcher", BUSY, |walk, name, struck| {
            let said = struck.run.stderr();
            told.set(told.get() + u32::from(said.contains("cgroup/") && said.contains("EBUSY")));
            walk.fails(name, struck);
        });
        // At least a directory, a limit and, of version 1, a file to join by.
        let by_file = !Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        assert!(told.get() >= 2 + u32::from(by_file), "{:?}: {}", walk.options, told.get());
    });
}

/// The level of the sandbox that this process, which is the test run again, is to supervise.
const SUPERVISOR: &str = "RINGFENCE_TEST_SUPERVISOR";

/// Runs two commands, the second of which is to leave nothing in this process.
fn supervise(level: &str) {
    let profile = Profile::load("default").unwrap().set("level", level);
    let sandbox = Sandbox::new(&profile).unwrap();
    let run = || drop(sandbox.command("true").status());
    run();
    let before = Held::now(&std::env::temp_dir());
    run();
    assert_eq!(Held::now(&std::env::temp_dir()), before);
}

#[test]
fn a_program_whose_launch_fails_at_any_step_keeps_nothing_of_it() {
    if let Some(level) = std::env::var_os(SUPERVISOR) {
        return supervise(level.to_str().unwrap());
    }
    if !cfg!(debug_assertions) {
        return support::skip("debug-assertions", "faults are for builds for debugging only");
    }
    let temporary = tempfile::tempdir().unwrap();
    for level in ["basic", "containerized"] {
        // The launcher's steps are counted through both runs.
        for (actor, what) in ["launcher", "init", "command"].map(|actor| (actor, FAILS)) {
            for number in 0.. {
                let mut again = Command::new(std::env::current_exe().unwrap());
                let name = "a_program_whose_launch_fails_at_any_step_keeps_nothing_of_it";
                again.args(["--exact", name, "--nocapture"]).env(SUPERVISOR, level);
                again.env("TMPDIR", temporary.path());
                let fault = format!("{actor}:{number}:{what}");
                let run = Finished(again.env("RINGFENCE_TEST_FAULT", &fault).output().unwrap());
                assert_eq!(run.code(), 0, "{level} {fault}: {run:?}");
                if !run.stderr().contains("a fault strikes") {
                    break;
                }
            }
        }
    }
}

/// Who the command is, what it may do, its limits and namespaces: what is read back before exec.
const STATE: &str = "grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs):' /proc/self/status
    cat /proc/self/limits; cat /proc/self/cgroup
    for name in user mnt pid net ipc uts cgroup; do
        case $1 in *$(readlink /proc/self/ns/$name)*) echo $name is the host\\'s;; esac; done";

/// A step that does nothing, though it says it did: where it mattered for what is read back, nothing
/// is run.
#[test]
fn a_step_that_is_left_out_is_seen_before_the_command_runs() {
    let kinds = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
    let link = |kind: &&str| std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
    let own: Vec<_> = kinds.iter().map(|kind| link(kind).display().to_string()).collect();
    for (caller, level) in
        callers().into_iter().flat_map(|it| [(it, "user-based"), (it, "containerized")])
    {
        let workspace = Workspace::new(caller);
        let launch = |fault: &str| {
            let words = ["sh", "-c", STATE, "sh", &own.join(" ")];
            let options = ["-l", level, "--set", "limits.open_files=99", "--pids", "500"];
            let mut call = workspace.quietly(&options, &words);
            call.command.env("RINGFENCE_TEST_FAULT", fault);
            call.finish()
        };
        // The cgroup's name is another for each launcher, if the command sees one at all.
        let state = |run: &Finished| {
            let lines = run.stdout();
            let lines = lines.lines().filter(|line| !line.contains("ringfence-"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let expected = state(&launch(""));
        assert!(expected.iter().any(|line| line == "NoNewPrivs:\t1"), "{expected:?}");
        for actor in ["init", "command"] {
            let mut seen = 0;
            for number in 0.. {
                let fault = format!("{actor}:{number}:skip");
                let run = launch(&fault);
                if !run.stderr().contains("a fault strikes") {
                    break;
                }
                let refused = run.code() >= 125 && run.stdout().is_empty();
                seen += usize::from(refused);
                // Mounts aren't read back: this may be the one of /proc.
                let same = state(&run) == expected || !run.stdout().contains("Uid:");
                assert!(refused || same, "{caller:?} {level} {fault}: {run:#?}\n{expected:#?}");
            }
            assert!(seen > 0, "{caller:?} {level}: no step of {actor} matters");
        }
    }
}
