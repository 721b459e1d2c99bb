//! Runs shell commands from standard input, one a line, many at once on one thread, each in a
//! sandbox of its own with a time limit:
//!
//! ```text
//! seq 1 100 | sed 's/.*/sleep 0.1; echo &/' | cargo run --features tokio --example async_many 20
//! ```
//!
//! The argument says how many may run at once. A line is printed for each as it ends: how it ended,
//! its time, the command, and what it wrote. The exit status is 0 if all of them succeeded.

use std::error::Error;
use std::io::BufRead;
use std::process::ExitCode;
use std::time::Duration;

use ringfence::{Ending, Output, Profile, Sandbox, tokio::output};
use tokio::task::JoinSet;

/// What each command may take.
const TIME: Duration = Duration::from_secs(10);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let at_once: usize = std::env::args().nth(1).map_or(Ok(10), |number| number.parse())?;
    // Planned once, for all of them.
    let sandbox = Sandbox::new(&Profile::load("untrusted")?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let all_well = runtime.block_on(run_all(&sandbox, at_once.max(1)))?;
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run_all(sandbox: &Sandbox, at_once: usize) -> Result<bool, Box<dyn Error>> {
    // Dropped on an early return, the set cancels what is left, and each sandbox ends with its
    // future.
    let mut running = JoinSet::new();
    let mut all_well = true;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if running.len() >= at_once
            && let Some(done) = running.join_next().await
        {
            all_well &= tell(done?)?;
        }
        running.spawn(run(sandbox.clone(), line));
    }
    while let Some(done) = running.join_next().await {
        all_well &= tell(done?)?;
    }
    Ok(all_well)
}

async fn run(sandbox: Sandbox, line: String) -> (String, Result<Output, ringfence::Error>) {
    let mut command = sandbox.command("sh");
    command.arg("-c").arg(&line).wall_time(TIME).output_size(64 * 1024);
    let result = output(&mut command).await;
    (line, result)
}

/// Prints how a command ended; whether that was well.
fn tell(
    (line, result): (String, Result<Output, ringfence::Error>),
) -> Result<bool, Box<dyn Error>> {
    let output = result?;
    let ending = match &output.outcome.ending {
        Ending::Exited { code } => format!("exit {code}"),
        other => format!("{other:?}"),
    };
    let time = output.outcome.usage.map_or(0.0, |usage| usage.wall_seconds.as_secs_f64());
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{ending}\t{time:.3}s\t{line}\t{}", text.trim_end().escape_default());
    Ok(output.outcome.success())
}
