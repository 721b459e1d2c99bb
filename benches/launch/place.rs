//! Where the programs are that are run.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory of its own that every user can read, removed at the end.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new() -> Option<Self> {
        let path = std::env::temp_dir().join(format!("ringfence-bench-{}", std::process::id()));
        match std::fs::create_dir(&path).and_then(|()| open_to_all(&path)) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                println!("SKIP: {}: {error}", path.display());
                None
            }
        }
    }

    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(&path).and_then(|()| open_to_all(&path)).expect("a directory");
        path
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Builds a static C program.
    pub(crate) fn build(&self, name: &str, text: &str) -> Option<PathBuf> {
        let (source, program) = (self.write(&format!("{name}.c"), text), self.0.join(name));
        let mut gcc = Command::new("gcc");
        gcc.args(["-static", "-O2", "-o"]).arg(&program).arg(&source);
        match gcc.status() {
            Ok(status) if status.success() => Some(program),
            other => {
                println!("SKIP: gcc can't build the static program {name} here: {other:?}");
                None
            }
        }
    }
}

fn open_to_all(path: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The directories of the host's that a program may need.
pub(crate) fn host_directories() -> impl Iterator<Item = &'static str> {
    ["/usr", "/bin", "/sbin", "/lib", "/lib64"].into_iter().filter(|path| Path::new(path).exists())
}

/// The median of `count` things that are measured, of the first `count` that could be.
pub(crate) fn median<T: Copy + PartialOrd>(mut all: Vec<T>) -> Option<T> {
    all.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    all.get(all.len() / 2).copied()
}
