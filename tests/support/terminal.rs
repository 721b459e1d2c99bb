//! A pseudo terminal, and somebody who sits at it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{Caller, UNPRIVILEGED};

/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// The side of a terminal at which a person would sit.
pub struct Terminal {
    master: File,
    /// The path of the other side.
    pub path: String,
    /// All that was shown so far.
    pub shown: String,
}

impl Terminal {
    /// A terminal that belongs to the caller.
    pub fn new(caller: Caller) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        if caller == Caller::User && rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(UNPRIVILEGED), None).unwrap();
        }
        Self { master: master.into(), path, shown: String::new() }
    }

    /// Types something; `"\x03"` is ^C.
    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until a text is shown.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.shown.contains(text) {
            assert!(Instant::now() < deadline, "{text:?} doesn't appear: {:?}", self.shown);
            self.read();
        }
    }

    /// Takes in what is shown within a moment; whether there may be more.
    fn read(&mut self) -> bool {
        let mut events = [PollFd::new(&self.master, PollFlags::IN)];
        let moment = rustix::time::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        if poll(&mut events, Some(&moment)).unwrap_or(0) == 0 {
            return false;
        }
        let mut bytes = [0; 4096];
        // An error says that nobody has the other side open.
        let count = self.master.read(&mut bytes).unwrap_or(0);
        self.shown += &String::from_utf8_lossy(&bytes[..count]);
        count > 0
    }

    /// Takes in what is left.
    pub fn drain(&mut self) {
        while self.read() {}
    }
}
