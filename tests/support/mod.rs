//! What the tests share: running the real binary as root and as an unprivileged user, and saying
//! loudly what this host can't test.
#![allow(
    missing_docs,
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it"
)]

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, Once};

pub mod held;
pub mod host;
pub mod probe;
pub mod programs;
pub mod terminal;
pub mod tmux;
pub mod tree;

pub use host::{has_program, patience, python};

/// The names of the five levels, from the weakest on.
pub const LEVELS: [&str; 5] =
    ["basic", "user-based", "namespaced", "resource-limited", "containerized"];

/// An account that exists on no host: nothing on it belongs to this user.
pub const UNPRIVILEGED: u32 = 54_321;

/// Who starts the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Root.
    Root,
    /// A user without any privilege.
    User,
}

/// Every caller that this test run can be: root can be both, a user only itself.
#[track_caller]
pub fn callers() -> Vec<Caller> {
    if rustix::process::geteuid().is_root() {
        vec![Caller::Root, Caller::User]
    } else {
        static SAID: Once = Once::new();
        SAID.call_once(|| skip("root", "these tests are run by an unprivileged user, all of them"));
        vec![Caller::User]
    }
}

/// The binary under test, where every user can reach it.
static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let binary = DIRECTORY.join("ringfence");
    copy_program(Path::new(env!("CARGO_BIN_EXE_ringfence")), &binary);
    binary
});

/// The path of an example, where every user can reach it.
#[track_caller]
pub fn example(name: &str) -> PathBuf {
    // This test's own program is in `deps`, next to `examples`.
    let own = std::env::current_exe().unwrap();
    let built = own.parent().unwrap().with_file_name("examples").join(name);
    assert!(built.exists(), "{}: it is built by \"cargo build --examples\"", built.display());
    let copy = DIRECTORY.join(name);
    // Not by way of a half-written copy, which another test of this process might start.
    let fresh = DIRECTORY.join(format!("{name}.{:?}", std::thread::current().id()));
    copy_program(&built, &fresh);
    std::fs::rename(&fresh, &copy).unwrap();
    copy
}

/// Copies a program that is to be run, by another process: a descriptor that writes to it here would
/// for a moment be in each child that another test starts, and while one is, the kernel refuses to
/// execute the file (`ETXTBSY`).
pub fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").args([from, to]).status().expect("cp starts");
    assert!(status.success(), "cp {} {}", from.display(), to.display());
}

/// Where tests have their directories: the host's place for temporary files, unless the sandbox
/// covers it, or not everybody can enter it.
static TEMPORARY: LazyLock<PathBuf> = LazyLock::new(|| {
    const COVERED: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];
    let enterable = |directory: &Path| {
        let mode = directory.metadata().map(|metadata| metadata.permissions().mode());
        mode.is_ok_and(|mode| mode & 0o001 != 0)
    };
    let asked = std::env::temp_dir();
    let usable = |path: &PathBuf| {
        !COVERED.iter().any(|covered| path.starts_with(covered)) && path.ancestors().all(enterable)
    };
    let others = ["/tmp", "/var/tmp"].map(PathBuf::from);
    let real = asked.canonicalize();
    let chosen = real.into_iter().chain(others).find(usable).expect("/tmp or /var/tmp is there");
    if chosen != asked {
        let _ = writeln!(
            std::io::stderr(),
            "note: the tests' directories are in {}, as the sandbox covers {}, or not everybody can \
             enter it",
            chosen.display(),
            asked.display()
        );
    }
    chosen
});

/// A directory of this test process, which every user can enter.
static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
    const NAME: &str = "ringfence-tests-";
    let temporary = &*TEMPORARY;
    // A test process has no end at which it could clear up: the next one does.
    for entry in std::fs::read_dir(temporary).unwrap().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(NAME)?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let directory = temporary.join(format!("{NAME}{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    directory
});

/// The path of the binary under test, where every user can reach it.
pub fn binary() -> &'static Path {
    &BINARY
}

/// A private working directory that belongs to the caller, removed at the end.
pub struct Workspace {
    directory: tempfile::TempDir,
    caller: Caller,
}

impl Workspace {
    pub fn new(caller: Caller) -> Self {
        let mut directory = tempfile::Builder::new();
        let directory = directory.prefix("ringfence-test-").tempdir_in(&*TEMPORARY).unwrap();
        let workspace = Self { directory, caller };
        std::fs::set_permissions(workspace.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        workspace.own(workspace.path());
        std::fs::create_dir(workspace.home()).unwrap();
        workspace.own(&workspace.home());
        std::fs::create_dir(workspace.project()).unwrap();
        workspace.own(&workspace.project());
        workspace
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The caller's home directory.
    pub fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    /// A directory to work in, outside of the home directory.
    pub fn project(&self) -> PathBuf {
        self.path().join("project")
    }

    /// Writes a file that belongs to the caller, below the workspace.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        for part in path.ancestors().take_while(|part| *part != self.path()) {
            self.own(part);
        }
        path
    }

    /// Lets the caller have something, and with it the caller's command.
    fn own(&self, path: &Path) {
        if self.caller == Caller::User && rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(path, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
        }
        if path.is_dir() {
            self.open_to_command(path, 0o1777);
        }
    }

    /// Gives what is root's a mode by which everybody can write to it, where a mount can't show it as
    /// the command's own. Of directories it has to be one by which nobody exchanges what is root's in
    /// them, as root takes no profiles from others.
    pub fn open_to_command(&self, path: &Path, mode: u32) {
        if self.caller == Caller::Root && !host::maps_owners() {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    /// A call of ringfence by the caller, in the project directory.
    pub fn ringfence<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Ringfence {
        self.call(binary(), arguments)
    }

    /// A call of any program, in the same way.
    pub fn call<I: AsRef<OsStr>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = I>,
    ) -> Ringfence {
        let mut command = Command::new(program);
        let arguments: Vec<I> = arguments.into_iter().collect();
        // By this an init is found again: see `tree::marked`.
        let copy = arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(OsStr::new(" "));
        command
            .args(arguments)
            .current_dir(self.project())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", self.home())
            .env("RINGFENCE_TEST_ARGUMENTS", copy)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.become_caller(&mut command);
        heed_signals(&mut command);
        Ringfence { command }
    }

    pub fn become_caller(&self, command: &mut Command) {
        if self.caller == Caller::User && rustix::process::geteuid().is_root() {
            // Also empties the supplementary groups.
            command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        }
    }

    /// The same call, by a caller whose process is in a bad state: see `programs/hostile.c`.
    pub fn hostile(&self, state: &[&str], arguments: &[&str]) -> Ringfence {
        let plain = self.ringfence(arguments);
        let mut command = Command::new(programs::program("hostile"));
        // Only root mounts: the program becomes the caller after that.
        let mounts = state.iter().any(|word| word.starts_with("tmpfs=") || *word == "shared");
        let as_user = mounts && self.caller == Caller::User;
        let user = as_user.then(|| format!("user={UNPRIVILEGED}"));
        command.args(state).args(user).arg("--").arg(binary()).args(arguments);
        command.current_dir(self.project()).env_clear();
        for (name, value) in plain.command.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if !mounts {
            self.become_caller(&mut command);
        }
        heed_signals(&mut command);
        Ringfence { command }
    }

    /// Puts a helper program into the project directory, which every level shows.
    pub fn bring(&self, name: &str) {
        let copy = self.project().join(name);
        copy_program(&programs::program(name), &copy);
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
        self.own(&copy);
    }

    /// `ringfence run -q` with these options and this command.
    pub fn quietly(&self, options: &[&str], words: &[&str]) -> Ringfence {
        self.ringfence(["run", "-q"].iter().chain(options).chain(&["--"]).chain(words))
    }

    /// Like [`Workspace::shell`], and the report of the run.
    #[track_caller]
    pub fn report(&self, options: &[&str], script: &str) -> (Finished, serde_json::Value) {
        let path = self.path().join("home/report.json");
        let options = [options, &["--report", path.to_str().unwrap()]].concat();
        let run = self.shell(&options, script);
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{error}: {run:?}"));
        (run, serde_json::from_slice(&text).unwrap())
    }

    /// `ringfence run` with these options, and a shell script as the command.
    pub fn shell(&self, options: &[&str], script: &str) -> Finished {
        let options = options.iter().map(OsString::from);
        let words = ["--", "sh", "-c", script].map(OsString::from);
        let words = [OsString::from("run")].into_iter().chain(options).chain(words);
        self.ringfence(words).finish()
    }
}

/// Gives a program the dispositions that it has when a person starts it. Tests that are started in the
/// background, by a script or a CI runner, ignore signals of the keyboard, and ringfence hands on what
/// its caller ignores: to nobody.
#[allow(unsafe_code, reason = "there is no other way to have a child heed a signal")]
fn heed_signals(command: &mut Command) {
    let heed = || {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
            // SAFETY: the default disposition runs no code of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: only calls that may be made between fork and exec (`signal-safety(7)`).
    unsafe { command.pre_exec(heed) };
}

/// A call of ringfence, not started yet.
pub struct Ringfence {
    pub command: Command,
}

impl Ringfence {
    /// Runs it and waits for its end.
    pub fn finish(mut self) -> Finished {
        Finished(self.command.output().expect("the binary under test can be started"))
    }

    /// The same, with text on standard input.
    pub fn finish_with_input(mut self, input: &[u8]) -> Finished {
        let mut child = self.command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Finished(child.wait_with_output().unwrap())
    }
}

/// Runs the other tests of this program once more, as an unprivileged user: for those that use the
/// library in their own process. `except` is the name of the test that calls this.
#[track_caller]
pub fn again_as_user(except: &str) {
    if !rustix::process::geteuid().is_root() {
        return skip("root", "all of these tests are run by an unprivileged user");
    }
    let workspace = Workspace::new(Caller::User);
    let copy = workspace.path().join("again");
    copy_program(&std::env::current_exe().unwrap(), &copy);
    let output = workspace.call(&copy, ["--skip", except]).command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    for line in said.lines().filter(|line| line.starts_with("SKIP")) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    let passed = String::from_utf8_lossy(&output.stdout).contains("test result: ok. ");
    assert!(output.status.success() && passed, "{output:#?}");
}

/// An exit status as a shell has it.
pub fn code(status: std::process::ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

/// What a call came to.
#[derive(Debug)]
pub struct Finished(pub Output);

impl Finished {
    /// The exit status as a shell has it: 128 and the number of a signal.
    pub fn code(&self) -> i32 {
        code(self.0.status)
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Standard output of a run that must have succeeded, without white space around it.
    #[track_caller]
    pub fn success(&self) -> String {
        assert_eq!(self.code(), 0, "{self:?}");
        self.stdout().trim().to_owned()
    }
}

/// Says that a test can't run here, and counts as skipped; `RINGFENCE_REQUIRE`, a list of
/// facilities, makes it fail instead.
#[track_caller]
pub fn skip(facility: &str, why: &str) {
    let required = std::env::var("RINGFENCE_REQUIRE").unwrap_or_default();
    let demanded = required.split(',').any(|name| name == facility || name == "all");
    assert!(!demanded, "{facility} is required here, but: {why}");
    let place = std::panic::Location::caller();
    // Not by println!: the test harness would swallow it.
    let _ =
        writeln!(std::io::stderr(), "SKIP {}:{}: {facility}: {why}", place.file(), place.line());
}
