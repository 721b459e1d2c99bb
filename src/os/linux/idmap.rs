//! Id maps of user namespaces, and of mounts.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};

use super::child::ops::IdMaps;
use super::{fault, files};
use crate::plan::facts::NOBODY;
use crate::plan::step::{IdMap, OwnerMap};
use crate::sys::clone::{clone_and_run, flags};
use crate::sys::exec::close_all_but;

/// Why a map couldn't be written: which file, and the error.
#[derive(Debug)]
pub(super) struct MapError {
    pub(super) file: &'static str,
    pub(super) errno: i32,
}

/// Whether the first process of a user namespace writes the maps itself, which spares both sides
/// the waiting for each other. To keep `setgroups(2)` takes a privilege outside.
pub(super) fn is_written_inside(map: &IdMap) -> bool {
    !map.keep_setgroups
}

/// Whether this process's user namespace keeps it from becoming nobody: it doesn't map that user or
/// group, or forbids `setgroups(2)`. That can't be found out by trying, from which there is no return.
pub(super) fn confines() -> bool {
    // What can't be read is taken for what is usual.
    let read = |file: &str| files::read_text(format!("/proc/self/{file}")).ok();
    let Some(users) = read("uid_map") else { return false };
    // The host's own maps all there are, and forbids nothing.
    if users.split_whitespace().eq(["0", "0", "4294967295"]) {
        return false;
    }
    !maps(&users, NOBODY)
        || read("gid_map").is_some_and(|groups| !maps(&groups, NOBODY))
        || read("setgroups").is_some_and(|answer| answer.trim() == "deny")
}

/// Whether a map has this id inside (`user_namespaces(7)`).
fn maps(text: &str, id: u32) -> bool {
    text.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(inside)), Some(Ok(_)), Some(Ok(count))) => {
                id.checked_sub(inside).is_some_and(|offset| offset < count)
            }
            _ => false,
        }
    })
}

/// What is written to `uid_map` and `gid_map`.
pub(super) fn texts(map: &IdMap) -> IdMaps {
    let (inside, outside) = (map.inside, map.outside);
    IdMaps {
        users: format!("{} {} 1", inside.uid, outside.uid).into_bytes(),
        groups: format!("{} {} 1", inside.gid, outside.gid).into_bytes(),
    }
}

/// Writes the maps of the user namespace that process `pid` was born in, with `setgroups(2)` kept.
pub(super) fn write(pid: i32, map: &IdMap) -> Result<(), MapError> {
    let texts = texts(map);
    write_file(pid, "uid_map", &texts.users)?;
    write_file(pid, "gid_map", &texts.groups)
}

fn write_file(pid: i32, file: &'static str, text: &[u8]) -> Result<(), MapError> {
    let fail = |errno: rustix::io::Errno| MapError { file, errno: errno.raw_os_error() };
    fault::point().map_err(fail)?;
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(&path, flags, Mode::empty()).map_err(fail)?;
    rustix::io::write(&opened, text).map_err(fail).map(drop)
}

/// A user namespace for an idmapped mount (`mount_setattr(2)`): ids on disk are its inside, ids
/// as they are seen its outside. It is made by a process that lives only for that.
pub(super) fn namespace(map: OwnerMap) -> Result<OwnedFd, String> {
    let fail = |what: &str, errno: i32| {
        format!("can't make an id map for a mount: {what}: {}", crate::error::errno_text(errno))
    };
    let (wait, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|errno| fail("pipe2(2)", errno.raw_os_error()))?;
    match clone_waiting(&wait) {
        Err(errno) => Err(fail("clone3(2)", errno.raw_os_error())),
        Ok(pid) => {
            let maps = IdMap { inside: map.on_disk, outside: map.seen_as, keep_setgroups: true };
            let written = write(pid, &maps)
                .map_err(|error| fail(&format!("/proc/{pid}/{}", error.file), error.errno));
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let opened = written.and_then(|()| {
                rustix::fs::open(format!("/proc/{pid}/ns/user"), flags, Mode::empty())
                    .map_err(|errno| fail(&format!("/proc/{pid}/ns/user"), errno.raw_os_error()))
            });
            // End of file lets the process go.
            drop(go);
            let _ = crate::sys::wait::reap(crate::sys::wait::Wait::For(pid));
            opened
        }
    }
}

/// Starts a process in a new user namespace that does nothing until `go` is closed.
fn clone_waiting(wait: &OwnedFd) -> Result<i32, rustix::io::Errno> {
    let cloned = clone_and_run(flags::NEWUSER, None, || {
        if close_all_but(&[wait.as_raw_fd()]).is_ok() {
            let _ = rustix::io::read(wait, &mut [0_u8; 1]);
        }
    })?;
    Ok(cloned.pid)
}

#[cfg(test)]
mod tests {
    use super::maps;

    #[test]
    fn an_id_is_mapped_by_the_range_that_it_is_in() {
        let text = "         0       1000          1\n         1     100000      65536\n";
        assert!([0, 1, 65_534, 65_536].iter().all(|id| maps(text, *id)));
        assert!(!maps(text, 65_537) && !maps("0 1000 1\n", 65_534) && !maps("nonsense\n", 0));
    }
}
