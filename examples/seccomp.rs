//! Filters of system calls: by name, by group, by arguments; with an error, or with the end of the
//! command (`seccomp(2)`).
//!
//! ```text
//! cargo run --example seccomp
//! ```

use std::error::Error;

use ringfence::{Level, Profile, Sandbox};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    // No namespaces, no Landlock: only the filter. What isn't allowed fails with EPERM.
    let basic = Profile::new(Level::Basic).set("seccomp.allow", vec!["@default"]);
    let script = "mkdir x 2>&1 && rmdir x && echo made";
    show("usual set", &basic, script)?;

    // What `deny` names beats what `allow` has by a group.
    let no_mkdir = basic.clone().set("seccomp.deny", vec!["mkdir", "mkdirat"]);
    show("without mkdir", &no_mkdir, script)?;

    // A rule says what happens, also by the arguments: here, files whose group may write to them.
    let rule = |action: &str| {
        json!([{
            "calls": ["fchmodat"],
            "arguments": [{ "index": 2, "op": "masked-eq", "mask": 0o20, "value": 0o20 }],
            "action": action,
        }])
    };
    let script = "touch x; chmod 600 x && echo fine; chmod 660 x 2>&1; echo after; rm x";
    show("by argument", &basic.clone().set("seccomp.rules", rule("EOPNOTSUPP")), script)?;

    // A kill shows as what was denied.
    let kill = json!([{ "calls": ["mkdir", "mkdirat"], "action": "kill" }]);
    show("killed", &basic.set("seccomp.rules", kill), "exec mkdir x")?;
    Ok(())
}

fn show(title: &str, profile: &Profile, script: &str) -> Result<(), Box<dyn Error>> {
    let output = Sandbox::new(profile)?.command("sh").args(["-c", script]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().replace('\n', "; ");
    println!("{title}: {text} ({})", output.outcome.ending);
    Ok(())
}
