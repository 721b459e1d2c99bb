//! A program without standard streams: new descriptors get their numbers. Alone in its process,
//! whose streams it closes.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "closing what std owns can't be had without")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use ringfence::{Ending, Level, Memory, Profile, Sandbox, Stdio};

/// Runs `act` without some of the standard streams; what it returns.
fn without<T>(streams: &[i32], act: impl FnOnce() -> T) -> T {
    let saved: Vec<OwnedFd> = streams
        .iter()
        .map(|stream| {
            // SAFETY: a new descriptor, which nobody else owns.
            unsafe { OwnedFd::from_raw_fd(libc::fcntl(*stream, libc::F_DUPFD_CLOEXEC, 20)) }
        })
        .collect();
    for stream in streams {
        // SAFETY: std takes a closed stream for one that leads nowhere.
        unsafe { libc::close(*stream) };
    }
    let result = act();
    for (stream, saved) in streams.iter().zip(&saved) {
        // SAFETY: numbers only; nobody owns the closed stream's.
        unsafe { libc::dup2(saved.as_raw_fd(), *stream) };
    }
    result
}

/// What happened, in words: nothing can be printed or asserted without standard error.
fn tried(sandbox: &Sandbox) -> Result<(), String> {
    let fail = |error: ringfence::Error| error.to_string();
    let output = |script: &str| {
        let mut command = sandbox.command("sh");
        command.args(["-c", script]);
        command.fd(3, Memory::sealed("three")?).fd(4, Memory::sealed("four")?).output()
    };
    let it = output("cat; cat <&4 <&3; cat <&4; echo err >&2; exit 3").map_err(fail)?;
    let found = (&*it.stdout, &*it.stderr, it.outcome.ending);
    if found != (b"threefour", b"err\n", Ending::Exited { code: 3 }) {
        return Err(format!("output: {found:?}"));
    }
    for inherited in [false, true] {
        let mut command = sandbox.command("sh");
        command.args(["-c", "exit 4"]);
        if inherited {
            command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
        }
        let ending = command.status().map_err(fail)?.ending;
        if ending != (Ending::Exited { code: 4 }) {
            return Err(format!("status, {inherited}: {ending}"));
        }
    }
    Ok(())
}

#[test]
fn commands_run_in_a_program_whose_standard_streams_are_closed() {
    let default = || Profile::load("default").unwrap();
    let profiles = [
        default(),
        default().set("process.stdin", "null"),
        support::host::with_landlock_if_any(Profile::load("landlock-only").unwrap())
            .set("process.stdin", "null"),
        Profile::new(Level::Basic).set("process.stdin", "null"),
    ];
    for (number, profile) in profiles.iter().enumerate() {
        let sandbox = Sandbox::new(profile).unwrap();
        for streams in [&[0][..], &[1], &[2], &[0, 1], &[1, 2], &[0, 1, 2]] {
            let result = without(streams, || tried(&sandbox));
            assert_eq!(result, Ok(()), "profile {number} without {streams:?}");
        }
    }
}
