//! A command that is to run in a sandbox.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::child::{Child, Output};
use super::sandbox::Sandbox;
use super::stdio::{Kind, Stdio};
use super::{Chosen, refuse_directories};
use crate::error::Error;
use crate::os;
use crate::policy::Policy;
use crate::profile::units::{MAX_CPUS, MAX_DURATION, MAX_SIZE};
use crate::profile::vocabulary::{Enforcement, Layer};
use crate::report::Outcome;

/// A command to be run in a [`Sandbox`], shaped as [`std::process::Command`].
///
/// It can be spawned more than once. Its environment is the profile's, changed by what is said
/// here; its working directory and its limits are the profile's where nothing is said here. A limit
/// said here asks for the layer that holds it, as the profile's key would: where that is off, it is
/// required for this run.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Profile, Sandbox};
/// let sandbox = Sandbox::new(&Profile::load("untrusted")?)?;
/// let output = sandbox.command("sh").args(["-c", "echo $GREETING"]).env("GREETING", "hello").output()?;
/// assert!(output.outcome.success());
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Command {
    sandbox: Sandbox,
    words: Vec<OsString>,
    environment: Environment,
    directory: Option<PathBuf>,
    streams: [Option<Stdio>; 3],
    files: BTreeMap<u32, OwnedFd>,
    limits: Limits,
}

/// Changes to the profile's environment.
#[derive(Clone, Debug, Default)]
struct Environment {
    clear: bool,
    /// `None`: the variable is taken away.
    changes: BTreeMap<OsString, Option<OsString>>,
}

impl Environment {
    fn apply(&self, profile: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
        let kept =
            profile.iter().filter(|(name, _)| !self.clear && !self.changes.contains_key(name));
        let set = self
            .changes
            .iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| (name.clone(), value.clone())));
        kept.cloned().chain(set).collect()
    }
}

/// Limits of one run. They can only tighten the profile's: of the two, the lower one holds. The
/// layer that holds one is required where the profile has it off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Limits {
    memory: Option<u64>,
    processes: Option<u64>,
    cpus: Option<u64>,
    cpu_time: Option<Duration>,
    wall_time: Option<Duration>,
    open_files: Option<u64>,
    file_size: Option<u64>,
    output: Option<u64>,
}

/// The lower of two limits.
fn tighten<T: Ord>(limit: &mut Option<T>, other: Option<T>) {
    *limit = limit.take().into_iter().chain(other).min();
}

impl Limits {
    /// The limits of 0 that would be none for the kernel, or leave nothing to run: a profile can't
    /// have them either.
    fn refuse_nothing(self) -> Result<(), Error> {
        let zero = [
            ("memory", self.memory == Some(0)),
            ("processes", self.processes == Some(0)),
            ("cpus", self.cpus == Some(0)),
            ("cpu_time", self.cpu_time == Some(Duration::ZERO)),
        ];
        match zero.iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => Err(Error::Usage(format!(
                "limits.{name}: the value is 0; give more than 0, or leave it out"
            ))),
            None => Ok(()),
        }
    }

    fn apply(self, policy: &mut Policy) {
        // More than a profile can say would be a number that the kernel takes for another.
        let number = |limit: Option<u64>| limit.map(|limit| limit.min(MAX_SIZE));
        let time = |limit: Option<Duration>| limit.map(|limit| limit.min(MAX_DURATION));
        // As a limit in a profile does, one here asks for what holds it: with the layer off, it
        // would be none.
        let of_the_tree = [self.memory, self.processes, self.cpus];
        let of_processes = [self.open_files, self.file_size];
        let by = [
            (Layer::Cgroup, of_the_tree.iter().any(Option::is_some)),
            (Layer::Rlimits, of_processes.iter().any(Option::is_some) || self.cpu_time.is_some()),
            (Layer::WallTime, self.wall_time.is_some()),
        ];
        for (layer, asked) in by {
            if asked && !policy.enforcement.wants(layer) {
                policy.enforcement.set(layer, Enforcement::Required);
            }
        }
        let tree = &mut policy.tree_limits;
        tighten(&mut tree.memory, number(self.memory));
        tighten(&mut tree.processes, number(self.processes));
        tighten(&mut tree.cpus, self.cpus.map(|limit| limit.min(MAX_CPUS)));
        let process = &mut policy.process_limits;
        tighten(&mut process.cpu_time, time(self.cpu_time));
        tighten(&mut process.open_files, number(self.open_files));
        tighten(&mut process.file_size, number(self.file_size));
        tighten(&mut policy.wall_time, time(self.wall_time));
        tighten(&mut policy.output, number(self.output));
    }
}

impl Command {
    pub(super) fn new(sandbox: Sandbox, program: OsString) -> Self {
        Self {
            sandbox,
            words: vec![program],
            environment: Environment::default(),
            directory: None,
            streams: [None, None, None],
            files: BTreeMap::new(),
            limits: Limits::default(),
        }
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.words.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        self.words.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let value = Some(value.as_ref().to_owned());
        self.environment.changes.insert(name.as_ref().to_owned(), value);
        self
    }

    /// Sets several.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Takes a variable away that the profile sets or passes.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.environment.changes.insert(name.as_ref().to_owned(), None);
        self
    }

    /// Takes all variables away, those that were set here before among them.
    pub fn env_clear(&mut self) -> &mut Self {
        self.environment = Environment { clear: true, changes: BTreeMap::new() };
        self
    }

    /// The working directory, as a path inside the sandbox; a relative one counts from where the
    /// command would start otherwise. One that isn't visible there fails the spawn.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Standard input; by default what the profile says ([`Command::output`]: `/dev/null`).
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.streams[0] = Some(stdin.into());
        self
    }

    /// Standard output; by default the caller's ([`Command::output`]: a pipe).
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.streams[1] = Some(stdout.into());
        self
    }

    /// Standard error; by default the caller's ([`Command::output`]: a pipe).
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.streams[2] = Some(stderr.into());
        self
    }

    /// Gives the command a file, socket, pipe or memory at a descriptor of its own: the way to talk
    /// with it. Directories are refused, as they lead past every mount.
    ///
    /// Numbers 0 to 2 are the standard streams, and beat what is said of those elsewhere.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use ringfence::{Profile, Sandbox};
    /// let sandbox = Sandbox::new(&Profile::load("untrusted")?)?;
    /// let (mut ours, theirs) = UnixStream::pair()?;
    /// let mut command = sandbox.command("sh");
    /// let mut child = command.args(["-c", "read question <&5; echo \"$question: yes\" >&5"]).fd(5, theirs).spawn()?;
    /// drop(command); // It holds the other end of the pair.
    /// ours.write_all(b"heard\n")?;
    /// let mut answer = String::new();
    /// ours.read_to_string(&mut answer)?;
    /// assert_eq!(answer, "heard: yes\n");
    /// assert!(child.wait()?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn fd(&mut self, number: u32, file: impl Into<OwnedFd>) -> &mut Self {
        self.files.insert(number, file.into());
        self
    }

    /// Limits the memory of the whole tree, in bytes; the profile's limit, if lower, holds.
    pub fn memory(&mut self, bytes: u64) -> &mut Self {
        self.limits.memory = Some(bytes);
        self
    }

    /// Limits the processes and threads of the tree; the profile's limit, if lower, holds.
    pub fn processes(&mut self, count: u64) -> &mut Self {
        self.limits.processes = Some(count);
        self
    }

    /// Limits the processor time per second, in thousandths of a processor; the profile's limit, if
    /// lower, holds.
    pub fn cpus(&mut self, thousandths: u64) -> &mut Self {
        self.limits.cpus = Some(thousandths);
        self
    }

    /// Limits the processor time; the profile's limit, if lower, holds. The kernel counts whole
    /// seconds (`RLIMIT_CPU`, `setrlimit(2)`).
    pub fn cpu_time(&mut self, time: Duration) -> &mut Self {
        self.limits.cpu_time = Some(time);
        self
    }

    /// Limits the time of the run; the profile's limit, if lower, holds.
    pub fn wall_time(&mut self, time: Duration) -> &mut Self {
        self.limits.wall_time = Some(time);
        self
    }

    /// Limits the open descriptors of each process; the profile's limit, if lower, holds.
    pub fn open_files(&mut self, count: u64) -> &mut Self {
        self.limits.open_files = Some(count);
        self
    }

    /// Limits the size of each file written, in bytes; the profile's limit, if lower, holds.
    pub fn file_size(&mut self, bytes: u64) -> &mut Self {
        self.limits.file_size = Some(bytes);
        self
    }

    /// Limits what [`Command::output`] keeps of each stream, in bytes; the profile's
    /// `limits.output`, if lower, holds. What happens to the rest is for `limits.output_overflow`
    /// to say.
    pub fn output_size(&mut self, bytes: u64) -> &mut Self {
        self.limits.output = Some(bytes);
        self
    }

    /// Starts the command.
    ///
    /// When this returns, the kernel has confirmed the sandbox, and the command was executed.
    ///
    /// # Errors
    /// Nothing was run: [`Error::Refused`] where this host can't give what the profile requires,
    /// [`Error::Launch`] where a step failed (also where the command isn't there, or can't be
    /// executed), [`Error::Io`] where a stream can't be opened. Nothing is left behind.
    pub fn spawn(&mut self) -> Result<Child, Error> {
        self.spawn_with([Stdio::inherit(), Stdio::inherit(), Stdio::inherit()])
    }

    /// Runs the command to its end.
    ///
    /// # Errors
    /// As [`Command::spawn`] and [`Child::wait`].
    pub fn status(&mut self) -> Result<Outcome, Error> {
        self.spawn()?.wait()
    }

    /// Runs the command to its end, and collects what it writes to standard output and standard
    /// error.
    ///
    /// # Errors
    /// As [`Command::spawn`] and [`Child::wait_with_output`].
    pub fn output(&mut self) -> Result<Output, Error> {
        self.spawn_captured()?.wait_with_output()
    }

    /// Starts it with pipes at all streams that nothing was said of.
    pub(super) fn spawn_captured(&mut self) -> Result<Child, Error> {
        self.spawn_with([Stdio::null(), Stdio::piped(), Stdio::piped()])
    }

    fn spawn_with(&mut self, defaults: [Stdio; 3]) -> Result<Child, Error> {
        let mut ours = [None, None, None];
        let mut theirs: Vec<(OwnedFd, u32)> = Vec::new();
        let streams = self.streams.iter().zip(&defaults).zip(ours.iter_mut()).zip(0..);
        for (((given, default), ours), number) in streams {
            if self.files.contains_key(&number) {
                continue;
            }
            let stream = given.as_ref().unwrap_or(default);
            let opened = stream.open(number == 0).map_err(|source| Error::Io {
                action: format!("open the command's stream {number}"),
                source,
            })?;
            // Said explicitly, the caller's stream beats the profile's.
            let explicit = given.is_some() && matches!(stream.0, Kind::Inherit);
            let inherited = if explicit { inherited(number) } else { Ok(None) };
            let inherited = inherited.map_err(|source| Error::Io {
                action: format!("hand on the stream {number}"),
                source,
            })?;
            theirs.extend(opened.theirs.or(inherited).map(|file| (file, number)));
            *ours = opened.ours;
        }
        for (number, file) in &self.files {
            let copy = file.try_clone().map_err(|source| Error::Io {
                action: format!("copy the file for descriptor {number}"),
                source,
            })?;
            theirs.push((copy, *number));
        }
        let sandbox = self.sandbox.clone();
        sandbox.spawn(self, theirs, ours)
    }

    /// The plan of this run: the sandbox's own, unless more is asked of it.
    pub(super) fn plan(&self, chosen: &Arc<Chosen>) -> Result<Arc<Chosen>, Error> {
        let numbers: Vec<u32> = self.files.keys().copied().filter(|number| *number > 2).collect();
        if self.limits == Limits::default() && numbers.is_empty() {
            return Ok(Arc::clone(chosen));
        }
        self.limits.refuse_nothing()?;
        let mut policy = Policy::clone(&chosen.policy);
        self.limits.apply(&mut policy);
        for number in numbers {
            if !policy.process.descriptors.contains(&number) {
                policy.process.descriptors.push(number);
            }
        }
        let same_tree = policy.tree_limits == chosen.policy.tree_limits;
        // Which controllers can be had was asked only for the limits that were known.
        let facts = if same_tree { chosen.facts.clone() } else { self.sandbox.facts(&policy) };
        let plan = crate::plan::build(&policy, &facts).map_err(Error::Refused)?;
        let instead_of = chosen.instead_of.clone();
        Ok(Arc::new(Chosen { policy: Arc::new(policy), plan: Arc::new(plan), facts, instead_of }))
    }

    /// What the child is to execute.
    pub(super) fn line<'a>(
        &self,
        chosen: &Chosen,
        files: &'a [(OwnedFd, u32)],
    ) -> Result<os::CommandLine<'a>, Error> {
        let files: Vec<_> = files.iter().map(|(file, number)| (file.as_fd(), *number)).collect();
        refuse_directories(chosen, &files)?;
        Ok(os::CommandLine {
            words: self.words.clone(),
            environment: self.environment.apply(&chosen.policy.environment),
            directory: self.directory.clone(),
            files,
            terminal: None,
        })
    }

    pub(super) fn words(&self) -> &[OsString] {
        &self.words
    }
}

/// A copy of the caller's own stream; `None`: it is closed, and will be so for the command.
fn inherited(number: u32) -> std::io::Result<Option<OwnedFd>> {
    let copy = match number {
        0 => std::io::stdin().as_fd().try_clone_to_owned(),
        1 => std::io::stdout().as_fd().try_clone_to_owned(),
        _ => std::io::stderr().as_fd().try_clone_to_owned(),
    };
    match copy {
        Err(error) if os::is_closed(&error) => Ok(None),
        copy => copy.map(Some),
    }
}
