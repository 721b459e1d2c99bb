//! Landlock alone: rules for files and ports that need neither privileges nor namespaces, and so
//! work in containers and where namespaces are forbidden (`landlock(7)`).
//!
//! ```text
//! cargo run --example landlock
//! ```

use std::error::Error;
use std::fs;
use std::net::TcpListener;

use ringfence::{Layer, Level, Profile, Sandbox};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let place = |name: &str| directory.path().join(name);
    for name in ["read", "write", "neither"] {
        fs::create_dir(place(name))?;
        fs::write(place(name).join("file"), format!("from {name}\n"))?;
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();

    let text = |name: &str| place(name).to_string_lossy().into_owned();
    let profile = Profile::new(Level::Basic)
        .set("landlock.execute", vec!["/usr", "/bin", "/lib", "/lib64"])
        .set("landlock.read", vec!["/etc".to_owned(), text("read")])
        .set("landlock.write", vec!["/dev/null".to_owned(), text("write")]);
    // Port 1 only: what listens at another can't be reached.
    let limited = profile.clone().set("landlock.connect_tcp", vec![1]);

    let sandbox = Sandbox::new(&profile)?;
    for state in sandbox.layers().iter().filter(|state| state.layer == Layer::Landlock) {
        println!("{state}");
    }
    for (name, script) in [
        ("read", "cat read/file"),
        ("read", "echo x >> read/file"),
        ("write", "cat write/file && echo x >> write/file"),
        ("neither", "cat neither/file"),
        ("neither", "ls neither"),
        // Landlock keeps nobody from looking at a file's attributes: a mount namespace does.
        ("neither", "test -s neither/file"),
    ] {
        let script = script.replace(name, &text(name));
        let output = sandbox.command("sh").args(["-c", &script]).output()?;
        let shown = script.replace(&text(name), name);
        println!("{shown}: {}", if output.outcome.success() { "ok" } else { "failed" });
    }
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
    for (name, profile) in [("any port", profile), ("port 1", limited)] {
        let sandbox = Sandbox::new(&profile)?;
        let output = sandbox.command("bash").args(["-c", &connect]).output()?;
        let word = if output.outcome.success() { "connected" } else { "refused" };
        println!("connecting where {name} is allowed: {word}");
    }
    Ok(())
}
