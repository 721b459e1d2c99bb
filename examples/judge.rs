//! Judges a program that nobody vouches for: compiles its C source in one sandbox, and runs it
//! against test cases in another, as `judge SOURCE TESTS`:
//!
//! ```text
//! cargo run --example judge -- solution.c tests/ --time 1 --memory 64
//! ```
//!
//! `TESTS` is a directory with an input `NAME.in` and the expected output `NAME.out` for each case;
//! `--time` is in seconds, `--memory` in MiB. Each case gets a line with its verdict; trailing white space doesn't count. The exit status is 0
//! if the solution is right, 1 if it isn't, and 2 if it couldn't be judged.

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use ringfence::{Ending, Layer, Outcome, Output, Profile, Sandbox, Status};

/// What a solution may print for one case.
const OUTPUT: &str = "64KiB";

/// What the arguments say.
struct Task {
    source: PathBuf,
    tests: PathBuf,
    time: Duration,
    /// In bytes.
    memory: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    WrongAnswer,
    TimeLimit,
    MemoryLimit,
    OutputLimit,
    RuntimeError,
    ForbiddenCall,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::WrongAnswer => "wrong answer",
            Self::TimeLimit => "time limit",
            Self::MemoryLimit => "memory limit",
            Self::OutputLimit => "output limit",
            Self::RuntimeError => "runtime error",
            Self::ForbiddenCall => "forbidden call",
        }
    }
}

fn main() -> ExitCode {
    match judge() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("judge: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether the solution is right.
fn judge() -> Result<bool, Box<dyn Error>> {
    let task = arguments()?;
    // All that the solution sees of this directory is its own program.
    let scratch = tempfile::tempdir()?;
    if let Some(messages) = compile(&task.source, scratch.path())? {
        println!("compile error\n{}", messages.trim_end());
        return Ok(false);
    }
    let sandbox = sandbox_for_runs(&task, scratch.path())?;
    let mut right = true;
    for case in cases(&task.tests)? {
        let program = scratch.path().join("program");
        let input = File::open(&case)?;
        let output = sandbox.command(program).stdin(input).output()?;
        let verdict = verdict(&output, &fs::read(case.with_extension("out"))?, task.memory);
        let name = case.file_stem().unwrap_or_default().to_string_lossy();
        println!("{name}: {} ({})", verdict.as_str(), cost(&output.outcome));
        right &= verdict == Verdict::Ok;
    }
    Ok(right)
}

fn arguments() -> Result<Task, Box<dyn Error>> {
    let mut paths = Vec::new();
    let (mut time, mut memory) = (Duration::from_secs(1), 64 << 20);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument}: there is no value"));
        match argument.as_str() {
            "--time" => time = Duration::try_from_secs_f64(value()?.parse()?)?,
            "--memory" => memory = value()?.parse::<u64>()?.saturating_mul(1 << 20),
            _ => paths.push(PathBuf::from(argument)),
        }
    }
    let [source, tests] = <[PathBuf; 2]>::try_from(paths)
        .map_err(|_| "usage: judge SOURCE TESTS [--time SECONDS] [--memory MIB]")?;
    Ok(Task { source, tests, time, memory })
}

/// Compiles a source to `program` in the directory; what the compiler says if it can't.
///
/// A compiler is a program that works on hostile input, too: a source can have it read any file it
/// sees, and use time and memory without end.
fn compile(source: &Path, scratch: &Path) -> Result<Option<String>, Box<dyn Error>> {
    let profile = Profile::load("untrusted")?
        .working_directory(scratch)
        .read_write(scratch)
        .wall_time(Duration::from_secs(60))
        .set("limits.output", "64KiB");
    let sandbox = Sandbox::new(&profile)?;
    // By standard input, so that nothing but the source is shown.
    let output = sandbox
        .command("cc")
        .args(["-O2", "-std=c17", "-x", "c", "-o", "program", "-", "-lm"])
        .stdin(File::open(source)?)
        .output()?;
    if output.outcome.success() {
        return Ok(None);
    }
    let mut messages = String::from_utf8_lossy(&output.stderr).into_owned();
    if !matches!(output.outcome.ending, Ending::Exited { .. }) {
        messages += &output.outcome.ending.to_string();
    }
    Ok(Some(messages))
}

fn sandbox_for_runs(task: &Task, scratch: &Path) -> Result<Sandbox, Box<dyn Error>> {
    let profile = Profile::load("compute")?
        .working_directory(scratch)
        .memory(task.memory)
        // Processor time is limited in whole seconds. By the clock there is more, as a busy machine
        // isn't the solution's fault.
        .cpu_time(task.time)
        .wall_time(task.time * 3 + Duration::from_secs(1))
        .set("process.grace", "1ms")
        .set("limits.output", OUTPUT)
        .set("limits.output_overflow", "kill")
        // Calls that a computation doesn't need end it, rather than fail. Executing another program
        // isn't among them, as that is how this one is started: the other is held to the same.
        .set("seccomp.default", "kill");
    let sandbox = Sandbox::new(&profile)?;
    for note in sandbox.notes() {
        eprintln!("judge: {note}");
    }
    Ok(sandbox)
}

fn cases(tests: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(tests)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "in") {
            cases.push(path);
        }
    }
    if cases.is_empty() {
        return Err(format!("there are no test cases in {}", tests.display()).into());
    }
    cases.sort();
    Ok(cases)
}

fn verdict(output: &Output, expected: &[u8], memory: u64) -> Verdict {
    match &output.outcome.ending {
        Ending::Exited { code: 0 } if trimmed(&output.stdout) == trimmed(expected) => Verdict::Ok,
        Ending::Exited { code: 0 } => Verdict::WrongAnswer,
        Ending::TimedOut => Verdict::TimeLimit,
        Ending::OutOfMemory => Verdict::MemoryLimit,
        Ending::Limit { limit, .. } if limit == "cpu_time" => Verdict::TimeLimit,
        Ending::Limit { limit, .. } if limit == "output" => Verdict::OutputLimit,
        Ending::Denied { .. } => Verdict::ForbiddenCall,
        _ if refused_memory(&output.outcome, memory) => Verdict::MemoryLimit,
        _ => Verdict::RuntimeError,
    }
}

/// Whether a program that failed had used up its memory.
///
/// Without a cgroup, nobody is killed for that: the kernel refuses more memory (`RLIMIT_AS`), and
/// the program fails in a way of its own.
fn refused_memory(outcome: &Outcome, limit: u64) -> bool {
    let cgroup = outcome.layers.iter().find(|state| state.layer == Layer::Cgroup);
    let used = outcome.usage.unwrap_or_default().peak_resident_bytes;
    cgroup.is_some_and(|state| state.status == Status::Fallback) && used >= limit / 4 * 3
}

/// The lines of an output, without what doesn't count.
fn trimmed(text: &[u8]) -> Vec<&[u8]> {
    let text = text.trim_ascii_end();
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).collect()
}

fn cost(outcome: &Outcome) -> String {
    let usage = outcome.usage.unwrap_or_default();
    let time = usage.user_seconds + usage.system_seconds;
    let memory = usage.peak_memory_bytes.unwrap_or(usage.peak_resident_bytes);
    format!("{:.2} s, {} KiB", time.as_secs_f64(), memory / 1024)
}
