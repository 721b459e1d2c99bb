//! Which rights the Landlock domain handles, and where it allows them.

use std::path::{Path, PathBuf};

use super::Status;
use super::build::Builder;
use super::facts::Cause;
use super::step::{LandlockPath, LandlockRules, Step};
use crate::policy::Landlock;
use crate::policy::filesystem::{Mount, MountKind, Root};
use crate::profile::vocabulary::{Access, LandlockScope, Layer, NetworkMode};

/// Access rights, from `<linux/landlock.h>`.
pub mod access {
    /// Execute a file.
    pub const EXECUTE: u64 = 1 << 0;
    /// Open a file for writing.
    pub const WRITE_FILE: u64 = 1 << 1;
    /// Open a file for reading.
    pub const READ_FILE: u64 = 1 << 2;
    /// List a directory.
    pub const READ_DIR: u64 = 1 << 3;
    /// Rename or link across directories (ABI 2).
    pub const REFER: u64 = 1 << 13;
    /// Truncate a file (ABI 3).
    pub const TRUNCATE: u64 = 1 << 14;
    /// Device-specific requests on a device opened inside (ABI 5).
    pub const IOCTL_DEV: u64 = 1 << 15;
    /// Every right of files up to ABI 7.
    pub const ALL_FS: u64 = (1 << 16) - 1;
    /// Rights that apply to something that isn't a directory.
    pub const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;
    /// Bind a TCP port (ABI 4).
    pub const BIND_TCP: u64 = 1 << 0;
    /// Connect to a TCP port (ABI 4).
    pub const CONNECT_TCP: u64 = 1 << 1;
    /// Every network right up to ABI 7.
    pub const ALL_NET: u64 = BIND_TCP | CONNECT_TCP;
    /// Abstract UNIX sockets outside the domain (ABI 6).
    pub const SCOPE_ABSTRACT_UNIX_SOCKET: u64 = 1 << 0;
    /// Signals to outside the domain (ABI 6).
    pub const SCOPE_SIGNAL: u64 = 1 << 1;
    /// Every scope up to ABI 7.
    pub const ALL_SCOPES: u64 = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
}

use access::{EXECUTE, IOCTL_DEV, READ_DIR, READ_FILE, TRUNCATE, WRITE_FILE};

const READ: u64 = READ_FILE | READ_DIR;
const READ_EXECUTE: u64 = READ | EXECUTE;
/// Everything but executing and requests to devices.
const READ_WRITE: u64 = access::ALL_FS & !(EXECUTE | IOCTL_DEV);

pub(super) fn plan(builder: &mut Builder<'_>) {
    let layer = Layer::Landlock;
    if !builder.wants(layer) {
        return builder.off(layer);
    }
    let facts = &builder.facts.landlock;
    if let Some(cause) = &facts.missing {
        return builder.missing(layer, cause.clone());
    }
    let rules = rules(builder);
    if rules.handled_fs | rules.handled_net | rules.scoped == 0 {
        let gaps = gaps(builder);
        if gaps.is_empty() {
            return builder
                .nothing_to_enforce(layer, "the profile names no paths, ports or scopes");
        }
        return builder.missing_for(layer, gaps);
    }
    describe(builder, &rules);
    if builder.last_status() != Some(Status::Unavailable) {
        builder.steps.push(Step::Landlock(rules));
        private_directories(builder);
    }
}

/// All that was asked for, as far as this kernel knows it.
fn rules(builder: &mut Builder<'_>) -> LandlockRules {
    let facts = &builder.facts.landlock;
    let policy = &builder.policy.landlock;
    let mut rules = LandlockRules {
        handled_fs: if names_files(builder) { access::ALL_FS & facts.access_fs } else { 0 },
        scoped: scopes(builder) & facts.scopes,
        ..LandlockRules::default()
    };
    for (ports, right) in
        [(&policy.connect_tcp, access::CONNECT_TCP), (&policy.bind_tcp, access::BIND_TCP)]
    {
        if let Some(ports) = ports.as_ref().filter(|_| facts.access_net & right != 0) {
            rules.handled_net |= right;
            rules.ports.extend(ports.iter().map(|port| (*port, right)));
        }
    }
    if rules.handled_fs != 0 {
        file_rules(builder, &mut rules);
    }
    rules
}

/// Without a view of its own, nothing can be mounted, and the host's `/tmp` and home directory
/// are closed; programs need some place to write to all the same.
fn private_directories(builder: &mut Builder<'_>) {
    if builder.is_enforced(Layer::Filesystem) {
        return;
    }
    let mounts = &builder.policy.filesystem.mounts;
    let in_memory = mounts.iter().filter(|mount| matches!(mount.kind, MountKind::Tmpfs { .. }));
    builder.private = in_memory.map(|mount| mount.target.clone()).collect();
    if !builder.private.is_empty() {
        let text = "file systems in memory: private directories stand in, without a limit of \
                    size; HOME and TMPDIR name them";
        builder.detail(Layer::Landlock, text);
    }
}

/// Whether the policy says anything of files. A profile without a view of the file system that
/// names only ports leaves files as they are; a domain that handles them would deny them all.
fn names_files(builder: &Builder<'_>) -> bool {
    let Landlock { read, write, execute, .. } = &builder.policy.landlock;
    builder.wants(Layer::Filesystem)
        || !builder.policy.filesystem.mounts.is_empty()
        || [read, write, execute].into_iter().any(|paths| !paths.is_empty())
}

/// What was asked for and this kernel doesn't know.
fn gaps(builder: &Builder<'_>) -> Vec<Cause> {
    let facts = &builder.facts.landlock;
    let policy = &builder.policy.landlock;
    let mut gaps = Vec::new();
    let mut gap = |what: &str, since: &str, remedy: &str| {
        gaps.push(Cause::new(
            format!("Landlock on this kernel (ABI {}) doesn't know {what}", facts.abi),
            format!("use Linux {since} or later, or {remedy}"),
        ));
    };
    let asks_ports = policy.connect_tcp.is_some() || policy.bind_tcp.is_some();
    // A namespace without any network holds without Landlock: then the ports are a second line.
    let has_network = builder.policy.network == NetworkMode::Host
        || !builder.is_enforced(Layer::NetworkNamespace);
    if asks_ports && has_network && access::ALL_NET & !facts.access_net != 0 {
        gap("TCP ports", "6.7", "take connect_tcp and bind_tcp away");
    }
    let asked = policy.scopes.as_ref().map_or(0, |_| scopes(builder));
    if asked & !facts.scopes != 0 {
        gap("scopes", "6.12", "take landlock.scopes away");
    }
    let truncation = facts.access_fs & TRUNCATE != 0;
    if names_files(builder) && !builder.is_enforced(Layer::Filesystem) && !truncation {
        gap(
            "truncation, so that files that may only be read could be emptied",
            "6.2",
            "accept that: --enforcement landlock=best-effort",
        );
    }
    if !builder.is_enforced(Layer::Filesystem) {
        gaps.extend(narrower_below(builder));
    }
    gaps
}

/// What is to be read-only or not executable below something that isn't: what a rule allows holds
/// for all that is below, and no other takes it away.
fn narrower_below(builder: &Builder<'_>) -> Vec<Cause> {
    let view = &builder.policy.filesystem;
    let rights_of = |mount: &Mount| rights(mount, false).first().map(|(_, access)| *access);
    let wider = |mount: &Mount| {
        let access = rights_of(mount)?;
        let above = mount.target.ancestors().skip(1).filter_map(|path| view.mount_at(path));
        let wide = |above: &&Mount| {
            rights_of(above).is_some_and(|wide| wide & !access & RESTRICTABLE != 0)
        };
        // The outermost.
        above.filter(wide).last()
    };
    let binds = view.mounts.iter().filter(|mount| matches!(mount.kind, MountKind::Bind { .. }));
    let found = binds.filter_map(|mount| Some((mount, wider(mount)?)));
    found
        .map(|(mount, above)| {
            Cause::new(
                format!(
                    "Landlock can't take away below {} what it allows there, and {} is to allow \
                     less",
                    above.target.display(),
                    mount.target.display()
                ),
                "give it a view of files of its own (a level from namespaced on), or open only \
                 directories beside it",
            )
        })
        .collect()
}

/// Rights that a mount may be without.
const RESTRICTABLE: u64 = WRITE_FILE | EXECUTE;

fn scopes(builder: &Builder<'_>) -> u64 {
    match &builder.policy.landlock.scopes {
        None => access::ALL_SCOPES,
        Some(asked) => asked.iter().fold(0, |bits, scope| {
            bits | match scope {
                LandlockScope::AbstractUnixSocket => access::SCOPE_ABSTRACT_UNIX_SOCKET,
                LandlockScope::Signal => access::SCOPE_SIGNAL,
            }
        }),
    }
}

fn file_rules(builder: &mut Builder<'_>, rules: &mut LandlockRules) {
    let policy = builder.policy;
    let own_view = builder.is_enforced(Layer::Filesystem);
    let mut add = |path: &Path, access: u64, optional: bool| {
        let access = access & rules.handled_fs;
        // With a view of its own, a link leads to what that shows.
        let tree = policy.filesystem.untrusted_above(path).filter(|_| !own_view);
        let no_links_below = tree.map(Path::to_owned);
        rules.paths.push(LandlockPath { path: path.to_owned(), access, optional, no_links_below });
    };
    if own_view {
        let root = if builder.is_enforced(Layer::Root) && policy.filesystem.root == Root::Minimal {
            READ_DIR // Each tree in it has a rule of its own.
        } else {
            READ_EXECUTE
        };
        add(Path::new("/"), root, false);
    } else if builder.wants(Layer::Filesystem)
        && (policy.filesystem.root == Root::Host || !builder.wants(Layer::Root))
    {
        // What the view would have shown read-only.
        add(Path::new("/"), READ_EXECUTE, false);
    }
    for mount in &policy.filesystem.mounts {
        for (path, access) in rights(mount, own_view) {
            add(&path, access, true);
        }
    }
    for path in &policy.landlock.read {
        add(path, READ, true);
    }
    for path in &policy.landlock.execute {
        add(path, READ_EXECUTE, true);
    }
    for path in &policy.landlock.write {
        add(path, READ_WRITE, true);
    }
}

/// The rights that a mount brings. Without a view of its own, only what the host shows at the
/// same place can be allowed.
fn rights(mount: &Mount, own_view: bool) -> Vec<(PathBuf, u64)> {
    let target = mount.target.clone();
    match &mount.kind {
        MountKind::Bind { source, .. } if !own_view && *source != target => Vec::new(),
        MountKind::Bind { access, noexec, .. } => {
            let execute = if *noexec { 0 } else { EXECUTE };
            let change = if *access == Access::ReadWrite { READ_WRITE } else { READ };
            vec![(target, change | execute)]
        }
        MountKind::Tmpfs { .. } if !own_view => Vec::new(),
        MountKind::Tmpfs { noexec, .. } => {
            vec![(target, READ_WRITE | if *noexec { 0 } else { EXECUTE })]
        }
        MountKind::Proc if own_view => vec![(target, READ | WRITE_FILE)],
        MountKind::Proc => vec![(target, READ)],
        MountKind::Dev if own_view => {
            let shm = target.join("shm");
            vec![(target, READ | WRITE_FILE | IOCTL_DEV), (shm, READ_WRITE)]
        }
        MountKind::Dev => ["null", "zero", "full", "random", "urandom", "tty"]
            .iter()
            .map(|name| (target.join(name), READ_FILE | WRITE_FILE | IOCTL_DEV))
            .collect(),
    }
}

fn describe(builder: &mut Builder<'_>, rules: &LandlockRules) {
    let facts = &builder.facts.landlock;
    let layer = Layer::Landlock;
    let (abi, unknown) = (facts.abi, access::ALL_FS & !facts.access_fs);
    let no_scopes = facts.scopes == 0 && builder.policy.landlock.scopes.is_none();
    let mechanism = format!("Landlock ABI {abi}, {} path rules", rules.paths.len());
    let gaps = gaps(builder);
    if gaps.is_empty() {
        builder.enforced(layer, mechanism);
    } else {
        builder.fallbacks(layer, mechanism, gaps);
    }
    if rules.handled_fs == 0 {
        builder.detail(layer, "files aren't restricted: the profile names none");
        return describe_network(builder, rules);
    }
    let truncation = if builder.is_enforced(Layer::Filesystem) {
        "this kernel doesn't check truncation; read-only mounts do"
    } else {
        "this kernel doesn't check truncation: files that may only be read can be emptied"
    };
    for (bit, text) in [
        (access::REFER, "renaming across directories is always denied (ABI 1)"),
        (TRUNCATE, truncation),
        (IOCTL_DEV, "this kernel doesn't check device requests"),
    ] {
        if unknown & bit != 0 {
            builder.detail(layer, text);
        }
    }
    if no_scopes {
        builder.detail(
            layer,
            "this kernel has no scopes: signals and abstract sockets are not checked",
        );
    }
    describe_network(builder, rules);
}

fn describe_network(builder: &mut Builder<'_>, rules: &LandlockRules) {
    let layer = Layer::Landlock;
    if rules.handled_net != 0 {
        builder.detail(
            layer,
            format!(
                "TCP ports: {}; UDP isn't covered",
                if rules.ports.is_empty() {
                    "none".to_owned()
                } else {
                    format!("{} rules", rules.ports.len())
                }
            ),
        );
    }
}
