//! The words a profile may use: levels, layers, and the other closed sets of names.
//!
//! Every set knows all its names, so that a wrong one can be answered with the nearest right one.

use std::fmt;

/// Defines an enum whose variants have one spelling each, in profiles, options and reports.
macro_rules! names {
    (
        $(#[$meta:meta])*
        pub enum $type:ident { $( $(#[$vmeta:meta])* $variant:ident = $name:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $( $(#[$vmeta])* $variant, )+ }

        impl $type {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];
            /// The spelling of every value, in the order of [`Self::ALL`].
            pub const NAMES: &'static [&'static str] = &[ $( $name, )+ ];

            /// The one spelling of this value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// The value with this spelling, if there is one.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $( $name => Some(Self::$variant), )+ _ => None }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

names! {
    /// How much of the host a command is cut off from. Each level includes the ones before it.
    ///
    /// ```
    /// use ringfence::{Level, Profile};
    /// assert!(Level::Basic < Level::Containerized);
    /// let profile = Profile::new(Level::Namespaced);
    /// assert_eq!(Level::from_name("namespaced"), Some(Level::Namespaced));
    /// ```
    pub enum Level {
        /// A process boundary: session, descriptors, environment, `no_new_privs`, rlimits, the tree's end.
        Basic = "basic",
        /// Another identity: ids, groups and capabilities dropped.
        UserBased = "user-based",
        /// Namespaces, and a read-only view of the host's files.
        Namespaced = "namespaced",
        /// A cgroup of its own.
        ResourceLimited = "resource-limited",
        /// A root of its own, masked kernel files, Landlock and seccomp.
        Containerized = "containerized",
    }
}

names! {
    /// One mechanism that is enforced, replaced, missing or off as a whole, and reported as such.
    ///
    /// ```
    /// use ringfence::{Layer, Level};
    /// assert_eq!(Layer::Seccomp.level(), Level::Containerized);
    /// assert_eq!(Layer::Seccomp.to_string(), "seccomp");
    /// ```
    pub enum Layer {
        /// A session of its own, with no controlling terminal and no way to type into the caller's.
        Session = "session",
        /// Only declared file descriptors are inherited.
        Descriptors = "descriptors",
        /// Only declared environment variables are inherited.
        Environment = "environment",
        /// `PR_SET_NO_NEW_PRIVS`: no program run inside gains privileges.
        NoNewPrivs = "no-new-privs",
        /// Limits of each process by `setrlimit(2)`.
        Rlimits = "rlimits",
        /// A limit of the run's wall-clock time.
        WallTime = "wall-time",
        /// The whole process tree ends when the run ends.
        ProcessTree = "process-tree",
        /// User, group and supplementary group ids of its own.
        User = "user",
        /// All five capability sets emptied, securebits locked.
        Capabilities = "capabilities",
        /// `user_namespaces(7)`.
        UserNamespace = "user-namespace",
        /// `mount_namespaces(7)`.
        MountNamespace = "mount-namespace",
        /// `pid_namespaces(7)`.
        PidNamespace = "pid-namespace",
        /// `ipc_namespaces(7)`.
        IpcNamespace = "ipc-namespace",
        /// `uts_namespaces(7)`: a hostname of its own.
        UtsNamespace = "uts-namespace",
        /// `network_namespaces(7)`: no network but loopback.
        NetworkNamespace = "network-namespace",
        /// `cgroup_namespaces(7)`.
        CgroupNamespace = "cgroup-namespace",
        /// `time_namespaces(7)`; only on request.
        TimeNamespace = "time-namespace",
        /// The view of the file system: what is visible, read-only, writable, private or hidden.
        Filesystem = "filesystem",
        /// `cgroups(7)`: limits of the whole tree.
        Cgroup = "cgroup",
        /// A root directory that holds only what the profile lists.
        Root = "root",
        /// Masked and read-only parts of `/proc` and `/sys`.
        Masks = "masks",
        /// `landlock(7)`.
        Landlock = "landlock",
        /// `seccomp(2)` filter of system calls.
        Seccomp = "seccomp",
    }
}

impl Layer {
    /// The level that first includes this layer.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Session
            | Self::Descriptors
            | Self::Environment
            | Self::NoNewPrivs
            | Self::Rlimits
            | Self::WallTime
            | Self::ProcessTree => Level::Basic,
            Self::User | Self::Capabilities => Level::UserBased,
            Self::UserNamespace
            | Self::MountNamespace
            | Self::PidNamespace
            | Self::IpcNamespace
            | Self::UtsNamespace
            | Self::NetworkNamespace
            | Self::CgroupNamespace
            | Self::TimeNamespace
            | Self::Filesystem => Level::Namespaced,
            Self::Cgroup => Level::ResourceLimited,
            Self::Root | Self::Masks | Self::Landlock | Self::Seccomp => Level::Containerized,
        }
    }
}

names! {
    /// What happens when the host can't give a layer.
    ///
    /// ```
    /// use ringfence::{Enforcement, Layer, Level, Profile};
    /// let profile = Profile::new(Level::ResourceLimited)
    ///     .enforce(Layer::Cgroup, Enforcement::BestEffort)
    ///     .enforce(Layer::UtsNamespace, Enforcement::Off);
    /// ```
    pub enum Enforcement {
        /// Nothing is run.
        Required = "required",
        /// The run goes on without it, and says so.
        BestEffort = "best-effort",
        /// The layer isn't wanted.
        Off = "off",
    }
}

names! {
    /// What happens when a command writes more than is kept of its output.
    ///
    /// ```
    /// use ringfence::{Level, Overflow, Profile};
    /// let profile = Profile::new(Level::Basic)
    ///     .set("limits.output", "1MiB")
    ///     .set("limits.output_overflow", Overflow::Kill.as_str());
    /// ```
    pub enum Overflow {
        /// The rest is thrown away; the command goes on.
        Truncate = "truncate",
        /// The run is ended.
        Kill = "kill",
    }
}

names! {
    /// A kind of namespace that a profile can ask for or leave out.
    pub enum Namespace {
        /// `user_namespaces(7)`.
        User = "user",
        /// `mount_namespaces(7)`.
        Mount = "mount",
        /// `pid_namespaces(7)`.
        Pid = "pid",
        /// `ipc_namespaces(7)`.
        Ipc = "ipc",
        /// `uts_namespaces(7)`.
        Uts = "uts",
        /// `network_namespaces(7)`.
        Network = "network",
        /// `cgroup_namespaces(7)`.
        Cgroup = "cgroup",
        /// `time_namespaces(7)`.
        Time = "time",
    }
}

impl Namespace {
    /// The layer that stands for this namespace.
    #[must_use]
    pub const fn layer(self) -> Layer {
        match self {
            Self::User => Layer::UserNamespace,
            Self::Mount => Layer::MountNamespace,
            Self::Pid => Layer::PidNamespace,
            Self::Ipc => Layer::IpcNamespace,
            Self::Uts => Layer::UtsNamespace,
            Self::Network => Layer::NetworkNamespace,
            Self::Cgroup => Layer::CgroupNamespace,
            Self::Time => Layer::TimeNamespace,
        }
    }

    /// Its name under `/proc/PID/ns`.
    #[must_use]
    pub const fn proc_name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Mount => "mnt",
            Self::Pid => "pid",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
            Self::Network => "net",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }
}

names! {
    /// What a sandboxed command reaches of the network.
    ///
    /// ```
    /// use ringfence::{Level, NetworkMode, Profile};
    /// let profile = Profile::new(Level::Namespaced).network(NetworkMode::None);
    /// ```
    pub enum NetworkMode {
        /// A network namespace whose loopback device stays down.
        None = "none",
        /// A network namespace with loopback up.
        Loopback = "loopback",
        /// The host's network.
        Host = "host",
    }
}

names! {
    /// Whether a bound tree can be changed.
    ///
    /// ```
    /// use ringfence::{Access, Level, Profile};
    /// let profile = Profile::new(Level::Namespaced)
    ///     .bind("/srv/data", "/data", Access::ReadOnly)
    ///     .bind("/srv/out", "/out", Access::ReadWrite);
    /// ```
    pub enum Access {
        /// Files can be read and executed.
        ReadOnly = "ro",
        /// Files can be changed, made and removed as well.
        ReadWrite = "rw",
    }
}

names! {
    /// Where standard input comes from.
    pub enum Stdin {
        /// The caller's standard input.
        Inherit = "inherit",
        /// `/dev/null`.
        Null = "null",
    }
}

names! {
    /// What a Landlock domain keeps its processes from reaching outside it (`landlock(7)`, ABI 6).
    pub enum LandlockScope {
        /// Abstract UNIX sockets that were bound outside the sandbox.
        AbstractUnixSocket = "abstract-unix-socket",
        /// Signals to processes outside the sandbox.
        Signal = "signal",
    }
}

names! {
    /// How an argument of a system call is compared.
    pub enum ArgumentOperator {
        /// Equal.
        Equal = "eq",
        /// Not equal.
        NotEqual = "ne",
        /// Less than (unsigned).
        Less = "lt",
        /// Less than or equal (unsigned).
        LessOrEqual = "le",
        /// Greater than (unsigned).
        Greater = "gt",
        /// Greater than or equal (unsigned).
        GreaterOrEqual = "ge",
        /// Equal after a bitwise and with a mask.
        MaskedEqual = "masked-eq",
    }
}

/// What the kernel does with a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeccompAction {
    /// Let it through.
    Allow,
    /// Let it through and write an audit record.
    Log,
    /// Don't run it; the call fails with this `errno` number (1 to 4095).
    Errno(u16),
    /// Kill the process with `SIGSYS`.
    Kill,
}

impl SeccompAction {
    /// Whether the call is carried out.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Self::Allow | Self::Log)
    }
}
