//! What happens to the launcher happens to the command: signals, stops, and what a shell makes of
//! them.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use support::tmux::Terminal;
use support::tree::{mark, nothing_is_left, wait_until};
use support::{Caller, LEVELS, Workspace, callers};

/// Runs `test` as every caller at every level.
fn everywhere(test: impl Fn(&Workspace, Caller, &str, &str)) {
    for caller in callers() {
        for level in LEVELS {
            let workspace = Workspace::new(caller);
            workspace.bring("listen");
            test(&workspace, caller, level, &mark());
        }
    }
}

/// A run whose command has said that it is ready.
struct Run {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Run {
    fn start(workspace: &Workspace, options: &[&str], script: &str) -> Self {
        let words = [&["run", "-q"], options, &["--", "sh", "-c", script]].concat();
        Self::of(workspace.ringfence(words))
    }

    fn of(mut run: support::Ringfence) -> Self {
        let mut child = run.command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut run = Self { child, output };
        assert_eq!(run.line(), "ready");
        run
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    fn id(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).unwrap()
    }

    /// Waits for the end: how it ended, and what else it wrote.
    fn end(mut self) -> (std::process::ExitStatus, String) {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.output, &mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

const LOOP: &str = "echo ready; while :; do sleep 0.01; done";

#[test]
fn every_signal_that_is_handed_on_reaches_the_command_once() {
    let signals = [
        Signal::HUP,
        Signal::INT,
        Signal::QUIT,
        Signal::TERM,
        Signal::USR1,
        Signal::USR2,
        Signal::WINCH,
        Signal::CONT,
        Signal::TSTP,
        Signal::ALARM,
    ];
    everywhere(|workspace, caller, level, mark| {
        let numbers = signals.map(|signal| signal.as_raw().to_string());
        let mut words = vec!["run", "-q", "-l", level, "--", "./listen", mark];
        words.extend(numbers.iter().map(String::as_str));
        let mut run = Run::of(workspace.ringfence(words));
        for (signal, number) in signals.into_iter().zip(&numbers) {
            run.signal(signal);
            assert_eq!(run.line(), *number, "{caller:?} {level}");
            if signal == Signal::TERM {
                // To end, it may have to be woken up.
                assert_eq!(run.line(), Signal::CONT.as_raw().to_string(), "{caller:?} {level}");
            }
        }
        run.signal(Signal::KILL);
        run.child.wait().unwrap();
        support::tree::nothing_stays(mark);
    });
}

#[test]
fn a_signal_sent_to_the_launcher_is_for_the_commands_first_process_alone() {
    everywhere(|workspace, caller, level, mark| {
        let child = "trap \"echo child\" USR1; while :; do sleep 0.01; done";
        let script = format!("sh -c '{child}' & trap 'echo command; exit 3' USR1; {LOOP} # {mark}");
        let run = Run::start(workspace, &["-l", level], &script);
        std::thread::sleep(Duration::from_millis(50));
        run.signal(Signal::USR1);
        let (status, said) = run.end();
        assert_eq!((status.code(), &*said), (Some(3), "command\n"), "{caller:?} {level}");
        nothing_is_left(mark);
    });
}

#[test]
fn a_death_by_signal_is_passed_on_as_one() {
    everywhere(|workspace, caller, level, _| {
        for signal in [1, 2, 3, 6, 9, 11, 13, 15, 31, 34, 64] {
            let words = ["run", "-q", "-l", level, "--", "sh", "-c"];
            let mut run = workspace.ringfence(words);
            run.command.arg(format!("kill -{signal} $$; sleep 9"));
            let status = run.finish().0.status;
            assert_eq!(status.signal(), Some(signal), "{caller:?} {level}: {status:?}");
            assert!(!status.core_dumped(), "{caller:?} {level}: {status:?}");
        }
    });
}

#[test]
fn what_the_caller_ignores_does_not_reach_the_command() {
    // `nohup`, and jobs of a shell without job control.
    everywhere(|workspace, caller, level, mark| {
        let script = format!("{LOOP} # {mark}");
        let words = ["run", "-q", "-l", level, "--", "sh", "-c", &script];
        let mut run = Run::of(workspace.hostile(&["ignore=1", "ignore=2"], &words));
        run.signal(Signal::HUP);
        run.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(100));
        assert!(run.child.try_wait().unwrap().is_none(), "{caller:?} {level}: it ended");
        run.signal(Signal::TERM);
        assert_eq!(run.end().0.signal(), Some(15), "{caller:?} {level}");
    });
}

#[test]
fn a_command_that_does_not_end_when_asked_is_killed_after_the_grace() {
    everywhere(|workspace, caller, level, mark| {
        let script = format!("trap '' TERM INT; {LOOP} # {mark}");
        let options = ["-l", level, "--set", "process.grace=200ms"];
        let run = Run::start(workspace, &options, &script);
        let began = Instant::now();
        run.signal(Signal::TERM);
        let (status, _) = run.end();
        assert_eq!(status.signal(), Some(9), "{caller:?} {level}");
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(200), "{caller:?} {level}: no grace");
        assert!(took < Duration::from_secs(10), "{caller:?} {level}: {took:?}");
        nothing_is_left(mark);
    });
}

#[test]
fn a_second_interrupt_kills_at_once() {
    everywhere(|workspace, caller, level, mark| {
        let script = format!("trap 'echo interrupted' INT; {LOOP} # {mark}");
        let mut run = Run::start(workspace, &["-l", level, "--set", "process.grace=1m"], &script);
        run.signal(Signal::INT);
        assert_eq!(run.line(), "interrupted", "{caller:?} {level}");
        std::thread::sleep(Duration::from_millis(60));
        run.signal(Signal::INT);
        let (status, rest) = run.end();
        assert_eq!((status.signal(), &*rest), (Some(9), ""), "{caller:?} {level}");
        nothing_is_left(mark);
    });
}

#[test]
fn interrupts_that_are_further_apart_than_the_grace_are_the_commands_business() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let script = format!("trap 'echo interrupted' INT; {LOOP}");
        let options = ["-l", "basic", "--set", "process.grace=100ms"];
        let mut run = Run::start(&workspace, &options, &script);
        for _ in 0..3 {
            run.signal(Signal::INT);
            assert_eq!(run.line(), "interrupted", "{caller:?}");
            std::thread::sleep(Duration::from_millis(150));
        }
        run.signal(Signal::TERM);
        assert_eq!(run.end().0.signal(), Some(15), "{caller:?}");
    }
}

/// Waits until the launcher, a child of this process, is stopped, or has gone on.
fn await_state(run: &Run, stopped: bool) {
    let options = if stopped { WaitOptions::UNTRACED } else { WaitOptions::CONTINUED };
    let (_, status) = waitpid(Some(run.id()), options).unwrap().unwrap();
    assert!(if stopped { status.stopped() } else { status.continued() }, "{status:?}");
}

/// Has the shell stop and go on in a group that isn't an orphan: this process's children are in its
/// own group, so each gets one of its own.
fn with_own_group(run: &mut support::Ringfence) {
    use std::os::unix::process::CommandExt;
    run.command.process_group(0);
}

#[test]
fn a_stop_of_the_launcher_stops_the_command_and_the_other_way_round() {
    everywhere(|workspace, caller, level, mark| {
        let mut run = workspace.ringfence(["run", "-q", "-l", level, "--", "./listen", mark]);
        with_own_group(&mut run);
        let mut run = Run::of(run);
        for _ in 0..3 {
            run.signal(Signal::TSTP);
            await_state(&run, true);
            run.signal(Signal::CONT);
            await_state(&run, false);
            assert_eq!(run.line(), "on", "{caller:?} {level}");
        }
        run.signal(Signal::TERM);
        assert_eq!(run.end().0.signal(), Some(15), "{caller:?} {level}");
        nothing_is_left(mark);
    });
}

#[test]
fn a_launcher_that_is_stopped_with_its_command_wakes_up_for_its_end() {
    everywhere(|workspace, caller, level, mark| {
        let script = format!("echo ready; kill -STOP $$; sleep 60 # {mark}");
        let words = ["run", "-q", "-l", level, "--timeout", "300ms", "--", "sh", "-c", &script];
        let mut run = workspace.ringfence(words);
        with_own_group(&mut run);
        let child = run.command.spawn().unwrap();
        let began = Instant::now();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(124), "{caller:?} {level}: {output:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{caller:?} {level}: by last resort");
        nothing_is_left(mark);
    });
}

#[test]
fn a_time_limit_holds_though_the_launcher_is_stopped() {
    everywhere(|workspace, caller, level, mark| {
        let options = ["-l", level, "--timeout", "300ms"];
        let run = Run::start(workspace, &options, &format!("{LOOP} # {mark}"));
        run.signal(Signal::STOP);
        let of_the_command = || {
            let all = support::tree::marked(mark);
            all.into_iter().filter(|process| !process.contains("ringfence run")).count()
        };
        // Init isn't told from the launcher by its arguments: one of each kind is left at the end.
        wait_until("the end of the command", || of_the_command() == 0);
        run.signal(Signal::CONT);
        assert_eq!(run.end().0.code(), Some(124), "{caller:?} {level}");
        nothing_is_left(mark);
    });
}

#[test]
fn a_shell_treats_a_run_as_it_treats_its_command() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let Some(terminal) = Terminal::open(&workspace) else { return };
        // Without a terminal of its own, the terminal's keys are the launcher's.
        let a_moment = || std::thread::sleep(Duration::from_millis(500));
        let run = "$rf run --no-tty -q -- sh -c 'echo runs; exec sleep 60'";
        let start = || {
            terminal.line(run);
            terminal.wait_for_line("runs");
        };
        start();
        terminal.key("C-c");
        terminal.wait_for_prompt(130);
        terminal.clear();
        start();
        terminal.key("C-z");
        terminal.wait_for("Stopped");
        terminal.wait_for_prompt(148);
        terminal.line("bg; jobs");
        terminal.wait_for("Running");
        terminal.wait_for_prompt(0);
        terminal.line("fg");
        a_moment();
        terminal.key("C-z");
        terminal.wait_for_prompt(148);
        terminal.line("fg");
        a_moment();
        terminal.key("C-c");
        terminal.wait_for_prompt(130);
        terminal.clear();
        terminal.line(&format!("while :; do {run}; done; echo \"not \"here"));
        terminal.wait_for_line("runs");
        terminal.key("C-c");
        terminal.wait_for_prompt(130);
        assert!(!terminal.screen().contains("not here"), "{caller:?}: {}", terminal.screen());
        terminal.line("$rf run --no-tty -q -- sleep 60 & sleep 0.3; kill %1; wait %1");
        terminal.wait_for_prompt(143);
    }
}

#[test]
fn a_stop_that_nobody_could_end_has_no_effect() {
    // The launcher's group is an orphan here; a shell's stop of a plain command would be ignored.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let words = ["run", "-q", "-l", "basic", "--", "sh", "-c", "kill -TSTP $$; echo on"];
        let run = workspace.hostile(&["terminal"], &words).finish();
        assert_eq!(run.success(), "on", "{caller:?}");
    }
}

#[test]
fn a_signal_that_comes_too_late_loses_no_exit_status() {
    // Init may end with requests unread, of which the kernel tells before what init has said.
    for caller in callers() {
        let workspace = Workspace::new(caller);
        for _ in 0..60 {
            let words = ["sh", "-c", "sleep 0.005; exit 3"];
            let mut child = workspace.quietly(&["-l", "basic"], &words).command.spawn().unwrap();
            let id = Pid::from_raw(child.id().cast_signed()).unwrap();
            while child.try_wait().unwrap().is_none() {
                // Nobody minds it.
                kill_process(id, Signal::WINCH).unwrap();
            }
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(3), "{caller:?}: {output:?}");
        }
    }
}
