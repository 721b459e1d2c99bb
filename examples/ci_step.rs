//! Runs a job of several steps, each in a sandbox, with a work directory that they share:
//!
//! ```text
//! cargo run --example ci_step -- job.json ./checkout ./logs
//! ```
//!
//! A job is a JSON document:
//!
//! ```json
//! {
//!   "steps": [
//!     { "name": "build", "run": "make", "env": { "CFLAGS": "-O2" } },
//!     { "name": "test", "run": "make check", "timeout": 300 }
//!   ]
//! }
//! ```
//!
//! Each step is a script for `sh -e`. What it writes goes to `LOGS/NUMBER-NAME.log`. The first that
//! fails ends the job, with exit status 1; it is 0 if all succeed, and 2 if the job couldn't be run.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{PipeReader, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ringfence::{Outcome, Profile, Sandbox, Stdio};
use serde::Deserialize;

/// How long a log may be.
const LOG_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    run: String,
    /// In seconds.
    timeout: Option<f64>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

fn main() -> ExitCode {
    match run_job() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ci_step: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all steps succeeded.
fn run_job() -> Result<bool, Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [job, work, logs] = arguments.as_slice() else {
        return Err("usage: ci_step JOB WORK LOGS".into());
    };
    let job: Job = serde_json::from_slice(&fs::read(job)?)?;
    check(&job)?;
    // The steps can write to the one, and don't see the other.
    let (work, logs) = (fs::canonicalize(work)?, Path::new(logs));
    fs::create_dir_all(logs)?;
    if fs::canonicalize(logs)?.starts_with(&work) {
        return Err("the logs must not be in the work directory: steps could change them".into());
    }
    let sandbox = Sandbox::new(&Profile::load("ci")?.working_directory(&work))?;
    for note in sandbox.notes() {
        eprintln!("ci_step: {note}");
    }
    let mut failed = false;
    for (number, step) in (1..).zip(&job.steps) {
        if failed {
            println!("skipped  {}", step.name);
            continue;
        }
        let log = logs.join(format!("{number:02}-{}.log", step.name));
        let (outcome, cut) = run_step(&sandbox, step, &log)?;
        failed = !outcome.success() || cut;
        summarize(step, &outcome, cut, &log);
    }
    Ok(!failed)
}

/// Names become names of files.
fn check(job: &Job) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    match job.steps.iter().find(|step| step.name.is_empty() || !step.name.chars().all(plain)) {
        Some(step) => Err(format!("{:?}: a name has letters, digits, - and _ only", step.name)),
        None => Ok(()),
    }
}

/// Runs a step; how it ended, and whether it wrote more than fits its log.
fn run_step(sandbox: &Sandbox, step: &Step, log: &Path) -> Result<(Outcome, bool), Box<dyn Error>> {
    // One pipe for both streams, so that their lines stay in order. Not the log itself: who can
    // write to a file can empty it.
    let (reader, writer) = std::io::pipe()?;
    let mut command = sandbox.command("sh");
    command.args(["-e", "-c", &step.run]).envs(&step.env);
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    if let Some(seconds) = step.timeout {
        command.wall_time(Duration::try_from_secs_f64(seconds)?);
    }
    let mut child = command.spawn()?;
    // The command holds ends of the pipe for another run: with them open, it would have no end.
    drop(command);
    std::thread::scope(|scope| {
        let logger = scope.spawn(|| write_log(reader, log));
        // By its end or its limit; nothing of the step is left then that could write to the pipe.
        let outcome = child.wait()?;
        let cut = logger.join().map_err(|_| "the log's writer has failed")??;
        Ok((outcome, cut))
    })
}

/// Copies what a step writes to its log, as far as it may; whether there was more. Who writes on is
/// told by `SIGPIPE`.
fn write_log(reader: PipeReader, log: &Path) -> std::io::Result<bool> {
    let mut file = File::create(log)?;
    let mut limited = reader.take(LOG_BYTES);
    std::io::copy(&mut limited, &mut file)?;
    let cut = limited.into_inner().read(&mut [0])? > 0;
    if cut {
        writeln!(file, "\n(the log is full)")?;
    }
    Ok(cut)
}

fn summarize(step: &Step, outcome: &Outcome, cut: bool, log: &Path) {
    let usage = outcome.usage.unwrap_or_default();
    let success = outcome.success() && !cut;
    let word = if success { "ok" } else { "failed" };
    let time = usage.wall_seconds.as_secs_f64();
    let memory = usage.peak_memory_bytes.unwrap_or(usage.peak_resident_bytes) / 1024;
    println!("{word:<8} {} ({time:.2} s, {memory} KiB)", step.name);
    if cut {
        println!("         it wrote more than {LOG_BYTES} bytes");
    } else if !success {
        println!("         {}", outcome.ending);
    }
    if !success {
        println!("         see {}", log.display());
    }
}
