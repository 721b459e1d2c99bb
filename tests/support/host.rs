//! What the host under the tests has, by asking the kernel and the file system themselves: what
//! ringfence says of it is what is tested.

use std::path::Path;

use ringfence::Profile;

use super::{Caller, skip};

/// The kernel's release, as far as it orders kernels.
pub fn release() -> (u32, u32) {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = text.split(|byte: char| !byte.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse().ok());
    next().zip(next()).unwrap_or_else(|| panic!("a release of Linux: {text}"))
}

/// Whether a mount can show files as another user's: before Linux 5.12, which has idmapped mounts,
/// none can, and root's command, which runs as nobody, has in root's directories the rights of others.
pub fn maps_owners() -> bool {
    release() >= (5, 12)
}

/// Whether what is the caller's is the command's own inside; says so if it isn't.
#[track_caller]
pub fn owns_what_is_the_callers(caller: Caller) -> bool {
    let owns = caller == Caller::User || maps_owners();
    if !owns {
        skip(
            "idmapped mounts",
            "root's files can't be shown as its command's own before Linux 5.12",
        );
    }
    owns
}

/// The version of Landlock (`landlock_create_ruleset(2)`); 0: there is none, or a filter around this
/// process keeps it away.
#[allow(unsafe_code, reason = "there is no other way to ask")]
pub fn landlock_version() -> i64 {
    const VERSION: u32 = 1;
    let (attributes, size) = (std::ptr::null::<u8>(), 0_usize);
    // SAFETY: asked for the version, the kernel reads no attributes, and makes nothing.
    let answer =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, attributes, size, VERSION) };
    answer.max(0)
}

/// The first version of Landlock that keeps files that may only be read from being emptied: what a
/// profile that requires the layer can be had with.
const FILES: i64 = 3;

/// The first version of Landlock with rules for TCP ports.
pub const TCP: i64 = 4;

/// Whether there is a Landlock that can be required; says so if there isn't.
#[track_caller]
pub fn has_landlock() -> bool {
    landlock(FILES)
}

/// Whether there is Landlock with rules for TCP ports; says so if there isn't.
#[track_caller]
pub fn has_landlock_tcp() -> bool {
    landlock(TCP)
}

#[track_caller]
fn landlock(needed: i64) -> bool {
    let found = landlock_version();
    if found < needed {
        let facility = if needed < TCP { "landlock" } else { "landlock-tcp" };
        skip(facility, &format!("it takes version {needed} of Landlock, and this is {found}"));
    }
    found >= needed
}

/// Of these built-in profiles those that can be had with the kernel's version of Landlock; says which
/// can't.
#[track_caller]
pub fn enforceable<'a>(profiles: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut left_out = Vec::new();
    let mut profiles: Vec<_> = profiles.into_iter().collect();
    profiles.retain(|profile| {
        let needed = match *profile {
            "landlock-only" | "ci-landlock" => FILES,
            "network-client" => TCP,
            _ => 0,
        };
        let can_be_had = landlock_version() >= needed;
        if !can_be_had {
            left_out.push(*profile);
        }
        can_be_had
    });
    if !left_out.is_empty() {
        let facility = if landlock_version() < FILES { "landlock" } else { "landlock-tcp" };
        skip(facility, &format!("not tested here: {}", left_out.join(", ")));
    }
    profiles
}

/// How a test asks for Landlock that is about something else, in profiles that ask for it: as they do
/// where there is any, and else as far as it can be had.
pub fn landlock_if_any() -> &'static [&'static str] {
    if landlock_version() >= FILES { &[] } else { &["--enforcement", "landlock=best-effort"] }
}

/// The same for a profile of the library.
pub fn with_landlock_if_any(profile: Profile) -> Profile {
    if landlock_version() >= FILES {
        return profile;
    }
    profile.set("enforcement.landlock", "best-effort")
}

/// Whether the cgroups of this host tell what a tree took of memory at most: version 1 always does, 2
/// since Linux 5.19.
pub fn counts_peak_of_memory() -> bool {
    Path::new("/sys/fs/cgroup/memory/memory.max_usage_in_bytes").exists() || release() >= (5, 19)
}

/// Whether they tell of how many processes it had at most: since Linux 6.11.
pub fn counts_peak_of_processes() -> bool {
    release() >= (6, 11)
}

/// A Python that the sandbox shows; says so if there is none.
#[track_caller]
pub fn python() -> Option<&'static str> {
    let python = "/usr/bin/python3";
    let there = Path::new(python).exists();
    if !there {
        skip("python3", "there is no /usr/bin/python3");
    }
    there.then_some(python)
}

/// How many times longer than elsewhere things may take: `tests/vm/boot` says so of a machine that is
/// emulated (`RINGFENCE_TEST_PATIENCE`). For what has to be quick enough, never for what has to be
/// slow enough.
pub fn patience() -> u32 {
    let asked = std::env::var("RINGFENCE_TEST_PATIENCE").ok();
    asked.and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// Whether a program is on the host; says so if it isn't.
#[track_caller]
pub fn has_program(name: &str) -> bool {
    let path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
    let there = path.split(':').any(|directory| Path::new(directory).join(name).is_file());
    if !there {
        skip(name, "the program isn't installed");
    }
    there
}
