//! Starting a prepared sandbox: the cgroup, the clone, the id maps, and the look from outside.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::set_child_subreaper;

use super::cgroup::{Cgroup, Request, Roots, sweep};
use super::child::ops::ChildOp;
use super::child::record::{Failure, Record, SIZE};
use super::child::{Channels, enter, has_children};
use super::guard::{Unguarded, Watched};
use super::prepare::Prepared;
use super::rest::Rest;
use super::running::Running;
use super::tree::Tree;
use super::{explain, fault, idmap, inspect};
use crate::error::{LaunchError, LaunchFailure};
use crate::plan::Plan;
use crate::plan::facts;
use crate::plan::facts::HostFacts;
use crate::plan::step::Step;
use crate::profile::vocabulary::{Layer, Namespace};
use crate::sys::clone::{Cloned, clone_and_run, flags, has_clone3};
use crate::sys::signal::{SignalSet, set_mask};

/// How a sandbox is started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Whether it matters what the run uses, beyond what its limits need.
    pub(crate) accounting: bool,
    /// Whether this process is there for the run alone, so that every child of its is the run's.
    pub(crate) exclusive: bool,
}

/// Starts a prepared sandbox. When this returns, the kernel has confirmed what was planned, and
/// the command was let go.
pub(crate) fn spawn(
    mut prepared: Prepared,
    facts: &HostFacts,
    manner: Manner,
) -> Result<Running, LaunchError> {
    let cgroup = make_cgroup(&prepared, facts, manner.accounting)?;
    let born_inside = has_clone3();
    join_by_file(&mut prepared, cgroup.as_ref(), born_inside)?;
    let (launcher_init, child_init) = channel()?;
    let (requests, child_requests) = pair()?;
    let (launcher_target, child_target) = channel()?;
    let child_target = above(child_target, &prepared)?;
    let channels = Channels::new(child_init, child_requests, child_target, &prepared.program);
    let guarded = &prepared.context.plan.supervision.guarded;
    let watched =
        Watched::new(guarded).map_err(|errno| explain::unguarded(&Unguarded::Failed(errno)))?;
    // Another's program may have been changed since it was read: where it was linked with relocations
    // in its code, or by itself.
    prepared.program.gives_back = manner.exclusive;
    let adopts = manner.exclusive && adopt_orphans(&prepared);
    let cloned = clone(&prepared, cgroup.as_ref().filter(|_| born_inside), &channels)?;
    drop(channels);
    // Of what was prepared, only what messages need is kept.
    let context = prepared.context;
    let tree = Tree {
        pid: cloned.pid,
        pidfd: cloned.pidfd,
        channel: launcher_init,
        requests,
        cgroup,
        pid_namespace: context.plan.supervision.pid_namespace,
        adopts,
    };
    let mut running = Running::new(tree, launcher_target, context);
    running.rest = Rest::new(manner.exclusive);
    running.terminal = prepared.master;
    running.watched = watched;
    let plan = Arc::clone(&running.context.plan);
    if let Some(map) = plan.steps.iter().find_map(|step| match step {
        Step::MapIds(map) if !idmap::is_written_inside(map) => Some(map),
        _ => None,
    }) {
        idmap::write(running.tree.pid, map).map_err(|error| explain::id_map(&error))?;
        send_word(&running.tree.requests)?;
    }
    // While the child sets itself up.
    let own = inspect::Own::look(&plan)?;
    running.target = await_ready(&mut running)?;
    inspect::inspect(&plan, &running, &own)?;
    running.start()?;
    Ok(running)
}

/// Has what is left of the tree come to this process should init be killed: without a pid
/// namespace a process of the same user can do that. A process that has children of its own
/// couldn't tell them from the sandbox's, and leaves them alone.
fn adopt_orphans(prepared: &Prepared) -> bool {
    prepared.program.proc.as_ref().is_some_and(|proc| !has_children(proc))
        && set_child_subreaper(Some(rustix::process::getpid())).is_ok()
}

/// Moves a descriptor above the numbers at which the command gets its own: there it would be
/// overwritten. A program without standard streams is given those numbers first.
fn above(descriptor: OwnedFd, prepared: &Prepared) -> Result<OwnedFd, LaunchError> {
    let first = prepared.first_free;
    if descriptor.as_raw_fd() >= first {
        return Ok(descriptor);
    }
    rustix::io::fcntl_dupfd_cloexec(&descriptor, first)
        .map_err(|errno| resources(Layer::Descriptors, "fcntl(2)", errno))
}

fn make_cgroup(
    prepared: &Prepared,
    facts: &HostFacts,
    accounting: bool,
) -> Result<Option<Cgroup>, LaunchError> {
    let Some(limits) = &prepared.cgroup else { return Ok(None) };
    // Init counts as a process of the sandbox.
    let cpu_time = prepared.context.plan.supervision.cpu_time.is_some();
    let kill = !prepared.context.plan.supervision.pid_namespace;
    let request = Request { limits, extra_processes: 1, accounting, cpu_time, kill };
    let create = || Cgroup::create(&facts.cgroup, &request, &Roots::default());
    let created = create().or_else(|error| {
        // What killed launchers could not remove counts where there may be only so many. It is
        // cleared away while a command runs, but now it may be in the way.
        let removed = sweep(facts.cgroup.parents(), &Roots::default());
        if removed.is_empty() { Err(error) } else { create() }
    });
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
pub(super) fn resources(layer: Layer, call: &'static str, errno: Errno) -> LaunchError {
    LaunchError {
        layer,
        kind: LaunchFailure::Setup {
            action: "get what a launch needs".to_owned(),
            call,
            errno: facts::Errno(errno.raw_os_error()),
        },
        remedy: match errno {
            Errno::MFILE => Some("raise the limit of open files: ulimit -n".to_owned()),
            Errno::AGAIN => Some("raise the limit of processes: ulimit -u".to_owned()),
            _ => None,
        },
        contradiction: None,
    }
}

/// A pair of sockets that keep records apart.
fn pair() -> Result<(OwnedFd, OwnedFd), LaunchError> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
    fault::point()
        .and_then(|()| rustix::net::socketpair(family, kind, SocketFlags::CLOEXEC, None))
        .map_err(|errno| resources(Layer::ProcessTree, "socketpair(2)", errno))
}

/// The same, and our side is told the sender's process id.
fn channel() -> Result<(OwnedFd, OwnedFd), LaunchError> {
    let (ours, theirs) = pair()?;
    rustix::net::sockopt::set_socket_passcred(&ours, true)
        .map_err(|errno| resources(Layer::ProcessTree, "setsockopt(2)", errno))?;
    Ok((ours, theirs))
}

fn clone(
    prepared: &Prepared,
    cgroup: Option<&Cgroup>,
    channels: &Channels,
) -> Result<Cloned, LaunchError> {
    let namespaces = prepared.context.plan.steps.iter().find_map(|step| match step {
        Step::Clone(namespaces) => Some(namespaces.as_slice()),
        _ => None,
    });
    let namespaces = namespaces.unwrap_or(&[]);
    // The child is born with every signal blocked: one that arrives early must not end it with
    // the launcher's handlers, or before it can be told to the command.
    let fail = |errno| resources(Layer::ProcessTree, "rt_sigprocmask(2)", errno);
    let mask = set_mask(SignalSet::ALL).map_err(fail)?;
    let program = &prepared.program;
    let cloned = fault::point().and_then(|()| {
        clone_and_run(
            clone_flags(&prepared.context.plan, namespaces),
            cgroup.and_then(Cgroup::clone_into_fd),
            || enter(program, channels),
        )
    });
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

pub(super) fn send_word(channel: &OwnedFd) -> Result<(), LaunchError> {
    // A child that died in the meantime makes this fail without a signal (`MSG_NOSIGNAL`); why it
    // died comes from its record.
    let flags = rustix::net::SendFlags::NOSIGNAL;
    match fault::point().and_then(|()| rustix::net::send(channel, b"g", flags)) {
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
        Err(errno) => Err(resources(Layer::ProcessTree, "sendto(2)", errno)),
    }
}

/// Waits until the command's process asks to be looked at. Its process id comes from the kernel.
fn await_ready(running: &mut Running) -> Result<i32, LaunchError> {
    use rustix::event::{PollFd, PollFlags};
    let Some(exec_channel) = &running.exec_channel else { return Err(lost(running)) };
    loop {
        let mut events = [
            PollFd::new(exec_channel, PollFlags::IN),
            PollFd::new(&running.tree.channel, PollFlags::IN),
        ];
        match fault::point().and_then(|()| rustix::event::poll(&mut events, None)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(resources(Layer::ProcessTree, "poll(2)", errno)),
        }
        let [target, init] = [events[0].revents(), events[1].revents()];
        if !target.is_empty() {
            match receive(exec_channel) {
                Received::Record(Record::Ready, pid) => return Ok(pid),
                Received::Record(Record::Failed { step, failure }, _) => {
                    return Err(failed(running, 1, step, failure));
                }
                _ => {}
            }
        }
        if !init.is_empty() {
            return Err(match receive(&running.tree.channel) {
                Received::Terminal(master) => {
                    running.terminal = Some(master);
                    continue;
                }
                Received::Record(Record::Failed { step, failure }, _) => {
                    failed(running, 0, step, failure)
                }
                Received::Record(Record::Ended { status, .. }, _) => {
                    ended_early("the process that was to become the command", status)
                }
                _ => lost(running),
            });
        }
    }
}

/// A step of the child failed. `actor`: 0 for init, 1 for the command's process.
fn failed(running: &mut Running, actor: usize, step: u16, failure: Failure) -> LaunchError {
    if fault::on_failure(running.tree.pidfd.as_fd()) {
        return lost(running);
    }
    explain::step(&running.context, actor, step, failure)
}

/// Why init is gone though it reported nothing.
fn lost(running: &mut Running) -> LaunchError {
    let status = running.reap_now();
    ended_early("the sandbox's init", status)
}

/// What was to become the command ended by itself, or was killed.
fn ended_early(who: &str, status: i32) -> LaunchError {
    let how = if libc::WIFSIGNALED(status) {
        format!("was killed by signal {}", libc::WTERMSIG(status))
    } else {
        format!("ended with status {}", libc::WEXITSTATUS(status))
    };
    LaunchError {
        layer: Layer::ProcessTree,
        kind: LaunchFailure::Lost(format!("{who} {how} before the command started")),
        remedy: None,
        contradiction: None,
    }
}

/// What a look into a channel found.
pub(super) enum Received {
    /// A record, and the process id of who sent it.
    Record(Record, i32),
    /// The launcher's side of the command's terminal.
    Terminal(OwnedFd),
    /// Nothing yet.
    Nothing,
    /// The other side's end.
    End,
}

/// Takes one record, if there is one.
pub(super) fn receive(channel: &OwnedFd) -> Received {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
    let mut bytes = [0_u8; SIZE];
    let mut space =
        [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1), ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut has_ended = false;
    loop {
        let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        match rustix::net::recvmsg(channel.as_fd(), &mut parts, &mut ancillary, flags) {
            Ok(received) if received.bytes == SIZE => break,
            // The other side has ended with something unread: that is told once, and before what it
            // has sent.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            Err(Errno::AGAIN) => return Received::Nothing,
            // The kernel looks whether there is something, and then whether there can be: what was
            // sent, and the end, may both have come between. What is there now is all.
            Ok(received) if received.bytes == 0 && !has_ended => has_ended = true,
            Ok(_) | Err(_) => return Received::End,
        }
    }
    let (mut sender, mut file) = (None, None);
    for message in ancillary.drain() {
        match message {
            RecvAncillaryMessage::ScmCredentials(credentials) => {
                sender = Some(credentials.pid.as_raw_nonzero().get());
            }
            RecvAncillaryMessage::ScmRights(mut files) => file = files.next(),
            _ => {}
        }
    }
    match Record::from_bytes(&bytes) {
        Some(Record::Terminal) => file.map_or(Received::End, Received::Terminal),
        Some(record) => Received::Record(record, sender.unwrap_or(0)),
        None => Received::End,
    }
}
