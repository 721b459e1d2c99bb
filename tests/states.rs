//! The states of a command: it runs, is stopped and goes on, and has ended in one of the ways there
//! are. What makes no sense in a state is a typed error, or can't be written.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

mod support;

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ringfence::{Ending, Error, Level, Profile, Sandbox, Signal, State, Stdio};

fn sandbox(profile: &str) -> Sandbox {
    Sandbox::new(&Profile::load(profile).unwrap()).unwrap()
}

/// A shell script that has said that it is ready; its standard input ends when it is waited for.
fn ready(sandbox: &Sandbox, script: &str) -> ringfence::Child {
    let mut command = sandbox.command("sh");
    command.args(["-c", &script.replace("READY", "echo ready >&3")]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let child = command.stdin(Stdio::piped()).fd(3, writer).spawn().unwrap();
    reader.read_exact(&mut [0; 6]).unwrap();
    child
}

/// Waits until the state is as wanted.
#[track_caller]
fn await_state(child: &mut ringfence::Child, wanted: &State) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.state().unwrap() != *wanted {
        assert!(Instant::now() < deadline, "{:?} isn't {wanted:?}", child.state());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn every_way_to_end_is_told_from_the_others() {
    let sandbox = sandbox("default");
    let run = |script: &str, act: &dyn Fn(&mut ringfence::Child)| {
        let mut child = ready(&sandbox, script);
        assert_eq!(child.state().unwrap(), State::Running, "{script}");
        act(&mut child);
        let ending = child.wait().unwrap().ending;
        assert_eq!(child.state().unwrap(), State::Ended(ending.clone()), "{script}");
        ending
    };
    let (read, endless) = ("READY; read -r line; exit 7", "READY; exec sleep 60");
    assert_eq!(run(read, &|_| ()), Ending::Exited { code: 7 });
    let signal = |child: &mut ringfence::Child| child.signal(Signal::INT).unwrap();
    assert_eq!(run(endless, &signal), Ending::Signaled { signal: 2 });
    assert_eq!(run(endless, &|child| child.kill()), Ending::Killed);
    let mut command = sandbox.command("sleep");
    let mut child = command.arg("60").wall_time(Duration::from_millis(20)).spawn().unwrap();
    assert_eq!(child.wait().unwrap().ending, Ending::TimedOut);
    assert_eq!(child.state().unwrap(), State::Ended(Ending::TimedOut));
}

#[test]
fn what_makes_no_sense_after_the_end_is_a_typed_error() {
    let sandbox = sandbox("default");
    // Whether somebody has waited for the end, or it just came.
    for waited in [true, false] {
        let mut child = sandbox.command("true").spawn().unwrap();
        if waited {
            child.wait().unwrap();
        } else {
            let mut end = [rustix::event::PollFd::new(&child, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut end, None).unwrap();
        }
        assert!(matches!(child.signal(Signal::TERM), Err(Error::Ended)), "{waited}");
        assert!(matches!(child.terminate(), Err(Error::Ended)), "{waited}");
        assert!(matches!(child.stop(), Err(Error::Ended)), "{waited}");
        assert!(matches!(child.resume(), Err(Error::Ended)), "{waited}");
        child.kill();
        assert_eq!(child.wait().unwrap().ending, Ending::Exited { code: 0 }, "{waited}");
    }
}

#[test]
fn a_kill_that_comes_too_late_changes_no_outcome() {
    let sandbox = sandbox("default");
    for moment in 0..40 {
        let mut child = sandbox.command("sh").args(["-c", "exit 5"]).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(moment * 100));
        child.kill();
        let ending = child.wait().unwrap().ending;
        assert!([Ending::Killed, Ending::Exited { code: 5 }].contains(&ending), "{ending}");
    }
}

#[test]
fn a_command_that_stops_itself_is_stopped_until_it_is_resumed() {
    let sandbox = sandbox("default");
    let mut child = ready(&sandbox, "READY; kill -STOP $$; kill -STOP $$; read -r line; exit 4");
    for _ in 0..2 {
        await_state(&mut child, &State::Stopped { signal: 19 });
        assert!(child.wait_timeout(Duration::from_millis(10)).unwrap().is_none());
        child.resume().unwrap();
    }
    assert_eq!(child.wait().unwrap().ending, Ending::Exited { code: 4 });
}

#[test]
fn no_request_is_lost_after_a_flood_of_signals() {
    // Requests to init pass a channel that can be full.
    let sandbox = sandbox("default");
    let flooded = || {
        let mut child = ready(&sandbox, "trap '' USR1; READY; while :; do sleep 1; done");
        for _ in 0..3000 {
            child.signal(Signal::USR1).unwrap();
        }
        child
    };
    for _ in 0..5 {
        let mut child = flooded();
        child.stop().unwrap();
        assert_eq!(child.state().unwrap(), State::Stopped { signal: 19 });
        child.resume().unwrap();
        let mut child = flooded();
        child.signal(Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().ending, Ending::Signaled { signal: 2 });
    }
}

#[test]
fn a_command_that_stops_its_init_can_be_stopped_and_killed() {
    // Without a pid namespace or an identity of its own, it may do so.
    let sandbox = Sandbox::new(&Profile::new(Level::Basic)).unwrap();
    let mut child = ready(&sandbox, "kill -STOP $PPID; READY; while :; do sleep 1; done");
    child.stop().unwrap();
    assert_eq!(child.state().unwrap(), State::Stopped { signal: 19 });
    child.resume().unwrap();
    let mut child = ready(&sandbox, "kill -STOP $PPID; READY; while :; do sleep 1; done");
    let before = Instant::now();
    child.kill();
    assert_eq!(child.wait().unwrap().ending, Ending::Killed);
    assert!(before.elapsed() < Duration::from_secs(9), "{:?}", before.elapsed());
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

/// A shell waits in `vfork(2)` for its child to execute; stopped before that, the child kept the shell
/// from ever being told as stopped.
#[test]
fn a_command_that_starts_programs_all_the_time_can_be_stopped() {
    let sandbox = Sandbox::new(&Profile::new(Level::Basic)).unwrap();
    let mut child = ready(&sandbox, "READY; while :; do /bin/true; done");
    for _ in 0..100 {
        child.stop().unwrap();
        assert_eq!(child.state().unwrap(), State::Stopped { signal: 19 });
        child.resume().unwrap();
    }
}

#[test]
fn a_command_that_cannot_stop_holds_up_nobody_who_asks() {
    let sandbox = Sandbox::new(&Profile::new(Level::Basic)).unwrap();
    let mut command = sandbox.command(support::programs::program("crowd"));
    let mut child = command.args(["vfork", "mark"]).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
    await_waiting(child.id());
    let error = child.stop().unwrap_err();
    assert!(matches!(error, Error::Launch(_)), "{error}");
    assert_eq!(child.state().unwrap(), State::Running);
    child.kill();
    assert_eq!(child.wait().unwrap().ending, Ending::Killed);
}

/// Waits until a process sleeps uninterruptibly.
fn await_waiting(process: u32) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let stat = || std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    while !stat().contains(") D ") {
        assert!(Instant::now() < deadline, "{}", stat());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn all_of_this_holds_for_an_unprivileged_user() {
    support::again_as_user("all_of_this_holds_for_an_unprivileged_user");
}
