//! The interpreter of [`ChildOp`]s.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Gid, Rlimit, Uid};

use super::credentials;
use super::mounts::Mounts;
use super::network::{self, NewNetwork};
use super::ops::{ChildOp, LandlockPath, Program};
use super::record::{Call, Failure, In, Record};
use super::resolve;
use crate::os::linux::fault;
use crate::plan::landlock::access::OF_FILES;
use crate::plan::order::Actor;
use crate::sys;

/// What one process of the child's knows while it runs its steps.
pub(crate) struct Runner<'a> {
    program: &'a Program,
    /// Where failures are reported.
    channel: BorrowedFd<'a>,
    /// From where the launcher's word comes.
    word: BorrowedFd<'a>,
    mounts: Mounts<'a>,
    network: NewNetwork,
    /// The command's side of its terminal.
    terminal: Option<OwnedFd>,
    /// Which of the program's candidates exists and may be executed.
    found: Option<&'a CStr>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(program: &'a Program, channel: BorrowedFd<'a>, word: BorrowedFd<'a>) -> Self {
        let mounts = Mounts::new(program.mount_attributes);
        Self {
            program,
            channel,
            word,
            mounts,
            network: NewNetwork::default(),
            terminal: None,
            found: None,
        }
    }

    /// The command's side of its terminal, once the steps were run.
    pub(crate) fn into_terminal(self) -> Option<OwnedFd> {
        self.terminal
    }

    /// The same, for the steps that are about to be run.
    pub(crate) fn with_terminal(mut self, terminal: Option<OwnedFd>) -> Self {
        self.terminal = terminal;
        self
    }

    /// Runs the steps; the first that fails is told to the launcher, and ends this.
    pub(crate) fn run(&mut self, actor: Actor, steps: &'a [ChildOp]) -> Result<(), ()> {
        for (number, op) in steps.iter().enumerate() {
            let step = u16::try_from(number).unwrap_or(u16::MAX);
            let taken = fault::in_child(actor, step, self.channel);
            let done = taken.and_then(|taken| if taken { self.step(op) } else { Ok(()) });
            if let Err(failure) = done {
                // Whom could a failure to report be reported to? The launcher sees the channel end.
                let _ = send(self.channel, Record::Failed { step, failure });
                return Err(());
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &'a ChildOp) -> Result<(), Failure> {
        match step {
            ChildOp::MapIds(maps) => credentials::map_ids(maps),
            ChildOp::AwaitIdMaps => self.await_word(),
            ChildOp::AwaitInspection => self.await_inspection(),
            ChildOp::NewSession => rustix::process::setsid().in_call(Call::Setsid).map(drop),
            ChildOp::NewGroup => rustix::process::setpgid(None, None).in_call(Call::Setpgid),
            ChildOp::JoinCgroup(files) => join_cgroups(files),
            ChildOp::NewCgroupNamespace => unshare_cgroup(),
            ChildOp::SetHostname(name) => {
                rustix::system::sethostname(name).in_call(Call::Sethostname)
            }
            ChildOp::BeginNetwork => {
                self.network = NewNetwork::begin(&self.program.stack);
                Ok(())
            }
            ChildOp::JoinNetwork => self.network.join(),
            ChildOp::LoopbackUp => network::loopback_up(),
            ChildOp::SetNice(nice) => {
                rustix::process::setpriority_process(None, *nice).in_call(Call::Setpriority)
            }
            ChildOp::SetAffinity(processors) => {
                rustix::thread::sched_setaffinity(None, processors).in_call(Call::Setaffinity)
            }
            ChildOp::Place { file, number } => {
                sys::exec::duplicate_onto(file.as_fd(), *number).in_call(Call::Dup)
            }
            ChildOp::OpenTerminal(ptmx) => self.open_terminal(ptmx.as_deref()),
            ChildOp::TakeTerminal { streams, in_foreground } => {
                let terminal = self.terminal.as_ref().map(AsFd::as_fd);
                super::terminal::take(terminal, *streams, *in_foreground)
            }
            ChildOp::SetUmask(mask) => {
                rustix::process::umask(Mode::from_raw_mode(*mask));
                Ok(())
            }
            ChildOp::ChangeDirectory(path) => rustix::process::chdir(&**path).in_call(Call::Chdir),
            ChildOp::FindProgram => self.find_program(),
            ChildOp::Landlock { ruleset, paths } => enter_landlock(ruleset, paths),
            ChildOp::CloseDescriptors(ranges) => self.close_descriptors(ranges),
            ChildOp::KeepDescriptor(descriptor) => {
                sys::exec::keep_across_exec(*descriptor).in_call(Call::Dup)
            }
            ChildOp::SetRlimit { resource, limit } => {
                let most = rustix::process::getrlimit(*resource).maximum.unwrap_or(u64::MAX);
                let hard = credentials::hard_limit(*resource, *limit).min(most);
                let limit = Rlimit { current: Some(*limit), maximum: Some(hard) };
                rustix::process::setrlimit(*resource, limit).in_call(Call::Setrlimit)
            }
            ChildOp::ResetSignals => {
                // Init has given every signal its default disposition.
                let mask = sys::signal::SignalSet::NONE;
                sys::signal::set_mask(mask).in_call(Call::SignalMask).map(drop)
            }
            ChildOp::ReadBack(expected) => credentials::read_back(expected),
            ChildOp::Seccomp(filter) => enter_seccomp(filter),
            ChildOp::Exec => self.exec(),
            _ => self.mount_step(step).or_else(|other| match other {
                Other::Failure(failure) => Err(failure),
                Other::NotMine => identity_step(step),
            }),
        }
    }

    fn open_terminal(&mut self, ptmx: Option<&CStr>) -> Result<(), Failure> {
        let own = self.program.terminal.as_ref().ok_or(Errno::NOTTY).in_call(Call::Terminal)?;
        self.terminal = Some(super::terminal::open(self.channel, ptmx, own)?);
        Ok(())
    }

    fn mount_step(&mut self, step: &'a ChildOp) -> Result<(), Other> {
        let mounts = &mut self.mounts;
        match step {
            ChildOp::PrivateMounts => Mounts::make_private(),
            ChildOp::NewEmptyRoot => mounts.new_empty_root(),
            ChildOp::NewTreeRoot(source) => mounts.new_tree_root(source),
            ChildOp::Directory { place, mode } => mounts.directory(place, *mode),
            ChildOp::EmptyFile(place) => mounts.empty_file(place),
            ChildOp::Symlink { place, text } => mounts.symlink(place, text),
            ChildOp::Bind { source, target, attributes, id_map } => {
                mounts.bind(source, target, (*attributes, id_map.as_ref()))
            }
            ChildOp::Remount { path, attributes } => mounts.remount(path, *attributes),
            ChildOp::Tmpfs { target, options, attributes, optional } => {
                mounts.tmpfs(target, options, *attributes, *optional)
            }
            ChildOp::Proc(target) => mounts.proc(target),
            ChildOp::DevPts(target) => mounts.devpts(target),
            ChildOp::ReadOnly(path) => mounts.read_only(path),
            ChildOp::Mask(path) => mounts.mask(path),
            ChildOp::Seal(path) => mounts.seal(path),
            ChildOp::EnterRoot => mounts.enter_root(),
            _ => return Err(Other::NotMine),
        }
        .map_err(Other::Failure)
    }

    /// Lets the launcher look at this process; then nobody may any more, nor at init, whose memory
    /// this process still shares: exec gives it another, but leaves init's closed. Were it left to
    /// init to close its own, the command could be quicker.
    fn await_inspection(&self) -> Result<(), Failure> {
        send(self.channel, Record::Ready)?;
        self.await_word()?;
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .in_call(Call::Dumpable)
    }

    /// Sleeps until the launcher sends its word. End of file is its end, and so is ours.
    fn await_word(&self) -> Result<(), Failure> {
        let mut word = [0_u8; 1];
        loop {
            match rustix::io::read(self.word, &mut word) {
                Ok(1) => return Ok(()),
                Ok(_) => sys::exec::exit_now(super::init::LAUNCHER_GONE),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Failure { call: Call::AwaitGo, errno }),
            }
        }
    }

    /// Takes the first candidate that exists and may be executed. Where there is none, one that
    /// may not be executed is the better error.
    fn find_program(&mut self) -> Result<(), Failure> {
        let mut errno = Errno::NOENT;
        for candidate in &self.program.candidates {
            match executable(candidate) {
                Ok(()) => {
                    self.found = Some(candidate);
                    return Ok(());
                }
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => errno = error,
            }
        }
        Err(Failure { call: Call::FindProgram, errno })
    }

    /// Has exec close the descriptors of these ranges. Kernels before 5.11 can only close them
    /// now: then all but the channel, which closes by itself.
    fn close_descriptors(&self, ranges: &[(u32, u32)]) -> Result<(), Failure> {
        use sys::exec::{CloseMode, close_range};
        let channel = self.channel.as_raw_fd().cast_unsigned();
        for (first, last) in ranges.iter().copied() {
            match close_range(first, last, CloseMode::OnExec) {
                Err(Errno::INVAL) => {}
                result => {
                    result.in_call(Call::CloseRange)?;
                    continue;
                }
            }
            let parts = if (first..=last).contains(&channel) {
                [(first, channel.wrapping_sub(1)), (channel.saturating_add(1), last)]
            } else {
                [(first, last), (1, 0)]
            };
            for (first, last) in parts.into_iter().filter(|(first, last)| first <= last) {
                close_range(first, last, CloseMode::Now).in_call(Call::CloseRange)?;
            }
        }
        Ok(())
    }

    fn exec(&self) -> Result<(), Failure> {
        let program = self.found.ok_or(Errno::NOENT).in_call(Call::FindProgram)?;
        let errno = sys::exec::execve(program, &self.program.arguments, &self.program.environment);
        Err(Failure { call: Call::Execve, errno })
    }
}

/// Why one interpreter didn't take a step.
enum Other {
    /// It is another's.
    NotMine,
    /// It failed.
    Failure(Failure),
}

fn identity_step(step: &ChildOp) -> Result<(), Failure> {
    match step {
        ChildOp::DropBoundingSet(kept) => credentials::drop_bounding_set(*kept),
        ChildOp::LockSecurebits(kept) => credentials::lock_securebits(*kept),
        // The raw calls act on this thread, which is the only one; libc's would wait for threads
        // that were not cloned.
        ChildOp::SetGroups(groups) => {
            rustix::thread::set_thread_groups(groups).in_call(Call::Setgroups)
        }
        ChildOp::SetIds { uid, gid } => {
            let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
            rustix::thread::set_thread_res_gid(gid, gid, gid).in_call(Call::Setresgid)?;
            rustix::thread::set_thread_res_uid(uid, uid, uid).in_call(Call::Setresuid)
        }
        ChildOp::SetCapabilities(kept) => credentials::set_capabilities(*kept),
        ChildOp::NoNewPrivs => rustix::thread::set_no_new_privs(true).in_call(Call::NoNewPrivs),
        // Every operation is in one of the three interpreters; were one forgotten, nothing runs.
        _ => Err(Failure { call: Call::AwaitGo, errno: Errno::NOSYS }),
    }
}

/// Tells the launcher something.
pub(crate) fn send(channel: BorrowedFd<'_>, record: Record) -> Result<(), Failure> {
    loop {
        match rustix::io::write(channel, &record.to_bytes()) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure { call: Call::Send, errno }),
        }
    }
}

fn join_cgroups(files: &[OwnedFd]) -> Result<(), Failure> {
    for file in files {
        // "0" is whoever writes it.
        rustix::io::write(file, b"0").in_call(Call::JoinCgroup)?;
    }
    Ok(())
}

fn unshare_cgroup() -> Result<(), Failure> {
    // Not by clone's flag: the namespace's root would be the launcher's cgroup.
    sys::clone::unshare_cgroup().in_call(Call::Unshare)
}

/// Whether a path is a file that this process may execute.
fn executable(path: &CStr) -> Result<(), Errno> {
    let kind = FileType::from_raw_mode(rustix::fs::stat(path)?.st_mode);
    if kind == FileType::Directory {
        return Err(Errno::ACCESS);
    }
    rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::empty())
}

fn enter_landlock(ruleset: &OwnedFd, paths: &[LandlockPath]) -> Result<(), Failure> {
    for rule in paths {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let opened = match &rule.below {
            None => rustix::fs::open(&*rule.path, flags, Mode::empty()),
            Some((tree, path)) => rustix::fs::open(&**tree, flags, Mode::empty())
                .and_then(|tree| resolve::walk(tree.as_fd(), path)),
        };
        let file = match opened {
            Ok(file) => file,
            // A link where nobody was to have made one: what it leads to wasn't asked for.
            Err(errno @ Errno::LOOP) if rule.below.is_some() => {
                return Err(Failure { call: Call::Open, errno });
            }
            // What isn't there now, or can't be reached, stays forbidden.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP) if rule.optional => {
                continue;
            }
            Err(errno) => return Err(Failure { call: Call::Open, errno }),
        };
        let mode = rustix::fs::fstat(&file).in_call(Call::Stat)?.st_mode;
        let directory = FileType::from_raw_mode(mode) == FileType::Directory;
        let access = if directory { rule.access } else { rule.access & OF_FILES };
        if access != 0 {
            sys::landlock::add_path_rule(ruleset.as_fd(), file.as_fd(), access)
                .in_call(Call::LandlockRule)?;
        }
    }
    sys::landlock::restrict_self(ruleset.as_fd()).in_call(Call::LandlockRestrict)
}

fn enter_seccomp(filter: &[sys::seccomp::Instruction]) -> Result<(), Failure> {
    /// `SECCOMP_MODE_FILTER`.
    const FILTERED: usize = 2;
    sys::seccomp::install(filter).in_call(Call::Seccomp)?;
    // The filter always lets this one request through.
    match sys::prctl::seccomp_mode() {
        Ok(FILTERED) => Ok(()),
        Ok(_) => Err(Failure { call: Call::ReadSeccomp, errno: Errno::PERM }),
        Err(errno) => Err(Failure { call: Call::ReadSeccomp, errno }),
    }
}
