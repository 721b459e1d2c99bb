//! The library as a program uses it: commands, streams, limits and ends.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use ringfence::{Access, Ending, Error, Profile, Sandbox, Stdio};

fn sandbox(profile: &str) -> Sandbox {
    Sandbox::new(&Profile::load(profile).unwrap()).unwrap()
}

#[test]
fn output_holds_both_streams_and_the_status() {
    let script = "echo out; echo err >&2; exit 3";
    let output = sandbox("default").command("sh").args(["-c", script]).output().unwrap();
    assert_eq!(output.outcome.ending, Ending::Exited { code: 3 });
    assert_eq!((output.outcome.code(), output.outcome.success()), (Some(3), false));
    assert_eq!((output.stdout, output.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
    assert!(!output.truncated);
}

#[test]
fn output_reads_more_than_a_pipe_holds_from_both_streams_at_once() {
    let script = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero";
    let output = sandbox("default").command("sh").args(["-c", script]).output().unwrap();
    assert!(output.outcome.success());
    assert_eq!((output.stdout.len(), output.stderr.len()), (3_000_000, 3_000_000));
}

#[test]
fn output_beyond_the_limit_is_thrown_away_or_ends_the_run() {
    let profile = Profile::load("default").unwrap().set("limits.output", "10KiB");
    let flood = "head -c 1000000 /dev/zero; echo done >&2";
    let run = |profile: &Profile, script: &str| {
        Sandbox::new(profile).unwrap().command("sh").args(["-c", script]).output().unwrap()
    };
    let truncated = run(&profile, flood);
    assert!(truncated.truncated && truncated.outcome.success());
    assert_eq!((truncated.stdout.len(), &*truncated.stderr), (10 * 1024, &b"done\n"[..]));
    let killed = run(&profile.set("limits.output_overflow", "kill"), "yes");
    assert_eq!(killed.outcome.ending, Ending::Limit { limit: "output".into(), signal: 9 });
    assert_eq!(killed.stdout.len(), 10 * 1024);
}

#[test]
fn a_pipe_leads_into_the_command_and_out_of_it() {
    let sandbox = sandbox("untrusted");
    let mut child = sandbox
        .command("tr")
        .args(["a-z", "A-Z"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"hello").unwrap();
    let mut answer = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "HELLO");
    assert!(child.wait().unwrap().success());
}

#[test]
fn output_gives_the_command_no_standard_input_but_null() {
    let output = sandbox("default").command("cat").output().unwrap();
    assert!(output.outcome.success() && output.stdout.is_empty());
}

#[test]
fn a_stream_can_be_a_file_and_another_commands_output() {
    let sandbox = sandbox("default");
    let mut first =
        sandbox.command("echo").arg("through two").stdout(Stdio::piped()).spawn().unwrap();
    let between = first.stdout.take().unwrap();
    let second = sandbox.command("cat").stdin(between).output().unwrap();
    assert_eq!(second.stdout, b"through two\n");
    assert!(first.wait().unwrap().success());
}

#[test]
fn the_environment_is_the_profiles_with_changes() {
    let sandbox = Sandbox::new(
        &Profile::load("untrusted").unwrap().env("KEPT", "a").env("GONE", "b").env("OTHER", "${x}"),
    )
    .unwrap();
    let script = "echo \"$KEPT-$GONE-$OTHER-$NEW\"";
    let mut command = sandbox.command("sh");
    command.args(["-c", script]).env_remove("GONE").env("NEW", "d");
    assert_eq!(command.output().unwrap().stdout, b"a--${x}-d\n");
    let none = sandbox.command("/usr/bin/env").env_clear().env("ONE", "1").output().unwrap();
    assert_eq!(none.stdout, b"ONE=1\n");
}

#[test]
fn the_working_directory_is_one_of_the_sandbox() {
    let sandbox = sandbox("untrusted");
    let output = sandbox.command("pwd").current_dir("/usr/bin").output().unwrap();
    assert_eq!(output.stdout, b"/usr/bin\n");
    let missing = sandbox.command("pwd").current_dir("/nowhere").output().unwrap_err();
    assert!(missing.to_string().contains("/nowhere"), "{missing}");
}

#[test]
fn a_command_that_isnt_there_fails_the_spawn() {
    let error = sandbox("default").command("no-such-command").spawn().unwrap_err();
    assert_eq!((error.exit_code(), matches!(error, Error::Launch(_))), (127, true), "{error}");
    let error = sandbox("default").command("/etc/passwd").spawn().unwrap_err();
    assert_eq!(error.exit_code(), 126, "{error}");
}

#[test]
fn a_command_can_be_spawned_again_and_at_once() {
    let sandbox = sandbox("default");
    let mut command = sandbox.command("echo");
    command.arg("again").stdout(Stdio::piped()).stdin(Stdio::null());
    let children = [command.spawn().unwrap(), command.spawn().unwrap()];
    for child in children {
        assert_eq!(child.wait_with_output().unwrap().stdout, b"again\n");
    }
}

#[test]
fn descriptors_arrive_at_their_numbers_also_where_they_cross() {
    let sandbox = sandbox("default");
    let file = |text: &str| -> OwnedFd {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        file.into()
    };
    // Numbers that this process uses for other things, in reverse.
    let mut command = sandbox.command("sh");
    command.args(["-c", "cat <&9 <&8; cat <&8; cat <&7; ls /proc/self/fd | tr '\\n' ' '"]);
    command.fd(7, file("seven ")).fd(8, file("eight ")).fd(9, file("nine "));
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // `ls` has the directory at 3.
    assert_eq!(text, "eight seven 0 1 2 3 7 8 9 ", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_directory_is_no_descriptor_for_a_command() {
    let root: OwnedFd = std::fs::File::open("/").unwrap().into();
    let error = sandbox("default").command("true").fd(5, root).spawn().unwrap_err();
    assert!(error.to_string().contains("descriptor 5"), "{error}");
}

#[test]
fn limits_of_a_run_tighten_and_dont_loosen() {
    let profile = Profile::load("default").unwrap().set("limits.open_files", 100);
    let sandbox = Sandbox::new(&profile).unwrap();
    let limit = |count: u64| {
        let mut command = sandbox.command("sh");
        let output = command.args(["-c", "ulimit -n"]).open_files(count).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!((&*limit(50), &*limit(5000)), ("50\n", "100\n"));
}

#[test]
fn a_profile_made_in_code_is_enforced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let profile = Profile::load("default")
        .unwrap()
        .bind(path, "/data", Access::ReadOnly)
        .hide("/data/secret");
    std::fs::write(directory.path().join("secret"), "").unwrap();
    std::fs::write(directory.path().join("open"), "seen").unwrap();
    let sandbox = Sandbox::new(&profile).unwrap();
    let script = "cat /data/open; cat /data/secret; touch /data/new";
    let output = sandbox.command("sh").args(["-c", script]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.stdout, b"seen");
    assert!(errors.contains("secret") && errors.contains("/data/new"), "{errors}");
}

#[test]
fn wrong_settings_are_told_all_at_once() {
    let profile = Profile::load("default").unwrap().set("limits.memory", 0).set("limits.cpus", "x");
    let error = Sandbox::new(&profile).unwrap_err();
    let Error::Profile { problems, .. } = &error else { panic!("{error}") };
    assert_eq!(problems.len(), 2, "{error}");
}

#[test]
fn the_outcome_says_what_held() {
    let outcome = sandbox("default").command("true").status().unwrap();
    assert!(!outcome.layers.is_empty());
    assert_eq!(outcome.profile.name, sandbox("default").profile_name());
    assert!(outcome.usage.unwrap().wall_seconds > Duration::ZERO);
}

#[test]
fn a_written_profile_is_the_same_profile() {
    let names = ["default", "ci", "untrusted", "compute", "network-client", "landlock-only"];
    for name in support::host::enforceable(names) {
        let profile = Profile::load(name).unwrap();
        let text = profile.to_json().unwrap();
        let again = Profile::from_json(name, &text).unwrap();
        assert_eq!(again.to_json().unwrap(), text, "{name}");
        let layers = |profile: &Profile| Sandbox::new(profile).map(|sandbox| sandbox.layers());
        assert_eq!(layers(&again).unwrap(), layers(&profile).unwrap(), "{name}");
    }
}

#[test]
fn a_profile_on_top_of_another_changes_what_it_says_and_nothing_else() {
    let over = Profile::from_json(
        "over",
        r#"{"version": 1, "limits": {"open_files": 77}, "environment": {"set": {"WHO": "over"}}}"#,
    );
    let merged = Profile::load("untrusted").unwrap().env("WHO", "under").env("KEPT", "yes");
    let merged = merged.merge(&over.unwrap()).unwrap();
    let sandbox = Sandbox::new(&merged).unwrap();
    let mut command = sandbox.command("sh");
    let output = command.args(["-c", "echo $WHO $KEPT $(ulimit -n)"]).output().unwrap();
    assert_eq!(output.stdout, b"over yes 77\n");
}

#[test]
fn a_written_profile_finds_the_files_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("data"), "beside").unwrap();
    let path = directory.path().join("own.json");
    let text = r#"{"version": 1, "extends": "untrusted", "filesystem": {"mounts": [
        {"source": "${PROFILE_DIR}/data", "target": "/data"}]}}"#;
    std::fs::write(&path, text).unwrap();
    let profile = Profile::load(path.to_str().unwrap()).unwrap();
    let again = Profile::from_json("again", &profile.to_json().unwrap()).unwrap();
    let output = Sandbox::new(&again).unwrap().command("cat").arg("/data").output().unwrap();
    assert_eq!(output.stdout, b"beside");
}

#[test]
fn what_is_shared_between_threads_can_be() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Sandbox>();
    shared::<Profile>();
    shared::<Error>();
    sent::<ringfence::Command>();
    sent::<ringfence::Child>();
}

#[test]
fn all_of_this_holds_for_an_unprivileged_user() {
    support::again_as_user("all_of_this_holds_for_an_unprivileged_user");
}
