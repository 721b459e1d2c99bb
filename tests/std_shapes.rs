//! What `std::process` does, this does: programs that know the one know the other.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ringfence::{Ending, Error, Layer, Level, Memory, Profile, Sandbox, Stdio};

fn sandbox() -> Sandbox {
    Sandbox::new(&Profile::load("default").unwrap()).unwrap()
}

/// What `std::process` makes of a command without a sandbox.
fn plain(program: impl AsRef<OsStr>, arguments: &[&OsStr]) -> io::Result<Vec<u8>> {
    Ok(std::process::Command::new(program).args(arguments).output()?.stdout)
}

/// The same with a sandbox, as a function that knows nothing of its errors.
fn sandboxed(program: impl AsRef<OsStr>, arguments: &[&OsStr]) -> io::Result<Vec<u8>> {
    Ok(sandbox().command(program).args(arguments).output()?.stdout)
}

#[test]
fn a_failed_spawn_has_the_same_kind() {
    let long = "x".repeat(200_000);
    for (program, argument) in [
        ("no-such-command", "x"),
        ("/no/such/command", "x"),
        ("", "x"),
        ("/etc/passwd", "x"),
        ("/usr", "x"),
        ("true", &*long),
    ] {
        let expected = plain(program, &[argument.as_ref()]).unwrap_err();
        let found = sandboxed(program, &[argument.as_ref()]).unwrap_err();
        assert_eq!(found.kind(), expected.kind(), "{program:?}: {found} and {expected}");
    }
    assert_eq!(sandboxed("no-such-command", &[]).unwrap_err().kind(), ErrorKind::NotFound);
    let error = io::Error::from(sandbox().command("true").cpus(0).spawn().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.get_ref().is_some_and(|error| error.is::<Error>()));
}

#[test]
fn any_bytes_are_an_argument_and_a_value_but_nul() {
    let bytes = OsStr::from_bytes(b"\xff\xfe \n'$(id)");
    let echo = ["%s|".as_ref(), "".as_ref(), bytes, "".as_ref()];
    assert_eq!(sandboxed("printf", &echo).unwrap(), plain("printf", &echo).unwrap());
    let sandbox = sandbox();
    let mut command = sandbox.command("printenv");
    let output = command.arg("IT").env("IT", bytes).output().unwrap();
    assert_eq!(output.stdout, [bytes.as_bytes(), b"\n"].concat());
    // A NUL would cut off what follows it; std refuses it, too.
    assert!(plain("echo", &["a\0b".as_ref()]).is_err());
    for (mut command, layer, said) in [
        (sandbox.command("a\0b"), Layer::ProcessTree, r#""a\0b""#),
        (sandbox.command("echo"), Layer::ProcessTree, r#""c\0d""#),
        (sandbox.command("echo"), Layer::Environment, r#""NAME""#),
        (sandbox.command("echo"), Layer::Filesystem, r#""/e\0f""#),
    ] {
        match said {
            r#""c\0d""# => command.arg("c\0d"),
            r#""NAME""# => command.env("NAME", "secret\0"),
            r#""/e\0f""# => command.current_dir("/e\0f"),
            _ => &mut command,
        };
        let error = command.spawn().unwrap_err();
        assert_eq!(error.layer(), Some(layer), "{error}");
        let text = error.to_string();
        assert!(text.contains(said) && text.contains("NUL"), "{text}");
        assert!(!text.contains('\0') && !text.contains("secret"), "{text}");
    }
}

#[test]
fn a_relative_directory_counts_from_where_the_command_would_start() {
    let work = tempfile::tempdir().unwrap();
    std::fs::create_dir(work.path().join("below")).unwrap();
    for profile in [Profile::load("default").unwrap(), Profile::new(Level::Basic)] {
        let sandbox = Sandbox::new(&profile.working_directory(work.path())).unwrap();
        for (directory, expected) in [(".", ""), ("below", "/below"), ("below/..", "")] {
            let output = sandbox.command("pwd").current_dir(directory).output().unwrap();
            let expected = format!("{}{expected}\n", work.path().display());
            assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{directory}");
        }
        for missing in ["", "nowhere", "/nowhere"] {
            let error = sandbox.command("pwd").current_dir(missing).spawn().unwrap_err();
            assert_eq!(io::Error::from(error).kind(), ErrorKind::NotFound, "{missing:?}");
        }
    }
}

#[test]
fn a_limit_of_nothing_is_refused_where_the_kernel_would_take_it_for_none() {
    let sandbox = sandbox();
    let mut commands = [(); 4].map(|()| sandbox.command("true"));
    let [memory, processes, cpus, cpu_time] = &mut commands;
    for (name, command) in [
        ("memory", memory.memory(0)),
        ("processes", processes.processes(0)),
        ("cpus", cpus.cpus(0)),
        ("cpu_time", cpu_time.cpu_time(Duration::ZERO)),
    ] {
        let error = command.spawn().unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error}");
        assert!(error.to_string().contains(&format!("limits.{name}")), "{error}");
    }
    // Without time, or a place to write to, a command still has an outcome.
    let outcome = sandbox.command("sleep").arg("60").wall_time(Duration::ZERO).status().unwrap();
    assert_eq!(outcome.ending, Ending::TimedOut);
    let output = sandbox.command("echo").arg("kept?").output_size(0).output().unwrap();
    assert!(output.truncated && output.stdout.is_empty());
}

#[test]
fn a_limit_beyond_what_can_be_counted_changes_nothing() {
    let sandbox = sandbox();
    let mut command = sandbox.command("true");
    command.memory(u64::MAX).processes(u64::MAX).cpus(u64::MAX).open_files(u64::MAX);
    command.file_size(u64::MAX).output_size(u64::MAX);
    command.cpu_time(Duration::MAX).wall_time(Duration::MAX);
    assert!(command.status().unwrap().success());
}

#[test]
fn a_number_that_no_descriptor_has_is_named() {
    for number in [1_000_000_000, u32::MAX] {
        let file = Memory::new(1).unwrap();
        let error = sandbox().command("true").fd(number, file).spawn().unwrap_err();
        assert_eq!(error.layer(), Some(Layer::Descriptors), "{error}");
        assert!(error.to_string().contains(&number.to_string()), "{error}");
    }
}

#[test]
fn wait_closes_standard_input_and_try_wait_doesnt() {
    let sandbox = sandbox();
    let mut command = sandbox.command("cat");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    assert!(child.try_wait().unwrap().is_none() && child.stdin.is_some());
    assert!(child.wait_timeout(Duration::from_millis(10)).unwrap().is_none());
    assert!(child.wait().unwrap().success() && child.stdin.is_none());
}

#[test]
fn a_child_outlives_the_thread_that_has_started_it() {
    // A parent-death signal would come with the end of the thread (`prctl(2)`).
    let levels = [
        Profile::new(Level::Basic),
        Profile::new(Level::UserBased),
        Profile::new(Level::Namespaced),
        Profile::load("default").unwrap(),
    ];
    for profile in levels {
        let sandbox = Sandbox::new(&profile).unwrap();
        let start = move || {
            let mut command = sandbox.command("sh");
            command.args(["-c", "read -r line; exit 6"]).stdin(Stdio::piped()).spawn().unwrap()
        };
        let mut child = std::thread::spawn(start).join().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(child.try_wait().unwrap().is_none());
        assert_eq!(child.wait().unwrap().ending, Ending::Exited { code: 6 });
    }
}

#[test]
fn a_panic_takes_the_tree_with_it() {
    let (mut reader, writer) = io::pipe().unwrap();
    let mut command = sandbox().command("sh");
    command.args(["-c", "sleep 60 & setsid sleep 60 & sleep 60"]).stdout(writer);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _child = command.spawn().unwrap();
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    drop(command); // It holds the pipe's other side, too.
    assert!(unwound.is_err());
    // The end of the pipe: nobody is left who holds its other side.
    let mut rest = Vec::new();
    assert_eq!(io::Read::read_to_end(&mut reader, &mut rest).unwrap(), 0);
}

#[test]
fn what_can_be_shared_between_threads_there_can_be_here() {
    fn shared<T: Send + Sync + std::fmt::Debug>() {}
    shared::<ringfence::Child>();
    shared::<ringfence::Command>();
    shared::<ringfence::Output>();
    shared::<Stdio>();
    shared::<ringfence::ChildStdin>();
    shared::<ringfence::ChildStdout>();
    shared::<Sandbox>();
    shared::<Profile>();
    shared::<Memory>();
    shared::<Error>();
}

#[test]
fn all_of_this_holds_for_an_unprivileged_user() {
    support::again_as_user("all_of_this_holds_for_an_unprivileged_user");
}
