//! The mounts of a policy: which of two at the same place counts, and which directories aren't
//! opened by merely starting in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Validator;
use crate::policy::filesystem::{Mount, MountKind};
use crate::policy::level;
use crate::profile::diagnostic::Diagnostic;
use crate::profile::model;
use crate::profile::source::{Origin, Spanned};
use crate::profile::vocabulary::Access;

/// Mounts by their targets, each with the place it was written at.
type Placed = BTreeMap<PathBuf, (Origin, Mount)>;

impl Validator<'_> {
    /// The mounts by their targets, now that it is known what variables stand for. Where two have
    /// the same, the one that was merged later wins, unless both stand in the same text.
    pub(super) fn mounts(
        &mut self,
        written: &[Spanned<model::Mount>],
    ) -> impl Iterator<Item = Mount> + use<> {
        let mut mounts = Placed::new();
        // Those that give way come last: what is at their places is known then.
        let (giving_way, others): (Vec<_>, Vec<_>) =
            written.iter().partition(|mount| gives_way(mount));
        for written in others {
            self.place(written, &mut mounts);
        }
        for written in giving_way {
            self.place_unless_home(written, &mut mounts);
        }
        mounts.into_values().map(|(_, mount)| mount)
    }

    fn place(&mut self, written: &Spanned<model::Mount>, mounts: &mut Placed) {
        let Some(mount) = self.mount(written) else { return };
        let text = |origin: Origin| origin.place().map(|(source, _)| source);
        let in_same_text =
            |other: Origin| text(other).is_some_and(|t| Some(t) == text(written.origin));
        let (message, help) = if mount.target == Path::new("/") {
            let in_memory = matches!(mount.kind, MountKind::Tmpfs { .. });
            if in_memory && written.target.contains("${") {
                return; // A home directory that is the root: there is nothing to make.
            }
            (
                "nothing can be mounted on the root itself".to_owned(),
                "choose what it is made of with filesystem.root",
            )
        } else if mounts.get(&mount.target).is_some_and(|(other, _)| in_same_text(*other)) {
            (
                format!("two mounts have the target {}", mount.target.display()),
                "take one away, or give it another target",
            )
        } else {
            mounts.insert(mount.target.clone(), (written.origin, mount));
            return;
        };
        self.problems.push(Diagnostic::new(message, written.origin).help(help));
    }

    /// Places a bind that is left out where it would open too much.
    fn place_unless_home(&mut self, written: &Spanned<model::Mount>, mounts: &mut Placed) {
        let Some(mount) = self.mount(written) else { return };
        let MountKind::Bind { source, .. } = &mount.kind else { return };
        let there = mounts.get(&mount.target).map(|(_, mount)| &mount.kind);
        if let Some(MountKind::Bind { source: other, access, .. }) = there
            && other == source
            && (*access == Access::ReadWrite || !is_shared(source))
        {
            return; // It is shown by name, as an option or another profile has it.
        }
        let reason = if self.holds_home(source) {
            "holds your home directory"
        } else if there.is_some() || is_shared(source) {
            "is the system's"
        } else {
            mounts.insert(mount.target.clone(), (written.origin, mount));
            return;
        };
        self.notes.push(not_opened(source, reason));
    }

    fn mount(&mut self, written: &Spanned<model::Mount>) -> Option<Mount> {
        let origin = written.origin;
        let target = self.path(&written.target, origin);
        let kind = match &written.kind {
            model::MountKind::None => return None,
            model::MountKind::Proc => MountKind::Proc,
            model::MountKind::Dev => MountKind::Dev,
            model::MountKind::Tmpfs { size, mode, noexec } => MountKind::Tmpfs {
                size: size.unwrap_or(level::DEFAULT_TMPFS_BYTES),
                mode: mode.unwrap_or(0o755),
                noexec: *noexec,
            },
            model::MountKind::Bind { source, access, noexec, map_owner, .. } => MountKind::Bind {
                source: self.path(source, origin),
                access: *access,
                noexec: *noexec,
                map_owner: *map_owner,
            },
        };
        Some(Mount { target, kind, optional: written.optional })
    }

    /// Trees of the host in which links may have been made by somebody who isn't trusted.
    pub(super) fn untrusted(&self, mounts: &[Mount]) -> Vec<PathBuf> {
        let written = mounts.iter().filter_map(|mount| match &mount.kind {
            MountKind::Bind { source, access: Access::ReadWrite, .. } => Some(source.clone()),
            _ => None,
        });
        // Started in a directory of the system's or of all of the user's, that isn't what is
        // worked on.
        let cwd = self.expander.variables.cwd.clone();
        let cwd = cwd.filter(|cwd| !self.holds_home(cwd) && !is_shared(cwd));
        written.chain(cwd).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether a directory is the root, the home directory, or above it.
    fn holds_home(&self, directory: &Path) -> bool {
        let variables = self.expander.variables;
        // The working directory is told without links; the home directory may be named by one.
        let mut homes = variables.home.iter().chain(&variables.real_home);
        directory == Path::new("/") || homes.any(|home| home.starts_with(directory))
    }
}

fn gives_way(mount: &model::Mount) -> bool {
    matches!(mount.kind, model::MountKind::Bind { unless_home: true, .. })
}

/// Directories of the system and of all its users, which nobody's project is in as a whole. To
/// open one, such as `/tmp` or `/run/user/1000`, is to open sockets by which programs outside
/// can be told what to do.
const SHARED: [&str; 18] = [
    "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run",
    "/sbin", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/tmp",
];

fn is_shared(directory: &Path) -> bool {
    SHARED.iter().any(|shared| directory == Path::new(shared))
        || directory.starts_with("/run/user")
        || directory.starts_with("/dev/shm")
}

/// What the user is told of a directory that would have been opened elsewhere.
fn not_opened(directory: &Path, reason: &str) -> String {
    let how = if directory == Path::new("/") {
        "start in a directory below it, or name one: --rw DIRECTORY".to_owned()
    } else {
        format!("to open it: --rw {}", directory.display())
    };
    let instead = match reason {
        "holds your home directory" => "the command gets an empty private home",
        _ => "the command can't change it",
    };
    format!(
        "the working directory {} {reason} and isn't opened: {instead}; {how}",
        directory.display()
    )
}
