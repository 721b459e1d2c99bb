//! What is visible of the file system: the root, what is put into it, and what is masked.

use std::path::{Path, PathBuf};

use super::binds::{
    self, is_directory, is_in_same_place, needs_place, no_source, owner_map, policy_untrusted,
    will_show,
};
use super::build::Builder;
use super::facts::{Cause, PathFact, Support};
use super::ground::Ground;
use super::masks;
use super::step::{Bind, Ids, NewRoot, Remount, Step, Tmpfs};
use crate::policy::filesystem::{Mount, MountKind, Root};
use crate::profile::vocabulary::{Access, Layer, Namespace};

/// Device nodes of a minimal `/dev`.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Symbolic links of a minimal `/dev`.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// How much the few directories and links of a skeleton may take.
const DEVICE_TMPFS_BYTES: u64 = 64 * 1024;

/// How much `/dev/shm` may take.
const SHARED_MEMORY_BYTES: u64 = 64 * 1024 * 1024;

pub(super) fn plan(builder: &mut Builder<'_>) {
    // Roots and masks are parts of a view: without one they can't be had.
    let cause = if builder.wants(Layer::Filesystem) {
        unsupported(builder)
    } else {
        Some(Cause::new(
            "it is a part of the layer filesystem, which is switched off",
            "switch it off too, or the layer filesystem on: see --enforcement",
        ))
    };
    if let Some(cause) = cause {
        for layer in [Layer::Filesystem, Layer::Root, Layer::Masks] {
            if builder.wants(layer) {
                builder.missing(layer, cause.clone());
            } else {
                builder.off(layer);
            }
        }
        return;
    }
    let view = View::new(builder);
    view.plan(builder);
}

/// Masks a path that is there. One that isn't can't be masked without leaving something to mount on
/// in the user's directory. Either is guarded: what the host puts there later wouldn't be masked, and
/// ends the run.
fn hide(builder: &mut Builder<'_>, path: &Path) {
    builder.steps.push(Step::Mask { path: path.to_owned(), layer: Layer::Filesystem });
    let Some(on_host) = builder.policy.on_host(path) else { return };
    if let Some(PathFact::Missing(_)) = builder.facts.paths.get(&on_host) {
        let text = format!("{} isn't there: should it appear, the run ends", path.display());
        builder.detail(Layer::Filesystem, text);
    }
    builder.guarded.push(on_host);
}

/// Why there can be no view of its own.
fn unsupported(builder: &Builder<'_>) -> Option<Cause> {
    if !builder.namespaces.contains(&Namespace::Mount) {
        return Some(Cause::new(
            "a view of its own needs a mount namespace, which isn't there",
            "see the layer mount-namespace, or use the profile landlock-only",
        ));
    }
    let facts = builder.facts;
    let wants_proc =
        builder.policy.filesystem.mounts.iter().any(|mount| mount.kind == MountKind::Proc);
    if wants_proc && !builder.namespaces.contains(&Namespace::Pid) {
        return Some(Cause::new(
            "a fresh /proc needs a pid namespace: the host's would show the host's processes",
            "set namespaces.pid to true, or take the proc mount away: {\"type\": \"none\", \"target\": \"/proc\"}",
        ));
    }
    let proc = wants_proc.then_some(&facts.fresh_proc);
    facts.mount_descriptors.cause().or_else(|| proc.and_then(Support::cause)).cloned()
}

/// The view in the making.
struct View {
    /// Whether the root is a tree of the host, whose directories are already there.
    tree: bool,
    /// Whether that tree is the host's own root, which shows what the host has where it has it.
    host: bool,
    /// What may be made where.
    ground: Ground,
}

impl View {
    fn new(builder: &mut Builder<'_>) -> Self {
        let own_root = builder.wants(Layer::Root);
        let root = match &builder.policy.filesystem.root {
            Root::Minimal if own_root => NewRoot::Empty,
            Root::Directory(path) if own_root => NewRoot::Tree(path.clone()),
            _ => NewRoot::Tree(PathBuf::from("/")),
        };
        if let NewRoot::Tree(path) = &root
            && path != Path::new("/")
            && !is_directory(builder, path)
        {
            let cause = Cause::new(
                format!("filesystem.root: {} isn't a directory", path.display()),
                "name the directory of a root file system",
            );
            builder.refuse(Layer::Root, cause);
        }
        let tree = match &root {
            NewRoot::Empty => None,
            NewRoot::Tree(path) => Some(path.clone()),
        };
        builder.steps.push(Step::NewRoot(root));
        if let Some(source) = &tree {
            let read_only =
                Remount { path: "/".into(), writable: false, executable: true, device: false };
            remount(builder, source, &read_only);
        }
        let host = tree.as_deref() == Some(Path::new("/"));
        let tree = tree.is_some();
        Self { tree, host, ground: Ground::new(tree) }
    }

    fn plan(mut self, builder: &mut Builder<'_>) {
        builder.steps.push(Step::EnterRoot);
        self.decide_layers(builder);
        let policy = builder.policy;
        for mount in &policy.filesystem.mounts {
            self.mount(builder, mount);
        }
        for path in &policy.filesystem.hide {
            hide(builder, path);
        }
        if !self.tree {
            builder.steps.push(Step::Seal(PathBuf::from("/")));
        }
        if builder.wants(Layer::Masks) {
            masks::plan(builder, self.tree);
        } else {
            builder.off(Layer::Masks);
            masks::keep_from_root(builder, self.tree);
        }
    }

    fn decide_layers(&self, builder: &mut Builder<'_>) {
        builder.enforced(
            Layer::Filesystem,
            if self.tree {
                "the tree of the root read-only, private mounts on top"
            } else {
                "only what the profile lists, mounted into an empty root"
            },
        );
        let hidden = builder.policy.filesystem.hide.len();
        if hidden > 0 {
            builder.detail(Layer::Filesystem, format!("{hidden} paths masked"));
        }
        if builder.wants(Layer::Root) && builder.policy.filesystem.root == Root::Host {
            let layer = Layer::Root;
            builder.off(layer);
            builder.detail(layer, "the profile shows the host's root (filesystem.root: host)");
        } else if builder.wants(Layer::Root) {
            builder.enforced(Layer::Root, "pivot_root(2), the host's root let go of");
        } else {
            builder.off(Layer::Root);
            if builder.policy.filesystem.root != Root::Host {
                let text = "the host's root is shown: the one that the profile names is off";
                builder.detail(Layer::Root, text);
            }
        }
    }

    fn mount(&mut self, builder: &mut Builder<'_>, mount: &Mount) {
        match &mount.kind {
            MountKind::Bind { source, access, noexec, map_owner } => {
                let bind = Bind {
                    source: source.clone(),
                    target: mount.target.clone(),
                    writable: *access == Access::ReadWrite,
                    executable: !noexec,
                    device: false,
                    no_links_below: policy_untrusted(builder, source),
                    may_be_root: binds::may_be_root(builder, source),
                    map_owner: None,
                };
                self.bind(builder, bind, mount.optional, *map_owner);
            }
            MountKind::Tmpfs { size, mode, noexec } => {
                self.needs_place(builder, &mount.target, true);
                self.directory(builder, &mount.target);
                self.tmpfs(
                    builder,
                    Tmpfs {
                        target: mount.target.clone(),
                        size: *size,
                        mode: *mode,
                        owner: Some(builder.ids),
                        executable: !noexec,
                        optional: mount.optional,
                    },
                );
            }
            MountKind::Proc => {
                self.needs_place(builder, &mount.target, true);
                self.directory(builder, &mount.target);
                self.ground.give_to_host(&mount.target);
                builder.steps.push(Step::Proc(mount.target.clone()));
            }
            MountKind::Dev => {
                self.needs_place(builder, &mount.target, true);
                self.dev(builder, &mount.target);
            }
        }
    }

    fn bind(&mut self, builder: &mut Builder<'_>, mut bind: Bind, optional: bool, owner: bool) {
        let fact = builder.facts.paths.get(&bind.source).cloned();
        match fact.as_ref().map(PathFact::followed) {
            Some(PathFact::Missing(_)) | None if optional => return,
            Some(PathFact::Missing(errno)) => return no_source(builder, &bind, errno),
            None => return no_source(builder, &bind, "it was not looked at"),
            Some(_) => {}
        }
        let fact = fact.unwrap_or(PathFact::Missing(String::new()));
        let same_place = bind.source == bind.target;
        if self.host
            && same_place
            && !bind.writable
            && bind.executable
            && self.ground.is_untouched(&bind.target)
        {
            return; // The read-only root shows it already.
        }
        if let PathFact::Link { text, .. } = &fact
            && same_place
            && !bind.writable
            && !self.ground.is_the_hosts(&bind.target)
            && will_show(builder, &bind, text)
        {
            if is_in_same_place(builder, &bind.target) {
                return; // The link itself is shown by the tree it is in.
            }
            self.parents(builder, &bind.target);
            // What is mounted below goes where the link leads: nothing is made here.
            self.ground.give_to_host(&bind.target);
            builder.steps.push(Step::Symlink { path: bind.target, text: text.clone() });
            return;
        }
        self.needs_place(builder, &bind.target, fact.is_directory());
        if owner {
            bind.map_owner = owner_map(builder, &bind, fact.followed());
        }
        if fact.is_directory() {
            self.directory(builder, &bind.target);
        } else {
            self.parents(builder, &bind.target);
            if !self.ground.is_the_hosts(&bind.target) {
                builder.steps.push(Step::EmptyFile(bind.target.clone()));
            }
        }
        self.ground.give_to_host(&bind.target);
        let pins = binds::pins(builder, &bind);
        push_bind(builder, bind);
        for pin in pins {
            push_bind(builder, pin);
        }
    }

    /// Refuses a mount for which a tree of the host has no place.
    fn needs_place(&self, builder: &mut Builder<'_>, target: &Path, directory: bool) {
        if self.ground.is_the_hosts(target) {
            needs_place(builder, target, directory);
        }
    }

    fn tmpfs(&mut self, builder: &mut Builder<'_>, tmpfs: Tmpfs) {
        self.ground.clear(&tmpfs.target);
        builder.steps.push(Step::Tmpfs(tmpfs));
    }

    /// A minimal `/dev`: a few harmless nodes of the host's, the rest made here.
    fn dev(&mut self, builder: &mut Builder<'_>, target: &Path) {
        self.directory(builder, target);
        self.tmpfs(builder, device_tmpfs(target, DEVICE_TMPFS_BYTES, 0o755, None));
        for name in DEVICES {
            let (source, target) = (Path::new("/dev").join(name), target.join(name));
            builder.steps.push(Step::EmptyFile(target.clone()));
            self.ground.give_to_host(&target);
            let bind = Bind {
                source,
                target,
                writable: true,
                executable: false,
                device: true,
                no_links_below: None,
                may_be_root: false,
                map_owner: None,
            };
            push_bind(builder, bind);
        }
        for (name, text) in DEVICE_LINKS {
            builder
                .steps
                .push(Step::Symlink { path: target.join(name), text: PathBuf::from(text) });
        }
        self.directory(builder, &target.join("pts"));
        builder.steps.push(Step::DevPts(target.join("pts")));
        let shm = target.join("shm");
        self.directory(builder, &shm);
        let owner = Some(builder.ids);
        self.tmpfs(builder, device_tmpfs(&shm, SHARED_MEMORY_BYTES, 0o1777, owner));
        builder.steps.push(Step::Seal(target.to_owned()));
    }

    /// Makes the directory a mount goes on, unless a tree of the host has to have it.
    fn directory(&mut self, builder: &mut Builder<'_>, path: &Path) {
        self.parents(builder, path);
        self.make(builder, path);
    }

    fn parents(&mut self, builder: &mut Builder<'_>, path: &Path) {
        let parents: Vec<_> = path.ancestors().skip(1).collect();
        for parent in parents.into_iter().rev() {
            self.make(builder, parent);
        }
    }

    fn make(&mut self, builder: &mut Builder<'_>, path: &Path) {
        if self.ground.needs(path) {
            builder.steps.push(Step::Directory { path: path.to_owned(), mode: 0o755 });
        }
    }
}

/// A tmpfs of `/dev`: no programs in it.
fn device_tmpfs(target: &Path, size: u64, mode: u32, owner: Option<Ids>) -> Tmpfs {
    let target = target.to_owned();
    Tmpfs { target, size, mode, owner, executable: false, optional: false }
}

fn push_bind(builder: &mut Builder<'_>, bind: Bind) {
    if builder.facts.mount_attributes.is_usable() {
        return builder.steps.push(Step::Bind(bind));
    }
    let allowed = Remount {
        path: bind.target.clone(),
        writable: bind.writable,
        executable: bind.executable,
        device: bind.device,
    };
    let source = bind.source.clone();
    builder.steps.push(Step::Bind(bind));
    remount(builder, &source, &allowed);
}

/// Where the kernel can't set the attributes of a whole tree: remounts the tree that `source` was
/// bound from, and every mount of the host's below it.
fn remount(builder: &mut Builder<'_>, source: &Path, allowed: &Remount) {
    if builder.facts.mount_attributes.is_usable() {
        return;
    }
    builder.steps.push(Step::Remount(allowed.clone()));
    let source = builder.facts.real_paths.get(source).map_or(source, PathBuf::as_path);
    let below = builder.facts.mounts.iter().filter_map(|mount| mount.strip_prefix(source).ok());
    let below: Vec<_> = below.filter(|rest| !rest.as_os_str().is_empty()).collect();
    for rest in below {
        let path = allowed.path.join(rest);
        builder.steps.push(Step::Remount(Remount { path, ..allowed.clone() }));
    }
}
