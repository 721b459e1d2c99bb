//! What a launch costs: a static program that does nothing, run at each level, as a plain child
//! process, by bubblewrap with the same view of the file system, and by `floor.c`, which makes the
//! same kernel calls as a launch of all layers and does little else.
//!
//! `cargo bench --bench launch [-- PAIRS]`, best as root: then both as root and as an unprivileged
//! user. Programs that are compared take turns in one run, as what else the machine does changes
//! with time.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const UNPRIVILEGED: u32 = 54_321;
const WARM_UP: usize = 10;

/// One way of running the program.
struct Way {
    name: String,
    words: Vec<OsString>,
    times: Vec<Duration>,
}

impl Way {
    fn new<S: Into<OsString>>(name: &str, words: impl IntoIterator<Item = S>) -> Self {
        let words = words.into_iter().map(Into::into).collect();
        Self { name: name.to_owned(), words, times: Vec::new() }
    }

    fn command(&self, user: Option<u32>, directory: &Path) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).current_dir(directory);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent");
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Runs it once; the time from before the fork to behind the wait.
    fn run(&self, user: Option<u32>, directory: &Path) -> Result<Duration, String> {
        let mut command = self.command(user, directory);
        let start = Instant::now();
        let status = command.status().map_err(|error| format!("{}: {error}", self.name))?;
        let time = start.elapsed();
        if status.success() { Ok(time) } else { Err(format!("{}: {status}", self.name)) }
    }

    fn sorted(&self) -> Vec<Duration> {
        let mut times = self.times.clone();
        times.sort();
        times
    }
}

/// Runs ways in turns, and prints what each took, next to the first of them.
fn compare(title: &str, mut ways: Vec<Way>, user: Option<u32>, directory: &Path, rounds: usize) {
    println!("\n{title}, {rounds} rounds");
    ways.retain(|way| {
        let warm = (0..WARM_UP).try_for_each(|_| way.run(user, directory).map(drop));
        if let Err(problem) = &warm {
            println!("  SKIP {problem}");
            let _ = way.command(user, directory).status(); // Once more, to show what it says.
        }
        warm.is_ok()
    });
    for _ in 0..rounds {
        for way in &mut ways {
            match way.run(user, directory) {
                Ok(time) => way.times.push(time),
                Err(problem) => println!("  a run failed: {problem}"),
            }
        }
    }
    let at = |times: &[Duration], percent: usize| {
        times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied()
    };
    let Some((base_minimum, base_median)) = ways.first().and_then(|way| {
        let times = way.sorted();
        Some((at(&times, 0)?, at(&times, 50)?))
    }) else {
        return;
    };
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "  {:<34} {:>8} {:>8} {:>8}   of the first: median, minimum",
        "ms", "min", "median", "p95"
    );
    for way in &ways {
        let times = way.sorted();
        let (Some(minimum), Some(median), Some(p95)) =
            (at(&times, 0), at(&times, 50), at(&times, 95))
        else {
            continue;
        };
        println!(
            "  {:<34} {:>8.3} {:>8.3} {:>8.3}   {:>8.2} {:>8.2}",
            way.name,
            milliseconds(minimum),
            milliseconds(median),
            milliseconds(p95),
            median.as_secs_f64() / base_median.as_secs_f64(),
            minimum.as_secs_f64() / base_minimum.as_secs_f64(),
        );
    }
}

/// Builds a static C program.
fn build(directory: &Path, name: &str, text: &str) -> Option<PathBuf> {
    let (source, program) = (directory.join(name).with_extension("c"), directory.join(name));
    std::fs::write(&source, text).ok()?;
    let built =
        Command::new("gcc").args(["-static", "-O2", "-o"]).arg(&program).arg(&source).status();
    match built {
        Ok(status) if status.success() => Some(program),
        other => {
            println!("SKIP: gcc can't build the static program {name} here: {other:?}");
            None
        }
    }
}

/// A profile that shows what [`bubblewrap`] shows.
fn profile(directory: &Path) -> String {
    let shown = host_directories()
        .map(|path| format!("{{\"source\": \"{path}\"}}"))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        r#"{{"version": 1, "name": "bench", "level": "containerized",
            "enforcement": {{"cgroup": "best-effort"}},
            "filesystem": {{"root": "minimal", "mounts": [{shown}, {{"source": "{}"}}]}},
            "network": "none", "seccomp": {{"allow": ["@default"]}}}}"#,
        directory.display()
    )
}

fn host_directories() -> impl Iterator<Item = &'static str> {
    ["/usr", "/bin", "/sbin", "/lib", "/lib64"].into_iter().filter(|path| Path::new(path).exists())
}

/// The call of bubblewrap that comes nearest: fewer layers (no cgroup limits, Landlock, seccomp,
/// masks or report), the same view.
fn bubblewrap(directory: &Path, program: &Path) -> Way {
    let mut words: Vec<OsString> =
        ["bwrap", "--unshare-all", "--new-session", "--die-with-parent"].map(Into::into).into();
    for path in host_directories() {
        match std::fs::read_link(path) {
            Ok(text) => words.extend(["--symlink".into(), text.into(), path.into()]),
            Err(_) => words.extend(["--ro-bind", path, path].map(OsString::from)),
        }
    }
    words.extend(
        ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"]
            .map(OsString::from),
    );
    // The directory may be below /tmp, which it has to come after.
    words.extend(["--ro-bind".into(), directory.into(), directory.into()]);
    words.extend(["--chdir", "/", "--hostname", "sandbox", "--"].map(OsString::from));
    words.push(program.into());
    Way::new("bwrap --unshare-all", words)
}

fn ringfence(name: &str, binary: &Path, options: &[&str], program: &Path) -> Way {
    let mut words = vec![binary.into(), "run".into(), "-q".into()];
    words.extend(options.iter().map(OsString::from));
    words.extend(["--".into(), program.into()]);
    Way::new::<OsString>(name, words)
}

fn main() {
    // `cargo bench` hands on a `--bench` of its own.
    let rounds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(200);
    let Some(place) = Place::new() else { return };
    let noop = "int main(void) { return 0; }\n";
    let Some(program) = build(&place.0, "noop", noop) else { return };
    let floor = build(&place.0, "floor", include_str!("floor.c"));
    // Copied to where every user can reach it.
    let binary = place.0.join("ringfence");
    std::fs::copy(env!("CARGO_BIN_EXE_ringfence"), &binary).expect("a copy of the binary");
    std::fs::write(place.0.join("bench.json"), profile(&place.0)).expect("a profile");
    let profile = place.0.join("bench.json").display().to_string();
    let has_bwrap = Command::new("bwrap").arg("--version").output().is_ok();
    if !has_bwrap {
        println!("SKIP: bubblewrap isn't installed: nothing to compare with");
    }
    let mut callers = vec![(None, "the caller")];
    if rustix::process::geteuid().is_root() {
        callers = vec![(None, "root"), (Some(UNPRIVILEGED), "an unprivileged user")];
    }
    for (user, who) in callers {
        let mut pair =
            vec![ringfence("ringfence, containerized", &binary, &["-p", &profile], &program)];
        if has_bwrap {
            pair.push(bubblewrap(&place.0, &program));
        }
        if let Some(floor) = &floor {
            let path = |words: &[&Path]| words.iter().map(OsString::from).collect::<Vec<_>>();
            pair.push(Way::new("floor", path(&[floor, &place.0, &program])));
            let beside = [floor, Path::new("-b"), &place.0, &program];
            pair.push(Way::new("floor, network made beside", path(&beside)));
        }
        compare(&format!("As {who}, beside others"), pair, user, &place.0, rounds);
        let program_text = program.display().to_string();
        let mut ways = vec![Way::new("fork and exec", [program_text.as_str()])];
        ways.push(Way::new("ringfence --version", [binary.as_os_str(), "--version".as_ref()]));
        for level in ["basic", "user-based", "namespaced", "resource-limited", "containerized"] {
            let options = ["-p", &profile, "-l", level];
            ways.push(ringfence(&format!("ringfence, {level}"), &binary, &options, &program));
        }
        compare(&format!("As {who}, each level"), ways, user, &place.0, rounds / 2);
    }
}

/// A directory of its own that every user can read, removed at the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Option<Self> {
        let path = std::env::temp_dir().join(format!("ringfence-bench-{}", std::process::id()));
        let made = std::fs::create_dir(&path)
            .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)));
        match made {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                println!("SKIP: {}: {error}", path.display());
                None
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
