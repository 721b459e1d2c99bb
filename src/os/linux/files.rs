//! Reading the files of kernel file systems: small, and without a size that could be asked for.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Most of them fit; a `mountinfo` often needs a second.
const PIECE: usize = 4096;

/// A whole file. The standard library would ask for its size, and feel its way in steps of 32 bytes.
pub(super) fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(read_open(rustix::fs::open(path.as_ref(), flags, Mode::empty())?)?)
}

/// The same as text; what isn't UTF-8 in it is replaced.
pub(super) fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    read(path).map(text)
}

/// What is left of an open file.
pub(super) fn read_open(file: impl AsFd) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(PIECE);
    loop {
        match rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => return Ok(bytes),
            Ok(_) if bytes.len() == bytes.capacity() => bytes.reserve(PIECE),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Bytes as text, copied only where something has to be replaced.
pub(super) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_any_length_is_read_whole() {
        let directory = tempfile::tempdir().unwrap();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let bytes: Vec<u8> = (0..length).map(|number| (number % 251) as u8).collect();
            let path = directory.path().join("file");
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(read(&path).unwrap(), bytes);
        }
        assert!(read(directory.path().join("none")).is_err());
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        assert_eq!(text(b"a\xffb".to_vec()), "a\u{fffd}b");
    }
}
