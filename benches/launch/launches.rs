//! What a launch takes: next to a floor of bare kernel calls, to the peers, at each level, and by
//! the library.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringfence::os::linux::cgroup::{Effort, Layout, Roots, probe};
use ringfence::plan::facts::cgroup::{Controller, PlaceKind, Support};
use ringfence::{Profile, Sandbox};

use crate::peers::{self, BWRAP};
use crate::place::{Place, host_directories};
use crate::ways::{Way, compare, target};

const OURS: &str = "ringfence, containerized";
const FLOOR: &str = "floor, network made beside";

/// The programs that are needed for it.
pub(crate) struct Programs {
    pub(crate) ringfence: PathBuf,
    pub(crate) profile: PathBuf,
    pub(crate) noop: PathBuf,
    pub(crate) floor: Option<PathBuf>,
}

impl Programs {
    pub(crate) fn new(place: &Place) -> Option<Self> {
        // Copied to where every user can reach it.
        let ringfence = place.0.join("ringfence");
        std::fs::copy(env!("CARGO_BIN_EXE_ringfence"), &ringfence).expect("a copy of the binary");
        Some(Self {
            ringfence,
            profile: place.write("bench.json", &profile(&place.0, "")),
            noop: place.build("noop", "int main(void) { return 0; }\n")?,
            floor: place.build("floor", include_str!("floor.c")),
        })
    }

    /// The command line of a run.
    pub(crate) fn run(&self, profile: &Path, options: &[&str], program: &[&Path]) -> Vec<OsString> {
        let mut words = vec![self.ringfence.clone().into(), "run".into(), "-q".into()];
        words.extend(["-p".into(), profile.into()]);
        words.extend(options.iter().map(OsString::from));
        words.push("--".into());
        words.extend(program.iter().map(|word| word.into()));
        words
    }

    /// The same profile for the library.
    pub(crate) fn sandbox(&self) -> Option<Sandbox> {
        let loaded = Profile::load(&self.profile.display().to_string());
        match loaded.and_then(|profile| Sandbox::new(&profile)) {
            Ok(sandbox) => Some(sandbox),
            Err(problem) => {
                println!("\nSKIP the library: {problem}");
                None
            }
        }
    }

    fn floor(&self, options: &[&str], place: &Path, cgroups: &[PathBuf]) -> Option<Vec<OsString>> {
        let mut words: Vec<OsString> = vec![self.floor.clone()?.into()];
        words.extend(options.iter().map(OsString::from));
        words.extend(cgroups.iter().flat_map(|at| ["-g".into(), at.into()]));
        words.extend([place.into(), self.noop.clone().into()]);
        Some(words)
    }
}

/// Who launches what, and where.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) place: &'a Place,
    pub(crate) programs: &'a Programs,
    /// Another user than this process's.
    pub(crate) user: Option<u32>,
    /// That user in words.
    pub(crate) who: &'a str,
}

impl<'a> Caller<'a> {
    /// To run a program.
    pub(crate) fn way(self, name: &str, words: Vec<OsString>) -> Way<'a> {
        Way::program(name, words, self.user, &self.place.0)
    }
}

/// A profile that shows what bubblewrap is told to show, with more of sections at its end.
pub(crate) fn profile(directory: &Path, more: &str) -> String {
    let shown = host_directories()
        .map(|path| format!("{{\"source\": \"{path}\"}}"))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        r#"{{"version": 1, "name": "bench", "level": "containerized",
            "enforcement": {{"cgroup": "best-effort"}},
            "filesystem": {{"root": "minimal", "mounts": [{shown}, {{"source": "{}"}}]}},
            "network": "none", "seccomp": {{"allow": ["@default"]}}{more}}}"#,
        directory.display()
    )
}

/// Where a launch by this user makes cgroups for these controllers, where it makes some and needn't
/// leave its own for that: the floor makes them there too.
fn cgroups(user: Option<u32>, controllers: &[Controller]) -> Vec<PathBuf> {
    if user.is_some() {
        return Vec::new(); // Nothing is delegated to it.
    }
    let roots = Roots::default();
    let Ok(layout) = Layout::read(&roots) else { return Vec::new() };
    let facts = probe(&layout, &roots, Effort::Look);
    let place = |controller: &Controller| match facts.support(*controller) {
        Support::V1 { parent } => Some(parent.directory.clone()),
        Support::V2 => {
            let place = facts.place.as_ref()?;
            let stays = matches!(place.kind, PlaceKind::Root | PlaceKind::Sibling);
            stays.then(|| place.parent.directory.clone())
        }
        _ => None,
    };
    let mut places: Vec<_> = controllers.iter().filter_map(place).collect();
    places.sort();
    places.dedup();
    places
}

/// The command line, the floor and the peers, in turns.
pub(crate) fn beside_others(caller: Caller<'_>, rounds: usize) {
    let Caller { place, programs, user, who } = caller;
    let mut ways = vec![caller.way(OURS, programs.run(&programs.profile, &[], &[&programs.noop]))];
    let cgroups = cgroups(user, &[Controller::Processes]);
    let floors = [(FLOOR, ["-b"].as_slice()), ("floor, one after the other", &[])];
    for (name, options) in floors {
        ways.extend(
            programs.floor(options, &place.0, &cgroups).map(|words| caller.way(name, words)),
        );
    }
    ways.push(caller.way(BWRAP, peers::bubblewrap(&place.0, &programs.noop)));
    let figures = compare(&format!("As {who}: the command line"), ways, rounds);
    target(&figures, OURS, 1.25, FLOOR);
    target(&figures, OURS, 0.75, BWRAP);
    // The slow ones by themselves: what they leave to be cleared away would be the others' load.
    let mut ways = vec![caller.way(OURS, programs.run(&programs.profile, &[], &[&programs.noop]))];
    ways.extend(peers::all(caller));
    compare(&format!("As {who}: what else there is"), ways, rounds.div_ceil(4));
}

/// Each level, next to a plain child process.
pub(crate) fn levels(caller: Caller<'_>, rounds: usize) {
    let Caller { programs, who, .. } = caller;
    let plain = vec![programs.noop.clone().into()];
    let version = vec![programs.ringfence.clone().into(), "--version".into()];
    let mut ways =
        vec![caller.way("fork and exec", plain), caller.way("ringfence --version", version)];
    for level in ["basic", "user-based", "namespaced", "resource-limited", "containerized"] {
        let words = programs.run(&programs.profile, &["-l", level], &[&programs.noop]);
        ways.push(caller.way(&format!("ringfence, {level}"), words));
    }
    compare(&format!("As {who}: each level"), ways, rounds.div_ceil(2));
}

/// The library, with one `Sandbox` for all, next to the floor as a process that stays: neither
/// executes a launcher. It is this process's user that launches.
pub(crate) fn library(caller: Caller<'_>, rounds: usize) {
    const LIBRARY: &str = "library, one Sandbox reused";
    const SERVED: &str = "floor without an exec of its own";
    let Caller { place, programs, who, .. } = caller;
    let Some(sandbox) = programs.sandbox() else { return };
    let noop = programs.noop.clone();
    let mut ways = vec![Way::new(LIBRARY, move || {
        let start = Instant::now();
        let outcome = sandbox.command(&noop).status().map_err(|error| error.to_string())?;
        let time = start.elapsed();
        if outcome.success() { Ok(time) } else { Err(outcome.ending.to_string()) }
    })];
    // An outcome says what the run has used: a program that wants to know has it counted.
    let counted =
        [Controller::Processes, Controller::Memory, Controller::CpuAccounting, Controller::Io];
    let cgroups = cgroups(None, &counted);
    let served = programs.floor(&["-s", "-b"], &place.0, &cgroups).and_then(Served::new);
    if let Some(mut served) = served {
        ways.push(Way::new(SERVED, move || served.once()));
    }
    let figures = compare(&format!("As {who}: the library"), ways, rounds);
    target(&figures, LIBRARY, 1.1, SERVED);
}

/// The floor as a process that stays.
struct Served(Child);

impl Served {
    fn new(words: Vec<OsString>) -> Option<Self> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.env_clear().spawn().ok().map(Self)
    }

    fn once(&mut self) -> Result<Duration, String> {
        let failed = |error: std::io::Error| format!("floor: {error}");
        let mut nanoseconds = [0; 8];
        let (input, output) = (self.0.stdin.as_mut(), self.0.stdout.as_mut());
        let (Some(input), Some(output)) = (input, output) else { return Err("floor".into()) };
        input.write_all(b"x").and_then(|()| output.read_exact(&mut nanoseconds)).map_err(failed)?;
        Ok(Duration::from_nanos(u64::from_ne_bytes(nanoseconds)))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// This program again, as another user and for some sections only: the library's launches are of
/// the process that calls it.
pub(crate) fn again_as(user: u32, place: &Place, words: &[String]) {
    // What cargo has built may be where only root gets to.
    let program = place.0.join("bench");
    let copied = std::env::current_exe().and_then(|own| std::fs::copy(own, &program));
    let status = copied.and_then(|_| {
        Command::new(&program).args(words).uid(user).gid(user).current_dir(&place.0).status()
    });
    if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
        println!("SKIP as user {user}: {status:?}");
    }
}
