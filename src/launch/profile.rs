//! Profiles for programs: loaded, made in code, changed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::library::Library;
use super::load::{context_of_caller, load, profile_error};
use crate::error::Error;
use crate::policy::{Policy, ProfileIdentity, validate};
use crate::profile::diagnostic::Diagnostic;
use crate::profile::layering::{LoadError, Loaded, Loader, overlay, resolve};
use crate::profile::model;
use crate::profile::parse::{parse, parse_fragment};
use crate::profile::source::{Origin, Source, Sources};
use crate::profile::vocabulary::{Access, Enforcement, Layer, Level, NetworkMode};

/// An isolation profile: what a sandbox is to enforce.
///
/// It is loaded by name or path, read from a text, or made in code; in all cases it can be changed
/// by the methods here, which have the meaning of the profile's keys of the same names (see the
/// profile reference, `docs/profiles.md`). Values that are wrong are errors of
/// [`Sandbox::new`](crate::Sandbox::new), all in one go.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Level, Profile, Sandbox};
/// let profile = Profile::new(Level::Containerized)
///     .root_minimal()
///     .read_only("/usr")
///     .memory("256MiB")
///     .set("environment.set.LANG", "C.UTF-8");
/// # let profile = profile.enforce(ringfence::Layer::Cgroup, ringfence::Enforcement::BestEffort);
/// # let profile = ["/bin", "/lib", "/lib64"].iter().filter(|p| std::path::Path::new(p).exists()).fold(profile, |profile, path| profile.read_only(path));
/// let sandbox = Sandbox::new(&profile)?;
/// assert!(sandbox.command("/usr/bin/true").status()?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Profile {
    loaded: Loaded,
    changes: Vec<Change>,
    /// What `${CWD}` stands for; `None`: the caller's directory.
    directory: Option<PathBuf>,
}

/// What is laid over a profile.
#[derive(Clone, Debug)]
enum Change {
    /// A setting, as `path=VALUE`.
    Setting(String),
    /// A whole profile.
    Profile { name: String, text: String },
    /// None, as what was given can't be part of a profile; why not.
    Wrong(String),
}

/// A path as text of a profile, in which `${` would begin a variable.
fn written(path: &Path) -> Result<String, String> {
    let text = path.to_str().ok_or_else(|| format!("{} isn't UTF-8", path.display()))?;
    Ok(text.replace("${", "$${"))
}

/// Loads a text that has a name, and what it refers to from the library.
struct TextLoader<'a> {
    library: Library,
    name: &'a str,
    text: &'a str,
    given: bool,
}

impl Loader for TextLoader<'_> {
    fn load(&mut self, reference: &str, directory: Option<&Path>) -> Result<Source, LoadError> {
        if std::mem::replace(&mut self.given, true) {
            return self.library.load(reference, directory);
        }
        Ok(Source { name: self.name.to_owned(), text: self.text.to_owned(), directory: None })
    }
}

impl Profile {
    /// Loads a profile by name (the user's, the host's, then the built-in ones) or, where there is
    /// a slash in it or it ends in `.json`, by path.
    ///
    /// # Errors
    /// [`Error::Profile`] with every problem of every file.
    pub fn load(reference: &str) -> Result<Self, Error> {
        let loaded = load(&mut Library::of_caller(), reference, false)?;
        Ok(Self { loaded, changes: Vec::new(), directory: None })
    }

    /// Reads a profile from a text, which `name` stands for in messages.
    ///
    /// # Errors
    /// [`Error::Profile`] with every problem of the text, and of the profiles that it refers to.
    pub fn from_json(name: &str, text: &str) -> Result<Self, Error> {
        let library = Library::of_caller();
        let mut loader = TextLoader { library, name, text, given: false };
        let loaded = resolve(&mut loader, name)
            .map_err(|failure| profile_error(&failure.diagnostics, &failure.sources, false))?;
        Ok(Self { loaded, changes: Vec::new(), directory: None })
    }

    /// A profile of a level, with the level's defaults.
    #[must_use]
    pub fn new(level: Level) -> Self {
        let text = format!("{{\"version\": 1, \"level\": \"{level}\"}}");
        Self::from_json(level.as_str(), &text).unwrap_or_else(|error| {
            unreachable!("a profile with nothing but a level is right: {error}")
        })
    }

    /// Changes a setting, named by its path of keys: `limits.memory`, `environment.set.LANG`. Lists
    /// are appended to, or replaced, as the profile reference says of merging.
    #[must_use]
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        self.changes.push(Change::Setting(format!("{path}={}", value.into())));
        self
    }

    fn wrong(mut self, problem: String) -> Self {
        self.changes.push(Change::Wrong(problem));
        self
    }

    /// Puts another profile on top, as if that one extended this one (see the profile reference for
    /// what merging does to each key). What may take the place of `over` isn't taken along.
    ///
    /// # Errors
    /// [`Error::Profile`]: a change made to `over` is wrong.
    pub fn merge(mut self, over: &Self) -> Result<Self, Error> {
        let text = over.to_json()?;
        self.changes.push(Change::Profile { name: over.name().to_owned(), text });
        self.directory = over.directory.clone().or(self.directory);
        Ok(self)
    }

    /// What the profile calls itself, else what its file is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.loaded.choices.first().map_or("", |choice| choice.name.as_str())
    }

    /// The profile with all it extends and all changes, as one text; level defaults and the profiles
    /// that may take its place aside.
    ///
    /// # Errors
    /// [`Error::Profile`]: a change is wrong.
    pub fn to_json(&self) -> Result<String, Error> {
        let mut sources = self.loaded.sources.clone();
        let changes = self.changes(&mut sources)?;
        let first = self.loaded.choices.first().map(|choice| choice.profile.clone());
        let profile = changes.into_iter().fold(first.unwrap_or_default(), overlay);
        let mut profile = profile.apart_from(&sources);
        // It is merged with these already, and they are named from elsewhere.
        profile.extends.clear();
        profile.otherwise.clear();
        Ok(profile.to_json())
    }

    /// The changes, read.
    fn changes(&self, sources: &mut Sources) -> Result<Vec<model::Profile>, Error> {
        let (mut changes, mut problems) = (Vec::new(), Vec::new());
        for change in &self.changes {
            let (name, text) = match change {
                Change::Setting(text) => ("change in code", text),
                Change::Profile { name, text } => (name.as_str(), text),
                Change::Wrong(problem) => {
                    problems.push(Diagnostic::new(problem, Origin::CODE));
                    continue;
                }
            };
            let source = Source { name: name.to_owned(), text: text.clone(), directory: None };
            let id = sources.add(source);
            let read = match change {
                Change::Profile { .. } => parse(sources, id),
                _ => parse_fragment(sources, id),
            };
            match read {
                Ok(change) => changes.push(change),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() {
            Ok(changes)
        } else {
            Err(profile_error(&problems, sources, false))
        }
    }

    /// Says what happens when the host can't give a layer.
    #[must_use]
    pub fn enforce(self, layer: Layer, enforcement: Enforcement) -> Self {
        self.set(&format!("enforcement.{layer}"), enforcement.as_str())
    }

    /// The root directory holds only what the profile lists.
    #[must_use]
    pub fn root_minimal(self) -> Self {
        self.set("filesystem.root", "minimal")
    }

    /// The root directory is a root file system at a directory of the host.
    #[must_use]
    pub fn root_directory(self, path: impl AsRef<Path>) -> Self {
        match written(path.as_ref()) {
            Ok(path) => self.set("filesystem.root", serde_json::json!({ "directory": path })),
            Err(problem) => self.wrong(problem),
        }
    }

    /// Shows a file or tree of the host at the same place, read-only.
    #[must_use]
    pub fn read_only(self, path: impl AsRef<Path>) -> Self {
        self.bind(path.as_ref(), path.as_ref(), Access::ReadOnly)
    }

    /// Shows a file or tree of the host at the same place, writable.
    #[must_use]
    pub fn read_write(self, path: impl AsRef<Path>) -> Self {
        self.bind(path.as_ref(), path.as_ref(), Access::ReadWrite)
    }

    /// Shows a file or tree of the host at another place.
    ///
    /// As with `--ro` and `--rw` of the command line, what is root's appears as the command's own,
    /// where root starts it as another user (the key `map_owner`). In all paths given here, `${`
    /// has no meaning; variables are for [`Profile::set`].
    #[must_use]
    pub fn bind(self, source: impl AsRef<Path>, target: impl AsRef<Path>, access: Access) -> Self {
        self.mount(target.as_ref(), |target| {
            Ok(serde_json::json!({
                "type": "bind", "source": written(source.as_ref())?, "target": target,
                "access": access.as_str(), "map_owner": true,
            }))
        })
    }

    /// Puts an empty file system in memory at a place; `size` in bytes, or as `"64MiB"`.
    #[must_use]
    pub fn tmpfs(self, target: impl AsRef<Path>, size: impl Into<Value>) -> Self {
        let size = size.into();
        self.mount(target.as_ref(), |target| {
            Ok(serde_json::json!({ "type": "tmpfs", "target": target, "size": size }))
        })
    }

    /// Takes a mount away that the profile has.
    #[must_use]
    pub fn without_mount(self, target: impl AsRef<Path>) -> Self {
        self.mount(target.as_ref(), |target| {
            Ok(serde_json::json!({ "type": "none", "target": target }))
        })
    }

    fn mount(self, target: &Path, entry: impl FnOnce(String) -> Result<Value, String>) -> Self {
        match written(target).and_then(entry) {
            Ok(mount) => self.set("filesystem.mounts", Value::Array(vec![mount])),
            Err(problem) => self.wrong(problem),
        }
    }

    /// Masks a path inside a visible tree.
    #[must_use]
    pub fn hide(self, path: impl AsRef<Path>) -> Self {
        match written(path.as_ref()) {
            Ok(path) => self.set("filesystem.hide", Value::Array(vec![path.into()])),
            Err(problem) => self.wrong(problem),
        }
    }

    /// What `${CWD}` stands for in the profile, and where commands start if they see it: else, that
    /// is the directory that this program was started in.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ringfence::{Profile, Sandbox};
    /// let work = tempfile::tempdir()?;
    /// // The profile shows the working directory, and lets it be written.
    /// let profile = Profile::load("default")?.working_directory(work.path());
    /// let outcome = Sandbox::new(&profile)?.command("touch").arg("made").status()?;
    /// assert!(outcome.success() && work.path().join("made").exists());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn working_directory(mut self, path: impl AsRef<Path>) -> Self {
        match std::path::absolute(path.as_ref()) {
            Ok(path) => self.directory = Some(path),
            Err(error) => {
                return self.wrong(format!("{}: {error}", path.as_ref().display()));
            }
        }
        self
    }

    /// What is reachable of the network.
    #[must_use]
    pub fn network(self, mode: NetworkMode) -> Self {
        self.set("network.mode", mode.as_str())
    }

    /// Limits the memory of the tree; in bytes, or as `"512MiB"`.
    #[must_use]
    pub fn memory(self, size: impl Into<Value>) -> Self {
        self.set("limits.memory", size)
    }

    /// Limits the processes and threads of the tree.
    #[must_use]
    pub fn processes(self, count: u64) -> Self {
        self.set("limits.processes", count)
    }

    /// Limits the time of each run.
    #[must_use]
    pub fn wall_time(self, time: Duration) -> Self {
        self.set("limits.wall_time", format!("{}ns", time.as_nanos()))
    }

    /// Limits the processor time, in whole seconds; a part of one counts as one.
    #[must_use]
    pub fn cpu_time(self, time: Duration) -> Self {
        self.set("limits.cpu_time", format!("{}ns", time.as_nanos()))
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(self, name: &str, value: &str) -> Self {
        let key = Value::from(name);
        // In a profile, `${` would begin a variable of its own.
        self.set(&format!("environment.set.{key}"), value.replace("${", "$${"))
    }

    /// Turns it into policies, in order of preference.
    pub(super) fn policies(&self) -> Result<Vec<Policy>, Error> {
        let mut context = context_of_caller();
        if let Some(directory) = &self.directory {
            context.variables.cwd = Some(directory.clone());
        }
        let mut sources = self.loaded.sources.clone();
        let changes = self.changes(&mut sources)?;
        let policy = |choice: &crate::profile::layering::Layered| {
            let profile = changes.iter().cloned().fold(choice.profile.clone(), overlay);
            let identity =
                ProfileIdentity { name: choice.name.clone(), sha256: choice.sha256.clone() };
            validate(profile, identity, &sources, &context)
                .map_err(|problems| profile_error(&problems, &sources, false))
        };
        self.loaded.choices.iter().map(policy).collect()
    }
}
