//! Namespaces: what a command has of its own of what processes else share.
//!
//! ```text
//! cargo run --example namespaces
//! ```

use std::error::Error;

use ringfence::{Level, NetworkMode, Profile, Sandbox};

/// The kinds, as the kernel names them in `/proc/PID/ns` (`namespaces(7)`).
const KINDS: [&str; 8] = ["user", "mnt", "pid", "ipc", "uts", "net", "cgroup", "time"];

fn main() -> Result<(), Box<dyn Error>> {
    // All but the one for time are part of the level; the host's names of processes, machines and
    // network devices mean nothing inside.
    let profile = Profile::new(Level::Namespaced)
        .network(NetworkMode::Loopback)
        .set("namespaces.time", true)
        .set("process.hostname", "inside")
        .set("process.cwd", "/");
    compare("all", &Sandbox::new(&profile)?)?;

    // Each can be left out by its name. With the host's processes and network, the command is as
    // exposed as any other in these respects.
    let profile = profile.network(NetworkMode::Host).set("namespaces.ipc", false);
    compare("host's network and ipc", &Sandbox::new(&profile)?)?;
    Ok(())
}

fn compare(title: &str, sandbox: &Sandbox) -> Result<(), Box<dyn Error>> {
    println!("{title}:");
    for kind in KINDS {
        let path = format!("/proc/self/ns/{kind}");
        let inside = print(sandbox, "readlink", &[&path])?;
        let same = inside == std::fs::read_link(&path)?.to_string_lossy();
        println!("  {kind}: {}", if same { "the caller's" } else { "its own" });
    }
    println!("  hostname: {}", print(sandbox, "cat", &["/proc/sys/kernel/hostname"])?);
    let processes = "ls /proc | grep -c '^[0-9]'";
    println!("  processes in sight: {}", print(sandbox, "sh", &["-c", processes])?);
    let devices = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' \\n'";
    println!("  network devices: {}", print(sandbox, "sh", &["-c", devices])?);
    Ok(())
}

/// What a command prints.
fn print(sandbox: &Sandbox, program: &str, words: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = sandbox.command(program).args(words).output()?;
    if !output.outcome.success() {
        return Err(format!("{program} {words:?}: {}", output.outcome.ending).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
