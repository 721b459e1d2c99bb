//! Starting a prepared sandbox: the cgroup, the clone, the id maps, and the look from outside.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::set_child_subreaper;

use super::cgroup::{Cgroup, Request, Roots, sweep};
use super::child::ops::ChildOp;
use super::child::record::{Record, SIZE};
use super::child::{Channels, enter, has_children};
use super::prepare::Prepared;
use super::{explain, idmap, inspect};
use crate::error::{LaunchError, LaunchFailure};
use crate::plan::Plan;
use crate::plan::facts::HostFacts;
use crate::plan::step::Step;
use crate::profile::vocabulary::{Layer, Namespace};
use crate::sys::clone::{Cloned, clone_and_run, flags, has_clone3};
use crate::sys::signal::{SignalSet, pidfd_kill, set_mask};
use crate::sys::wait::{Wait, reap};

/// A sandbox whose command runs, or is about to fail at exec.
pub(crate) struct Running {
    /// Init's process id, as the launcher sees it.
    pub(super) pid: i32,
    /// Stands for init.
    pub(super) pidfd: OwnedFd,
    /// From init: the command's end.
    pub(super) init_channel: OwnedFd,
    /// From the command: why it couldn't be executed. Ends with a successful exec.
    pub(super) target_channel: OwnedFd,
    /// The command's process id, as the launcher sees it.
    pub(super) target: i32,
    /// The cgroup, if there is one; removed when dropped.
    pub(super) cgroup: Option<Cgroup>,
    /// When the command was let go.
    pub(super) started: Instant,
    /// Whether the kernel ends the tree with init.
    pub(super) pid_namespace: bool,
    /// Whether what is left of the tree comes to the launcher should init be killed: without a pid
    /// namespace a process of the same user can do that. A launcher that has children of its own
    /// can't tell them from the sandbox's, and leaves them alone.
    pub(super) adopts: bool,
    /// Whether init was reaped.
    pub(super) reaped: bool,
}

/// How long a process may take to die of `SIGKILL` before it is given up.
pub(super) const KILL_PATIENCE: Duration = Duration::from_secs(10);

impl Drop for Running {
    /// On every path that doesn't wait for the end: the tree is killed and init reaped.
    fn drop(&mut self) {
        if !self.reaped {
            super::supervise::end_tree(self);
        }
    }
}

/// Starts a prepared sandbox. When this returns, the kernel has confirmed what was planned, and
/// the command was let go.
pub(crate) fn spawn(
    prepared: &mut Prepared,
    facts: &HostFacts,
    accounting: bool,
) -> Result<Running, LaunchError> {
    let cgroup = make_cgroup(prepared, facts, accounting)?;
    let born_inside = has_clone3();
    join_by_file(prepared, cgroup.as_ref(), born_inside)?;
    let (launcher_init, child_init) = channel()?;
    let (launcher_target, child_target) = channel()?;
    let channels = Channels {
        init: child_init,
        target: child_target,
        launcher: [launcher_init.as_raw_fd(), launcher_target.as_raw_fd()],
    };
    let adopts = prepared.program.proc.as_ref().is_some_and(|proc| !has_children(proc))
        && set_child_subreaper(Some(rustix::process::getpid())).is_ok();
    let cloned = clone(prepared, cgroup.as_ref().filter(|_| born_inside), &channels)?;
    drop(channels);
    let mut running = Running {
        pid: cloned.pid,
        pidfd: cloned.pidfd,
        init_channel: launcher_init,
        target_channel: launcher_target,
        target: 0,
        cgroup,
        started: Instant::now(),
        pid_namespace: prepared.plan.supervision.pid_namespace,
        adopts,
        reaped: false,
    };
    if let Some(map) = prepared.plan.steps.iter().find_map(|step| match step {
        Step::MapIds(map) if !idmap::is_written_inside(map) => Some(map),
        _ => None,
    }) {
        idmap::write(running.pid, map).map_err(|error| explain::id_map(&error))?;
        send_word(&running.init_channel)?;
    }
    // While the child sets itself up.
    let own = inspect::Own::look(&prepared.plan)?;
    running.target = await_ready(prepared, &mut running)?;
    inspect::inspect(&prepared.plan, &running, &own)?;
    running.started = Instant::now();
    send_word(&running.target_channel)?;
    Ok(running)
}

fn make_cgroup(
    prepared: &Prepared,
    facts: &HostFacts,
    accounting: bool,
) -> Result<Option<Cgroup>, LaunchError> {
    let Some(limits) = &prepared.cgroup else { return Ok(None) };
    // A launcher that was killed could not remove its own.
    sweep(facts.cgroup.parents(), &Roots::default());
    // Init counts as a process of the sandbox.
    let request = Request { limits, extra_processes: 1, accounting };
    let created = Cgroup::create(&facts.cgroup, &request, &Roots::default());
    created.map(Some).map_err(|error| explain::cgroup(&error))
}

/// Gives the child the files by which it joins; on version 2 it is born inside, where that can be.
fn join_by_file(
    prepared: &mut Prepared,
    cgroup: Option<&Cgroup>,
    born_inside: bool,
) -> Result<(), LaunchError> {
    let Some(cgroup) = cgroup else { return Ok(()) };
    let copies: Result<Vec<_>, _> =
        cgroup.join_files().iter().map(|file| rustix::io::fcntl_dupfd_cloexec(file, 3)).collect();
    let mut copies = copies.map_err(|errno| resources(Layer::Cgroup, "fcntl(2)", errno))?;
    if !born_inside {
        copies.extend(cgroup.open_v2_join_file().map_err(|error| explain::cgroup(&error))?);
    }
    for step in &mut prepared.program.init {
        if let ChildOp::JoinCgroup(files) = step {
            *files = copies;
            break;
        }
    }
    Ok(())
}

/// A failure for lack of descriptors or memory.
fn resources(layer: Layer, call: &'static str, errno: Errno) -> LaunchError {
    LaunchError {
        layer,
        kind: LaunchFailure::Setup {
            action: "get what a launch needs".to_owned(),
            call,
            errno: errno.raw_os_error(),
        },
        remedy: match errno {
            Errno::MFILE => Some("raise the limit of open files: ulimit -n".to_owned()),
            Errno::AGAIN => Some("raise the limit of processes: ulimit -u".to_owned()),
            _ => None,
        },
        contradiction: None,
    }
}

/// A pair of sockets that keep records apart and tell the sender's process id.
fn channel() -> Result<(OwnedFd, OwnedFd), LaunchError> {
    let fail = |errno| resources(Layer::ProcessTree, "socketpair(2)", errno);
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(fail)?;
    rustix::net::sockopt::set_socket_passcred(&ours, true).map_err(fail)?;
    Ok((ours, theirs))
}

fn clone(
    prepared: &Prepared,
    cgroup: Option<&Cgroup>,
    channels: &Channels,
) -> Result<Cloned, LaunchError> {
    let namespaces = prepared.plan.steps.iter().find_map(|step| match step {
        Step::Clone(namespaces) => Some(namespaces.as_slice()),
        _ => None,
    });
    let namespaces = namespaces.unwrap_or(&[]);
    // The child is born with every signal blocked: one that arrives early must not end it with
    // the launcher's handlers, or before it can be told to the command.
    let fail = |errno| resources(Layer::ProcessTree, "rt_sigprocmask(2)", errno);
    let mask = set_mask(SignalSet::ALL).map_err(fail)?;
    let program = &prepared.program;
    let cloned = clone_and_run(
        clone_flags(&prepared.plan, namespaces),
        cgroup.and_then(Cgroup::clone_into_fd),
        || enter(program, channels),
    );
    let restored = set_mask(mask).map_err(fail);
    let cloned = cloned.map_err(|errno| explain::clone(namespaces, cgroup.is_some(), errno))?;
    restored.map(|_| cloned)
}

fn clone_flags(plan: &Plan, namespaces: &[Namespace]) -> u64 {
    let network_beside = plan.steps.contains(&Step::BeginNetwork);
    namespaces.iter().fold(0, |bits, namespace| {
        bits | match namespace {
            Namespace::User => flags::NEWUSER,
            Namespace::Mount => flags::NEWNS,
            Namespace::Pid => flags::NEWPID,
            Namespace::Ipc => flags::NEWIPC,
            Namespace::Uts => flags::NEWUTS,
            Namespace::Network if network_beside => 0,
            Namespace::Network => flags::NEWNET,
            Namespace::Time => flags::NEWTIME,
            // Made after the cgroup is joined: it is rooted in the cgroup its maker is in.
            Namespace::Cgroup => 0,
        }
    })
}

fn send_word(channel: &OwnedFd) -> Result<(), LaunchError> {
    // A child that died in the meantime makes this fail without a signal (`MSG_NOSIGNAL`); why it
    // died comes from its record.
    match rustix::net::send(channel, b"g", rustix::net::SendFlags::NOSIGNAL) {
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(errno) => Err(resources(Layer::ProcessTree, "sendto(2)", errno)),
    }
}

/// Waits until the command's process asks to be looked at. Its process id comes from the kernel.
fn await_ready(prepared: &Prepared, running: &mut Running) -> Result<i32, LaunchError> {
    use rustix::event::{PollFd, PollFlags};
    loop {
        let mut events = [
            PollFd::new(&running.target_channel, PollFlags::IN),
            PollFd::new(&running.init_channel, PollFlags::IN),
        ];
        match rustix::event::poll(&mut events, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(resources(Layer::ProcessTree, "poll(2)", errno)),
        }
        let [target, init] = [events[0].revents(), events[1].revents()];
        if !target.is_empty() {
            match receive(&running.target_channel) {
                Some((Record::Ready, pid)) => return Ok(pid),
                Some((Record::Failed { step, failure }, _)) => {
                    return Err(explain::step(prepared, 1, step, failure));
                }
                Some((Record::Ended { .. }, _)) | None => {}
            }
        }
        if !init.is_empty() {
            return Err(match receive(&running.init_channel) {
                Some((Record::Failed { step, failure }, _)) => {
                    explain::step(prepared, 0, step, failure)
                }
                _ => lost(running),
            });
        }
    }
}

/// Why init is gone though it reported nothing.
fn lost(running: &mut Running) -> LaunchError {
    let ended = reap(Wait::For(running.pid));
    running.reaped = true;
    let status = ended.ok().flatten().map_or(0, |(_, status, _)| status);
    let how = if libc::WIFSIGNALED(status) {
        format!("was killed by signal {}", libc::WTERMSIG(status))
    } else {
        format!("ended with status {}", libc::WEXITSTATUS(status))
    };
    LaunchError {
        layer: Layer::ProcessTree,
        kind: LaunchFailure::Lost(format!("the sandbox's init {how} before the command started")),
        remedy: None,
        contradiction: None,
    }
}

/// One record and the process id of who sent it; `None`: the other side is closed.
pub(super) fn receive(channel: &OwnedFd) -> Option<(Record, i32)> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
    let mut bytes = [0_u8; SIZE];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    loop {
        let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        match rustix::net::recvmsg(channel.as_fd(), &mut parts, &mut ancillary, flags) {
            Ok(received) if received.bytes == SIZE => break,
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return None,
        }
    }
    let sender = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(credentials) => {
            Some(credentials.pid.as_raw_nonzero().get())
        }
        _ => None,
    });
    Some((Record::from_bytes(&bytes)?, sender.unwrap_or(0)))
}

/// Kills init, which ends a pid namespace.
pub(super) fn kill_init(running: &Running) {
    // It may have ended; then there is nothing to kill.
    let _ = pidfd_kill(running.pidfd.as_fd(), libc::SIGKILL);
}
