//! Processes that can't be ended easily, or not at all: the time limit holds, the run ends, and says
//! so.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use crate::scene::{Scene, held_if};
use crate::support::host::patience;
use crate::support::tree::{mark, marked, nothing_is_left, nothing_stays, wait_until};
use crate::support::{Caller, Finished, callers};
use crate::table::{ALL, Attack, Control, Verdict};

pub fn attacks() -> Vec<Attack> {
    let waits =
        |name, trial| Attack { waits: true, ..Attack::new(20, name, ALL, Control::Own, trial) };
    vec![
        waits("stopped and deaf processes hold up the time limit", |scene| {
            scene.bring_program("crowd");
            timed_out(scene, &["./crowd", "stopped"])
        }),
        waits("processes that wait in vfork(2), or for a page, hold up the time limit", |scene| {
            timed_out(scene, &["./attack", "vforked"])
        }),
        waits("processes that stop init again and again outlive the time limit", |scene| {
            timed_out(scene, &["./attack", "stopping"])
        }),
        waits("frozen processes hold up the time limit (cgroup version 2)", |scene| {
            let Some(freezer) = Freezer::new(2) else {
                return Verdict::Skipped("no version 2 cgroup can be made and frozen".into());
            };
            let (run, mark) = frozen(scene, &freezer);
            // The kernel lets them die.
            nothing_is_left(&mark);
            held_if(run.code() == 124, || format!("{run:?}"))
        }),
        waits("frozen processes, which can't die, hold up the launcher (version 1)", |scene| {
            let Some(freezer) = Freezer::new(1) else {
                return Verdict::Skipped("there is no version 1 freezer for us".into());
            };
            let (run, mark) = frozen(scene, &freezer);
            drop(freezer);
            nothing_stays(&mark);
            gave_up(&run)
        }),
    ]
}

/// Far more than it takes, as the machine may be busy; the commands themselves never end.
const SOON: Duration = Duration::from_secs(60);

const GRACE: [&str; 2] = ["--set", "process.grace=200ms"];

/// A command that ends for nobody's asking ends by its time limit, with all it has started.
fn timed_out(scene: &Scene, command: &[&str]) -> Verdict {
    let mark = mark();
    let options = [&["--timeout", "300ms"][..], &GRACE].concat();
    let begin = Instant::now();
    let run = scene.call(&options, &[command, &[&mark]].concat()).finish();
    nothing_is_left(&mark);
    held_if(run.code() == 124 && begin.elapsed() < SOON, || format!("{run:?}"))
}

/// What no signal ends is given up, and that is said.
fn gave_up(run: &Finished) -> Verdict {
    let said = ["time was up", "doesn't die"].iter().all(|words| run.stderr().contains(words));
    held_if(run.code() == 125 && said, || format!("{run:?}"))
}

/// A run, and what is heard of it: of pipes nobody would see the end while a process that can't die
/// has them open.
struct Started {
    launcher: Child,
    said: PathBuf,
}

impl Started {
    /// Starts a command that says when it is ready.
    fn new(scene: &Scene, seconds: u32, options: &[&str], command: &[&str]) -> Self {
        let limit = format!("{}s", seconds * patience());
        let said = scene.workspace.write("said", "");
        let file = std::fs::OpenOptions::new().append(true).open(&said).unwrap();
        let options = [&["--timeout", &limit], &GRACE[..], options].concat();
        let mut launcher = scene.call(&options, command).command.stderr(file).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(launcher.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{}", std::fs::read_to_string(&said).unwrap());
        Self { launcher, said }
    }

    /// Waits for its end, for so long.
    fn end(mut self) -> Finished {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.launcher.try_wait().unwrap() {
                let stderr = std::fs::read(&self.said).unwrap();
                return Finished(Output { status, stdout: Vec::new(), stderr });
            }
            if Instant::now() > deadline {
                self.launcher.kill().unwrap();
                panic!("the launcher still waits after {SOON:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn has_ended(&mut self) -> bool {
        self.launcher.try_wait().unwrap().is_some()
    }
}

/// The processes of the command itself: neither launcher nor init.
fn of_command(mark: &str) -> Vec<String> {
    let found = marked(mark).into_iter().filter(|it| it.contains(") ./attack"));
    found.map(|it| it.split(' ').next().unwrap().trim_start_matches("/proc/").to_owned()).collect()
}

/// Freezes what a command has started, before its time is up.
fn frozen(scene: &Scene, freezer: &Freezer) -> (Finished, String) {
    for limit in [1, 5, 30] {
        let mark = mark();
        let mut run = Started::new(scene, limit, &[], &["./attack", "frozen", &mark]);
        let processes = of_command(&mark);
        let put = processes.iter().all(|process| freezer.take(process));
        // A busy machine may have let the time pass.
        if put && processes.len() == 2 && freezer.freeze() && !run.has_ended() {
            return (run.end(), mark);
        }
        freezer.thaw();
        run.end();
        nothing_stays(&mark);
    }
    panic!("nothing could be frozen in time");
}

/// A cgroup of the test's own. Dropped, it lets its processes go on, and goes.
struct Freezer {
    directory: PathBuf,
    version: u8,
}

impl Freezer {
    fn new(version: u8) -> Option<Self> {
        let places = match version {
            1 => &["/sys/fs/cgroup/freezer"][..],
            _ => &["/sys/fs/cgroup/unified", "/sys/fs/cgroup"],
        };
        let procs = |place: &&&str| Path::new(place).join("cgroup.procs").exists();
        let name = format!("ringfence-test-{}", mark());
        let directory = Path::new(places.iter().find(procs)?).join(name);
        std::fs::create_dir(&directory).ok()?;
        let freezer = Self { directory, version };
        freezer.directory.join(freezer.switch().0).exists().then_some(freezer)
    }

    /// The file that freezes, and what says so.
    fn switch(&self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self.version {
            1 => ("freezer.state", "FROZEN", "freezer.state", "FROZEN"),
            _ => ("cgroup.freeze", "1", "cgroup.events", "frozen 1"),
        }
    }

    fn take(&self, process: &str) -> bool {
        std::fs::write(self.directory.join("cgroup.procs"), process).is_ok()
    }

    /// Whether it is frozen, and somebody is in it.
    fn freeze(&self) -> bool {
        let (file, on, state, frozen) = self.switch();
        std::fs::write(self.directory.join(file), on).unwrap();
        let read = |file| std::fs::read_to_string(self.directory.join(file)).unwrap();
        wait_until("all are frozen", || read(state).lines().any(|line| line == frozen));
        !read("cgroup.procs").is_empty()
    }

    fn thaw(&self) {
        let off = if self.version == 1 { "THAWED" } else { "0" };
        let _ = std::fs::write(self.directory.join(self.switch().0), off);
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.thaw();
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::fs::remove_dir(&self.directory).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A small file system in a file, which can be frozen: who writes to it then sleeps, and no signal
/// ends that.
struct Disk(PathBuf);

impl Disk {
    fn new(image: &Path, place: &Path) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        let done = |program: &str, words: &[&str]| {
            let output = Command::new(program).args(words).output();
            output.is_ok_and(|output| output.status.success())
        };
        let (file, at) = (image.to_str().unwrap(), place.to_str().unwrap());
        let made = done("truncate", &["-s", "4M", file])
            && done("mkfs.ext4", &["-q", "-F", file])
            && done("mount", &["-o", "loop", file, at]);
        made.then(|| Self(place.to_owned()))
    }

    fn freezer(&self, how: &str) -> bool {
        Command::new("fsfreeze").arg(how).arg(&self.0).output().is_ok_and(|it| it.status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.freezer("-u");
        wait_until("the disk is free", || {
            Command::new("umount").arg(&self.0).output().is_ok_and(|it| it.status.success())
        });
    }
}

#[test]
fn processes_that_sleep_inside_the_kernel_hold_up_no_launcher() {
    let callers = callers();
    if !callers.contains(&Caller::Root) {
        return crate::support::skip("root", "only root freezes a file system");
    }
    let columns = ["basic", "user-based", "namespaced", "containerized"];
    let cells = callers.iter().flat_map(|caller| columns.map(|column| (*caller, column)));
    let scenes: Vec<_> = cells.map(|(caller, column)| Scene::new(caller, column, 1)).collect();
    let directory = tempfile::tempdir().unwrap();
    let place = scenes[0].workspace.path().join("disk");
    let Some(disk) = Disk::new(&directory.path().join("image"), &place) else {
        return crate::support::skip("loop", "no file system can be made in a file and mounted");
    };
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&place, open).unwrap();
    for limit in [3, 30] {
        let runs: Vec<_> = scenes
            .iter()
            .map(|scene| {
                let mark = mark();
                let file = place.join(&mark);
                let options = ["--rw", place.to_str().unwrap()];
                let command = ["./attack", "stuck", file.to_str().unwrap(), &mark];
                (Started::new(scene, limit, &options, &command), mark)
            })
            .collect();
        assert!(disk.freezer("-f"), "it can't be frozen");
        let asleep = |mark: &str| {
            let all = marked(mark);
            all.iter().filter(|it| it.contains("(disk sleep) ./attack")).count() == 2
        };
        let all_asleep = {
            let deadline = Instant::now() + Duration::from_millis(500);
            loop {
                let all = runs.iter().all(|(_, mark)| asleep(mark));
                if all || Instant::now() > deadline {
                    break all;
                }
            }
        };
        let runs: Vec<_> = runs.into_iter().map(|(run, mark)| (run.end(), mark)).collect();
        assert!(disk.freezer("-u"));
        for ((run, mark), scene) in runs.iter().zip(&scenes) {
            nothing_stays(mark);
            // A busy machine may have let the time pass before.
            if all_asleep {
                assert_eq!(gave_up(run), Verdict::Held, "{} {:?}", scene.column, scene.caller);
            }
        }
        if all_asleep {
            return;
        }
    }
    panic!("they didn't come to sleep in time");
}
