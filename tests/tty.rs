//! The command's own terminal, in a real one: what people do at terminals works as without a
//! sandbox, and the caller's terminal is afterwards as it was before.

mod support;

use std::process::Stdio;
use std::time::Duration;

use support::tmux::Terminal;
use support::tree::{marked, nothing_stays};
use support::{Caller, Workspace, callers, has_program};

/// Runs `test` in a terminal of every caller's.
fn everywhere(test: impl Fn(&Workspace, &Terminal<'_>, Caller)) {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        let Some(terminal) = Terminal::open(&workspace) else { return };
        test(&workspace, &terminal, caller);
    }
}

fn a_moment() {
    std::thread::sleep(Duration::from_millis(500));
}

const LEVELS: [&str; 4] = ["basic", "user-based", "namespaced", "containerized"];

#[test]
fn the_command_has_a_terminal_of_its_own_and_no_other() {
    everywhere(|workspace, terminal, caller| {
        for level in LEVELS {
            let script = "ls /proc/self/fd | cat; stty size; tty; \
                          (: < /dev/tty) && echo controlling; echo again > /dev/stdout";
            workspace.write("project/look", script);
            terminal.line(&format!("$rf run -q -l {level} -- sh -c \"$(cat look)\""));
            let screen = terminal.wait_for_prompt(0);
            let lines: Vec<_> = screen.lines().skip(1).map(str::trim_end).collect();
            // 3 is the directory. None is the caller's, by which its terminal could be reached.
            assert_eq!(lines[..5], ["0", "1", "2", "3", "24 80"], "{caller:?} {level}: {screen}");
            assert!(lines[5].starts_with("/dev/pts/"), "{caller:?} {level}: {screen}");
            assert_eq!(lines[6..8], ["controlling", "again"], "{caller:?} {level}: {screen}");
            terminal.clear();
        }
    });
}

#[test]
fn a_redirected_stream_stays_redirected() {
    everywhere(|workspace, terminal, caller| {
        terminal
            .line("$rf run -q --tty -- sh -c 'echo out; echo err >&2; test -t 1' > out; echo $?");
        terminal.wait_for("err\n1\n");
        let out = std::fs::read_to_string(workspace.project().join("out")).unwrap();
        assert_eq!(out, "out\n", "{caller:?}");
        terminal.line("echo typed | $rf run -q --tty -- sh -c 'cat; test -t 1 && ! test -t 0'");
        terminal.wait_for("typed\n[0]>");
        terminal.line("$rf run -q --no-tty -- sh -c 'tty < /dev/tty'");
        terminal.wait_for("/dev/tty");
        terminal.wait("an error", |screen| screen.contains("[1]>") || screen.contains("[2]>"));
        terminal.line("$rf run --tty -- true < /dev/null > /dev/null 2> err; echo said $?");
        terminal.wait_for("said 125");
    });
}

#[test]
fn an_editor_works() {
    everywhere(|workspace, terminal, caller| {
        if !has_program("vi") {
            return;
        }
        let before = terminal.settings();
        terminal.line("$rf run -q -- vi -u NONE text");
        terminal.wait_for("~");
        terminal.text("ihello");
        terminal.key("Enter");
        terminal.text("world");
        terminal.key("Escape");
        terminal.text(":w");
        terminal.key("Enter");
        terminal.wait_for("written");
        // The size follows.
        terminal.resize(60, 12);
        a_moment();
        let asked = terminal.wait("the new size", |screen| {
            if screen.contains("lines=12") && screen.contains("columns=60") {
                return true;
            }
            // It may not have heard of it yet.
            terminal.key("Enter");
            terminal.text(":set lines? columns?");
            terminal.key("Enter");
            a_moment();
            false
        });
        assert!(asked.contains("lines=12"), "{caller:?}: {asked}");
        terminal.key("Enter");
        // It stops, the shell goes on, and it comes back.
        terminal.key("C-z");
        terminal.wait_for("Stopped");
        terminal.wait_for_prompt(148);
        assert_eq!(terminal.settings(), before, "{caller:?}: while it is stopped");
        terminal.line("fg");
        terminal.wait_for("world");
        terminal.text(":q");
        terminal.key("Enter");
        terminal.wait_for_prompt(0);
        assert_eq!(terminal.settings(), before, "{caller:?}");
        let text = std::fs::read_to_string(workspace.project().join("text")).unwrap();
        assert_eq!(text, "hello\nworld\n", "{caller:?}");
        terminal.resize(80, 24);
    });
}

#[test]
fn a_pager_and_a_monitor_work() {
    everywhere(|workspace, terminal, _| {
        if !has_program("less") || !has_program("top") {
            return;
        }
        let lines: Vec<_> = (1..=200).map(|number| format!("line {number}")).collect();
        workspace.write("project/long", lines.join("\n"));
        terminal.line("LESS= LESSSECURE= $rf run -q -- less long");
        terminal.wait_for("line 23");
        terminal.key("Space");
        terminal.wait_for("line 46");
        terminal.text("G");
        terminal.wait_for("line 200");
        terminal.text("q");
        terminal.wait_for_prompt(0);
        terminal.clear();
        terminal.line("$rf run -q -- top -d 0.5");
        terminal.wait_for("load average");
        terminal.wait_for("PID");
        terminal.text("q");
        terminal.wait_for_prompt(0);
    });
}

#[test]
fn a_shell_inside_has_job_control() {
    everywhere(|_, terminal, caller| {
        terminal.line("$rf run -q --env PS1='inside> ' -- bash --norc --noprofile -i");
        terminal.wait_for_line("inside>");
        let screen = terminal.screen();
        assert!(!screen.contains("no job control"), "{caller:?}: {screen}");
        terminal.line("bash -c 'echo runs; exec sleep 60'");
        terminal.wait_for_line("runs");
        terminal.key("C-z");
        terminal.wait_for("Stopped");
        terminal.line("jobs; bg; jobs");
        terminal.wait_for("Running");
        terminal.line("fg");
        a_moment();
        terminal.key("C-c");
        terminal.line("echo after $?");
        terminal.wait_for("after 130");
        // The shell itself is stopped and goes on, as a job of the shell outside.
        terminal.line("suspend -f");
        terminal.wait_for_prompt(148);
        terminal.line("fg");
        a_moment();
        terminal.line("echo still $((6 * 7))");
        terminal.wait_for("still 42");
        terminal.key("C-d");
        terminal.wait_for_prompt(0);
    });
}

#[test]
fn a_password_is_not_shown() {
    everywhere(|workspace, terminal, caller| {
        let before = terminal.settings();
        let asking = "read -rsp 'Password: ' it < /dev/tty; echo; echo ${#it} long";
        workspace.write("project/ask", asking);
        terminal.line("$rf run -q -- bash ./ask");
        terminal.wait_for("Password:");
        terminal.line("secret");
        let screen = terminal.wait_for("6 long");
        assert!(!screen.contains("secret"), "{caller:?}: {screen}");
        if let Some(python) = support::python() {
            terminal.clear();
            let asking = "import getpass; print(len(getpass.getpass()), 'long')";
            workspace.write("project/ask.py", asking);
            terminal.line(&format!("$rf run -q -- {python} ask.py"));
            terminal.wait_for("Password:");
            terminal.line("secret word");
            let screen = terminal.wait_for("11 long");
            assert!(!screen.contains("secret"), "{caller:?}: {screen}");
        }
        terminal.wait_for_prompt(0);
        assert_eq!(terminal.settings(), before, "{caller:?}");
    });
}

#[test]
fn an_interrupt_ends_the_command_and_the_loop_around_it() {
    everywhere(|_, terminal, caller| {
        let before = terminal.settings();
        let script = "echo runs; exec sleep 60";
        terminal
            .line(&format!("while :; do $rf run -q -- sh -c '{script}'; done; echo \"not \"here"));
        terminal.wait_for_line("runs");
        terminal.key("C-c");
        // The shell outside wasn't sent the signal: the command's death by it is what ends the loop.
        terminal.wait("the end", |screen| screen.contains("[130]>") || screen.contains("not here"));
        assert_eq!(terminal.settings(), before, "{caller:?}");
    });
}

#[test]
fn the_terminal_is_restored_when_the_launcher_is_killed() {
    everywhere(|workspace, terminal, caller| {
        for level in LEVELS {
            let mark = support::tree::mark();
            workspace.write("project/wait", "stty -echo; echo ready; sleep 60");
            // A shell without job control leaves the terminal as it is.
            terminal.line(&format!(
                "sh -c 'stty -g > before; $rf run -q -l {level} -- sh ./wait {mark}; sleep 0.5; \
                 stty -g > after'"
            ));
            terminal.wait_for("ready");
            let read = |name| std::fs::read_to_string(workspace.project().join(name)).unwrap();
            let before = read("before");
            assert_ne!(terminal.settings(), before.trim(), "{caller:?} {level}: not raw");
            let all = marked(&mark);
            let launcher = all.iter().find(|it| it.contains("ringfence run -q")).unwrap();
            let id = launcher.split_whitespace().next().unwrap().trim_start_matches("/proc/");
            let id = rustix::process::Pid::from_raw(id.parse().unwrap()).unwrap();
            rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
            terminal.wait_for_prompt(0);
            assert_eq!(read("after"), before, "{caller:?} {level}");
            terminal.clear();
            nothing_stays(&mark);
        }
    });
}

#[test]
fn a_job_in_the_background_writes_and_stops_when_it_reads() {
    everywhere(|_, terminal, _| {
        terminal.line("$rf run -q -- sh -c 'echo written; read -r line; echo got $line' &");
        terminal.wait("the output", |screen| screen.lines().any(|it| it.ends_with("> written")));
        a_moment();
        terminal.line("");
        terminal.wait_for("Stopped");
        terminal.line("fg");
        a_moment();
        terminal.line("a line");
        terminal.wait_for("got a line");
        terminal.wait_for_prompt(0);
    });
}

/// A run in a terminal that belongs to nobody's shell: what it has shown at the end.
fn shown(workspace: &Workspace, caller: Caller, words: &[&str]) -> String {
    let mut terminal = support::terminal::Terminal::new(caller);
    let mut run = workspace.hostile(&[&format!("terminal={}", terminal.path)], words);
    run.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = run.command.spawn().expect("the binary under test");
    // The side of a person is read while it runs: a terminal holds little.
    while child.try_wait().expect("a child").is_none() {
        terminal.drain();
    }
    terminal.drain();
    terminal.shown
}

#[test]
fn all_that_was_written_before_the_end_is_shown() {
    for caller in callers() {
        let workspace = Workspace::new(caller);
        for level in LEVELS {
            let words = ["run", "-q", "-l", level, "--", "seq", "1", "30000"];
            let shown = shown(&workspace, caller, &words);
            let wanted: String = (1..=30000).map(|number| format!("{number}\r\n")).collect();
            assert!(shown == wanted, "{caller:?} {level}: {} of {}", shown.len(), wanted.len());
        }
    }
}

#[test]
fn nothing_can_be_typed_into_the_callers_terminal() {
    everywhere(|workspace, terminal, caller| {
        workspace.bring("inject");
        // Through its own terminal, and by every other that it can open.
        let script = "./inject; for it in /dev/pts/[0-9]* /proc/[0-9]*/fd/*; do \
                      (./inject < $it) 2>&-; done; echo tried";
        workspace.write("project/try", script);
        for level in LEVELS {
            for how in ["> tries", "--tty > /dev/null", ""] {
                // A redirection among the options is one all the same.
                terminal.line(&format!("$rf run -q -l {level} {how} -- sh ./try"));
                terminal.wait_for_prompt(0);
            }
            a_moment();
            let screen = terminal.screen();
            // Its own terminal shows what is typed into it; only a shell would do it.
            assert!(!screen.lines().any(|line| line == "typed"), "{caller:?} {level}: {screen}");
            terminal.clear();
        }
    });
}

#[test]
fn a_terminal_that_is_held_up_does_not_hold_up_the_end() {
    // Ctrl-S: the launcher can't write, and still sees signals and the time.
    everywhere(|_, terminal, _| {
        terminal.line("$rf run -q --timeout 1s -- sh -c 'while :; do echo y; done'");
        terminal.wait_for("y\ny\ny");
        terminal.key("C-s");
        std::thread::sleep(Duration::from_millis(1500));
        terminal.key("C-q");
        // A command that is killed may have written half a line.
        terminal.wait_for("[124]>");
    });
}
