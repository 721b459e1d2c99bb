//! What is asked of this backend with made-up input, for [`crate::fuzzing`].

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::cgroup::{Layout, fuzzing as cgroup};
use super::facts::accounts;
use super::mountinfo;
use super::seccomp::{self, evaluate};
use crate::fuzzing::Choices;
use crate::plan::facts::Accounts;
use crate::policy::Identity;
use crate::policy::arch::Arch;
use crate::policy::seccomp::SeccompPolicy;
use crate::profile::model::IdOrName;

pub(crate) use super::prepare::fuzzing::{argument_strings, kernel_structures};

/// A compiled filter, run as the kernel would run it.
pub(crate) struct Filter(seccomp::Program);

impl Filter {
    /// The filter that a launch would install.
    pub(crate) fn of(policy: &SeccompPolicy, arch: Arch) -> Result<Self, seccomp::CompileError> {
        let program = seccomp::program(policy, arch)?;
        evaluate::check(&program);
        Ok(Self(program))
    }

    /// What the kernel is told to do with a call.
    pub(crate) fn run(&self, audit_arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
        evaluate::run(&self.0, &evaluate::Call { number, audit_arch, arguments }).0
    }
}

/// Texts of the kernel's and of the host's: any bytes get an answer, and what is written by the
/// rules is read as what was meant.
pub(crate) fn kernel_texts(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(4) {
        0 => mounts(&mut choices),
        1 => cgroups(&mut choices),
        2 => passwd(&mut choices),
        _ => processors(&mut choices),
    }
    // And all of it as any of them.
    let text = String::from_utf8_lossy(data);
    drop(Layout::detect(&text, &text));
    mountinfo::mounts(data).for_each(drop);
    let _ = accounts::home_in(&text, 1000);
    cgroup::any(&text);
}

/// As `mangle` in fs/seq_file.c writes a path: what would end a field or a line is in octal.
fn mangled(path: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in path {
        if b" \t\n\\#".contains(byte) {
            text.extend(format!("\\{byte:03o}").bytes());
        } else {
            text.push(*byte);
        }
    }
    text
}

/// An absolute path with anything in its names.
fn path(choices: &mut Choices<'_>) -> Vec<u8> {
    const HARD: [&[u8]; 8] = [b" ", b"\\", b"\n", b"\\040", b"#", b"\xff", b" - ", b"\\12"];
    let mut path = vec![b'/'];
    for _ in 0..choices.below(5) {
        if choices.flag() {
            path.extend(choices.pick(&HARD));
        } else {
            path.extend(choices.bytes(4).iter().filter(|byte| **byte != 0));
        }
    }
    path
}

fn mounts(choices: &mut Choices<'_>) {
    let (mut text, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..choices.below(5) {
        let (root, point) = (path(choices), path(choices));
        let options = choices.pick(&["rw", "ro", "rw,nosuid,noexec", "ro,relatime"]);
        let tags = choices.pick(&["", "shared:1 ", "shared:1 master:2 "]);
        text.extend(b"29 1 254:0 ");
        text.extend(mangled(&root));
        text.push(b' ');
        text.extend(mangled(&point));
        text.extend(format!(" {options} {tags}- ext4 /dev/vda rw\n").bytes());
        expected.push((PathBuf::from(OsString::from_vec(point)), options.as_bytes()));
    }
    let found: Vec<_> = mountinfo::mounts(&text).map(|m| (m.point, m.options)).collect();
    assert_eq!(found, expected);
}

/// Whatever the mounts are, our own cgroup is at or below the mount that shows it, never beside.
fn cgroups(choices: &mut Choices<'_>) {
    let mut own = String::new();
    let mut mounts = String::new();
    let part = |c: &mut Choices<'_>| {
        c.pick(&["", "/a", "/a/b c", "/..", "/../d", "/a\\x", "/user.slice/u:1", "/a (deleted)"])
    };
    for (id, (names, kind, options)) in [
        ("", "cgroup2", "rw"),
        ("memory", "cgroup", "rw,memory"),
        ("cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
    ]
    .into_iter()
    .enumerate()
    {
        let (root, path) = (part(choices), part(choices));
        let slash = |path: &str| if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        own.push_str(&format!("{id}:{names}:{}\n", slash(&format!("{root}{path}"))));
        let root = String::from_utf8(mangled(slash(root).as_bytes())).expect("it is text");
        let access = choices.pick(&["rw", "ro"]);
        mounts.push_str(&format!(
            "3{id} 2 0:2{id} {root} /sys/fs/c\\040{id} {access} - {kind} x {options}\n"
        ));
    }
    let layout = Layout::detect(&own, &mounts);
    let hierarchies = layout.v1.iter().chain(&layout.v2);
    for parent in hierarchies.filter_map(|hierarchy| hierarchy.own.as_ref().ok()) {
        let below = parent.directory.strip_prefix(&parent.mount_point);
        let below = below.unwrap_or_else(|_| panic!("{parent:?} is beside its mount"));
        assert!(below.components().all(|part| part.as_os_str() != ".."), "{parent:?}");
        assert!(parent.mount_point.starts_with("/sys/fs"), "{parent:?}");
        assert!(Path::new(&parent.cgroup).ends_with(below), "{parent:?}");
    }
}

/// The first entry of a name counts, as for the C library, and no number means "leave it".
fn passwd(choices: &mut Choices<'_>) {
    const NAMES: [&str; 5] = ["me", "build", "#no", "é", ""];
    const NUMBERS: [&str; 6] = ["0", "1000", "4294967295", "4294967294", "-1", "x"];
    let mut text = String::new();
    let mut first = None;
    let wanted = choices.pick(&NAMES);
    for _ in 0..choices.below(6) {
        let name = choices.pick(&NAMES);
        let (uid, gid) = (choices.pick(&NUMBERS), choices.pick(&NUMBERS));
        if choices.one_in(5) {
            text.push_str(&choices.text(6).replace(wanted, ""));
            text.push('\n');
        }
        text.push_str(&format!("{name}:x:{uid}:{gid}:,,:/home:/bin/sh\n"));
        let number = |text: &str| match text {
            "0" | "1000" | "4294967294" => text.parse::<u32>().ok(),
            _ => None,
        };
        let ids = number(uid).zip(number(gid));
        if name == wanted && !name.starts_with('#') {
            first = first.or(ids);
        }
    }
    if wanted.is_empty() {
        return; // Lines of the noise have no name either.
    }
    let uid = Some(IdOrName::Name(wanted.to_owned()));
    let mut found = Accounts::default();
    accounts::users(&Identity { uid, gid: None, groups: Vec::new() }, &text, &mut found);
    assert_eq!(found.users.get(wanted).copied(), first, "{wanted} in {text}");
    let mut groups = Accounts::default();
    accounts::groups(&text, &mut groups);
    assert!(groups.groups.values().all(|id| *id != u32::MAX), "{groups:?}");
}

fn processors(choices: &mut Choices<'_>) {
    let mut list: Vec<u32> = (0..choices.below(20)).map(|_| u32::from(choices.short())).collect();
    list.sort_unstable();
    list.dedup();
    cgroup::processors(&list);
}
