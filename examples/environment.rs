//! The environment of a command: nothing of the caller's but what is named.
//!
//! ```text
//! API_TOKEN=secret EDITOR=vi MY_MODE=fast cargo run --example environment
//! ```

use std::error::Error;

use ringfence::{Level, Profile, Sandbox};

fn main() -> Result<(), Box<dyn Error>> {
    // Every level has a short list of variables that pass, such as PATH, LANG and TERM; a profile
    // adds to it by name, or by the beginning of a name.
    let profile = Profile::new(Level::Basic)
        .set("environment.pass", vec!["MY_*"])
        .env("GREETING", "hello from the profile");
    let sandbox = Sandbox::new(&profile)?;

    let mut command = sandbox.command("env");
    command.env("GREETING", "hello from the command").env("ONE_MORE", "1").env_remove("TERM");
    print_sorted("with changes", &command.output()?.stdout);

    // A name without a slash is searched in the PATH inside, of which nothing is left.
    let output = sandbox.command("/usr/bin/env").env_clear().env("ONLY", "this").output()?;
    print_sorted("from nothing", &output.stdout);
    Ok(())
}

fn print_sorted(title: &str, environment: &[u8]) {
    let text = String::from_utf8_lossy(environment);
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    println!("{title}:");
    for line in lines {
        println!("  {line}");
    }
}
