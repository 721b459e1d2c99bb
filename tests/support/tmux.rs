//! A real terminal with a shell in it, typed into and looked at through tmux.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{Workspace, binary};

const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal of 80 columns and 24 lines, in which the caller's bash runs. Ends when dropped.
pub struct Terminal<'a> {
    workspace: &'a Workspace,
}

impl<'a> Terminal<'a> {
    /// Opens one; `None` where there is no tmux, which is said then.
    #[track_caller]
    pub fn open(workspace: &'a Workspace) -> Option<Self> {
        if !super::has_program("tmux") || !super::has_program("bash") {
            return None;
        }
        let terminal = Self { workspace };
        let home = workspace.home();
        // No start-up files; `rf` is ringfence, and the prompt says how the last command ended.
        let shell = format!(
            "exec env -i HOME={} TERM=$TERM PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
             PS1='[$?]> ' HISTFILE= rf={} bash --norc --noprofile",
            home.display(),
            binary().display()
        );
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &shell]);
        terminal.tmux(&["set-option", "-g", "status", "off"]);
        terminal.wait_for("[0]>");
        Some(terminal)
    }

    #[track_caller]
    fn tmux(&self, words: &[&str]) -> String {
        let output = self.command(words).output().unwrap();
        assert!(output.status.success(), "tmux {words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        let socket = self.workspace.home().join("tmux");
        command.arg("-S").arg(socket).args(words).env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        command.current_dir(self.workspace.project());
        self.workspace.become_caller(&mut command);
        command
    }

    /// Types text, and no key after it.
    pub fn text(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Presses a key: `Enter`, `C-c`, `Escape`.
    pub fn key(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Types a line.
    pub fn line(&self, text: &str) {
        let at_prompt = |screen: &str| {
            let last = screen.lines().last().unwrap_or_default().trim();
            last.starts_with('[') && last.ends_with("]>")
        };
        let typed_to_shell = at_prompt(&self.screen());
        self.text(text);
        if typed_to_shell && !text.is_empty() {
            // Else the prompt that it is typed at could be taken for the next one.
            self.wait("the line typed", |screen| !at_prompt(screen));
        }
        self.key("Enter");
    }

    pub fn resize(&self, columns: u32, lines: u32) {
        let [columns, lines] = [columns, lines].map(|number| number.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &lines]);
    }

    /// What is on the screen, without the empty end.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"]).trim_end().to_owned()
    }

    /// Empties the screen, and what is above it.
    pub fn clear(&self) {
        self.line("clear");
        self.wait("an empty screen", |screen| screen == "[0]>");
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait(&format!("{text:?}"), |screen| screen.contains(text))
    }

    /// Waits for a line: of a command's output, as what was typed has a prompt before it.
    #[track_caller]
    pub fn wait_for_line(&self, text: &str) -> String {
        let wanted = |line: &str| line.trim_end() == text;
        self.wait(&format!("the line {text:?}"), |screen| screen.lines().any(wanted))
    }

    /// Waits for the prompt after a command that has ended so.
    #[track_caller]
    pub fn wait_for_prompt(&self, code: i32) -> String {
        let prompt = format!("[{code}]>");
        self.wait(&prompt, |screen| screen.lines().last().is_some_and(|line| line.trim() == prompt))
    }

    /// How the terminal is set, as `stty -g` says it.
    pub fn settings(&self) -> String {
        let path = self.tmux(&["display-message", "-p", "#{pane_tty}"]);
        let mut command = Command::new("stty");
        command.args(["-g", "-F", path.trim()]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
    }
}
