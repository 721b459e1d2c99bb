//! The command's own terminal: a pseudo terminal, beside that of the caller, which is copied to and
//! from it. The command can do to it what it likes; the caller's is out of its reach.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, Termios, Winsize, isatty, tcgetattr,
    tcgetpgrp, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use super::running::Other;

/// The caller's terminal, as it was found.
#[derive(Debug)]
pub(crate) struct CallersTerminal {
    /// Not shared with anybody, so that reading and writing need not wait.
    pub(super) file: OwnedFd,
    pub(super) settings: Termios,
    pub(super) size: Winsize,
    /// Which of the standard streams are this terminal.
    pub(super) streams: [bool; 3],
    /// Whether it is this process's turn to use it (`tcgetpgrp(3)`).
    pub(super) in_foreground: bool,
}

impl CallersTerminal {
    /// The terminal among the standard streams, if there is one.
    ///
    /// # Errors
    /// It can't be opened anew.
    pub(crate) fn find() -> Result<Option<Self>, Errno> {
        let standard = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        let streams = standard.map(isatty);
        let Some(first) = streams.iter().position(|stream| *stream) else { return Ok(None) };
        let stream = standard[first];
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = |path: &str| rustix::fs::open(path, flags, Mode::empty());
        // By this name it can be opened though it belongs to another user, as after su(1).
        let controlling = tcgetpgrp(stream).is_ok().then(|| open("/dev/tty"));
        let file = match controlling {
            Some(Ok(file)) => file,
            _ => open(&format!("/proc/self/fd/{}", stream.as_raw_fd()))?,
        };
        let (mut settings, size) = (tcgetattr(&file)?, tcgetwinsize(&file)?);
        let in_foreground = in_foreground(file.as_fd());
        if !in_foreground {
            // As its shell has set it for its own use.
            settings.input_modes |= InputModes::ICRNL | InputModes::IXON;
            settings.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
            settings.local_modes |=
                LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        }
        Ok(Some(Self { file, settings, size, streams, in_foreground }))
    }

    /// Whether somebody sits at it: both input and output are the terminal.
    pub(crate) fn is_interactive(&self) -> bool {
        self.streams[0] && self.streams[1]
    }
}

/// Whether this process may use the terminal now. One that isn't its controlling terminal has no
/// opinion on that.
fn in_foreground(terminal: BorrowedFd<'_>) -> bool {
    tcgetpgrp(terminal).map_or(true, |group| group == getpgrp())
}

/// A new pseudo terminal of the host's: its two sides.
pub(super) fn host_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    Ok((master, slave))
}

/// The settings that hand every byte on as it is, so that the command's terminal can make of it
/// what the command wants.
pub(super) fn raw(settings: &Termios) -> Termios {
    let mut raw = settings.clone();
    raw.make_raw();
    raw
}

/// Bytes on their way from one terminal to the other.
struct Pipe {
    bytes: Box<[u8; 4096]>,
    start: usize,
    end: usize,
    /// Whether there can be more.
    open: bool,
}

impl Pipe {
    fn new() -> Self {
        Self { bytes: Box::new([0; 4096]), start: 0, end: 0, open: true }
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Moves as much as can be moved without waiting; whether anything was.
    fn pump(&mut self, from: Option<BorrowedFd<'_>>, to: BorrowedFd<'_>) -> bool {
        let mut moved = false;
        if let Some(from) = from
            && self.is_empty()
            && self.open
        {
            match rustix::io::read(from, &mut self.bytes[..]) {
                Ok(0) => self.open = false,
                Ok(count) => (self.start, self.end, moved) = (0, count, true),
                Err(Errno::AGAIN | Errno::INTR) => {}
                // EIO: the other side is closed, or nobody may read now.
                Err(_) => self.open = false,
            }
        }
        while !self.is_empty() {
            match rustix::io::write(to, &self.bytes[self.start..self.end]) {
                Ok(count) => (self.start, moved) = (self.start + count, true),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                // Nobody is there any more who could take it.
                Err(_) => self.start = self.end,
            }
        }
        moved
    }
}

/// The two terminals of a run. The caller's is as it was found again when this is dropped.
pub(crate) struct Terminal {
    callers: OwnedFd,
    /// How the caller's was set when it was made raw.
    settings: Termios,
    is_raw: bool,
    commands: OwnedFd,
    input: Pipe,
    output: Pipe,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}

impl Terminal {
    /// Connects the caller's terminal with the command's.
    pub(super) fn connect(callers: CallersTerminal, commands: OwnedFd) -> Result<Self, Errno> {
        rustix::io::ioctl_fionbio(&commands, true)?;
        let CallersTerminal { file, settings, .. } = callers;
        let (input, output) = (Pipe::new(), Pipe::new());
        Ok(Self { callers: file, settings, is_raw: false, commands, input, output })
    }

    /// Takes the caller's terminal, if it is this process's turn; whether it is.
    pub(super) fn take(&mut self) -> bool {
        let turn = in_foreground(self.callers.as_fd());
        if turn && !self.is_raw {
            // It may have been set anew while others had it.
            if let Ok(settings) = tcgetattr(&self.callers) {
                self.settings = settings;
            }
        }
        if turn && tcsetattr(&self.callers, OptionalActions::Now, &raw(&self.settings)).is_ok() {
            self.is_raw = true;
            self.input.open = true;
        }
        self.resize();
        turn
    }

    /// Sets the caller's terminal as it was found.
    pub(super) fn restore(&mut self) {
        if std::mem::take(&mut self.is_raw) && in_foreground(self.callers.as_fd()) {
            let _ = tcsetattr(&self.callers, OptionalActions::Now, &self.settings);
        }
    }

    /// Gives the command's terminal the size of the caller's; the kernel tells who uses it.
    pub(super) fn resize(&self) {
        if let Ok(size) = tcgetwinsize(&self.callers) {
            let _ = tcsetwinsize(&self.commands, size);
        }
    }

    /// What is waited for.
    pub(super) fn sources(&self) -> Vec<Other<'_>> {
        let side = |file, reads, writes| {
            let mut wanted = PollFlags::empty();
            wanted.set(PollFlags::IN, reads);
            wanted.set(PollFlags::OUT, writes);
            Other::new(file, wanted)
        };
        let typed = self.is_raw && self.input.open && self.input.is_empty();
        let written = self.output.open && self.output.is_empty();
        let sides = [
            side(self.callers.as_fd(), typed, !self.output.is_empty()),
            side(self.commands.as_fd(), written, !self.input.is_empty()),
        ];
        // One that hangs up would wake this up for ever, were it waited for without a reason.
        sides.into_iter().filter(|side| !side.wanted.is_empty()).collect()
    }

    /// Copies what can be copied now.
    pub(super) fn copy(&mut self) {
        // Not for ever: there are signals to be seen too.
        for _ in 0..16 {
            let from = self.is_raw.then(|| self.callers.as_fd());
            let input = self.input.pump(from, self.commands.as_fd());
            let output = self.output.pump(Some(self.commands.as_fd()), self.callers.as_fd());
            if !input && !output {
                return;
            }
        }
    }

    /// Whether the command has written something that the caller's terminal hasn't taken yet. To
    /// be asked when the command has ended.
    pub(super) fn has_more(&mut self) -> bool {
        self.copy();
        !self.output.is_empty() || self.output.open
    }
}
