//! The child's mounts: by descriptor, with targets resolved inside the new root.

mod single;

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, OpenTreeFlags, UnmountFlags};

use self::single::{
    attach, attach_over_root, change_propagation, copy_tree, copy_tree_without_links, create_file,
    new_filesystem, remount_by_descriptor,
};
use super::ops::{Place, Source, TmpfsOptions};
use super::record::{Call, Failure, In};
use super::resolve;
use crate::sys::mount::{Reach, attribute, map_ids, set_attributes};

/// What the mounting steps hand on to each other.
pub(crate) struct Mounts<'a> {
    /// Whether `mount_setattr(2)` is there. Where it isn't, what a mount allows is set after it
    /// was attached; nothing untrusted runs meanwhile.
    attributes: bool,
    root: Option<OwnedFd>,
    /// What masks are copies of.
    mask: Option<OwnedFd>,
    /// A first copy for a file, where it could be made without attaching the mask, which then lies
    /// below the first directory that is covered. A mount that is attached nowhere would be taken
    /// apart when it is closed, and as with every unmount, all processors would be waited for.
    unattached: Option<OwnedFd>,
    mask_is_attached: bool,
    /// Whether it lies on the root directory, below the new root.
    mask_is_stacked: bool,
    /// The directory that something was made in last: what comes next is often made beside it.
    place: Option<(&'a CStr, OwnedFd)>,
}

/// Attributes of every mount that isn't a device node.
const PLAIN: u64 = attribute::NOSUID | attribute::NODEV;

/// How much the tree of directories and links that makes up an empty root may take.
const SKELETON_BYTES: &CStr = c"1m";

impl<'a> Mounts<'a> {
    pub(crate) fn new(attributes: bool) -> Self {
        Self {
            attributes,
            root: None,
            mask: None,
            unattached: None,
            mask_is_attached: false,
            mask_is_stacked: false,
            place: None,
        }
    }

    pub(crate) fn make_private() -> Result<(), Failure> {
        let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change(c"/", flags).in_call(Call::Mount)
    }

    pub(crate) fn new_empty_root(&mut self) -> Result<(), Failure> {
        let options = [(c"size", SKELETON_BYTES), (c"mode", c"0755")];
        self.stack(new_filesystem(c"tmpfs", &options, PLAIN)?)
    }

    pub(crate) fn new_tree_root(&mut self, source: &CStr) -> Result<(), Failure> {
        let root = copy_tree(CWD, source)?;
        self.restrict(root.as_fd(), PLAIN | attribute::RDONLY)?;
        self.stack(root)
    }

    /// Stacks the new root on the old one. Before Linux 6.15 only what is attached somewhere can be
    /// copied: then what masks are copies of lies between them. That goes away with the old root;
    /// it comes after a copy of the old root was made, which would have a copy of it, too.
    fn stack(&mut self, root: OwnedFd) -> Result<(), Failure> {
        let mask = new_mask()?;
        let sealed = PLAIN | attribute::NOEXEC | attribute::RDONLY;
        if self.attributes {
            self.change(mask.as_fd(), sealed)?;
            self.unattached = copy_tree(mask.as_fd(), c"file").ok();
        }
        self.mask_is_stacked = self.unattached.is_none();
        self.mask_is_attached = self.mask_is_stacked;
        if self.mask_is_stacked {
            attach_over_root(mask.as_fd())?;
            self.change(mask.as_fd(), sealed)?;
        }
        attach_over_root(root.as_fd())?;
        self.mask = Some(mask);
        self.root = Some(root);
        Ok(())
    }

    /// Changes whether copies are made of what is stacked on the root directory.
    fn change_stacked(&self, propagation: MountPropagationFlags) -> Result<(), Failure> {
        let lowest = self.mask.as_ref().filter(|_| self.mask_is_stacked);
        let lowest = lowest.map_or_else(|| self.root(), |mask| Ok(mask.as_fd()))?;
        change_propagation(lowest, propagation)
    }

    fn root(&self) -> Result<BorrowedFd<'_>, Failure> {
        self.root.as_ref().map(AsFd::as_fd).ok_or(Errno::BADF).in_call(Call::Resolve)
    }

    fn open(&self, path: &CStr) -> Result<OwnedFd, Failure> {
        resolve::inside(self.root()?, path).in_call(Call::Resolve)
    }

    pub(crate) fn directory(&mut self, place: &'a Place, mode: u32) -> Result<(), Failure> {
        let parent = self.parent(&place.parent)?;
        rustix::fs::mkdirat(parent, &place.name, Mode::from_raw_mode(mode)).in_call(Call::Mkdir)
    }

    pub(crate) fn empty_file(&mut self, place: &'a Place) -> Result<(), Failure> {
        let parent = self.parent(&place.parent)?;
        create_file(parent, &place.name, Mode::from_raw_mode(0o444))
    }

    pub(crate) fn symlink(&mut self, place: &'a Place, text: &CStr) -> Result<(), Failure> {
        let parent = self.parent(&place.parent)?;
        rustix::fs::symlinkat(text, parent, &place.name).in_call(Call::Symlink)
    }

    /// The directory that something is made in, opened once for all that is made there.
    fn parent(&mut self, path: &'a CStr) -> Result<BorrowedFd<'_>, Failure> {
        if self.place.as_ref().is_none_or(|(known, _)| *known != path) {
            self.place = Some((path, self.open(path)?));
        }
        let place = self.place.as_ref().ok_or(Errno::BADF).in_call(Call::Resolve)?;
        Ok(place.1.as_fd())
    }

    /// Attaches a mount at a path.
    fn attach_at(&mut self, mount: BorrowedFd<'_>, path: &CStr) -> Result<(), Failure> {
        let target = self.open(path)?;
        self.cover(path);
        attach(mount, target.as_fd())
    }

    /// What was known of a directory at or below a path that is about to be covered is so no more.
    fn cover(&mut self, path: &CStr) {
        self.place.take_if(|(known, _)| known.to_bytes().starts_with(path.to_bytes()));
    }

    /// The source is opened once; what is attached is what was opened, whatever happens to the
    /// path in the meantime. One recursive call sets the attributes of all mounts below it.
    pub(crate) fn bind(
        &mut self,
        source: &Source,
        target: &CStr,
        (attributes, id_map): (u64, Option<&OwnedFd>),
    ) -> Result<(), Failure> {
        // A copy of the root directory must not have what is stacked on it: that would cover it.
        if source.may_be_root {
            self.change_stacked(MountPropagationFlags::UNBINDABLE)?;
        }
        let tree = match &source.no_links_below {
            None => copy_tree(CWD, &source.path)?,
            Some(below) => copy_tree_without_links(below, &source.path)?,
        };
        if source.may_be_root {
            self.change_stacked(MountPropagationFlags::PRIVATE)?;
        }
        self.restrict(tree.as_fd(), attributes)?;
        if let Some(namespace) = id_map {
            map_ids(tree.as_fd(), namespace.as_fd()).in_call(Call::IdMap)?;
        }
        self.attach_at(tree.as_fd(), target)
    }

    pub(crate) fn tmpfs(
        &mut self,
        target: &CStr,
        options: &TmpfsOptions,
        attributes: u64,
        optional: bool,
    ) -> Result<(), Failure> {
        let place = match resolve::inside(self.root()?, target) {
            Err(Errno::NOENT) if optional => return Ok(()),
            place => place.in_call(Call::Resolve)?,
        };
        self.cover(target);
        let limits = [(c"size", &*options.size), (c"mode", &*options.mode)];
        let mount = match &options.owner {
            None => new_filesystem(c"tmpfs", &limits, attributes)?,
            Some((uid, gid)) => {
                let [size, mode] = limits;
                let all = [size, mode, (c"uid", uid), (c"gid", gid)];
                new_filesystem(c"tmpfs", &all, attributes)?
            }
        };
        attach(mount.as_fd(), place.as_fd())
    }

    pub(crate) fn proc(&mut self, target: &CStr) -> Result<(), Failure> {
        let mount = new_filesystem(c"proc", &[], PLAIN | attribute::NOEXEC)?;
        self.attach_at(mount.as_fd(), target)
    }

    pub(crate) fn devpts(&mut self, target: &CStr) -> Result<(), Failure> {
        let options = [(c"ptmxmode", c"0666"), (c"mode", c"0620")];
        let attributes = attribute::NOSUID | attribute::NOEXEC;
        let mount = new_filesystem(c"devpts", &options, attributes)?;
        self.attach_at(mount.as_fd(), target)
    }

    /// Lays a read-only copy of a tree over itself. What isn't there needs no protection.
    pub(crate) fn read_only(&self, path: &CStr) -> Result<(), Failure> {
        let Some(target) = self.open_if_there(path)? else { return Ok(()) };
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH
            | OpenTreeFlags::AT_RECURSIVE;
        let copy = rustix::mount::open_tree(&target, c"", flags).in_call(Call::OpenTree)?;
        self.restrict(copy.as_fd(), PLAIN | attribute::RDONLY)?;
        attach(copy.as_fd(), target.as_fd())?;
        if self.attributes {
            return Ok(());
        }
        self.remount(path, PLAIN | attribute::RDONLY)
    }

    /// Covers a file or directory with an empty one that nobody may open.
    pub(crate) fn mask(&mut self, path: &CStr) -> Result<(), Failure> {
        let Some(mut target) = self.open_if_there(path)? else { return Ok(()) };
        let mode = rustix::fs::fstat(&target).in_call(Call::Stat)?.st_mode;
        let mask = self.mask.as_ref().ok_or(Errno::BADF).in_call(Call::OpenTree)?;
        // The copy is read-only, as what it is a copy of.
        let cover = if FileType::from_raw_mode(mode) != FileType::Directory {
            match self.unattached.take() {
                Some(first) => first,
                None => copy_tree(mask.as_fd(), c"file")?,
            }
        } else {
            if !self.mask_is_attached {
                attach(mask.as_fd(), target.as_fd())?;
                target = self.open(path)?;
                self.mask_is_attached = true;
            }
            copy_tree(mask.as_fd(), c"directory")?
        };
        attach(cover.as_fd(), target.as_fd())
    }

    fn open_if_there(&self, path: &CStr) -> Result<Option<OwnedFd>, Failure> {
        match resolve::inside(self.root()?, path) {
            Ok(target) => Ok(Some(target)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(Failure { call: Call::Resolve, errno }),
        }
    }

    /// Makes the mount at a path read-only: itself, not what is mounted in it.
    pub(crate) fn seal(&self, path: &CStr) -> Result<(), Failure> {
        self.change(self.open(path)?.as_fd(), PLAIN | attribute::RDONLY)
    }

    /// Restricts a whole tree before it is attached, where the kernel can; else the plan has a
    /// remount of each of its mounts.
    fn restrict(&self, tree: BorrowedFd<'_>, attributes: u64) -> Result<(), Failure> {
        if !self.attributes {
            return Ok(());
        }
        set_attributes(tree, Reach::Tree, attributes).in_call(Call::MountSetattr)
    }

    /// Changes what one attached mount allows.
    fn change(&self, mount: BorrowedFd<'_>, attributes: u64) -> Result<(), Failure> {
        if self.attributes {
            return set_attributes(mount, Reach::One, attributes).in_call(Call::MountSetattr);
        }
        remount_by_descriptor(mount, attributes)
    }

    pub(crate) fn remount(&self, path: &CStr, attributes: u64) -> Result<(), Failure> {
        // What the host has hidden below another mount can't be reached, by nobody.
        let Some(mount) = self.open_if_there(path)? else { return Ok(()) };
        remount_by_descriptor(mount.as_fd(), attributes)
    }

    /// Puts the new root in place of the old one, which is stacked on it for a moment and then
    /// let go of with all that is mounted on it and in it.
    pub(crate) fn enter_root(&mut self) -> Result<(), Failure> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let old = rustix::fs::open(c"/", flags, Mode::empty()).in_call(Call::Open)?;
        rustix::process::fchdir(self.root()?).in_call(Call::Chdir)?;
        rustix::process::pivot_root(c".", c".").in_call(Call::PivotRoot)?;
        rustix::process::fchdir(&old).in_call(Call::Chdir)?;
        // Each call takes the topmost mount of the stack; when the old root itself is gone, there
        // is nothing to take.
        for taken in 0..MOST_STACKED {
            match rustix::mount::unmount(c".", UnmountFlags::DETACH) {
                Ok(()) => {}
                Err(Errno::INVAL) if taken > 0 => break,
                Err(errno) => return Err(Failure { call: Call::Umount, errno }),
            }
        }
        rustix::process::chdir(c"/").in_call(Call::Chdir)?;
        old_root_is_gone(self.root()?)?;
        self.root = None;
        Ok(())
    }
}

/// How many mounts may be stacked on the old root: the mask's, and what the host put there.
const MOST_STACKED: usize = 64;

/// Makes sure that no way leads from the new root to anything below or above it in a stack of
/// mounts: `..` of a root is the root, unless something is mounted on it.
fn old_root_is_gone(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let mount_of = |directory, path: &CStr, flags| {
        rustix::fs::statx(directory, path, flags, StatxFlags::MNT_ID)
            .map(|status| status.stx_mnt_id)
    };
    let own = mount_of(root, c"", AtFlags::EMPTY_PATH).in_call(Call::ReadRoot)?;
    for path in [c"/", c"/..", c"/../.."] {
        if mount_of(CWD, path, AtFlags::empty()).in_call(Call::ReadRoot)? != own {
            return Err(Failure { call: Call::ReadRoot, errno: Errno::BUSY });
        }
    }
    Ok(())
}

/// An empty directory and an empty file, both without any permission: every mask is a copy of one.
fn new_mask() -> Result<OwnedFd, Failure> {
    let options = [(c"size", c"4096"), (c"mode", c"0755")];
    let mask = new_filesystem(c"tmpfs", &options, PLAIN | attribute::NOEXEC)?;
    rustix::fs::mkdirat(&mask, c"directory", Mode::empty()).in_call(Call::Mkdir)?;
    create_file(mask.as_fd(), c"file", Mode::empty())?;
    Ok(mask)
}

/// Tries what the mounting steps rely on, without a step: whether anything can be mounted, and
/// whether a fresh `/proc` can.
pub(crate) fn mounts_trial() -> (Result<(), Errno>, Result<(), Errno>) {
    let errno = |failure: Failure| failure.errno;
    let mut mounts = Mounts::new(crate::sys::mount::probe() != Err(Errno::NOSYS));
    let mounting = Mounts::make_private().and_then(|()| mounts.new_empty_root()).map_err(errno);
    let proc = new_filesystem(c"proc", &[], PLAIN | attribute::NOEXEC).map(drop).map_err(errno);
    (mounting, proc)
}
