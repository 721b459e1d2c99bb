//! [`Child`](crate::Child) as futures, for the tokio runtime.

use std::future::poll_fn;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe::{Receiver, Sender};

use super::child::{Captured, Output};
use crate::Command;
use crate::error::Error;
use crate::report::Outcome;

/// A command that was started in a [`Sandbox`](crate::Sandbox), as futures: what
/// [`crate::Child`] is to a thread, this is to a task. It derefs to the child, whose other methods
/// don't wait.
///
/// No thread waits for it: the runtime watches its pidfd. **Dropping it kills and reaps the whole
/// tree**, so that a future that owns it and is cancelled leaves nothing behind.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
/// use ringfence::{Profile, Sandbox};
/// let sandbox = Sandbox::new(&Profile::load("default")?)?;
/// let mut child = ringfence::tokio::spawn(&mut sandbox.command("true"))?;
/// assert!(child.wait().await?.success());
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug)]
pub struct Child {
    /// Where its standard input is written, if that is a pipe.
    pub stdin: Option<Sender>,
    /// Where its standard output is read, if that is a pipe.
    pub stdout: Option<Receiver>,
    /// Where its standard error is read, if that is a pipe.
    pub stderr: Option<Receiver>,
    /// A copy of the child's pidfd: the reactor wants one of its own.
    end: AsyncFd<OwnedFd>,
    /// Rings when the child has to be looked at; the runtime's own time may not be enabled.
    timer: Option<(Instant, AsyncFd<OwnedFd>)>,
    child: crate::Child,
}

impl Deref for Child {
    type Target = crate::Child;

    fn deref(&self) -> &crate::Child {
        &self.child
    }
}

impl DerefMut for Child {
    fn deref_mut(&mut self) -> &mut crate::Child {
        &mut self.child
    }
}

/// Starts a command. To be called inside a runtime whose I/O is enabled.
///
/// Starting takes this thread for as long as it takes: some milliseconds.
///
/// # Errors
/// As [`Command::spawn`], and [`Error::Io`] where the runtime can't watch the child.
pub fn spawn(command: &mut Command) -> Result<Child, Error> {
    Child::new(command.spawn()?)
}

/// Runs a command to its end. Dropping the future kills the tree.
///
/// # Errors
/// As [`spawn`] and [`Child::wait`].
pub async fn status(command: &mut Command) -> Result<Outcome, Error> {
    spawn(command)?.wait().await
}

/// Runs a command to its end, and collects what it writes. Dropping the future kills the tree.
///
/// # Errors
/// As [`spawn`] and [`Child::wait_with_output`].
pub async fn output(command: &mut Command) -> Result<Output, Error> {
    Child::new(command.spawn_captured()?)?.wait_with_output().await
}

fn watching(source: io::Error) -> Error {
    Error::Io { action: "watch the command from the runtime".to_owned(), source }
}

impl Child {
    fn new(mut child: crate::Child) -> Result<Self, Error> {
        let receiver = |pipe: OwnedFd| Receiver::from_owned_fd(pipe).map_err(watching);
        let stdin = child.stdin.take().map(OwnedFd::from).map(Sender::from_owned_fd).transpose();
        let stdout = child.stdout.take().map(OwnedFd::from).map(receiver).transpose()?;
        let stderr = child.stderr.take().map(OwnedFd::from).map(receiver).transpose()?;
        let stdin = stdin.map_err(watching)?;
        let end =
            child.as_fd().try_clone_to_owned().and_then(crate::os::watch).map_err(watching)?;
        Ok(Self { stdin, stdout, stderr, end, timer: None, child })
    }

    /// Waits for the end of the whole tree. Standard input, if it is a pipe, is closed first. It
    /// can be dropped and called again.
    ///
    /// # Errors
    /// As [`crate::Child::wait`].
    pub async fn wait(&mut self) -> Result<Outcome, Error> {
        drop(self.stdin.take());
        poll_fn(|context| self.poll_end(context)).await
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<Outcome, Error>> {
        loop {
            if let Some(outcome) = self.child.try_wait()? {
                return Poll::Ready(Ok(outcome));
            }
            if self.poll_due(context)?.is_ready() {
                continue;
            }
            let mut guard = ready!(self.end.poll_read_ready(context)).map_err(watching)?;
            // Readable once, a pidfd stays so: asked anew, it tells the truth.
            guard.clear_ready();
        }
    }

    /// Whether it is time to look at the child, though nothing has happened to it.
    fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Some(at) = self.child.due() else { return Poll::Pending };
        if self.timer.as_ref().is_none_or(|(set, _)| *set != at) {
            let left = at.saturating_duration_since(Instant::now());
            let timer = crate::os::timer(left).and_then(crate::os::watch).map_err(watching)?;
            self.timer = Some((at, timer));
        }
        let Some((_, timer)) = &self.timer else { return Poll::Pending };
        ready!(timer.poll_read_ready(context)).map_err(watching)?.clear_ready();
        // It has rung; another is set, should there be more to wait for.
        self.timer = None;
        Poll::Ready(Ok(()))
    }

    /// Waits for the end of the whole tree, and collects what it writes to pipes, as
    /// [`crate::Child::wait_with_output`].
    ///
    /// # Errors
    /// As there.
    pub async fn wait_with_output(mut self) -> Result<Output, Error> {
        drop(self.stdin.take());
        let mut pipes = [self.stdout.take(), self.stderr.take()];
        let mut streams = [Captured::default(), Captured::default()];
        let mut outcome = None;
        poll_fn(|context| {
            for (pipe, stream) in pipes.iter_mut().zip(&mut streams) {
                self.poll_stream(context, pipe, stream)?;
            }
            if outcome.is_none()
                && let Poll::Ready(ended) = self.poll_end(context)
            {
                outcome = Some(ended?);
                // Nobody is left who could write: what is in the pipes is all.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if outcome.is_some() { Poll::Ready(Ok::<(), Error>(())) } else { Poll::Pending }
        })
        .await?;
        let outcome = outcome.ok_or(Error::Ended)?;
        let [stdout, stderr] = streams;
        let truncated = stdout.truncated || stderr.truncated;
        Ok(Output { outcome, stdout: stdout.bytes, stderr: stderr.bytes, truncated })
    }

    /// Reads what is there.
    fn poll_stream(
        &mut self,
        context: &mut Context<'_>,
        pipe: &mut Option<Receiver>,
        stream: &mut Captured,
    ) -> Result<(), Error> {
        let mut bytes = [0; 16 * 1024];
        while let Some(receiver) = pipe {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(receiver).poll_read(context, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(source)) => {
                    let action = "read what the command writes".to_owned();
                    return Err(Error::Io { action, source });
                }
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => *pipe = None,
                Poll::Ready(Ok(())) => {
                    self.child.keep(stream, buffer.filled());
                }
            }
        }
        Ok(())
    }

    /// Waits for the end of the whole tree, but not longer than that; `None`: it goes on. Needs a
    /// runtime whose time is enabled.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub async fn wait_timeout(&mut self, time: Duration) -> Result<Option<Outcome>, Error> {
        match tokio::time::timeout(time, self.wait()).await {
            Ok(outcome) => outcome.map(Some),
            Err(_) => Ok(None),
        }
    }
}
