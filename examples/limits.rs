//! Limits, and how it shows that one was reached.
//!
//! ```text
//! cargo run --example limits
//! ```
//!
//! An argument says how many seconds of processor time a command has: one, unless the machine is slow.

use std::error::Error;
use std::time::Duration;

use ringfence::{Profile, Sandbox};

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(1), |number| number.parse())?;
    let profile = Profile::load("untrusted")?
        .memory("64MiB")
        .processes(20)
        .cpu_time(Duration::from_secs(seconds))
        .set("limits.file_size", "1MiB")
        .set("limits.open_files", 32)
        .set("limits.output", "4KiB")
        .set("limits.output_overflow", "kill")
        .set("process.grace", "100ms");
    let sandbox = Sandbox::new(&profile)?;
    for note in sandbox.layers().iter().filter(|layer| layer.cause.is_some()) {
        println!("note: {note}");
    }
    let run = |name: &str, script: &str| -> Result<(), ringfence::Error> {
        // Limits of one run can be lower than the profile's, never higher.
        let output = sandbox
            .command("sh")
            .args(["-c", script])
            .wall_time(Duration::from_secs(seconds.saturating_mul(3)))
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout[..output.stdout.len().min(20)]);
        println!("{name}: {}; {}", output.outcome.ending, printed.escape_debug());
        Ok(())
    };
    run("nothing", "echo done")?;
    run("memory", "head -c 100000000 /dev/zero | tail")?;
    run("processes", "for i in $(seq 40); do sleep 9 & done; wait")?;
    run("cpu_time", "while :; do :; done")?;
    run("wall_time", "sleep 60")?;
    run("file_size", "exec head -c 2000000 /dev/zero > /tmp/file")?;
    run("open_files", "ulimit -n")?;
    run("output", "yes")?;

    let outcome = sandbox.command("true").status()?;
    for held in &outcome.limits {
        println!("held: {} = {} by {}", held.limit, held.value, held.mechanism);
    }
    let usage = outcome.usage.unwrap_or_default();
    println!("used: {:?}, {} bytes resident", usage.wall_seconds, usage.peak_resident_bytes);
    Ok(())
}
