//! Between clone and exec nothing is allocated or freed: an allocator that knows which process it
//! was made for counts every use by another one, in memory that both share.
//!
//! A lock that another thread held at the moment of the clone stays locked in the child for ever;
//! the allocator's are the ones that code takes without anybody seeing it.
#![allow(unsafe_code, reason = "an allocator, shared memory and a fork can't be had without")]
#![cfg(target_os = "linux")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use ringfence::launch::library::Library;
use ringfence::launch::load::{context_of_caller, load, policies};
use ringfence::launch::{Chosen, Observer, OwnTerminal, Policies, run};
use ringfence::policy::Policy;
use rustix::pty::OpenptFlags;

/// Hands everything on to the system's allocator, and counts uses by processes that aren't the
/// owner.
struct Watching;

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// The process that may allocate; 0: everybody.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// How often others have, in shared memory.
static COUNTER: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());

fn process() -> i32 {
    // The call itself: after a clone, libraries could still hold the parent's number.
    rustix::process::getpid().as_raw_nonzero().get()
}

fn watch() {
    let owner = OWNER.load(Ordering::Relaxed);
    if owner != 0 && process() != owner {
        // SAFETY: set to a mapping of one counter that is never unmapped, before the owner is.
        unsafe { &*COUNTER.load(Ordering::Relaxed) }.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every method is the system allocator's, with the same arguments.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        watch();
        // SAFETY: the caller keeps what the system's allocator demands.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        watch();
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        watch();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The one counter is for one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Starts to count from zero.
fn start_counting() -> (MutexGuard<'static, ()>, &'static AtomicU64) {
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if COUNTER.load(Ordering::Relaxed).is_null() {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice.
        let memory =
            unsafe { mmap_anonymous(std::ptr::null_mut(), 4096, access, MapFlags::SHARED) };
        COUNTER.store(memory.expect("a page of shared memory").cast(), Ordering::Relaxed);
        OWNER.store(process(), Ordering::Relaxed);
    }
    // SAFETY: zeroed memory of the right size and alignment, that stays for the process's life.
    let counter = unsafe { &*COUNTER.load(Ordering::Relaxed) };
    counter.store(0, Ordering::Relaxed);
    (guard, counter)
}

#[test]
fn a_child_that_allocates_is_caught() {
    let (_guard, counter) = start_counting();
    // SAFETY: the child allocates, which the C library allows after its own fork, and ends.
    match unsafe { libc::fork() } {
        0 => {
            drop(std::hint::black_box(Box::new(1_u8)));
            // SAFETY: ends the child with none of the parent's clean-up.
            unsafe { libc::_exit(0) }
        }
        child => {
            assert!(child > 0, "fork(2) failed");
            // SAFETY: no status is asked for.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        }
    }
    assert_eq!(counter.load(Ordering::Relaxed), 2, "one allocation and its end");
}

/// Asks for something of nearly every layer, at every level.
const PROFILE: &str = r#"{
  "version": 1,
  "extends": "default",
  "level": "LEVEL",
  "enforcement": { "capabilities": "best-effort", "root": "best-effort", "masks": "best-effort",
                   "filesystem": "best-effort" },
  "filesystem": { "hide": ["/usr/share", "/etc/passwd"],
                  "mounts": [{ "source": "/", "target": "/srv", "optional": true }] },
  "limits": { "memory": "512MiB", "open_files": 64, "cpu_time": "10s", "wall_time": "1m" },
  "landlock": { "bind_tcp": [], "execute": ["/usr", "/bin", "/lib", "/lib64"] },
  "process": { "stdin": "null", "umask": "022", "cwd": "/" }
}"#;

const LEVELS: [&str; 5] =
    ["basic", "user-based", "namespaced", "resource-limited", "containerized"];

/// Whether this is the test run again as an unprivileged user.
const UNPRIVILEGED: &str = "RINGFENCE_TEST_UNPRIVILEGED";

/// Whether commands get a terminal of their own.
struct Silent(OwnTerminal);

impl Observer for Silent {
    fn terminal(&self) -> OwnTerminal {
        self.0
    }

    fn planned(&mut self, _: &Chosen, _: u32) {}
}

/// The first policy only: none may take its place.
fn first(policies: &[Policy]) -> Policies<'static> {
    policies[..1].to_vec().into()
}

/// Runs `true` at a level in this very process.
fn launch(level: &str, terminal: OwnTerminal) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("profile.json");
    std::fs::write(&path, PROFILE.replace("LEVEL", level)).expect("a profile");
    let mut library = Library { directories: Vec::new(), distrust_writable: false };
    let loaded = load(&mut library, path.to_str().expect("UTF-8"), false).expect("a profile");
    let policies = policies(&loaded, &[], &context_of_caller(), false).expect("a policy");
    // As is the search in PATH, which a `find_program` that allocates would betray.
    let words = [OsString::from("true")];
    let report = run(&mut first(&policies), &words, &[], &mut Silent(terminal))
        .unwrap_or_else(|error| panic!("{level}: {error}"));
    assert_eq!(report.exit_code, 0, "{level}: {report:?}");
    // A launch that fails between clone and exec doesn't allocate either.
    let missing = [OsString::from("no-such-program")];
    let code = match run(&mut first(&policies), &missing, &[], &mut Silent(terminal)) {
        Ok(report) => report.exit_code,
        Err(error) => error.exit_code(),
    };
    // 126 where a directory of PATH is closed to the sandboxed user.
    assert!([126, 127].contains(&code), "{level}: {code}");
}

#[test]
fn nothing_is_allocated_between_clone_and_exec() {
    let (_guard, counter) = start_counting();
    for level in LEVELS {
        launch(level, OwnTerminal::Never);
        assert_eq!(counter.load(Ordering::Relaxed), 0, "level {level}");
    }
    // The caller's terminal; nobody sits at the other side.
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    rustix::pty::unlockpt(&master).expect("a terminal");
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).expect("its other side");
    rustix::stdio::dup2_stdin(&slave).expect("standard input");
    for level in LEVELS {
        launch(level, OwnTerminal::Always);
        assert_eq!(counter.load(Ordering::Relaxed), 0, "level {level}, with a terminal");
    }
}

#[test]
fn the_same_holds_for_an_unprivileged_user() {
    if std::env::var_os(UNPRIVILEGED).is_some() {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return support::skip("root", "these tests are run by an unprivileged user, all of them");
    }
    // A child of another test would hold the copy open for writing, which then can't be executed.
    let _guard = start_counting();
    // Where every user can reach it.
    let directory = tempfile::tempdir().expect("a temporary directory");
    let copy = directory.path().join("no_allocation");
    let reachable = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(directory.path(), reachable(0o755)).expect("a mode");
    std::fs::copy(std::env::current_exe().expect("this test"), &copy).expect("a copy");
    let output = Command::new(&copy)
        .args(["--exact", "nothing_is_allocated_between_clone_and_exec"])
        .env(UNPRIVILEGED, "1")
        .env("HOME", "/nonexistent")
        .current_dir("/")
        .uid(54_321)
        .gid(54_321)
        .output()
        .expect("the test again");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}
