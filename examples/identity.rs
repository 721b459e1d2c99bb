//! Who a command is: user, groups and capabilities, dropped for good.
//!
//! ```text
//! cargo run --example identity          # as a user: the same numbers, in a user namespace
//! sudo target/*/debug/examples/identity # as root: another user
//! ```

use std::error::Error;

use ringfence::{Level, Profile, Sandbox};

/// What the kernel says of a process (`proc_pid_status(5)`).
const SCRIPT: &str = "grep -E '^(Uid|Gid|Groups|CapEff|CapBnd|NoNewPrivs):' /proc/self/status";

fn main() -> Result<(), Box<dyn Error>> {
    // The level's default: root becomes nobody, anybody else stays who they are. Either has no
    // capability, not even within reach: no setuid program gives one back.
    let plain = Profile::new(Level::UserBased);
    show("default", &plain)?;

    // Numbers of choice: for root, these are what the host sees as well. For others, they mean
    // something inside only, and files that are made belong to the caller.
    show("1234:2345", &plain.clone().set("user", "1234:2345"))?;

    // One capability of forty may stay: root's counts on the host, that of others only for what
    // belongs to their user namespace.
    let keeping = plain.set("capabilities.keep", vec!["CAP_NET_BIND_SERVICE"]);
    show("one capability", &keeping)?;
    Ok(())
}

fn show(title: &str, profile: &Profile) -> Result<(), Box<dyn Error>> {
    let output = Sandbox::new(profile)?.command("sh").args(["-c", SCRIPT]).output()?;
    println!("{title}:");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        println!("  {}", line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    Ok(())
}
