//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::quick;

/// What the exit status says.
const EXIT_STATUS: &str = "\
Exit status of run:
  the command's own; where signal N ended it, ringfence dies of the same: 128+N in a shell
  124  the wall-clock limit was reached
  125  ringfence failed or refused; nothing was run
  126  the command was found, but can't be executed
  127  the command wasn't found
The others: 0, or 125; check: 1 where there are problems.";

/// Where options end, and what can be left out.
const RUN_HELP: &str = "\
Everything after COMMAND is the command's; a \"--\" before it is needed only where its
name begins with \"-\".

Examples:
  ringfence run make test                         the working directory, no network
  ringfence run --ro ~/.cargo --net host cargo build
  ringfence run -p untrusted --timeout 10s ./a.out
  ringfence run -l namespaced --degrade sh        as much as this host can give
  ringfence explain -p untrusted                  what all that would come to";

/// Runs a command in a sandbox, and says what the sandbox really enforces.
#[derive(Debug, Parser)]
#[command(name = "ringfence", version, max_term_width = 100, infer_subcommands = false)]
#[command(after_help = EXIT_STATUS)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Action,
}

impl Arguments {
    /// Parses the command line of this process.
    pub(crate) fn of_process() -> Result<Self, clap::Error> {
        let mut words = std::env::args_os().skip(1);
        if words.next().is_some_and(|word| word == "run")
            && let Some(run) = quick::parse(words)
        {
            return Ok(Self { action: Action::Run(run) });
        }
        Self::try_parse()
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Run a command in a sandbox
    Run(RunArguments),
    /// Look for problems in profiles, without running anything
    Check(CheckArguments),
    /// Say what a profile allows and denies on this host, layer by layer
    Explain(ExplainArguments),
    /// Say what this host offers, and what would give the rest
    Doctor(DoctorArguments),
    /// List the profiles that can be named, or show one
    Profiles(ProfilesArguments),
}

/// What `run` and `explain` have in common: a profile, and changes to it.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Sandbox")]
pub(crate) struct SandboxArguments {
    /// Profile: a name (see 'ringfence profiles') or a path
    #[arg(short, long, value_name = "NAME|PATH", default_value = "default")]
    pub(crate) profile: String,
    /// Isolation level; layers of higher levels are off, unless --enforcement or an option for
    /// them says otherwise
    #[arg(short, long, value_name = "LEVEL",
          value_parser = clap::builder::PossibleValuesParser::new(crate::profile::vocabulary::Level::NAMES))]
    pub(crate) level: Option<String>,
    /// Show a file or directory of the host, read-only
    #[arg(long, value_name = "PATH[:TARGET]")]
    pub(crate) ro: Vec<OsString>,
    /// Show a file or directory of the host, writable
    #[arg(long, value_name = "PATH[:TARGET]")]
    pub(crate) rw: Vec<OsString>,
    /// Mount an empty file system in memory
    #[arg(long, value_name = "PATH[:SIZE]")]
    pub(crate) tmpfs: Vec<OsString>,
    /// Mask a path inside what is visible
    #[arg(long, value_name = "PATH")]
    pub(crate) hide: Vec<OsString>,
    /// Network: none, loopback or host
    #[arg(long, value_name = "MODE",
          value_parser = clap::builder::PossibleValuesParser::new(crate::profile::vocabulary::NetworkMode::NAMES))]
    pub(crate) net: Option<String>,
    /// Allow TCP connections to this port only (repeatable); means --net host
    #[arg(long, value_name = "PORT")]
    pub(crate) connect: Vec<String>,
    /// Memory of the whole process tree, such as 512MiB
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// Processor time per second, in processors, such as 1.5
    #[arg(long, value_name = "N")]
    pub(crate) cpus: Option<String>,
    /// Processes and threads of the whole tree
    #[arg(long, value_name = "N")]
    pub(crate) pids: Option<String>,
    /// Wall-clock limit, such as 90s or 5m
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<String>,
    /// Pass an environment variable, or set it
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<OsString>,
    /// Working directory inside the sandbox
    #[arg(long, value_name = "PATH")]
    pub(crate) cwd: Option<OsString>,
    /// User, and group, the command runs as
    #[arg(long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// Make a layer required, best-effort or off
    #[arg(long, value_name = "LAYER=SETTING")]
    pub(crate) enforcement: Vec<String>,
    /// Make every layer best-effort: run with what this host can give, and say what it can't
    #[arg(long)]
    pub(crate) degrade: bool,
    /// Let the command inherit this file descriptor, at the number M if that is given
    #[arg(long, value_name = "N[:M]", value_parser = PassedFile::parse)]
    pub(crate) pass_fd: Vec<PassedFile>,
    /// Set any part of the profile, such as limits.open_files=64
    #[arg(long, value_name = "JSON.PATH=VALUE")]
    pub(crate) set: Vec<String>,
}

/// A descriptor of the caller's for the command (`--pass-fd`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PassedFile {
    /// Its number here.
    pub(crate) from: u32,
    /// Its number in the command.
    pub(crate) to: u32,
}

impl PassedFile {
    fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<u32>().map_err(|_| format!("{text:?} isn't the number of a descriptor"))
        };
        let (from, to) = text.split_once(':').unwrap_or((text, text));
        Ok(Self { from: number(from)?, to: number(to)? })
    }
}

/// `ringfence run`.
#[derive(Debug, Default, Args)]
#[command(
    after_help = RUN_HELP,
    override_usage = "ringfence run [OPTIONS] [--] COMMAND [ARGS]..."
)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
    /// Write a report of the run to a file, as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) report: Option<PathBuf>,
    /// Write the report to an open file descriptor
    #[arg(long, value_name = "N", help_heading = "Output", conflicts_with = "report")]
    pub(crate) report_fd: Option<u32>,
    /// Write the report to standard error
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Write a line of JSON for everything that happens, to a file or an open descriptor
    #[arg(long, value_name = "FILE|fd:N", help_heading = "Output")]
    pub(crate) events: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long, help_heading = "Output", conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say what holds, layer by layer
    #[arg(short, long, help_heading = "Output")]
    pub(crate) verbose: bool,
    /// Give the command a terminal of its own: auto does where standard input and output are
    /// terminals
    #[arg(long, value_name = "WHEN", help_heading = "Terminal", value_enum,
          num_args = 0..=1, require_equals = true, default_value = "auto",
          default_missing_value = "always")]
    pub(crate) tty: Tty,
    /// The same as --tty=never
    #[arg(long, help_heading = "Terminal", conflicts_with = "tty")]
    pub(crate) no_tty: bool,
    /// The command and its arguments
    #[arg(
        value_name = "COMMAND",
        help_heading = "Arguments",
        required = true,
        trailing_var_arg = true
    )]
    pub(crate) command: Vec<OsString>,
}

/// When the command gets a terminal of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Tty {
    /// Where standard input and output are terminals
    #[default]
    Auto,
    /// Wherever one of the standard streams is a terminal
    Always,
    /// Nowhere
    Never,
}

/// `ringfence check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Write the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Profiles, by name or path
    #[arg(value_name = "PROFILE", required = true)]
    pub(crate) profiles: Vec<String>,
}

/// `ringfence explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
    /// Write the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ringfence doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Write the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `ringfence profiles`.
#[derive(Debug, Args)]
pub(crate) struct ProfilesArguments {
    #[command(subcommand)]
    pub(crate) action: Option<ProfilesAction>,
    /// Write the result as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// `ringfence profiles list|show`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProfilesAction {
    /// List the profiles that can be named (the default)
    List,
    /// Show the text of a profile
    Show {
        /// Its name or path
        name: String,
        /// Show what it comes to: with all that it extends and that its level sets
        #[arg(long)]
        merged: bool,
    },
}
