//! Parts of `/proc` and `/sys` that are covered or read-only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::build::Builder;
use super::step::Step;
use crate::policy::filesystem::{Mount, MountKind, below};
use crate::profile::vocabulary::Layer;

/// Parts of a fresh `/proc` that speak of, or to, the whole kernel: read-only.
const PROC_READ_ONLY: [&str; 5] =
    ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"];

/// Parts of `/proc` and `/sys` that tell of the host's hardware, keys and kernel: covered.
const MASKED: [&str; 9] = [
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/firmware",
    "/sys/kernel/security",
];

/// Plans them; `tree` says whether the root is a tree of the host.
pub(super) fn plan(builder: &mut Builder<'_>, tree: bool) {
    let layer = Layer::Masks;
    let shown = |paths: &[&str]| -> Vec<PathBuf> {
        paths.iter().flat_map(|path| places_of(builder, tree, Path::new(path))).collect()
    };
    let (read_only, masked) = (shown(&PROC_READ_ONLY), shown(&MASKED));
    if read_only.is_empty() && masked.is_empty() {
        return builder.nothing_to_enforce(layer, "neither /proc nor /sys is visible");
    }
    builder.steps.extend(read_only.into_iter().map(|path| Step::ReadOnly { path, layer }));
    builder.steps.extend(masked.into_iter().map(|path| Step::Mask { path, layer }));
    builder.enforced(layer, "parts of /proc and /sys covered or read-only");
}

/// Without the layer, the settings of the kernel in `/proc` stay read-only for a command that is
/// the host's root: it owns them, and needs no capability to change them.
pub(super) fn keep_from_root(builder: &mut Builder<'_>, tree: bool) {
    if builder.outside_uid() != 0 {
        return;
    }
    let layer = Layer::Filesystem;
    for path in PROC_READ_ONLY {
        let places = places_of(builder, tree, Path::new(path));
        builder.steps.extend(places.into_iter().map(|path| Step::ReadOnly { path, layer }));
    }
}

/// Where in the sandbox a path of the host, or of a fresh `/proc`, may be seen.
fn places_of(builder: &Builder<'_>, tree: bool, path: &Path) -> BTreeSet<PathBuf> {
    let place = |mount: &Mount| {
        let source = match &mount.kind {
            MountKind::Bind { source, .. } => source,
            MountKind::Proc => Path::new("/proc"),
            MountKind::Tmpfs { .. } | MountKind::Dev => return None,
        };
        below(path, source).map(|rest| mount.target.join(rest))
    };
    let root = tree.then(|| path.to_owned());
    root.into_iter().chain(builder.policy.filesystem.mounts.iter().filter_map(place)).collect()
}
