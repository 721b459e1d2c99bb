//! What a command sees of files: a root of its own, made of parts of the host, each read-only,
//! writable or private, with paths in them hidden.
//!
//! ```text
//! cargo run --example filesystem
//! ```

use std::error::Error;
use std::fs;
use std::path::Path;

use ringfence::{Access, Level, Profile, Sandbox};

/// What programs need of the host.
const SYSTEM: [&str; 7] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/usr", "/etc/ld.so.cache"];

fn main() -> Result<(), Box<dyn Error>> {
    let project = tempfile::tempdir()?;
    let path = project.path();
    fs::write(path.join("source"), "text of the project\n")?;
    fs::write(path.join(".env"), "TOKEN=secret\n")?;
    fs::create_dir(path.join("out"))?;

    minimal(path)?;
    of_a_directory(path)?;
    Ok(())
}

/// An empty root, into which the profile puts what is needed.
fn minimal(project: &Path) -> Result<(), Box<dyn Error>> {
    let profile = with_system(Profile::new(Level::Namespaced).root_minimal(), SYSTEM)
        .bind(project, "/project", Access::ReadOnly)
        .bind(project.join("out"), "/project/out", Access::ReadWrite)
        .hide("/project/.env")
        .tmpfs("/scratch", "1MiB")
        .set("process.cwd", "/project");
    let sandbox = Sandbox::new(&profile)?;
    try_all(
        "minimal",
        &sandbox,
        &[
            "ls /",
            "cat source",
            "echo x > source",
            "cat .env",
            "echo made > out/made",
            "echo private > /scratch/file; cat /scratch/file",
            "head -c 2000000 /dev/zero > /scratch/file",
            "ls /home",
            "echo x > /usr/x",
        ],
    )?;
    let made = fs::read_to_string(project.join("out/made"))?;
    println!("on the host: out/made says {}", made.trim());
    Ok(())
}

/// The root is a directory: an unpacked image, say. Here it is made of a few links and places.
fn of_a_directory(project: &Path) -> Result<(), Box<dyn Error>> {
    let root = project.join("out/root");
    fs::create_dir(&root)?;
    fs::write(root.join("motd"), "a root of its own\n")?;
    for directory in ["usr", "etc", "proc", "dev", "tmp", "run"] {
        fs::create_dir(root.join(directory))?;
    }
    fs::write(root.join("etc/ld.so.cache"), "")?;
    // Where `/bin` is a link into `/usr`, so it is in there. All else is mounted, and for that needs
    // a place: nothing is made in a directory of the host.
    let mut mounted = Vec::new();
    for path in SYSTEM {
        let (host, place) = (Path::new(path), root.join(path.trim_start_matches('/')));
        match fs::read_link(host) {
            Ok(target) => std::os::unix::fs::symlink(target, place)?,
            Err(_) => {
                if host.is_dir() && !place.exists() {
                    fs::create_dir(place)?;
                }
                mounted.push(path);
            }
        }
    }
    let profile = with_system(Profile::new(Level::Namespaced).root_directory(&root), mounted);
    let sandbox = Sandbox::new(&profile)?;
    try_all("directory", &sandbox, &["cat /motd", "echo x > /motd", "ls /project"])
}

fn with_system<'a>(profile: Profile, paths: impl IntoIterator<Item = &'a str>) -> Profile {
    paths.into_iter().filter(|path| Path::new(path).exists()).fold(profile, Profile::read_only)
}

fn try_all(title: &str, sandbox: &Sandbox, scripts: &[&str]) -> Result<(), Box<dyn Error>> {
    println!("{title}:");
    for script in scripts {
        let output = sandbox.command("sh").args(["-c", script]).output()?;
        let word = if output.outcome.success() { "ok" } else { "failed" };
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).trim().replace('\n', " ");
        println!("  {script}: {word}: {text}");
    }
    Ok(())
}
