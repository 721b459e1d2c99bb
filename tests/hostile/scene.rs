//! What an attack finds around it: fresh for each trial.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::support::{Caller, Finished, Ringfence, Workspace, binary};
use crate::table::Verdict;

/// The text of files that must not be read.
pub const SECRET: &str = "of-the-host-alone";

/// The program with all attacks, static, where every user can reach it.
pub static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/attack");
    let path = binary().with_file_name("attack");
    let names = ["main", "files", "kernel", "network", "processes", "callers", "waiting"];
    let compiler = Command::new("cc")
        .args(["-static", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
        .arg(&path)
        .args(names.map(|name| sources.join(name).with_extension("c")))
        .output()
        .expect("the tests need a C compiler: apt-get install gcc libc6-dev");
    assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
    path
});

/// A caller, a column of the table, and a workspace with a secret and a read-only directory.
pub struct Scene {
    pub caller: Caller,
    pub column: &'static str,
    pub workspace: Workspace,
    /// How often a race is tried here.
    pub tries: usize,
}

impl Scene {
    /// The column without a sandbox, to see that an attack does something.
    pub const BARE: &'static str = "no sandbox";

    pub fn new(caller: Caller, column: &'static str, tries: usize) -> Self {
        let workspace = Workspace::new(caller);
        workspace.write("outside/secret", SECRET);
        workspace.write("read/file", "to be read");
        let scene = Self { caller, column, workspace, tries };
        scene.bring("attack", &PROGRAM);
        scene
    }

    /// Puts a program into the project directory: as a link, since a file that was written to a
    /// moment ago may still be open for that in what another thread has just started, and then
    /// can't be executed.
    pub fn bring(&self, name: &str, program: &Path) {
        std::fs::hard_link(program, self.workspace.project().join(name)).unwrap();
    }

    /// The same, of the programs that other tests have, too.
    pub fn bring_program(&self, name: &str) {
        self.bring(name, &crate::support::programs::program(name));
    }

    pub fn is_bare(&self) -> bool {
        self.column == Self::BARE
    }

    /// Whether ports can be named in what is tried: not where the kernel's Landlock doesn't know
    /// them, as nothing is run there.
    pub fn knows_ports(&self) -> bool {
        self.is_bare() || crate::support::host::landlock_version() >= crate::support::host::TCP
    }

    /// A path of the workspace, as text.
    pub fn path(&self, name: &str) -> String {
        self.workspace.path().join(name).to_str().unwrap().to_owned()
    }

    /// A file of the host's that isn't shown to the command.
    pub fn secret(&self) -> String {
        self.path("outside/secret")
    }

    /// A directory that the command can write to.
    pub fn writable(&self) -> String {
        match self.column {
            "untrusted" => "/tmp".to_owned(),
            _ => self.path("project"),
        }
    }

    /// The options by which the column is chosen.
    pub fn options(&self) -> Vec<String> {
        let options = match self.column {
            "untrusted" | "landlock-only" => ["-q", "-p", self.column],
            level => ["-q", "-l", level],
        };
        options.map(str::to_owned).to_vec()
    }

    /// `ringfence run` with the column's options, these, and a command.
    pub fn words(&self, options: &[&str], command: &[&str]) -> Vec<OsString> {
        let column = self.options();
        let column = column.iter().map(String::as_str);
        let words = ["run"].into_iter().chain(column).chain(options.iter().copied());
        words.chain(["--"]).chain(command.iter().copied()).map(OsString::from).collect()
    }

    pub fn call(&self, options: &[&str], command: &[&str]) -> Ringfence {
        self.workspace.ringfence(self.words(options, command))
    }

    /// The same, by way of `attack as ...`: a caller or host that isn't as usual. Without a
    /// sandbox, the command alone.
    pub fn call_as(&self, surroundings: &[&str], options: &[&str], command: &[&str]) -> Ringfence {
        let before = ["as"].iter().chain(surroundings).chain(&["--"]).map(OsString::from);
        let words: Vec<_> = if self.is_bare() {
            let first = self.path(&format!("project/{}", command[0]));
            let rest = command[1..].iter().map(OsString::from);
            before.chain([OsString::from(first)]).chain(rest).collect()
        } else {
            let launcher = [binary().as_os_str().to_owned()];
            before.chain(launcher).chain(self.words(options, command)).collect()
        };
        self.workspace.call(&PROGRAM, words)
    }

    /// Makes an attack, with options for the sandbox, and judges it by what it says.
    pub fn attack(&self, options: &[&str], name: &str, arguments: &[&str]) -> Verdict {
        let command = [&["./attack", name], arguments].concat();
        judge(&self.run(options, &command))
    }

    /// Runs a command in the sandbox, or without.
    pub fn run(&self, options: &[&str], command: &[&str]) -> Finished {
        if self.is_bare() {
            let program = self.workspace.project().join(command[0]);
            return self.workspace.call(&program, &command[1..]).finish();
        }
        self.call(options, command).finish()
    }
}

/// How the word on a refused run begins.
const REFUSED: &str = "refused";

/// What an attack says of itself: every way that worked, and that it has come to its end.
pub fn judge(run: &Finished) -> Verdict {
    let output = run.stdout();
    let escapes: Vec<_> = output.lines().filter(|line| line.starts_with("ESCAPED")).collect();
    if !escapes.is_empty() {
        return Verdict::Broken(escapes.join("; "));
    }
    if run.code() == 125 && output.is_empty() {
        return Verdict::Broken(format!("{REFUSED}: {}", run.stderr()));
    }
    if !output.lines().any(|line| line == "end") {
        return Verdict::Broken(format!("it said nothing: {run:?}"));
    }
    Verdict::Held
}

/// Held, unless what must be isn't.
pub fn held_if(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Verdict::Held } else { Verdict::Broken(otherwise()) }
}

impl Verdict {
    /// Held too, if ringfence refused to run the attack.
    #[must_use]
    pub fn or_refused(self) -> Self {
        match self {
            Self::Broken(how) if how.starts_with(REFUSED) => Self::Held,
            other => other,
        }
    }

    /// This one, unless the next is worse.
    #[must_use]
    pub fn and(self, next: impl FnOnce() -> Self) -> Self {
        if self == Self::Held { next() } else { self }
    }
}
