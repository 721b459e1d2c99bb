//! Whether anything of a run is still there: processes, cgroups.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long the kernel may take to end killed processes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Text that no other process has among its arguments.
pub fn mark() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    OTHERS.get_or_init(|| cgroups("ringfence-"));
    // With an end of its own, as the first would be a part of the tenth.
    format!("mark-{}-{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The processes with `mark` among their arguments: launcher, init and command.
pub fn marked(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let Ok(arguments) = std::fs::read(path.join("cmdline")) else { continue };
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        // Init hides the launcher's arguments; root finds a copy of them in its environment.
        let started_with = match arguments.starts_with("ringfence-init") {
            true => std::fs::read(path.join("environ")).unwrap_or_default(),
            false => Vec::new(),
        };
        if arguments.contains(mark) || String::from_utf8_lossy(&started_with).contains(mark) {
            let status = std::fs::read_to_string(path.join("status")).unwrap_or_default();
            let state = status.lines().find(|line| line.starts_with("State:"));
            found.push(format!("{} {} {arguments}", path.display(), state.unwrap_or_default()));
        }
    }
    found
}

/// Waits until `condition` holds.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// No process with `mark` is left when ringfence has ended by itself: not after a while, now.
#[track_caller]
pub fn nothing_is_left(mark: &str) {
    assert_eq!(marked(mark), Vec::<String>::new());
}

/// No process with `mark` is left after a while, where nobody was there to wait for them.
#[track_caller]
pub fn nothing_stays(mark: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !marked(mark).is_empty() {
        assert!(Instant::now() < deadline, "still there: {:#?}", marked(mark));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What was there before the first mark: killed launchers leave cgroups, possibly where no later one
/// looks, and process ids come again.
static OTHERS: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// The cgroups made by the launcher with this process id, anywhere in the hierarchies.
pub fn cgroups_of(launcher: u32) -> Vec<PathBuf> {
    let others = OTHERS.get().map_or(&[][..], Vec::as_slice);
    let mut found = cgroups(&format!("ringfence-{launcher}-"));
    found.retain(|directory| !others.contains(directory));
    found
}

fn cgroups(prefix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), prefix, &mut found);
    found
}

fn walk(directory: &Path, prefix: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                found.push(entry.path());
            }
            walk(&entry.path(), prefix, found);
        }
    }
}
