//! Collecting what a command writes.

use std::io::Read;
use std::os::fd::OwnedFd;

use super::Child;
use crate::error::Error;
use crate::os::{self, Other};
use crate::profile::vocabulary::Overflow;
use crate::report::Outcome;

/// How often a pipe is read before the other one, and the command, are looked at.
const READS_IN_A_TURN: u32 = 16;

/// What a command has written, and how it ended.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Profile, Sandbox};
/// let sandbox = Sandbox::new(&Profile::load("default")?)?;
/// let output = sandbox.command("yes").output_size(6).wall_time(std::time::Duration::from_millis(100)).output()?;
/// assert!(output.truncated);
/// assert_eq!(output.stdout, b"y\ny\ny\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// How it ended.
    pub outcome: Outcome,
    /// What it wrote to standard output, as far as that was kept.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, as far as that was kept.
    pub stderr: Vec<u8>,
    /// Whether it wrote more than was kept (`limits.output`).
    pub truncated: bool,
}

impl Child {
    /// Waits for the end of the whole tree, and collects what it writes to pipes. Both are read at
    /// once, and not more is kept than `limits.output` says.
    ///
    /// # Errors
    /// As [`Child::wait`], and [`Error::Io`] where a pipe can't be read.
    pub fn wait_with_output(mut self) -> Result<Output, Error> {
        drop(self.stdin.take());
        let mut out = Captured::new(self.stdout.take().map(OwnedFd::from))?;
        let mut err = Captured::new(self.stderr.take().map(OwnedFd::from))?;
        let mut outcome = None;
        while outcome.is_none() || out.is_open() || err.is_open() {
            self.collect([&mut out, &mut err], &mut outcome)?;
        }
        let outcome = outcome.ok_or(Error::Ended)?;
        let truncated = out.truncated || err.truncated;
        Ok(Output { outcome, stdout: out.bytes, stderr: err.bytes, truncated })
    }

    /// Sleeps until there is something to be read, or the tree has ended, and reads.
    fn collect(
        &mut self,
        streams: [&mut Captured; 2],
        outcome: &mut Option<Outcome>,
    ) -> Result<(), Error> {
        let mut others: Vec<_> =
            streams.iter().filter_map(|stream| stream.pipe.as_ref()).map(Other::readable).collect();
        match outcome {
            // What the tree has written is in the pipes: nothing is waited for any more.
            Some(_) => {}
            None => *outcome = self.turn(&mut others, None)?,
        }
        drop(others);
        let ended = outcome.is_some();
        for stream in streams {
            self.read(stream, ended).map_err(|source| Error::Io {
                action: "read what the command writes".to_owned(),
                source,
            })?;
            if ended {
                // Nobody is left who could write.
                stream.pipe = None;
            }
        }
        Ok(())
    }

    /// Takes what is in a pipe now; `all`: until there is nothing left. Who writes without end must not
    /// keep this from everything else.
    fn read(&mut self, stream: &mut Captured, all: bool) -> std::io::Result<()> {
        let mut buffer = [0; 64 * 1024];
        let mut turns = 0;
        while let Some(pipe) = &mut stream.pipe
            && (all || turns < READS_IN_A_TURN)
        {
            turns += 1;
            match pipe.read(&mut buffer) {
                Ok(0) => stream.pipe = None,
                Ok(count) => self.keep(stream, &buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Keeps what was read up to the limit; what happens beyond is for the profile to say.
    pub(in super::super) fn keep(&mut self, stream: &mut Captured, bytes: &[u8]) {
        let limit = self.chosen.policy.output.map(usize::try_from);
        let limit = limit.and_then(Result::ok).unwrap_or(usize::MAX);
        let kept = bytes.len().min(limit.saturating_sub(stream.bytes.len()));
        stream.bytes.extend_from_slice(&bytes[..kept]);
        stream.truncated |= kept < bytes.len();
        let over = self.chosen.policy.output_overflow == Overflow::Kill;
        if stream.truncated && over && self.exceeded.is_none() {
            self.exceeded = Some("output");
            self.running.kill();
        }
    }
}

/// What was read from a pipe.
#[derive(Default)]
pub(in super::super) struct Captured {
    pipe: Option<std::fs::File>,
    pub(in super::super) bytes: Vec<u8>,
    pub(in super::super) truncated: bool,
}

impl Captured {
    fn new(pipe: Option<OwnedFd>) -> Result<Self, Error> {
        let pipe = pipe.map(std::fs::File::from);
        if let Some(pipe) = &pipe {
            os::set_nonblocking(pipe).map_err(|source| Error::Io {
                action: "prepare to read what the command writes".to_owned(),
                source,
            })?;
        }
        Ok(Self { pipe, bytes: Vec::new(), truncated: false })
    }

    fn is_open(&self) -> bool {
        self.pipe.is_some()
    }
}
