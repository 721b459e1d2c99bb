//! `/proc/PID/mountinfo` (`proc_pid_mountinfo(5)`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A field, in which the kernel writes white space and backslashes in octal.
pub(super) fn unescaped(field: &[u8]) -> Vec<u8> {
    if !field.contains(&b'\\') {
        return field.to_vec();
    }
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] if *first == b'\\' => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

/// A mount, as far as it is looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    id: &'a [u8],
    parent: &'a [u8],
    pub(super) point: PathBuf,
    /// Options of this mount, separated by commas.
    pub(super) options: &'a [u8],
}

impl Mount<'_> {
    pub(super) fn has(&self, option: &[u8]) -> bool {
        self.options.split(|byte| *byte == b',').any(|own| own == option)
    }

    /// Whether another of them lies on this one, at the same place: it can't be reached then.
    pub(super) fn is_covered(&self, mounts: &[Self]) -> bool {
        mounts.iter().any(|above| above.parent == self.id && above.point == self.point)
    }
}

/// The mounts, in the order of the text: of two at one place, the later covers the earlier.
pub(super) fn mounts(text: &[u8]) -> impl Iterator<Item = Mount<'_>> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let (id, parent) = (fields.next()?, fields.next()?);
        let (point, options) = (fields.nth(2)?, fields.next()?);
        let point = PathBuf::from(OsString::from_vec(unescaped(point)));
        Some(Mount { id, parent, point, options })
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(unescaped(br"/mnt/a\040b\134c"), br"/mnt/a b\c");
        assert_eq!(unescaped(br"/plain\9"), br"/plain\9");
    }

    #[test]
    fn a_mount_is_found_by_its_real_name() {
        let text = b"29 1 254:0 / /a\\040\xff rw,noexec shared:1 - ext4 /dev/vda rw\nnonsense\n";
        let found: Vec<_> = mounts(text).collect();
        assert_eq!(found.len(), 1);
        let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"/a \xff");
        assert_eq!(found[0].point, Path::new(name));
        assert!(found[0].has(b"noexec") && !found[0].has(b"ro") && !found[0].has(b"no"));
    }
}
