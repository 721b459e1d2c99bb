//! From what was typed to what it means: changes to a profile.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::args::{PassedFile, SandboxArguments};
use crate::error::{Error, errno_text};
use crate::launch::library::Library;
use crate::launch::load::{context_of_caller, load, load_first, policies, profile_error};
use crate::policy::{Context, Policy};
use crate::profile::diagnostic::quoted;
use crate::profile::layering::Loaded;
use crate::profile::model::{Mount, MountKind, Profile};
use crate::profile::parse::parse_fragment;
use crate::profile::source::{Source, Sources, Spanned};
use crate::profile::vocabulary::{Access, Enforcement, Layer, Level, NetworkMode};

/// Policies in order of preference, and what they were made of.
pub(crate) struct Request {
    pub(crate) policies: Vec<Policy>,
    /// What the caller's environment was when they were made.
    pub(crate) context: Context,
}

/// Loads the profile that was asked for, with those that may take its place, and applies the
/// options to each.
pub(crate) fn resolve(arguments: &SandboxArguments, color: bool) -> Result<Request, Error> {
    resolve_by(load, arguments, color)
}

/// The same for the profile itself only.
pub(crate) fn resolve_first(arguments: &SandboxArguments, color: bool) -> Result<Request, Error> {
    resolve_by(load_first, arguments, color)
}

fn resolve_by(
    load: fn(&mut Library, &str, bool) -> Result<Loaded, Error>,
    arguments: &SandboxArguments,
    color: bool,
) -> Result<Request, Error> {
    let mut loaded = load(&mut Library::of_caller(), &arguments.profile, color)?;
    let changes = changes(arguments, &mut loaded.sources, color)?;
    let context = context_of_caller();
    let mut policies = policies(&loaded, &changes.profiles, &context, color)?;
    without_effect(arguments, &policies)?;
    if arguments.degrade {
        for policy in &mut policies {
            degrade(policy, &changes.named);
        }
    }
    Ok(Request { policies, context })
}

/// Refuses `--ro` where nothing would keep the command from changing the path.
fn without_effect(arguments: &SandboxArguments, policies: &[Policy]) -> Result<(), Error> {
    let wants = |policy: &Policy, layer| policy.enforcement.wants(layer);
    let none =
        |policy: &Policy| !wants(policy, Layer::Filesystem) && !wants(policy, Layer::Landlock);
    match (arguments.ro.first(), policies.iter().find(|policy| none(policy))) {
        (Some(path), Some(policy)) => Err(usage(
            "--ro",
            path,
            &format!(
                "the level {} neither has a view of files of its own nor Landlock, so that \
                 nothing would be read-only; choose a higher level, or add --enforcement \
                 landlock=required",
                policy.level
            ),
        )),
        _ => Ok(()),
    }
}

/// Makes every required layer best-effort, but for those whose setting was given by name.
fn degrade(policy: &mut Policy, named: &[Layer]) {
    for layer in Layer::ALL.iter().copied().filter(|layer| !named.contains(layer)) {
        if policy.enforcement.get(layer) == Enforcement::Required {
            policy.enforcement.set(layer, Enforcement::BestEffort);
        }
    }
}

struct Changes {
    /// Laid over the profile, one after the other.
    profiles: Vec<Profile>,
    /// Layers named by `--enforcement`.
    named: Vec<Layer>,
}

/// Collects options as fragments of a profile, so that they are checked by the same rules and
/// errors quote the option.
struct Collector<'a> {
    sources: &'a mut Sources,
    profiles: Vec<Profile>,
    problems: Vec<crate::profile::diagnostic::Diagnostic>,
}

impl Collector<'_> {
    fn fragment(&mut self, option: &str, path: &str, value: &str) {
        self.parse(format!("option {option}"), format!("{path}={value}"));
    }

    fn parse(&mut self, name: String, text: String) {
        let id = self.sources.add(Source { name, text, directory: None });
        match parse_fragment(self.sources, id) {
            Ok(profile) => self.profiles.push(profile),
            Err(problems) => self.problems.extend(problems),
        }
    }

    fn mount(&mut self, mount: Mount) {
        let mut profile = Profile::default();
        profile.filesystem.mounts.push(Spanned::from(mount));
        self.profiles.push(profile);
    }
}

fn changes(
    arguments: &SandboxArguments,
    sources: &mut Sources,
    color: bool,
) -> Result<Changes, Error> {
    let mut collector = Collector { sources, profiles: Vec::new(), problems: Vec::new() };
    let named = enforcement(arguments, &mut collector)?;
    limits(arguments, &mut collector);
    network(arguments, &mut collector);
    files(arguments, &named, &mut collector)?;
    process(arguments, &mut collector)?;
    for set in &arguments.set {
        collector.parse(format!("option --set {set}"), set.clone());
    }
    let Collector { profiles, problems, .. } = collector;
    if problems.is_empty() {
        Ok(Changes { profiles, named })
    } else {
        Err(profile_error(&problems, sources, color))
    }
}

/// `--level` and `--enforcement`, which depend on each other.
fn enforcement(
    arguments: &SandboxArguments,
    collector: &mut Collector<'_>,
) -> Result<Vec<Layer>, Error> {
    let mut named = Vec::new();
    let mut settings = Vec::new();
    for option in &arguments.enforcement {
        let (layer, setting) = option.split_once('=').ok_or_else(|| {
            Error::Usage(format!(
                "--enforcement {option}: write LAYER=required, best-effort or off"
            ))
        })?;
        named.extend(Layer::from_name(layer));
        settings.push((layer, setting));
    }
    if let Some(level) = arguments.level.as_deref().and_then(Level::from_name) {
        let mut profile = Profile { level: Some(level.into()), ..Profile::default() };
        let kept = asked(arguments);
        for layer in Layer::ALL.iter().copied() {
            if layer.level() > level && !named.contains(&layer) && !kept.contains(&layer) {
                profile.enforcement.insert(layer, Enforcement::Off.into());
            }
        }
        collector.profiles.push(profile);
    }
    for (layer, setting) in settings {
        collector.fragment("--enforcement", &format!("enforcement.{layer}"), setting);
    }
    Ok(named)
}

/// Layers that other options ask for: `--level` doesn't switch them off, or `--hide` would hide
/// nothing without a word.
fn asked(arguments: &SandboxArguments) -> Vec<Layer> {
    let mut layers = Vec::new();
    if arguments.memory.is_some() || arguments.cpus.is_some() || arguments.pids.is_some() {
        layers.push(Layer::Cgroup);
    }
    if arguments.net.as_deref().is_some_and(|mode| mode != NetworkMode::Host.as_str()) {
        layers.push(Layer::NetworkNamespace);
    }
    if !arguments.connect.is_empty() {
        layers.push(Layer::Landlock);
    }
    if arguments.user.is_some() {
        layers.push(Layer::User);
    }
    if !arguments.hide.is_empty() || !arguments.tmpfs.is_empty() {
        layers.extend([Layer::Filesystem, Layer::MountNamespace]);
    }
    layers
}

fn limits(arguments: &SandboxArguments, collector: &mut Collector<'_>) {
    let options = [
        ("--memory", "limits.memory", &arguments.memory),
        ("--cpus", "limits.cpus", &arguments.cpus),
        ("--pids", "limits.processes", &arguments.pids),
    ];
    for (option, path, value) in options {
        if let Some(value) = value {
            collector.fragment(option, path, value);
        }
    }
    if let Some(timeout) = &arguments.timeout {
        // As timeout(1) has it: a bare number is seconds.
        let bare = timeout.parse::<f64>().is_ok();
        let text = if bare { format!("{timeout}s") } else { timeout.clone() };
        collector.fragment("--timeout", "limits.wall_time", &text);
    }
}

fn network(arguments: &SandboxArguments, collector: &mut Collector<'_>) {
    if !arguments.connect.is_empty() {
        let ports = arguments.connect.join(",");
        collector.fragment("--connect", "network.connect_tcp", &format!("[{ports}]"));
        collector.fragment("--connect", "network.mode", "host");
        collector.fragment("--connect", "enforcement.landlock", "required");
    }
    if let Some(mode) = &arguments.net {
        collector.fragment("--net", "network", mode);
    }
}

fn files(
    arguments: &SandboxArguments,
    named: &[Layer],
    collector: &mut Collector<'_>,
) -> Result<(), Error> {
    for (paths, access) in [(&arguments.ro, Access::ReadOnly), (&arguments.rw, Access::ReadWrite)] {
        for option in paths {
            let (source, target) = split(option);
            let source = absolute(source)?;
            let target = match target {
                Some(target) => escaped(Path::new(target))?,
                None => escaped(&source)?,
            };
            let source = escaped(&source)?;
            let kind = MountKind::Bind {
                source,
                access,
                noexec: false,
                map_owner: true,
                unless_home: false,
            };
            collector.mount(checked(target, kind, access.as_str())?);
        }
    }
    for option in &arguments.tmpfs {
        let (path, size) = split(option);
        let size = size.map(|size| size.to_string_lossy().into_owned());
        let bytes = size.as_deref().map(crate::profile::units::parse_size).transpose();
        let bytes = bytes.map_err(|problem| usage("--tmpfs", option, &problem.message))?;
        let kind = MountKind::Tmpfs { size: bytes, mode: None, noexec: false };
        collector.mount(checked(escaped(&absolute(path)?)?, kind, "tmpfs")?);
        if !named.contains(&Layer::Filesystem) {
            // It covers what is there, and must not fail to.
            collector.fragment("--tmpfs", "enforcement.filesystem", "required");
            collector.fragment("--tmpfs", "enforcement.mount-namespace", "required");
        }
    }
    for path in &arguments.hide {
        let mut profile = Profile::default();
        profile.filesystem.hide.push(Spanned::from(escaped(&absolute(path)?)?));
        collector.profiles.push(profile);
    }
    Ok(())
}

fn usage(option: &str, value: &OsStr, problem: &str) -> Error {
    Error::Usage(format!("{option} {}: {problem}", value.display()))
}

/// A target given on the command line obeys the rules of one in a profile.
fn checked(target: String, kind: MountKind, option: &str) -> Result<Mount, Error> {
    let wrong = |what: &str| Error::Usage(format!("--{option} {target}: {what}"));
    if !target.starts_with('/') {
        return Err(wrong("the target has to be an absolute path"));
    }
    if target.split('/').any(|part| part == "..") {
        return Err(wrong("the target must not contain \"..\""));
    }
    if is_too_long(Path::new(&target)) {
        let shown = quoted(&target);
        return Err(Error::Usage(format!("--{option} {shown}: the target is {TOO_LONG}")));
    }
    Ok(Mount { target, kind, optional: false })
}

fn process(arguments: &SandboxArguments, collector: &mut Collector<'_>) -> Result<(), Error> {
    for variable in &arguments.env {
        let text = variable
            .to_str()
            .ok_or_else(|| usage("--env", variable, "the name or value isn't UTF-8"))?;
        let mut profile = Profile::default();
        let name = match text.split_once('=') {
            Some((name, value)) => {
                let value = value.replace("${", "$${");
                profile.environment.set.insert(name.to_owned(), Spanned::from(value));
                name
            }
            None => {
                profile.environment.pass.push(Spanned::from(text.to_owned()));
                text
            }
        };
        if name.is_empty() || name.contains('\0') {
            return Err(usage("--env", variable, "there is no name before the \"=\""));
        }
        collector.profiles.push(profile);
    }
    if let Some(cwd) = &arguments.cwd {
        let mut profile = Profile::default();
        profile.process.cwd = Some(Spanned::from(escaped(&absolute(cwd)?)?));
        collector.profiles.push(profile);
    }
    if let Some(user) = &arguments.user {
        collector.fragment("--user", "user", &serde_json::Value::from(user.as_str()).to_string());
    }
    for (number, file) in arguments.pass_fd.iter().enumerate() {
        let to = file.to;
        if arguments.pass_fd[..number].iter().any(|other| other.to == to) {
            return Err(Error::Usage(format!("--pass-fd: two are to be at {to} in the command")));
        }
        collector.fragment("--pass-fd", "process.descriptors", &format!("[{to}]"));
    }
    Ok(())
}

/// The descriptors of the caller's that the command gets at other numbers.
pub(crate) fn passed_files(arguments: &SandboxArguments) -> Result<Vec<(OwnedFd, u32)>, Error> {
    let moved = arguments.pass_fd.iter().filter(|file| file.from != file.to);
    moved
        .map(|file| {
            let copy = crate::os::copy_inherited(file.from).map_err(|error| {
                let text = errno_text(error.raw_os_error().unwrap_or_default());
                let PassedFile { from, to } = file;
                Error::Usage(format!(
                    "--pass-fd {from}:{to}: descriptor {from} can't be handed on: {text}"
                ))
            })?;
            Ok((copy, file.to))
        })
        .collect()
}

/// `PATH[:REST]`; a path with a colon in it has to be given in a profile.
fn split(option: &OsStr) -> (&OsStr, Option<&OsStr>) {
    use std::os::unix::ffi::OsStrExt;
    let bytes = option.as_bytes();
    match bytes.iter().position(|byte| *byte == b':') {
        Some(at) => (OsStr::from_bytes(&bytes[..at]), Some(OsStr::from_bytes(&bytes[at + 1..]))),
        None => (option, None),
    }
}

/// The path from the root on, without `.` and `..` in it.
fn absolute(path: &OsStr) -> Result<PathBuf, Error> {
    let fail = |error: std::io::Error| {
        Error::Usage(format!("{}: can't tell the absolute path: {error}", path.display()))
    };
    if path.is_empty() {
        return Err(Error::Usage("an empty path means nothing".to_owned()));
    }
    let path = std::path::absolute(path).map_err(fail)?;
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    if is_too_long(&normal) {
        let shown = quoted(&path.to_string_lossy());
        return Err(Error::Usage(format!("{shown}: the path is {TOO_LONG}")));
    }
    Ok(normal)
}

const TOO_LONG: &str =
    "longer than the kernel takes: 4095 bytes, and 255 for each name between slashes";

/// `PATH_MAX` and `NAME_MAX`, less the NUL.
fn is_too_long(path: &Path) -> bool {
    path.as_os_str().len() > 4095 || path.iter().any(|name| name.len() > 255)
}

/// A path as text of a profile, in which `${` would begin a variable.
fn escaped(path: &Path) -> Result<String, Error> {
    let text = path.to_str().ok_or_else(|| {
        Error::Usage(format!("{}: the path isn't UTF-8; name it in a profile", path.display()))
    })?;
    Ok(text.replace("${", "$${"))
}

/// The words of a command, as text.
pub(crate) fn command_text(words: &[OsString]) -> Vec<String> {
    words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}
