//! The command's terminal, as the sandbox's processes see to it.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::process::getpid;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, Termios, Winsize, tcgetattr, tcsetattr, tcsetpgrp,
    tcsetwinsize,
};

use super::record::{Call, Failure, In, Record};
use crate::sys;

/// A terminal of the command's own, as the launcher has prepared it.
pub(crate) struct OwnTerminal {
    /// How it is set at first.
    pub(crate) settings: Termios,
    pub(crate) size: Winsize,
    /// The command's side of it, where the sandbox has none to make it from.
    pub(crate) slave: Option<OwnedFd>,
    /// The caller's terminal: init sets it as it was, should the launcher die.
    pub(crate) callers: OwnedFd,
}

/// Makes the terminal that of this session; the command's side.
pub(super) fn open(
    channel: BorrowedFd<'_>,
    ptmx: Option<&CStr>,
    own: &OwnTerminal,
) -> Result<OwnedFd, Failure> {
    let slave = match (ptmx, &own.slave) {
        (Some(path), _) => {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            let master = rustix::fs::open(path, flags, Mode::empty()).in_call(Call::Open)?;
            unlockpt(&master).in_call(Call::Terminal)?;
            let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let slave = ioctl_tiocgptpeer(&master, flags).in_call(Call::Terminal)?;
            hand_over(channel, master.as_fd()).in_call(Call::Send)?;
            slave
        }
        (None, Some(slave)) => rustix::io::fcntl_dupfd_cloexec(slave, 3).in_call(Call::Dup)?,
        (None, None) => return Err(Failure { call: Call::Terminal, errno: Errno::NOTTY }),
    };
    tcsetattr(&slave, OptionalActions::Now, &own.settings).in_call(Call::Terminal)?;
    tcsetwinsize(&slave, own.size).in_call(Call::Terminal)?;
    rustix::process::ioctl_tiocsctty(&slave).in_call(Call::Terminal)?;
    Ok(slave)
}

/// Gives the launcher its side.
fn hand_over(channel: BorrowedFd<'_>, master: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let files = [master];
    ancillary.push(SendAncillaryMessage::ScmRights(&files));
    let bytes = Record::Terminal.to_bytes();
    let parts = [std::io::IoSlice::new(&bytes)];
    rustix::net::sendmsg(channel, &parts, &mut ancillary, SendFlags::NOSIGNAL).map(drop)
}

/// Puts the terminal at these standard streams of this process, whose group uses it if
/// `in_foreground`.
pub(super) fn take(
    terminal: Option<BorrowedFd<'_>>,
    streams: [bool; 3],
    in_foreground: bool,
) -> Result<(), Failure> {
    let terminal = terminal.ok_or(Errno::NOTTY).in_call(Call::Terminal)?;
    if in_foreground {
        // Who isn't in the foreground may do so while SIGTTOU is blocked.
        tcsetpgrp(terminal, getpid()).in_call(Call::Terminal)?;
    }
    for (number, _) in (0..).zip(streams).filter(|(_, wanted)| *wanted) {
        sys::exec::duplicate_onto(terminal, number).in_call(Call::Dup)?;
    }
    Ok(())
}

/// Sets the caller's terminal as it was, if it is still as the launcher has left it: its shell may
/// have been quicker, and by now want it another way.
pub(super) fn restore(own: &OwnTerminal) {
    let cooked = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
    let is_raw = |now: &Termios| {
        !now.local_modes.intersects(cooked) && !now.output_modes.contains(OutputModes::OPOST)
    };
    if tcgetattr(&own.callers).is_ok_and(|now| is_raw(&now)) {
        let _ = tcsetattr(&own.callers, OptionalActions::Now, &own.settings);
    }
}
