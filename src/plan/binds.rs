//! What of the host a mount shows, and what it needs of the host.

use std::path::{Component, Path, PathBuf};

use super::build::Builder;
use super::facts::{Cause, PathFact};
use super::identity::CAP_SYS_ADMIN;
use super::step::{Bind, Ids, OwnerMap};
use crate::policy::filesystem::MountKind;
use crate::profile::vocabulary::{Access, Layer};

/// Whether what the link at a bind's source says leads to something that is shown at the same place
/// and in the same way, so that a link does what the bind would.
pub(super) fn will_show(builder: &Builder<'_>, bind: &Bind, text: &Path) -> bool {
    let base = bind.source.parent().unwrap_or(Path::new("/"));
    let Some(end) = normalize(&base.join(text)) else { return false };
    let above = builder.policy.filesystem.mount_above(&end);
    above.is_some_and(|mount| match &mount.kind {
        MountKind::Bind { source, access, noexec, .. } => {
            mount.target != bind.target
                && *source == mount.target
                && *access == Access::ReadOnly
                && *noexec != bind.executable
        }
        MountKind::Tmpfs { .. } | MountKind::Proc | MountKind::Dev => false,
    })
}

/// The tree above a path of the host, below which no link is to be followed.
pub(super) fn policy_untrusted(builder: &Builder<'_>, source: &Path) -> Option<PathBuf> {
    builder.policy.filesystem.untrusted_above(source).map(Path::to_owned)
}

/// Whether a source may turn out to be the host's root directory.
pub(super) fn may_be_root(builder: &Builder<'_>, source: &Path) -> bool {
    let is_link = matches!(builder.facts.paths.get(source), Some(PathFact::Link { .. }));
    // Where `..` leads isn't known without looking at the links before it.
    is_link || source == Path::new("/") || source.components().any(|it| it == Component::ParentDir)
}

/// Directories of a writable bind that are bound onto themselves, so that they can't be renamed with
/// what is mounted below them.
pub(super) fn pins(builder: &mut Builder<'_>, bind: &Bind) -> Vec<Bind> {
    let filesystem = &builder.policy.filesystem;
    let mount = filesystem.mount_at(&bind.target);
    let mut pinned = Vec::new();
    for pin in mount.map(|mount| filesystem.pins(mount)).unwrap_or_default() {
        match builder.facts.paths.get(&pin.source) {
            Some(PathFact::Directory { .. }) => pinned.push(Bind {
                no_links_below: policy_untrusted(builder, &pin.source),
                source: pin.source,
                target: pin.target,
                ..bind.clone()
            }),
            // Whoever can write there can exchange the link.
            Some(PathFact::Link { .. }) => builder.notes.push(format!(
                "{} is a link in a writable directory: the command can put something else in the \
                 place of what is read-only or hidden below it",
                pin.target.display()
            )),
            // What isn't there can't be moved; the mounts that need it are refused.
            _ => {}
        }
    }
    pinned
}

/// Refuses a mount for which a tree of the host has no place: nothing is made there.
pub(super) fn needs_place(builder: &mut Builder<'_>, target: &Path, directory: bool) {
    let Some(place) = builder.policy.place_on_host(target) else { return };
    let what = if directory { "a directory" } else { "a file" };
    let found = match builder.facts.paths.get(&place) {
        Some(PathFact::Missing(errno)) => format!("{}: {errno}", place.display()),
        Some(PathFact::Directory { .. }) if !directory => {
            format!("{} is a directory", place.display())
        }
        Some(PathFact::File { .. }) if directory => format!("{} is a file", place.display()),
        // Whatever a link leads to may be made inside.
        Some(_) | None => return,
    };
    let cause = Cause::new(
        format!("can't mount {what} at {}, which the host has to have: {found}", target.display()),
        format!(
            "make {what} there, choose another target, or an empty root (\"root\": \"minimal\"): \
             nothing is made in a tree of the host's"
        ),
    );
    builder.refuse(Layer::Filesystem, cause);
}

/// Refuses a bind of what isn't there.
pub(super) fn no_source(builder: &mut Builder<'_>, bind: &Bind, errno: &str) {
    let cause = Cause::new(
        format!("can't bind {}: {errno}", bind.source.display()),
        "name a path that exists, or mark the mount \"optional\": true",
    );
    builder.refuse(Layer::Filesystem, cause);
}

/// Whether `path` is inside a directory that the sandbox shows where the host has it.
pub(super) fn is_in_same_place(builder: &Builder<'_>, path: &Path) -> bool {
    let above = path.parent().and_then(|parent| builder.policy.filesystem.mount_above(parent));
    above.is_some_and(
        |mount| matches!(&mount.kind, MountKind::Bind { source, .. } if *source == mount.target),
    )
}

pub(super) fn is_directory(builder: &Builder<'_>, path: &Path) -> bool {
    builder.facts.paths.get(path).is_some_and(PathFact::is_directory)
}

/// Whose files appear as whose, where the sandboxed user isn't the caller: only what belongs to
/// the caller is mapped.
pub(super) fn owner_map(
    builder: &mut Builder<'_>,
    bind: &Bind,
    fact: &PathFact,
) -> Option<OwnerMap> {
    let caller = &builder.facts.caller;
    if builder.outside_uid() == caller.uid {
        return None; // The command works with the caller's files as they are.
    }
    let (PathFact::Directory { owner } | PathFact::File { owner }) = fact else { return None };
    if *owner != caller.uid {
        return None;
    }
    // The kernel asks for the privilege over the file system, which a user namespace doesn't give.
    let why_not = if !caller.has(CAP_SYS_ADMIN) || builder.id_map.is_some() {
        "mapping owners needs CAP_SYS_ADMIN, and no user namespace"
    } else if !builder.facts.owner_mapping.is_usable()
        || builder.facts.unmappable.contains(&bind.source)
    {
        "this host or file system can't map owners"
    } else {
        let on_disk = Ids { uid: caller.uid, gid: caller.gid };
        return Some(OwnerMap { on_disk, seen_as: builder.ids });
    };
    builder.notes.push(format!(
        "{} belongs to user {owner}, and the command runs as user {}: it can only do there what \
         others may ({why_not}); to run it as the owner: --user {owner}",
        bind.source.display(),
        builder.ids.uid,
    ));
    None
}

/// Takes `.` and `..` out of an absolute path; `None` where it would leave the root.
fn normalize(path: &Path) -> Option<PathBuf> {
    use std::path::Component;
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => normal.push(name),
            Component::ParentDir if normal.pop() => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(normal)
}
