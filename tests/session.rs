//! `process.session: false`: the command stays in the caller's session, at the caller's terminal.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::process::{Child, Stdio};

use support::terminal::Terminal;
use support::{LEVELS, Workspace, callers};

/// Starts a command at a terminal, as a shell would.
fn start(workspace: &Workspace, terminal: &Terminal, options: &[&str], script: &str) -> Child {
    let words = [&["run", "-q"], options, &["--", "sh", "-c", script]].concat();
    let mut call = workspace.hostile(&[&format!("terminal={}", terminal.path)], &words);
    call.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    call.command.spawn().unwrap()
}

/// Runs `test` as every caller at every level, with a terminal and the options.
fn everywhere(test: impl Fn(&Workspace, Terminal, &[&str], &str)) {
    for caller in callers() {
        for level in LEVELS {
            let workspace = Workspace::new(caller);
            let options = ["-l", level, "--set", "process.session=false"];
            test(&workspace, Terminal::new(caller), &options, &format!("{caller:?} {level}"));
        }
    }
}

#[test]
fn the_command_stays_at_the_caller_s_terminal() {
    // Number 7 is the terminal; the session's leader isn't the command.
    let script = "read pid name state parent group session tty rest < /proc/$$/stat
        echo terminal: $((tty != 0)) leader: $((session == pid)); read word; echo got $word";
    everywhere(|workspace, mut terminal, options, place| {
        let mut child = start(workspace, &terminal, options, script);
        terminal.wait_for("terminal: 1 leader: 0");
        terminal.type_in("hello\n");
        terminal.wait_for("got hello");
        assert!(child.wait().unwrap().success(), "{place}: {}", terminal.shown);
    });
}

#[test]
fn an_interrupt_from_the_keyboard_reaches_the_command() {
    let script = "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.02; done";
    everywhere(|workspace, mut terminal, options, place| {
        let mut child = start(workspace, &terminal, options, script);
        terminal.wait_for("ready");
        terminal.type_in("\x03");
        terminal.wait_for("interrupted");
        assert_eq!(child.wait().unwrap().code(), Some(3), "{place}: {}", terminal.shown);
    });
}

#[test]
fn an_interrupt_ends_a_command_that_does_not_care() {
    everywhere(|workspace, mut terminal, options, place| {
        let mut child = start(workspace, &terminal, options, "echo ready; exec sleep 60");
        terminal.wait_for("ready");
        terminal.type_in("\x03");
        assert_eq!(support::code(child.wait().unwrap()), 128 + 2, "{place}: {}", terminal.shown);
    });
}

#[test]
fn nothing_can_be_typed_into_the_caller_s_terminal() {
    everywhere(|workspace, mut terminal, options, place| {
        workspace.bring("inject");
        let mut child = start(workspace, &terminal, options, "./inject");
        child.wait().unwrap();
        terminal.drain();
        // Of the filter's making: the kernel itself would say EIO, or do it.
        assert!(terminal.shown.contains("TIOCSTI: EPERM"), "{place}: {:?}", terminal.shown);
        assert!(!terminal.shown.contains("echo typed"), "{place}: {:?}", terminal.shown);
    });
}

#[test]
fn by_itself_the_command_has_a_session_of_its_own() {
    let script = "read pid name state parent group session tty rest < /proc/$$/stat
        echo terminal: $((tty != 0)) of init: $((session == parent)); exec ./inject";
    // A filter's answer, or the kernel's; which says another where this is forbidden to all.
    let sysctl = std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti").unwrap_or_default();
    let refused: &[&str] = match sysctl.trim() {
        "0" => &["TIOCSTI: EPERM", "TIOCSTI: EIO"],
        _ => &["TIOCSTI: EPERM"],
    };
    for caller in callers() {
        for level in LEVELS {
            let workspace = Workspace::new(caller);
            workspace.bring("inject");
            let mut terminal = Terminal::new(caller);
            let mut child = start(&workspace, &terminal, &["-l", level, "--no-tty"], script);
            child.wait().unwrap();
            terminal.drain();
            let shown = &terminal.shown;
            assert!(shown.contains("terminal: 0 of init: 1"), "{caller:?} {level}: {shown:?}");
            let refused = refused.iter().any(|answer| shown.contains(answer));
            assert!(refused, "{caller:?} {level}: {shown:?}");
        }
    }
}
