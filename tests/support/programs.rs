//! Small C programs for what a shell can't do, compiled when a test needs them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

static COMPILED: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

/// The path of a program of `tests/programs`: static, so that it runs where nothing else is, and
/// where every user can reach it.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(path) = compiled.get(name) {
        return path.clone();
    }
    // Made beforehand where a compiler is missing, or slow: see `tests/vm`.
    if let Some(ready) = std::env::var_os("RINGFENCE_TEST_PROGRAMS") {
        let path = super::DIRECTORY.join(name);
        super::copy_program(&PathBuf::from(ready).join(name), &path);
        compiled.insert(name.to_owned(), path.clone());
        return path;
    }
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/programs/{name}.c"));
    let path = super::DIRECTORY.join(name);
    let compiler = Command::new("cc")
        .args(["-static", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
        .args([&path, &source])
        .output()
        .expect("the tests need a C compiler: apt-get install gcc libc6-dev");
    assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
    compiled.insert(name.to_owned(), path.clone());
    path
}
