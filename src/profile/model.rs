//! A profile as written: everything optional, nothing resolved, each value with its place.

use std::collections::BTreeMap;
use std::time::Duration;

use super::source::{Origin, Sources, Spanned};
use super::template::with_profile_directory;
use super::vocabulary::{
    Access, ArgumentOperator, Enforcement, LandlockScope, Layer, Level, Namespace, NetworkMode,
    Overflow, SeccompAction, Stdin,
};

/// Text that may contain `${HOME}`, `${CWD}`, `${PROFILE_DIR}` and `${UID}`.
pub type Template = String;

/// An isolation profile as its author wrote it (format version 1).
///
/// Sections that are absent are empty; [`crate::profile::layering`] merges profiles, and
/// [`crate::policy`] turns the result into something that can be enforced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// What the profile is called in messages and reports.
    pub name: Option<String>,
    /// One or more sentences for the people who choose it.
    pub description: Option<String>,
    /// Profiles whose settings come first, by name or path.
    pub extends: Vec<Spanned<String>>,
    /// Profiles that take this one's place on a host that can't enforce it, by name or path.
    pub otherwise: Vec<Spanned<String>>,
    /// The level whose defaults apply.
    pub level: Option<Spanned<Level>>,
    /// What happens when the host can't give a layer.
    pub enforcement: BTreeMap<Layer, Spanned<Enforcement>>,
    /// Who the command runs as.
    pub user: User,
    /// Which capabilities stay.
    pub capabilities: Capabilities,
    /// Namespaces asked for (`true`) or left out (`false`).
    pub namespaces: BTreeMap<Namespace, Spanned<bool>>,
    /// What is visible of the file system.
    pub filesystem: Filesystem,
    /// What is reachable of the network.
    pub network: Network,
    /// How much may be used.
    pub limits: Limits,
    /// Landlock rules beyond those that follow from `filesystem`.
    pub landlock: Landlock,
    /// Which system calls may be made.
    pub seccomp: Seccomp,
    /// Which variables are set.
    pub environment: Environment,
    /// How the command is started.
    pub process: Process,
}

impl Profile {
    /// Writes the directories of the texts it came from in the place of `${PROFILE_DIR}`, so that
    /// it means the same apart from them.
    #[must_use]
    pub fn apart_from(mut self, sources: &Sources) -> Self {
        let fix = |template: &mut Template, origin: Origin| {
            let source = origin.place().and_then(|(id, _)| sources.get(id));
            let directory = source.and_then(|source| source.directory.as_deref()?.to_str());
            if let Some(directory) = directory {
                *template = with_profile_directory(template, directory);
            }
        };
        let fix_all = |list: &mut Vec<Spanned<Template>>| {
            list.iter_mut().for_each(|item| fix(&mut item.value, item.origin));
        };
        for mount in &mut self.filesystem.mounts {
            fix(&mut mount.value.target, mount.origin);
            if let MountKind::Bind { source, .. } = &mut mount.value.kind {
                fix(source, mount.origin);
            }
        }
        if let Some(root) = &mut self.filesystem.root
            && let RootSource::Directory(path) = &mut root.value
        {
            fix(path, root.origin);
        }
        fix_all(&mut self.filesystem.hide);
        fix_all(&mut self.landlock.read);
        fix_all(&mut self.landlock.write);
        fix_all(&mut self.landlock.execute);
        for value in self.environment.set.values_mut() {
            fix(&mut value.value, value.origin);
        }
        if let Some(cwd) = &mut self.process.cwd {
            fix(&mut cwd.value, cwd.origin);
        }
        self
    }
}

/// A user or group, by number or by its name on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdOrName {
    /// A numeric id.
    Id(u32),
    /// A name, looked up in `/etc/passwd` or `/etc/group`.
    Name(String),
}

/// The `user` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct User {
    /// The user the command runs as.
    pub uid: Option<Spanned<IdOrName>>,
    /// Its group; by default the user's primary group.
    pub gid: Option<Spanned<IdOrName>>,
    /// Its supplementary groups; by default none.
    pub groups: Option<Vec<Spanned<IdOrName>>>,
}

/// The `capabilities` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capabilities {
    /// Capability numbers (`capabilities(7)`) that stay permitted, effective and ambient.
    pub keep: Option<Vec<Spanned<u8>>>,
}

/// The `filesystem` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filesystem {
    /// What the root directory is made of.
    pub root: Option<Spanned<RootSource>>,
    /// What is put into it, in any order.
    pub mounts: Vec<Spanned<Mount>>,
    /// Paths that are masked inside visible trees.
    pub hide: Vec<Spanned<Template>>,
}

/// What the sandbox's root directory is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootSource {
    /// The host's root, read-only.
    Host,
    /// An empty root.
    Minimal,
    /// A directory with a root file system.
    Directory(Template),
}

/// One thing put into the sandbox's root.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// Where it appears, inside the sandbox.
    pub target: Template,
    /// What appears there.
    pub kind: MountKind,
    /// Whether a source that doesn't exist is passed over.
    pub optional: bool,
}

/// What appears at a mount's target.
#[derive(Clone, Debug, PartialEq)]
pub enum MountKind {
    /// A directory or file of the host, with everything mounted below it.
    Bind {
        /// Its path on the host.
        source: Template,
        /// Whether it can be changed.
        access: Access,
        /// Whether programs in it can't be executed.
        noexec: bool,
        /// Whether files of the user who starts the sandbox appear as the sandboxed user's own
        /// (an idmapped mount), so that a command that runs as another user can work in it.
        map_owner: bool,
        /// Whether the bind is left out when the source is `/`, the home directory, or contains it.
        unless_home: bool,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Its size limit in bytes.
        size: Option<u64>,
        /// The permissions of its root directory.
        mode: Option<u32>,
        /// Whether programs in it can't be executed.
        noexec: bool,
    },
    /// A fresh `proc(5)` for the sandbox's processes.
    Proc,
    /// A minimal `/dev`: null, zero, full, random, urandom, tty, pts, shm.
    Dev,
    /// Nothing: takes an inherited mount away.
    None,
}

/// The `network` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// What is reachable.
    pub mode: Option<Spanned<NetworkMode>>,
}

/// A limit's value, or the explicit absence of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting<T> {
    /// At most this much.
    AtMost(T),
    /// No limit, even where an inherited profile has one.
    Unlimited,
}

/// The `limits` section. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Memory of the whole tree, page cache and kernel memory included.
    pub memory: Option<Spanned<Setting<u64>>>,
    /// Swap space of the whole tree, beyond `memory`.
    pub swap: Option<Spanned<Setting<u64>>>,
    /// Processes and threads of the whole tree.
    pub processes: Option<Spanned<Setting<u64>>>,
    /// Processors' worth of time, in thousandths of one.
    pub cpus: Option<Spanned<Setting<u64>>>,
    /// Share of the processors under contention, 1 to 10000; 100 is usual.
    pub cpu_weight: Option<Spanned<u64>>,
    /// Processors that may be used, as numbers.
    pub cpuset: Option<Spanned<Vec<u32>>>,
    /// Processor time.
    pub cpu_time: Option<Spanned<Setting<Duration>>>,
    /// Wall-clock time of the run.
    pub wall_time: Option<Spanned<Setting<Duration>>>,
    /// Open file descriptors of each process.
    pub open_files: Option<Spanned<Setting<u64>>>,
    /// Size of each file written.
    pub file_size: Option<Spanned<Setting<u64>>>,
    /// Stack of each process.
    pub stack: Option<Spanned<Setting<u64>>>,
    /// Core dump of each process; 0 for none.
    pub core: Option<Spanned<Setting<u64>>>,
    /// What a program that collects the command's output keeps of each stream.
    pub output: Option<Spanned<Setting<u64>>>,
    /// What happens to the rest.
    pub output_overflow: Option<Spanned<Overflow>>,
    /// Block device traffic.
    pub io: Io,
    /// Scheduling priority, -20 to 19 (`setpriority(2)`).
    pub nice: Option<Spanned<i8>>,
}

/// The `limits.io` section; each applies to every block device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Io {
    /// Bytes read per second.
    pub read_bytes: Option<Spanned<Setting<u64>>>,
    /// Bytes written per second.
    pub write_bytes: Option<Spanned<Setting<u64>>>,
    /// Read operations per second.
    pub read_operations: Option<Spanned<Setting<u64>>>,
    /// Write operations per second.
    pub write_operations: Option<Spanned<Setting<u64>>>,
}

/// The `landlock` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Landlock {
    /// Trees that may be read.
    pub read: Vec<Spanned<Template>>,
    /// Trees that may be read and changed.
    pub write: Vec<Spanned<Template>>,
    /// Trees that may be read and executed.
    pub execute: Vec<Spanned<Template>>,
    /// TCP ports that may be connected to; absent: all.
    pub connect_tcp: Option<Vec<Spanned<u16>>>,
    /// TCP ports that may be bound; absent: all.
    pub bind_tcp: Option<Vec<Spanned<u16>>>,
    /// What can't be reached outside the sandbox; absent: all the kernel knows.
    pub scopes: Option<Vec<Spanned<LandlockScope>>>,
}

/// The `seccomp` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seccomp {
    /// What happens to known calls that nothing else mentions.
    pub default: Option<Spanned<SeccompAction>>,
    /// System calls by name, and groups as `@name`, that are let through.
    pub allow: Vec<Spanned<String>>,
    /// System calls by name, and groups as `@name`, that are refused; beats `allow`.
    pub deny: Vec<Spanned<String>>,
    /// Calls whose fate depends on their arguments, or that get an action of their own.
    pub rules: Vec<Spanned<SeccompRule>>,
}

/// One entry of `seccomp.rules`. It beats `allow` and `deny` for calls whose arguments match.
#[derive(Clone, Debug, PartialEq)]
pub struct SeccompRule {
    /// System calls by name.
    pub calls: Vec<Spanned<String>>,
    /// Conditions that must all hold; none: the rule always applies.
    pub arguments: Vec<ArgumentRule>,
    /// What happens then.
    pub action: SeccompAction,
}

/// A condition on one argument of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArgumentRule {
    /// Which argument, from 0 to 5.
    pub index: u8,
    /// How it is compared.
    pub operator: ArgumentOperator,
    /// What it is compared with.
    pub value: u64,
    /// The mask of [`ArgumentOperator::MaskedEqual`]; all ones otherwise.
    pub mask: u64,
    /// Whether all 64 bits are compared; else only the lower 32, which is all the kernel looks
    /// at in an `int` argument.
    pub wide: bool,
}

/// The `environment` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment {
    /// Whether the command starts with no variables but those named here.
    pub clear: Option<Spanned<bool>>,
    /// Variables taken over from the caller; a final `*` matches any ending.
    pub pass: Vec<Spanned<String>>,
    /// Variables set to a value.
    pub set: BTreeMap<String, Spanned<Template>>,
}

/// The `process` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// The working directory, inside the sandbox.
    pub cwd: Option<Spanned<Template>>,
    /// The hostname.
    pub hostname: Option<Spanned<String>>,
    /// The file mode creation mask.
    pub umask: Option<Spanned<u32>>,
    /// Where standard input comes from.
    pub stdin: Option<Spanned<Stdin>>,
    /// Whether the command gets a session of its own.
    pub session: Option<Spanned<bool>>,
    /// How long the command has between `SIGTERM` and `SIGKILL`.
    pub grace: Option<Spanned<Duration>>,
    /// Descriptors above 2 that are inherited.
    pub descriptors: Vec<Spanned<u32>>,
}
