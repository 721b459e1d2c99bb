//! What the tree has read and written, counted by the kernel for init: the kernel adds what a
//! process has transferred to its parent's account when it is reaped.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

/// Opens this process's account in the `/proc` that it was born with; the sandbox may have none.
/// From outside, an unprivileged launcher may not read that of an undumpable process.
pub(super) fn open() -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(c"/proc/self/io", flags, Mode::empty()).ok()
}

/// Bytes that went through `read(2)` and `write(2)` and their kind (`proc_pid_io(5)`).
pub(super) fn read(account: &OwnedFd) -> Option<(u64, u64)> {
    let mut buffer = [0_u8; 512];
    let count = rustix::io::pread(account, &mut buffer, 0).ok()?;
    let text = buffer.get(..count)?;
    Some((field(text, b"rchar: ")?, field(text, b"wchar: ")?))
}

fn field(text: &[u8], name: &[u8]) -> Option<u64> {
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))?;
    line.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_grows_by_what_is_read() {
        let account = open().expect("/proc");
        let (before, _) = read(&account).expect("numbers");
        std::fs::read("/proc/self/status").expect("a file");
        assert!(read(&account).expect("numbers").0 > before);
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = b"rchar: 12\nwchar: 7\nsyscr: 1\n";
        assert_eq!((field(text, b"rchar: "), field(text, b"wchar: ")), (Some(12), Some(7)));
        assert_eq!(field(text, b"char: "), None);
        assert_eq!(field(b"rchar: x", b"rchar: "), None);
    }
}
