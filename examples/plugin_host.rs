//! Asks a plugin that nobody vouches for, which answers on a UNIX socket, and starts it again when
//! it dies or doesn't answer in time:
//!
//! ```text
//! printf 'one\ntwo\n' | cargo run --example plugin_host -- sh -c 'while read -r q <&3; do echo "$q!" >&3; done'
//! ```
//!
//! Each line of standard input is a request; the plugin reads it from descriptor 3, and writes one
//! line there as the answer, within a second or what `--patience SECONDS`, before the command, says.
//! What failed is asked once more of a new plugin, then given up. The exit status is 0 if every request
//! was answered.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ringfence::{Child, Profile, Sandbox, Stdio};

/// How long an answer may take, the start of a plugin included.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long an answer may be.
const ANSWER_BYTES: usize = 64 * 1024;

fn main() -> ExitCode {
    match serve() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("plugin_host: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every request was answered.
fn serve() -> Result<bool, Box<dyn Error>> {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut patience = PATIENCE;
    if words.first().is_some_and(|word| word == "--patience") {
        let seconds = words.get(1).and_then(|word| word.to_str()?.parse().ok());
        let limit = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        patience = limit.ok_or("--patience takes a number of seconds")?;
        words.drain(..2);
    }
    let profile = Profile::load("untrusted")?
        // It lives as long as this program does; the time of an answer is looked after below.
        .set("limits.wall_time", "unlimited")
        .set("limits.cpu_time", "unlimited");
    let sandbox = Sandbox::new(&profile)?;
    let mut host = Host { sandbox, words, patience, plugin: None, starts: 0 };
    let mut all_answered = true;
    for request in std::io::stdin().lock().lines() {
        match host.ask_twice(&request?)? {
            Some(answer) => println!("{}", String::from_utf8_lossy(&answer).escape_debug()),
            None => {
                println!("(no answer)");
                all_answered = false;
            }
        }
    }
    eprintln!("plugin_host: the plugin was started {} times", host.starts);
    Ok(all_answered)
    // What is left of the plugin ends here, as its child is dropped.
}

struct Host {
    sandbox: Sandbox,
    words: Vec<OsString>,
    patience: Duration,
    plugin: Option<Plugin>,
    starts: usize,
}

/// A plugin that runs.
struct Plugin {
    child: Child,
    socket: UnixStream,
}

/// Why there is no answer.
enum Failure {
    Silent,
    TooLong,
    Gone,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "it didn't answer in time",
            Self::TooLong => "its answer is too long",
            Self::Gone => "it closed its socket",
        })
    }
}

impl Host {
    fn ask_twice(&mut self, request: &str) -> Result<Option<Vec<u8>>, ringfence::Error> {
        for _ in 0..2 {
            let mut plugin = match self.plugin.take() {
                Some(plugin) => plugin,
                None => self.start()?,
            };
            match plugin.ask(request, self.patience) {
                Ok(answer) => {
                    self.plugin = Some(plugin);
                    return Ok(Some(answer));
                }
                Err(failure) => {
                    // A part of an answer may be on its way: this plugin isn't asked again. All of
                    // its processes end with it.
                    plugin.child.kill();
                    let ending = plugin.child.wait()?.ending;
                    eprintln!("plugin_host: {failure}: {ending}");
                }
            }
        }
        Ok(None)
    }

    fn start(&mut self) -> Result<Plugin, ringfence::Error> {
        let io = |source| ringfence::Error::Io { action: "make a socket".to_owned(), source };
        let (socket, theirs) = UnixStream::pair().map_err(io)?;
        let program = self.words.first().cloned().unwrap_or_else(|| "cat".into());
        let mut command = self.sandbox.command(program);
        command.args(self.words.iter().skip(1)).fd(3, theirs);
        // What it prints must not pass for answers.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // The end of the socket shows only if nobody here holds the plugin's side: the command, which
        // does, is dropped on return.
        let child = command.spawn()?;
        self.starts += 1;
        Ok(Plugin { child, socket })
    }
}

impl Plugin {
    /// One line there, one line back. A plugin that sends byte by byte has no more time than others.
    fn ask(&mut self, request: &str, patience: Duration) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + patience;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        self.limit(deadline)?;
        self.socket.write_all(format!("{request}\n").as_bytes()).map_err(failure)?;
        while answer.last() != Some(&b'\n') {
            self.limit(deadline)?;
            match self.socket.read(&mut buffer).map_err(failure)? {
                0 => return Err(Failure::Gone),
                count => answer.extend_from_slice(&buffer[..count]),
            }
            if answer.len() > ANSWER_BYTES {
                return Err(Failure::TooLong);
            }
        }
        answer.pop();
        Ok(answer)
    }

    /// Lets the next read or write wait until then.
    fn limit(&self, deadline: Instant) -> Result<(), Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::Silent);
        }
        let read = self.socket.set_read_timeout(Some(left));
        read.and_then(|()| self.socket.set_write_timeout(Some(left))).map_err(failure)
    }
}

fn failure(error: std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::Silent,
        _ => Failure::Gone,
    }
}
