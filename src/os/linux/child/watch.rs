//! Init's life once the command was started: it hands signals on, keeps the time limit, reaps, tells
//! the launcher, and ends with it. It is a shell with one job.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Pid, getpgrp};

use super::super::rest::Rest;
use super::init::{Born, Channels, FAILED, LAUNCHER_GONE, fail};
use super::ops::Program;
use super::record::{Call, REQUEST_SIZE, Recipient, Record, Request};
use super::run::send;
use super::timer::Timer;
use super::{account, terminal, tree};
use crate::sys;
use crate::sys::exec::close_all_but;
use crate::sys::signal::SignalSet;
use crate::sys::wait::{Wait, reap};

/// Waits for the command's end, for the end of its time, and for the launcher's end, whichever
/// comes first; then ends the tree. Returns what init exits with.
pub(super) fn watch(program: &Program, channels: &Channels, born: &Born) -> i32 {
    let channel = channels.init.as_fd();
    let signals = match sys::signal::signal_descriptor(SignalSet::ALL) {
        Ok(signals) => signals,
        Err(errno) => {
            fail(channels, Call::Signalfd, errno);
            return FAILED;
        }
    };
    // Time runs from here on: the command was executed just now.
    let timer = match Timer::start(program.wall_time) {
        Ok(timer) => timer,
        Err(errno) => {
            fail(channels, Call::Timerfd, errno);
            return FAILED;
        }
    };
    // Nothing of the caller's stays open in here: readers of its pipes shall see them end with
    // the command.
    let proc = program.proc.as_ref().map(AsFd::as_fd);
    let account = born.account.as_ref().map(AsFd::as_fd);
    let terminal = born.terminal.as_ref().map(AsFd::as_fd);
    let callers = program.terminal.as_ref().map(|terminal| terminal.callers.as_fd());
    let requests = channels.requests.as_fd();
    let (signals_file, timer_file) = (Some(signals.as_fd()), Some(timer.as_fd()));
    let kept =
        [Some(channel), Some(requests), signals_file, timer_file, proc, account, terminal, callers];
    let mut kept = kept.map(|descriptor| descriptor.map_or(-1, |open| open.as_raw_fd()));
    kept.sort_unstable();
    if let Err(errno) = close_all_but(&kept) {
        fail(channels, Call::CloseRange, errno);
        return FAILED;
    }
    let news = News { channel, limit: None, state: None };
    let rest = Rest::new(program.gives_back);
    let mut watch =
        Watch { program, born, requests, signals, timer, patience: Patience::Limit, news, rest };
    let end = watch.until_the_end();
    if let (End::LauncherGone, Some(terminal)) = (end, &program.terminal) {
        terminal::restore(terminal);
    }
    let mut status = match end {
        End::Status(status) => Some(status),
        End::Killed | End::LauncherGone => None,
    };
    let mut reaped = |pid, ended| {
        if pid == born.target {
            status = Some(ended);
        }
    };
    match &program.proc {
        Some(proc) => tree::kill_descendants(proc, &mut reaped),
        // The kernel would do it when init ends, but then their account would be lost.
        None => tree::kill_namespace(&mut reaped),
    }
    match (end, status) {
        (_, None) => LAUNCHER_GONE,
        (_, Some(status)) => {
            watch.news.tell_rest();
            let transferred = born.account.as_ref().and_then(account::read);
            let killed = !matches!(end, End::Status(_));
            // A launcher that has only closed its half still listens.
            let _ = send(channel, Record::Ended { status, transferred, killed });
            0
        }
    }
}

/// Why init ends the tree.
#[derive(Clone, Copy)]
enum End {
    /// The command has ended, with this wait status.
    Status(i32),
    /// Its time is up.
    Killed,
    LauncherGone,
}

/// What the timer rings for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// The command's time is up: it is asked to end.
    Limit,
    /// It was asked to end and had its grace: the tree is killed.
    Grace,
}

struct Watch<'a> {
    program: &'a Program,
    born: &'a Born,
    requests: BorrowedFd<'a>,
    signals: OwnedFd,
    timer: Timer,
    patience: Patience,
    news: News<'a>,
    rest: Rest,
}

impl Watch<'_> {
    fn until_the_end(&mut self) -> End {
        loop {
            // Told of the other side's end, and that it only closed its half: see `Tree::ask_to_end`.
            let mut wanted = PollFlags::RDHUP;
            wanted.set(PollFlags::OUT, self.news.is_waiting());
            let mut events = [
                PollFd::from_borrowed_fd(self.news.channel, wanted),
                PollFd::from_borrowed_fd(self.requests, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::from_borrowed_fd(self.timer.as_fd(), PollFlags::IN),
            ];
            match self.rest.poll(&mut events, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return End::LauncherGone,
            }
            let [channel, requests, signals, timer] = events.map(|event| event.revents());
            if channel.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
                return End::LauncherGone;
            }
            if !signals.is_empty()
                && let Some(status) = self.take_signals()
            {
                return End::Status(status);
            }
            if requests.contains(PollFlags::IN) {
                self.take_requests();
            }
            if !timer.is_empty() && self.time_is_up() {
                return End::Killed;
            }
            self.news.tell();
        }
    }

    /// Forwards what others have sent to init, and reaps. Returns the command's status once it
    /// has ended.
    fn take_signals(&mut self) -> Option<i32> {
        let mut ended = None;
        while let Ok(Some(signal)) = sys::signal::next_signal(&self.signals) {
            if signal.number == libc::SIGCHLD {
                while let Ok(Some((pid, status, _))) = reap(Wait::AnyChange) {
                    if pid != self.born.target {
                        continue;
                    }
                    if libc::WIFSTOPPED(status) {
                        let signal = libc::WSTOPSIG(status);
                        self.news.state = Some(Record::Stopped { signal });
                    } else if libc::WIFCONTINUED(status) {
                        self.news.state = Some(Record::Continued);
                    } else {
                        ended = Some(status);
                    }
                }
            } else if ended.is_none()
                && signal.sender != self.born.target.cast_unsigned()
                // A terminal's goes to the whole group by itself.
                && !signal.is_kernels()
            {
                self.signal(signal.number, Recipient::Process);
            }
        }
        ended
    }

    fn take_requests(&mut self) {
        let mut bytes = [0_u8; REQUEST_SIZE];
        while let Ok((count @ 1.., _)) =
            rustix::net::recv(self.requests, &mut bytes, RecvFlags::DONTWAIT)
        {
            match Request::from_bytes(bytes.get(..count).unwrap_or(&[])) {
                Some(Request::Signal { number, to }) => self.signal(number, to),
                Some(Request::Terminate { to }) => self.ask_to_end(to),
                Some(Request::Foreground(it)) => self.let_use_terminal(it),
                None => {}
            }
        }
    }

    fn signal(&self, number: i32, to: Recipient) {
        let whom = match to {
            // Init itself is left out (`kill(2)`).
            Recipient::Tree if self.program.pid_namespace => -1,
            Recipient::Tree | Recipient::Group if self.program.own_group => -self.born.target,
            _ => self.born.target,
        };
        // The command may be gone already; then nobody is left to be told.
        let _ = sys::signal::kill(whom, number);
    }

    /// As a shell does it: a group that isn't in the foreground is stopped when it reads.
    fn let_use_terminal(&self, it: bool) {
        let Some(terminal) = &self.born.terminal else { return };
        let group = if it { Pid::from_raw(self.born.target) } else { Some(getpgrp()) };
        if let Some(group) = group {
            let _ = rustix::termios::tcsetpgrp(terminal, group);
        }
    }

    /// A second request doesn't prolong the grace.
    fn ask_to_end(&mut self, to: Recipient) {
        self.signal(libc::SIGTERM, to);
        // A stopped command is woken up, so that it can act on the request.
        self.signal(libc::SIGCONT, to);
        if self.patience == Patience::Limit {
            self.patience = Patience::Grace;
            // A timer that can't be set must not let the command go on for ever.
            if self.timer.set(self.program.grace).is_err() {
                self.signal(libc::SIGKILL, Recipient::Process);
            }
        }
    }

    /// Whether the tree is to be killed.
    fn time_is_up(&mut self) -> bool {
        if !self.timer.has_rung() {
            return false;
        }
        if self.patience == Patience::Grace {
            return true;
        }
        self.news.limit = Some(Record::TimedOut);
        self.ask_to_end(Recipient::Group);
        false
    }
}

/// What the launcher is to be told. It may be stopped, or have no time to listen: init must not
/// sleep for it, or nobody would keep the time limit.
struct News<'a> {
    channel: BorrowedFd<'a>,
    limit: Option<Record>,
    /// The last state only: a command that is stopped and continued all the time fills no buffer.
    state: Option<Record>,
}

impl News<'_> {
    fn is_waiting(&self) -> bool {
        self.limit.is_some() || self.state.is_some()
    }

    /// Tells as much as can be told now.
    fn tell(&mut self) {
        for news in [&mut self.limit, &mut self.state] {
            let Some(record) = *news else { continue };
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match rustix::net::send(self.channel, &record.to_bytes(), flags) {
                Err(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => return,
                // That the launcher is gone is seen by the next poll.
                Ok(_) | Err(_) => *news = None,
            }
        }
    }

    /// Tells all that is left of use once the command has ended.
    fn tell_rest(&mut self) {
        if let Some(record) = self.limit.take() {
            let _ = send(self.channel, record);
        }
    }
}
