//! The library as a program uses it: commands, streams, limits and ends.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ringfence::{Access, Ending, Error, Profile, Sandbox, Signal, State, Stdio};

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
fn waiting_can_be_limited_and_goes_on_after() {
    let mut child = sandbox("default").command("sleep").arg("0.3").spawn().unwrap();
    assert_eq!(child.state().unwrap(), State::Running);
    assert!(child.try_wait().unwrap().is_none());
    assert!(child.wait_timeout(Duration::from_millis(20)).unwrap().is_none());
    let outcome = child.wait().unwrap();
    assert!(outcome.success());
    // Asked again, it is the same.
    assert_eq!(child.wait().unwrap(), outcome);
    assert_eq!(child.state().unwrap(), State::Ended(Ending::Exited { code: 0 }));
}

#[test]
fn the_childs_descriptor_tells_of_its_end() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut child = sandbox("default").command("sleep").arg("0.2").spawn().unwrap();
    let ready = |child: &ringfence::Child, milliseconds: i64| {
        let mut events = [PollFd::from_borrowed_fd(child.as_fd(), PollFlags::IN)];
        let time = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
        poll(&mut events, Some(&time)).unwrap() == 1
    };
    assert!(!ready(&child, 1));
    assert!(ready(&child, 900));
    assert!(child.try_wait().unwrap().is_some());
}

#[test]
fn a_killed_tree_is_gone_at_once_and_says_so() {
    let mut child =
        sandbox("default").command("sh").args(["-c", "sleep 61 & sleep 62"]).spawn().unwrap();
    let before = Instant::now();
    child.kill();
    let outcome = child.wait().unwrap();
    assert_eq!((outcome.ending.clone(), outcome.signal()), (Ending::Killed, Some(9)));
    assert!(before.elapsed() < Duration::from_secs(5));
    child.kill();
    assert!(matches!(child.signal(Signal::TERM), Err(Error::Ended)));
}

#[test]
fn a_signal_reaches_the_command() {
    let script = "trap 'echo got it; exit 7' USR1; echo ready; while :; do sleep 0.01; done";
    let sandbox = sandbox("default");
    let mut child =
        sandbox.command("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    child.signal(Signal::USR1).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.outcome.code(), &*output.stdout), (Some(7), &b"got it\n"[..]));
}

#[test]
fn a_command_asked_to_end_has_its_grace() {
    let profile = Profile::load("default").unwrap().set("process.grace", "100ms");
    let script = "trap '' TERM; echo ready; sleep 60";
    let mut command = Sandbox::new(&profile).unwrap().command("sh");
    let mut child = command.args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    child.terminate().unwrap();
    let outcome = child.wait_timeout(Duration::from_secs(5)).unwrap().unwrap();
    assert_eq!(outcome.ending, Ending::Killed);
}

#[test]
fn a_dropped_child_takes_its_tree_with_it() {
    let mut child = sandbox("default")
        .command("sh")
        .args(["-c", "echo up; sleep 63 & sleep 63"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_exact(&mut [0; 3]).unwrap();
    drop(child);
    // The end of the pipe: nobody is left who holds its other side.
    assert_eq!(pipe.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_detached_child_goes_on() {
    let mut child = sandbox("default")
        .command("sh")
        .args(["-c", "sleep 0.1; echo finished"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdout.take().unwrap();
    child.detach();
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    assert_eq!(text, "finished\n");
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
    for name in ["default", "ci", "untrusted", "compute", "network-client", "landlock-only"] {
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
fn usage_grows_while_a_command_runs_with_a_cgroup_or_without() {
    for cgroup in ["best-effort", "off"] {
        let profile = Profile::load("default").unwrap().set("enforcement.cgroup", cgroup);
        let sandbox = Sandbox::new(&profile).unwrap();
        let mut command = sandbox.command("sh");
        let mut child = command.args(["-c", "while :; do :; done"]).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let busy =
            |child: &ringfence::Child| child.usage().user_seconds >= Duration::from_millis(30);
        while !busy(&child) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(busy(&child), "{cgroup}: {:?}", child.usage());
        child.kill();
        let total = child.wait().unwrap().usage.unwrap();
        assert!(total.user_seconds >= Duration::from_millis(20), "{cgroup}: {total:?}");
        assert_eq!(child.usage(), total);
    }
}
#[test]
fn a_time_limit_ends_a_command_that_nobody_waits_for() {
    let sandbox = sandbox("default");
    let mut command = sandbox.command("sleep");
    let mut child = command.arg("60").wall_time(Duration::from_millis(50)).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(child.try_wait().unwrap().map(|outcome| outcome.ending), Some(Ending::TimedOut));
}

#[test]
fn a_stopped_tree_stands_still_until_it_is_resumed() {
    // Both the command and a child that has left its group count in a file each.
    let count = "while :; do n=$((n + 1)); echo $n > /tmp/$1; done";
    let script = format!(
        "setsid sh -c '{count}' sh far & (sh -c '{count}' sh near) & \
         while read line; do cat /tmp/far /tmp/near | tr '\\n' ' '; echo; done"
    );
    for profile in ["default", "untrusted"] {
        let sandbox = sandbox(profile);
        let mut command = sandbox.command("sh");
        command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        std::thread::sleep(Duration::from_millis(100));
        child.stop().unwrap();
        assert_eq!(child.state().unwrap(), State::Stopped { signal: 19 });
        child.stop().unwrap(); // It is so already.
        let before = cpu_of(&child);
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(cpu_of(&child), before, "{profile}");
        child.resume().unwrap();
        assert_eq!(child.state().unwrap(), State::Running);
        // A file that is being written may be empty for a moment.
        let mut ask = || -> Vec<u64> {
            let mut numbers = Vec::new();
            while numbers.len() < 2 {
                let mut line = String::new();
                input.write_all(b"\n").unwrap();
                std::io::BufRead::read_line(&mut output, &mut line).unwrap();
                numbers = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
            }
            numbers
        };
        let first = ask();
        std::thread::sleep(Duration::from_millis(100));
        let second = ask();
        let grown = first.iter().zip(&second).all(|(before, after)| after > before);
        assert!(grown && second.len() == 2, "{profile}: {first:?} {second:?}");
        child.stop().unwrap();
        child.kill();
        assert_eq!(child.wait().unwrap().ending, Ending::Killed);
    }
}

/// Processor time that every process of the command's pid namespace has used, in ticks.
fn cpu_of(child: &ringfence::Child) -> u64 {
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace(&child.id().to_string());
    let ticks = |pid: String| -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?)
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    pids.filter(|pid| own.is_some() && namespace(pid) == own).filter_map(ticks).sum()
}
