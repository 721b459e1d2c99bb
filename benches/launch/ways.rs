//! Ways of doing the same, measured in turns.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const WARM_UP: usize = 5;

/// One way of doing it.
pub(crate) struct Way<'a> {
    pub(crate) name: String,
    once: Box<dyn FnMut() -> Result<Duration, String> + 'a>,
    times: Vec<Duration>,
}

impl<'a> Way<'a> {
    /// `once` does it, and says how long it took.
    pub(crate) fn new(name: &str, once: impl FnMut() -> Result<Duration, String> + 'a) -> Self {
        Self { name: name.to_owned(), once: Box::new(once), times: Vec::new() }
    }

    /// Does it once.
    pub(crate) fn once(&mut self) -> Result<Duration, String> {
        (self.once)()
    }

    /// A program, from before its fork to behind the wait for it.
    pub(crate) fn program(
        name: &str,
        words: Vec<OsString>,
        user: Option<u32>,
        place: &'a Path,
    ) -> Self {
        let label = name.to_owned();
        Self::new(name, move || {
            let mut command = command(&words, user, place);
            let start = Instant::now();
            let status = command.status().map_err(|error| format!("{label}: {error}"))?;
            let time = start.elapsed();
            if status.success() {
                return Ok(time);
            }
            let said = command.stderr(Stdio::piped()).output();
            let said = said.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
            let said = said.unwrap_or_default();
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            Err(format!("{label}: {status}: {last}"))
        })
    }
}

/// A command of a caller's, in a plain environment.
pub(crate) fn command(words: &[OsString], user: Option<u32>, place: &Path) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(place);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", "/nonexistent");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command
}

/// What a way took.
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) minimum: Duration,
    pub(crate) median: Duration,
    pub p95: Duration,
}

/// Does it each way, in turns, `rounds` times.
///
/// What can't be done at all is passed over and said.
pub(crate) fn measure(mut ways: Vec<Way<'_>>, rounds: usize) -> Vec<Figures> {
    ways.retain_mut(|way| {
        let warm = (0..WARM_UP.min(rounds)).try_for_each(|_| way.once().map(drop));
        if let Err(problem) = &warm {
            println!("  SKIP {problem}");
        }
        warm.is_ok()
    });
    for _ in 0..rounds {
        for way in &mut ways {
            match way.once() {
                Ok(time) => way.times.push(time),
                Err(problem) => println!("  one failed: {problem}"),
            }
        }
    }
    let figures = ways.into_iter().filter_map(|mut way| {
        way.times.sort();
        let at = |percent: usize| {
            let last = way.times.len().checked_sub(1)?;
            way.times.get((way.times.len() * percent / 100).min(last)).copied()
        };
        Some(Figures { minimum: at(0)?, median: at(50)?, p95: at(95)?, name: way.name })
    });
    figures.collect()
}

/// The same, with a table of what each took, in milliseconds and as a multiple of the first.
pub(crate) fn compare(title: &str, ways: Vec<Way<'_>>, rounds: usize) -> Vec<Figures> {
    println!("\n{title}, {rounds} rounds");
    let figures = measure(ways, rounds);
    let Some(base) = figures.first() else { return figures };
    println!(
        "  {:<42} {:>8} {:>8} {:>8}   of the first: min, median",
        "ms", "min", "median", "p95"
    );
    for own in &figures {
        println!(
            "  {:<42} {:>8.3} {:>8.3} {:>8.3}   {:>14.2} {:>7.2}",
            own.name,
            milliseconds(own.minimum),
            milliseconds(own.median),
            milliseconds(own.p95),
            own.minimum.as_secs_f64() / base.minimum.as_secs_f64(),
            own.median.as_secs_f64() / base.median.as_secs_f64(),
        );
    }
    figures
}

/// How one of them compares with another, by minimum and median, and whether that is what it should
/// be.
pub(crate) fn target(figures: &[Figures], name: &str, most: f64, of: &str) {
    let find = |name: &str| figures.iter().find(|own| own.name == name);
    let (Some(own), Some(other)) = (find(name), find(of)) else { return };
    let ratio = |own: Duration, other: Duration| own.as_secs_f64() / other.as_secs_f64();
    let (minimum, median) = (ratio(own.minimum, other.minimum), ratio(own.median, other.median));
    let verdict = if minimum <= most && median <= most { "met" } else { "NOT MET" };
    println!("  target: {name} at most {most} of {of}: {minimum:.2}, {median:.2}: {verdict}");
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
