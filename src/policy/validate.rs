//! From a merged profile to a policy: defaults filled in, variables expanded, contradictions found.

mod mounts;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::enforcement::{Asked, enforcements};
use super::filesystem::{Filesystem, MountKind, Root};
use super::limits::{IoLimits, ProcessLimits, TreeLimits};
use super::seccomp::SeccompPolicy;
use super::{Enforcements, Identity, Landlock, Policy, Process, ProfileIdentity, level};
use crate::profile::diagnostic::Diagnostic;
use crate::profile::expand::{Expander, Variables};
use crate::profile::layering::finish;
use crate::profile::model::{self, Profile, RootSource, Setting};
use crate::profile::source::{Origin, Sources, Spanned};
use crate::profile::vocabulary::{Layer, Level, Namespace, NetworkMode, Overflow, Stdin};

/// What a profile's variables and defaults depend on, besides the profile.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// What `${HOME}` and the others stand for.
    pub variables: Variables,
    /// The caller's environment, of which the profile passes a part.
    pub environment: Vec<(OsString, OsString)>,
}

/// Turns a merged profile into a policy.
///
/// # Errors
/// All problems that only show once profiles are merged and variables known, each at its place.
pub fn validate(
    profile: Profile,
    identity: ProfileIdentity,
    sources: &Sources,
    context: &Context,
) -> Result<Policy, Vec<Diagnostic>> {
    let Some(level) = profile.level else {
        let help = format!("add \"level\": one of {}", Level::NAMES.join(", "));
        let message = format!("the profile {} doesn't say which level it is", identity.name);
        return Err(vec![Diagnostic::new(message, Origin::CODE).help(help)]);
    };
    let asked = Asked::of(&profile);
    let profile = finish(level::complete(profile, level.value));
    let mut validator = Validator {
        expander: Expander { variables: &context.variables, sources },
        problems: Vec::new(),
        notes: Vec::new(),
    };
    let policy = validator.policy(profile, level.value, asked, identity, context);
    if validator.problems.is_empty() { Ok(policy) } else { Err(validator.problems) }
}

struct Validator<'a> {
    expander: Expander<'a>,
    problems: Vec<Diagnostic>,
    notes: Vec<String>,
}

impl Validator<'_> {
    fn policy(
        &mut self,
        profile: Profile,
        level: Level,
        asked: Asked,
        identity: ProfileIdentity,
        context: &Context,
    ) -> Policy {
        let enforcement = enforcements(&profile, level, &asked);
        if let Some(origin) = asked.root_in_vain(&profile, level, &enforcement) {
            self.problems.push(root_in_vain(level, origin));
        }
        let filesystem = self.filesystem(&profile.filesystem);
        let seccomp = SeccompPolicy::resolve(&profile.seccomp).unwrap_or_else(|problems| {
            self.problems.extend(problems);
            SeccompPolicy::guard()
        });
        let environment = self.environment(&profile.environment, &context.environment);
        let process = self.process(&profile.process, &filesystem, &enforcement, &environment);
        let policy = Policy {
            profile: identity,
            level,
            enforcement,
            user_namespace: profile.namespaces.get(&Namespace::User).map(|wanted| wanted.value),
            identity: Identity {
                uid: profile.user.uid.map(|uid| uid.value),
                gid: profile.user.gid.map(|gid| gid.value),
                groups: values(profile.user.groups.unwrap_or_default()),
            },
            capabilities: profile
                .capabilities
                .keep
                .unwrap_or_default()
                .iter()
                .fold(0, |set, number| set | 1 << number.value),
            filesystem,
            network: profile.network.mode.map_or(NetworkMode::Host, |mode| mode.value),
            tree_limits: tree_limits(&profile.limits),
            process_limits: process_limits(&profile.limits),
            wall_time: at_most(&profile.limits.wall_time),
            output: at_most(&profile.limits.output),
            output_overflow: profile.limits.output_overflow.map_or(Overflow::Truncate, |o| o.value),
            landlock: self.landlock(&profile.landlock),
            seccomp,
            environment,
            process,
            notes: Vec::new(),
        };
        Policy { notes: std::mem::take(&mut self.notes), ..policy }
    }

    fn path(&mut self, template: &str, origin: Origin) -> PathBuf {
        let expanded = self.expander.path(template, origin);
        expanded.and_then(|path| short_enough(path, origin)).map_or_else(
            |problem| {
                // A mount that names one path for source and target has one problem, not two.
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
                PathBuf::new()
            },
            |path| path.components().collect(),
        )
    }

    fn paths(&mut self, templates: &[Spanned<String>]) -> Vec<PathBuf> {
        templates.iter().map(|path| self.path(&path.value, path.origin)).collect()
    }

    fn filesystem(&mut self, section: &model::Filesystem) -> Filesystem {
        let root = match &section.root {
            None => Root::Host,
            Some(root) => match &root.value {
                RootSource::Host => Root::Host,
                RootSource::Minimal => Root::Minimal,
                RootSource::Directory(path) => Root::Directory(self.path(path, root.origin)),
            },
        };
        let mounts: Vec<_> = self.mounts(&section.mounts).collect();
        // In the order of their paths, so that what is above comes before what is below.
        let untrusted = self.untrusted(&mounts);
        Filesystem { root, mounts, untrusted, hide: self.paths(&section.hide) }
    }

    fn landlock(&mut self, section: &model::Landlock) -> Landlock {
        let ports = |ports: &Option<Vec<Spanned<u16>>>| ports.clone().map(values);
        Landlock {
            read: self.paths(&section.read),
            write: self.paths(&section.write),
            execute: self.paths(&section.execute),
            connect_tcp: ports(&section.connect_tcp),
            bind_tcp: ports(&section.bind_tcp),
            scopes: section.scopes.clone().map(values),
        }
    }

    fn environment(
        &mut self,
        section: &model::Environment,
        caller: &[(OsString, OsString)],
    ) -> Vec<(OsString, OsString)> {
        let clear = section.clear.as_ref().is_none_or(|clear| clear.value);
        let passed =
            |name: &OsString| !clear || section.pass.iter().any(|pattern| matches(pattern, name));
        let mut variables: BTreeMap<OsString, OsString> =
            caller.iter().filter(|(name, _)| passed(name)).cloned().collect();
        for (name, value) in &section.set {
            match self.expander.text(value, value.origin) {
                Ok(value) => drop(variables.insert(name.into(), value)),
                Err(problem) => self.problems.push(problem),
            }
        }
        variables.into_iter().collect()
    }

    fn process(
        &mut self,
        section: &model::Process,
        filesystem: &Filesystem,
        enforcement: &Enforcements,
        environment: &[(OsString, OsString)],
    ) -> Process {
        let cwd = match &section.cwd {
            Some(cwd) => self.path(cwd, cwd.origin),
            None => self.default_cwd(filesystem, enforcement, environment),
        };
        Process {
            cwd,
            hostname: section
                .hostname
                .as_ref()
                .map_or_else(|| "sandbox".into(), |h| h.value.clone()),
            umask: section.umask.map(|mask| mask.value),
            stdin: section.stdin.map_or(Stdin::Inherit, |stdin| stdin.value),
            grace: section.grace.map_or(level::DEFAULT_GRACE, |grace| grace.value),
            descriptors: section.descriptors.iter().map(|number| number.value).collect(),
        }
    }

    /// The caller's directory where the sandbox shows it, else the sandbox's home, else its root. A
    /// home that isn't the sandbox's own, but the host's, may be closed to the command's user.
    fn default_cwd(
        &self,
        filesystem: &Filesystem,
        enforcement: &Enforcements,
        environment: &[(OsString, OsString)],
    ) -> PathBuf {
        let own_root = filesystem.root != Root::Host
            && enforcement.wants(Layer::Filesystem)
            && enforcement.wants(Layer::Root);
        let home = environment.iter().find(|(name, _)| name == "HOME").map(|(_, v)| v.into());
        let mounted = |path: &PathBuf| {
            filesystem.mount_above(path).map(|mount| match &mount.kind {
                MountKind::Bind { source, .. } => *source == mount.target,
                MountKind::Tmpfs { .. } => mount.target == *path,
                MountKind::Proc | MountKind::Dev => false,
            })
        };
        let callers = self.expander.variables.cwd.clone();
        let callers = callers.filter(|path| mounted(path).unwrap_or(!own_root));
        let home = || home.filter(|path| mounted(path).unwrap_or(false));
        callers.or_else(home).unwrap_or_else(|| PathBuf::from("/"))
    }
}

/// A path as long as it was written is told by the parser; variables can make it longer.
fn short_enough(path: PathBuf, origin: Origin) -> Result<PathBuf, Diagnostic> {
    const MOST_BYTES: usize = 4095; // `PATH_MAX`, less the NUL.
    match path.as_os_str().len() {
        0..=MOST_BYTES => Ok(path),
        bytes => {
            let message =
                format!("the path is too long with its variables replaced: {bytes} bytes");
            let help = format!("the kernel takes at most {MOST_BYTES} bytes");
            Err(Diagnostic::new(message, origin).help(help))
        }
    }
}

fn root_in_vain(level: Level, origin: Origin) -> Diagnostic {
    let message = format!(
        "filesystem.root: the level {level} has no view of files of its own, so that the host's \
         root would be shown"
    );
    Diagnostic::new(message, origin).help(
        "choose the level namespaced or a higher one, add \"enforcement\": {\"mount-namespace\": \
         \"required\"}, or write \"root\": \"host\"",
    )
}

/// Whether a variable's name fits a pattern, whose last character may be `*`.
fn matches(pattern: &str, name: &OsString) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.as_encoded_bytes().starts_with(start.as_bytes()),
        None => name == pattern,
    }
}

fn values<T>(spanned: Vec<Spanned<T>>) -> Vec<T> {
    spanned.into_iter().map(|item| item.value).collect()
}

fn at_most<T: Copy>(setting: &Option<Spanned<Setting<T>>>) -> Option<T> {
    match setting.as_ref()?.value {
        Setting::AtMost(value) => Some(value),
        Setting::Unlimited => None,
    }
}

fn tree_limits(limits: &model::Limits) -> TreeLimits {
    let mut cpuset = limits.cpuset.as_ref().map_or_else(Vec::new, |set| set.value.clone());
    cpuset.sort_unstable();
    cpuset.dedup();
    TreeLimits {
        memory: at_most(&limits.memory),
        swap: at_most(&limits.swap),
        processes: at_most(&limits.processes),
        cpus: at_most(&limits.cpus),
        cpu_weight: limits.cpu_weight.map(|weight| weight.value),
        cpuset,
        io: IoLimits {
            read_bytes: at_most(&limits.io.read_bytes),
            write_bytes: at_most(&limits.io.write_bytes),
            read_operations: at_most(&limits.io.read_operations),
            write_operations: at_most(&limits.io.write_operations),
        },
    }
}

fn process_limits(limits: &model::Limits) -> ProcessLimits {
    ProcessLimits {
        cpu_time: at_most(&limits.cpu_time),
        open_files: at_most(&limits.open_files),
        file_size: at_most(&limits.file_size),
        stack: at_most(&limits.stack),
        core: at_most(&limits.core),
        nice: limits.nice.map(|nice| nice.value),
    }
}
