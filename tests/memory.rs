//! Memory that a program shares with a command.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::os::unix::fs::FileExt;

use ringfence::{Error, Memory, Profile, Sandbox};

fn text_of(memory: &Memory, length: usize) -> String {
    let mut text = vec![0; length];
    memory.read_exact_at(&mut text, 0).unwrap();
    String::from_utf8(text).unwrap()
}

/// What a shell prints that has the memory at descriptor 5.
fn shell(memory: &Memory, script: &str) -> String {
    let sandbox = Sandbox::new(&Profile::load("untrusted").unwrap()).unwrap();
    let mut command = sandbox.command("sh");
    command.args(["-c", script]).fd(5, memory.try_clone().unwrap());
    let output = command.output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn both_sides_see_what_the_other_writes() {
    let memory = Memory::new(8).unwrap();
    memory.write_all_at(b"question", 0).unwrap();
    assert_eq!(shell(&memory, "cat /proc/self/fd/5; printf answered >&5"), "question");
    assert_eq!(text_of(&memory, 8), "answered");
}

#[test]
fn its_length_is_final_on_both_sides() {
    let memory = Memory::new(4).unwrap();
    shell(&memory, ": > /proc/self/fd/5; printf 123456789 >&5");
    assert!(memory.write_at(b"x", 4).is_err());
    let mut more = [0; 9];
    assert_eq!(memory.read_at(&mut more, 0).unwrap(), 4);
    // The kernel takes as much as there is place for.
    assert!(more.starts_with(b"1234") || more.starts_with(&[0; 4]), "{more:?}");
}

#[test]
fn sealed_memory_is_what_it_was() {
    let memory = Memory::sealed("final").unwrap();
    for script in
        ["printf xxxxx >&5", "printf xxxxx > /proc/self/fd/5", "printf x 1<>/proc/self/fd/5"]
    {
        shell(&memory, script);
        assert_eq!(text_of(&memory, 5), "final", "{script}");
    }
    assert_eq!(shell(&memory, "cat <&5"), "final");
    assert!(memory.write_at(b"y", 0).is_err());
    assert!(Memory::sealed("").is_ok());
}

#[test]
fn it_can_be_sealed_later_and_then_only_once() {
    let memory = Memory::new(4).unwrap();
    memory.write_all_at(b"data", 0).unwrap();
    memory.seal().unwrap();
    assert!(memory.write_at(b"x", 0).is_err());
    let error = memory.seal().unwrap_err();
    assert!(matches!(&error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("seal memory"), "{error}");
}

#[test]
fn it_cant_be_executed() {
    use rustix::fs::{Access, AtFlags, CWD, SealFlags, accessat, fcntl_get_seals};
    use std::os::fd::AsRawFd;
    let program = std::fs::read("/bin/true").unwrap();
    let memory = Memory::sealed(&program).unwrap();
    if !fcntl_get_seals(&memory).unwrap().contains(SealFlags::EXEC) {
        return; // Linux before 6.3: who got it could make it executable.
    }
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    assert!(accessat(CWD, &path, Access::EXEC_OK, AtFlags::empty()).is_err());
    assert!(rustix::fs::fchmod(&memory, rustix::fs::Mode::from_raw_mode(0o777)).is_err());
    assert_eq!(shell(&memory, "/proc/self/fd/5 && echo ran").matches("ran").count(), 0);
}

#[test]
fn more_than_there_can_be_is_an_error() {
    assert!(matches!(Memory::new(u64::MAX), Err(Error::Io { .. })));
}

#[test]
fn all_of_this_holds_for_an_unprivileged_user() {
    support::again_as_user("all_of_this_holds_for_an_unprivileged_user");
}
