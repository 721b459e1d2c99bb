//! What each level sets by default: values of the same type as a profile.

use std::time::Duration;

use crate::profile::layering::merge;
use crate::profile::model::{Filesystem, Mount, MountKind, Profile, RootSource, Setting};
use crate::profile::source::Spanned;
use crate::profile::vocabulary::{Enforcement, Layer, Level, NetworkMode, Stdin};

/// Variables that hardly any program does without, and that hold no secrets.
const PASSED_VARIABLES: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TERM",
    "COLORTERM",
    "TZ",
    "NO_COLOR",
];

/// How much a private `/tmp` may hold where a profile says nothing.
pub const DEFAULT_TMPFS_BYTES: u64 = 256 * 1024 * 1024;

/// How long a command has between `SIGTERM` and `SIGKILL` where a profile says nothing.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(2);

/// What a level sets where a profile says nothing.
#[must_use]
pub fn preset(level: Level) -> Profile {
    let mut profile = basic();
    if level >= Level::Namespaced {
        namespaced(&mut profile);
    }
    if level >= Level::ResourceLimited {
        profile.limits.processes = Some(Setting::AtMost(4096).into());
    }
    if level >= Level::Containerized {
        profile.filesystem.root = Some(RootSource::Minimal.into());
    }
    profile
}

/// A merged profile on top of what its level sets.
#[must_use]
pub fn complete(mut profile: Profile, level: Level) -> Profile {
    let own_root = profile.enforcement.get(&Layer::Root);
    if own_root.is_some_and(|setting| setting.value != Enforcement::Off) {
        // Who asks for the layer by name doesn't mean the host's root, whatever the level.
        profile.filesystem.root.get_or_insert(RootSource::Minimal.into());
    }
    let mut below = preset(level);
    if level < Level::Namespaced && asks_for_view(&profile) {
        // The host's tree is shown without its devices: not even /dev/null could be opened.
        below.filesystem.mounts.push(mount("/dev", MountKind::Dev).into());
    }
    merge(below, profile)
}

/// Whether a profile wants a view of files that its level doesn't bring.
fn asks_for_view(profile: &Profile) -> bool {
    let named = profile.enforcement.get(&Layer::Filesystem).map(|setting| setting.value);
    named.map_or(!profile.filesystem.hide.is_empty(), |setting| setting != Enforcement::Off)
}

fn mount(target: &str, kind: MountKind) -> Mount {
    Mount { target: target.to_owned(), kind, optional: false }
}

fn basic() -> Profile {
    let mut profile = Profile::default();
    profile.environment.clear = Some(true.into());
    profile.environment.pass =
        PASSED_VARIABLES.iter().map(|name| Spanned::from((*name).to_owned())).collect();
    profile.limits.core = Some(Setting::AtMost(0).into());
    profile.process.stdin = Some(Stdin::Inherit.into());
    profile.process.grace = Some(DEFAULT_GRACE.into());
    profile
}

fn namespaced(profile: &mut Profile) {
    let tmpfs = |mode| MountKind::Tmpfs {
        size: Some(DEFAULT_TMPFS_BYTES),
        mode: Some(mode),
        noexec: false,
    };
    profile.filesystem = Filesystem {
        root: Some(RootSource::Host.into()),
        mounts: [
            mount("/proc", MountKind::Proc),
            mount("/dev", MountKind::Dev),
            mount("/tmp", tmpfs(0o1777)),
            mount("/run", tmpfs(0o755)),
        ]
        .map(Spanned::from)
        .to_vec(),
        hide: Vec::new(),
    };
    profile.network.mode = Some(NetworkMode::Loopback.into());
    profile.process.hostname = Some("sandbox".to_owned().into());
}
