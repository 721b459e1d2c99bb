//! What the child tells the launcher, and what the launcher asks of it, in records of fixed sizes.

use rustix::io::Errno;

/// The size of every record.
pub(crate) const SIZE: usize = 24;

/// Defines the calls that can fail in the child, with the names that messages use.
macro_rules! calls {
    ($( $name:ident = $text:literal, )+) => {
        /// The call that failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Call { $( $name, )+ }

        impl Call {
            const ALL: &'static [Self] = &[ $( Self::$name, )+ ];

            pub(crate) const fn text(self) -> &'static str {
                match self { $( Self::$name => $text, )+ }
            }
        }
    };
}

calls! {
    AwaitGo = "waiting for the launcher",
    SetgroupsFile = "write(2) to setgroups",
    UidMap = "write(2) to uid_map",
    GidMap = "write(2) to gid_map",
    Setsid = "setsid(2)",
    JoinCgroup = "write(2) to cgroup.procs",
    Unshare = "unshare(2)",
    Mount = "mount(2)",
    Fsopen = "fsopen(2)",
    Fsconfig = "fsconfig(2)",
    Fsmount = "fsmount(2)",
    OpenTree = "open_tree(2)",
    MoveMount = "move_mount(2)",
    MountSetattr = "mount_setattr(2)",
    IdMap = "mount_setattr(2) with MOUNT_ATTR_IDMAP",
    Resolve = "openat2(2)",
    Mkdir = "mkdirat(2)",
    Create = "openat(2)",
    Symlink = "symlinkat(2)",
    Stat = "fstat(2)",
    PivotRoot = "pivot_root(2)",
    Umount = "umount2(2)",
    Chdir = "chdir(2)",
    ReadRoot = "reading back that the old root is gone",
    Sethostname = "sethostname(2)",
    Socket = "socket(2)",
    Loopback = "ioctl(2) SIOCSIFFLAGS",
    Setpriority = "setpriority(2)",
    Setaffinity = "sched_setaffinity(2)",
    Capbset = "prctl(2) PR_CAPBSET_DROP",
    Securebits = "prctl(2) PR_SET_SECUREBITS",
    Setgroups = "setgroups(2)",
    Setresgid = "setresgid(2)",
    Setresuid = "setresuid(2)",
    Capset = "capset(2)",
    Ambient = "prctl(2) PR_CAP_AMBIENT",
    NoNewPrivs = "prctl(2) PR_SET_NO_NEW_PRIVS",
    DeathSignal = "prctl(2) PR_SET_PDEATHSIG",
    Subreaper = "prctl(2) PR_SET_CHILD_SUBREAPER",
    Dumpable = "prctl(2) PR_SET_DUMPABLE",
    SignalMask = "rt_sigprocmask(2)",
    Signalfd = "signalfd(2)",
    Timerfd = "timerfd_create(2)",
    Setpgid = "setpgid(2)",
    Terminal = "ioctl(2) on a terminal",
    Fork = "clone(2)",
    Wait = "wait4(2)",
    Dup = "dup2(2)",
    FindProgram = "access(2)",
    Open = "open(2)",
    LandlockRule = "landlock_add_rule(2)",
    LandlockRestrict = "landlock_restrict_self(2)",
    CloseRange = "close_range(2)",
    Setrlimit = "setrlimit(2)",
    Sigaction = "rt_sigaction(2)",
    ReadIds = "reading the ids back",
    ReadGroups = "reading the groups back",
    ReadCapabilities = "reading the capability sets back",
    ReadSecurebits = "reading the securebits back",
    ReadNoNewPrivs = "reading no_new_privs back",
    ReadRlimit = "reading a limit back",
    ReadSeccomp = "reading the seccomp mode back",
    Send = "sendto(2)",
    Seccomp = "seccomp(2)",
    Execve = "execve(2)",
}

/// Why a step failed: which call, with what error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) call: Call,
    pub(crate) errno: Errno,
}

/// Names the call in the error of a system call.
pub(crate) trait In<T> {
    fn in_call(self, call: Call) -> Result<T, Failure>;
}

impl<T> In<T> for Result<T, Errno> {
    fn in_call(self, call: Call) -> Result<T, Failure> {
        self.map_err(|errno| Failure { call, errno })
    }
}

/// What the child tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The step with this number failed; nothing was run.
    Failed { step: u16, failure: Failure },
    /// The process that becomes the command waits to be looked at.
    Ready,
    /// The launcher's side of the command's terminal comes with this.
    Terminal,
    /// This signal has stopped the command.
    Stopped { signal: i32 },
    /// The command goes on.
    Continued,
    /// The wall-clock limit was reached, and the command asked to end.
    TimedOut,
    /// The command has ended, with this wait status (`wait(2)`), and so has its tree, which has
    /// read and written so many bytes. `killed`: not by itself, but when its grace was over.
    Ended { status: i32, transferred: Option<(u64, u64)>, killed: bool },
}

impl Record {
    pub(crate) fn to_bytes(self) -> [u8; SIZE] {
        let (kind, call, step, number) = match self {
            Self::Failed { step, failure } => {
                (1, failure.call as u8, step, failure.errno.raw_os_error())
            }
            Self::Ready => (2, 0, 0, 0),
            Self::Ended { status, killed, .. } => (3, u8::from(killed), 0, status),
            Self::Stopped { signal } => (4, 0, 0, signal),
            Self::Continued => (5, 0, 0, 0),
            Self::TimedOut => (6, 0, 0, 0),
            Self::Terminal => (7, 0, 0, 0),
        };
        let transferred = match self {
            Self::Ended { transferred: Some(transferred), .. } => transferred,
            _ => (UNCOUNTED, UNCOUNTED),
        };
        let mut bytes = [0; SIZE];
        bytes[0] = kind;
        bytes[1] = call;
        bytes[2..4].copy_from_slice(&step.to_ne_bytes());
        bytes[4..8].copy_from_slice(&number.to_ne_bytes());
        bytes[8..16].copy_from_slice(&transferred.0.to_ne_bytes());
        bytes[16..].copy_from_slice(&transferred.1.to_ne_bytes());
        bytes
    }

    /// The record in these bytes; `None` if they aren't one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SIZE] = bytes.try_into().ok()?;
        let number = i32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        match bytes[0] {
            1 => Some(Self::Failed {
                step: u16::from_ne_bytes([bytes[2], bytes[3]]),
                failure: Failure {
                    call: *Call::ALL.get(usize::from(bytes[1]))?,
                    errno: Errno::from_raw_os_error(number),
                },
            }),
            2 => Some(Self::Ready),
            3 => Some(Self::Ended {
                status: number,
                transferred: transferred(bytes),
                killed: bytes[1] != 0,
            }),
            4 => Some(Self::Stopped { signal: number }),
            5 => Some(Self::Continued),
            6 => Some(Self::TimedOut),
            7 => Some(Self::Terminal),
            _ => None,
        }
    }
}

/// Stands for a number that nobody counted.
const UNCOUNTED: u64 = u64::MAX;

fn transferred(bytes: &[u8; SIZE]) -> Option<(u64, u64)> {
    let number = |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let numbers = (number(8)?, number(16)?);
    (numbers != (UNCOUNTED, UNCOUNTED)).then_some(numbers)
}

/// The size of every request.
pub(crate) const REQUEST_SIZE: usize = 8;

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// The command's first process, as by `kill(2)`.
    Process,
    /// The command's process group, as by a key of the terminal.
    Group,
    /// Every process of the sandbox, where it has a pid namespace; else the group.
    Tree,
}

impl Recipient {
    const ALL: [Self; 3] = [Self::Process, Self::Group, Self::Tree];
}

/// What the launcher asks of init.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Sends the command a signal.
    Signal { number: i32, to: Recipient },
    /// Sends it `SIGTERM`, wakes it up if it is stopped, and kills the tree after the grace.
    Terminate { to: Recipient },
    /// Lets the command use its terminal, or not: then it is stopped when it tries to.
    Foreground(bool),
}

impl Request {
    pub(crate) fn to_bytes(self) -> [u8; REQUEST_SIZE] {
        let (kind, to, number) = match self {
            Self::Signal { number, to } => (1, to, number),
            Self::Terminate { to } => (2, to, 0),
            Self::Foreground(it) => (3, Recipient::Group, i32::from(it)),
        };
        let [a, b, c, d] = number.to_ne_bytes();
        [kind, to as u8, 0, 0, a, b, c, d]
    }

    /// The request in these bytes; `None` if they aren't one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [kind, to, _, _, a, b, c, d] = *<&[u8; REQUEST_SIZE]>::try_from(bytes).ok()?;
        let number = i32::from_ne_bytes([a, b, c, d]);
        let to = *Recipient::ALL.get(usize::from(to))?;
        match kind {
            1 => Some(Self::Signal { number, to }),
            2 => Some(Self::Terminate { to }),
            3 => Some(Self::Foreground(number != 0)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_survives_the_wire() {
        let mut records = vec![
            Record::Ready,
            Record::Stopped { signal: 20 },
            Record::Continued,
            Record::TimedOut,
            Record::Terminal,
            Record::Ended { status: 139, transferred: None, killed: true },
            Record::Ended { status: 0, transferred: Some((7, u64::MAX - 1)), killed: false },
        ];
        records.extend(Call::ALL.iter().map(|call| Record::Failed {
            step: 300,
            failure: Failure { call: *call, errno: Errno::PERM },
        }));
        for record in records {
            assert_eq!(Record::from_bytes(&record.to_bytes()), Some(record));
        }
    }

    #[test]
    fn every_request_survives_the_wire() {
        for to in Recipient::ALL {
            for request in [Request::Signal { number: 64, to }, Request::Terminate { to }] {
                assert_eq!(Request::from_bytes(&request.to_bytes()), Some(request));
            }
        }
        for request in [true, false].map(Request::Foreground) {
            assert_eq!(Request::from_bytes(&request.to_bytes()), Some(request));
        }
        assert_eq!(Request::from_bytes(&[0; REQUEST_SIZE]), None);
        assert_eq!(Request::from_bytes(b"g"), None);
    }

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        assert_eq!(Record::from_bytes(&[0; SIZE]), None);
        assert_eq!(Record::from_bytes(&[1; SIZE - 1]), None);
        let mut bad_call = [1; SIZE];
        bad_call[1] = 255;
        assert_eq!(Record::from_bytes(&bad_call), None);
    }
}
