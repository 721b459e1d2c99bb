//! From a plan to a [`Prepared`] sandbox: strings, filters, rules and descriptors. What is
//! allocated for a launch is allocated here.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod mounts;
mod strings;

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, Uid};
use rustix::io::Errno;

use super::child::ops::{ChildOp, Credentials, ExpectedCapabilities, Place, Program};
use super::child::terminal::OwnTerminal;
use super::facts::load::processor_is_idle;
use super::landlock;
use super::private::PrivateDirectories;
use super::terminal::{self, CallersTerminal};
use super::{fault, idmap, seccomp};
use crate::error::{LaunchError, errno_text};
use crate::plan::facts::Resource;
use crate::plan::order::Actor;
use crate::plan::step::Step;
use crate::plan::{Expected, Plan};
use crate::policy::arch::Arch;
use crate::policy::limits::TreeLimits;
use crate::policy::seccomp::SeccompPolicy;
use crate::profile::vocabulary::{Layer, Stdin};
use crate::sys::clone::Stack;
use crate::sys::seccomp::Instruction;
use strings::{arguments, candidates, environment, search_path};

/// What to run, and what it gets from this run alone.
#[derive(Debug, Default)]
pub(crate) struct CommandLine<'a> {
    /// The program and its arguments; the first is what it is called.
    pub words: Vec<OsString>,
    /// Its environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it starts, inside the sandbox; `None`: where the profile says.
    pub directory: Option<PathBuf>,
    /// Files that it gets, and at which numbers. The policy's list of descriptors has those
    /// above 2 too.
    pub files: Vec<(BorrowedFd<'a>, u32)>,
    /// The caller's terminal, where the command gets one of its own in its place.
    pub terminal: Option<&'a CallersTerminal>,
}

/// Everything a launch needs, made ready.
pub(crate) struct Prepared {
    /// What the child does.
    pub(super) program: Program,
    /// What the cgroup is to limit, if one is made.
    pub(super) cgroup: Option<TreeLimits>,
    /// The lowest descriptor above all that the command gets.
    pub(super) first_free: i32,
    /// The launcher's side of the command's terminal, where that is one of the host's.
    pub(super) master: Option<OwnedFd>,
    /// What outlives the start.
    pub(super) context: Context,
}

/// What is needed of a plan and a command as long as the command runs.
pub(super) struct Context {
    /// The plan itself, for messages and for looking from outside.
    pub(super) plan: Arc<Plan>,
    /// For each step of the child's two programs, which step of the plan it belongs to.
    pub(super) origins: [Vec<usize>; 2],
    /// What is run, for messages.
    pub(super) program: OsString,
    /// Directories that are removed with this.
    _private: PrivateDirectories,
}

/// Prepares a plan and a command.
pub(crate) fn prepare(plan: &Arc<Plan>, command: CommandLine<'_>) -> Result<Prepared, LaunchError> {
    let private = PrivateDirectories::make(plan)?;
    let command = private.in_command(command);
    let mut plan = in_directory(private.in_plan(plan), command.directory.as_deref());
    let callers = command.terminal;
    let (terminal, master) = match callers {
        Some(callers) => {
            plan = Arc::new(plan.with_terminal());
            let fail = |errno: Errno| {
                let text = errno_text(errno.raw_os_error());
                let text = format!("no terminal can be made for the command: {text}");
                LaunchError::preparing(Layer::Session, text)
            };
            own_terminal(&plan, callers).map(|(own, master)| (Some(own), master)).map_err(fail)?
        }
        None => (None, None),
    };
    let mut init = Vec::with_capacity(plan.steps.len());
    let mut target = Vec::new();
    let mut origins = [Vec::new(), Vec::new()];
    let mut cgroup = None;
    let descriptors = |problem| LaunchError::preparing(Layer::Descriptors, problem);
    let files = Files::of(&plan, &command.files).map_err(descriptors)?;
    let first_free = files.first_free;
    let mut files = files.list;
    for (number, step) in plan.steps.iter().enumerate() {
        if let Step::CreateCgroup(limits) = step {
            cgroup = Some(limits.clone());
        }
        let list = if step.actor() == Actor::Target { &mut target } else { &mut init };
        let before = list.len();
        let translated = match (step, callers) {
            (Step::TakeTerminal, Some(callers)) => {
                let (streams, in_foreground) = (callers.streams, callers.in_foreground);
                list.push(ChildOp::TakeTerminal { streams, in_foreground });
                Ok(())
            }
            (Step::Landlock(rules), Some(callers)) => {
                let own = terminal.as_ref().map(|own| (callers, own));
                landlock::operation(rules, &files, own).map(|op| list.push(op))
            }
            _ => translate(step, &plan, &mut files, list),
        };
        translated.map_err(|problem| LaunchError::preparing(step.layer(), problem))?;
        let added = list.len() - before;
        origins[usize::from(step.actor() == Actor::Target)]
            .extend(std::iter::repeat_n(number, added));
    }
    let words = |problem| LaunchError::preparing(Layer::ProcessTree, problem);
    let variables = |problem| LaunchError::preparing(Layer::Environment, problem);
    let proc = if plan.supervision.pid_namespace { None } else { Some(open_proc()?) };
    let path = search_path(&command.environment);
    let program = Program {
        init,
        target,
        candidates: candidates(&command.words, &path).map_err(words)?,
        arguments: arguments(&command.words).map_err(words)?,
        environment: environment(&command.environment).map_err(variables)?,
        terminal,
        own_group: plan.steps.contains(&Step::TargetGroup),
        wall_time: plan.supervision.wall_time,
        grace: plan.supervision.grace,
        pid_namespace: plan.supervision.pid_namespace,
        mount_attributes: plan.mount_attributes,
        gives_back: false, // Unless the launch says so.
        stack: Stack::new().map_err(|errno| {
            let text = format!("mmap(2): {}", errno_text(errno.raw_os_error()));
            LaunchError::preparing(Layer::ProcessTree, text)
        })?,
        proc,
    };
    let name = command.words.into_iter().next().unwrap_or_default();
    let context = Context { plan, origins, program: name, _private: private };
    Ok(Prepared { program, cgroup, first_free, master, context })
}

/// What the child needs to make a terminal, and the launcher's side where it is one of the host's.
fn own_terminal(
    plan: &Plan,
    callers: &CallersTerminal,
) -> Result<(OwnTerminal, Option<OwnedFd>), Errno> {
    let (master, slave) = if plan.steps.contains(&Step::OpenTerminal(None)) {
        let (master, slave) = terminal::host_pair()?;
        if let Some(ids) = plan.expected.ids.filter(|_| rustix::process::geteuid().is_root()) {
            // Opened by its name, it is opened as the sandboxed user.
            rustix::fs::fchown(&slave, Some(Uid::from_raw(ids.uid)), None)?;
        }
        (Some(master), Some(slave))
    } else {
        (None, None)
    };
    let copy = rustix::io::fcntl_dupfd_cloexec(&callers.file, 3)?;
    let (settings, size) = (callers.settings.clone(), callers.size);
    Ok((OwnTerminal { settings, size, slave, callers: copy }, master))
}

/// The plan of a run that starts in another directory. One that is relative is so to the plan's.
fn in_directory(mut plan: Arc<Plan>, directory: Option<&Path>) -> Arc<Plan> {
    if let Some(directory) = directory {
        for step in &mut Arc::make_mut(&mut plan).steps {
            if let Step::ChangeDirectory(path) = step {
                // The empty path is none, as for `chdir(2)`.
                *path = if directory.as_os_str().is_empty() {
                    directory.to_owned()
                } else {
                    path.join(directory)
                };
            }
        }
    }
    plan
}

/// Files that are put at descriptors of the command's.
struct Files {
    /// Copies that lie above every number at which one is put, so that none is overwritten before
    /// it was put where it belongs.
    list: Vec<(OwnedFd, u32)>,
    /// The lowest number above those.
    first_free: i32,
}

impl Files {
    fn of(plan: &Plan, files: &[(BorrowedFd<'_>, u32)]) -> Result<Self, Problem> {
        let kept = plan.steps.iter().find_map(|step| match step {
            Step::CloseDescriptors(kept) => kept.iter().max().copied(),
            _ => None,
        });
        if files.is_empty() {
            return Ok(Self { list: Vec::new(), first_free: 3 });
        }
        let highest = files.iter().map(|(_, number)| *number).chain(kept).max().unwrap_or(2);
        let first_free = i32::try_from(highest)
            .ok()
            .and_then(|highest| highest.max(2).checked_add(1))
            .ok_or_else(|| format!("{highest} is no number of a descriptor"))?;
        let copy = |(file, number): &(BorrowedFd<'_>, u32)| {
            // Every copy lies above the highest number: that is the one which is too high.
            let copy = rustix::io::fcntl_dupfd_cloexec(file, first_free).map_err(|errno| {
                let text = errno_text(errno.raw_os_error());
                format!(
                    "no descriptor can be put at {highest}: fcntl(2): {text}; take lower numbers, \
                     or raise the limit of open files: ulimit -n"
                )
            })?;
            Ok((copy, *number))
        };
        Ok(Self { list: files.iter().map(copy).collect::<Result<_, Problem>>()?, first_free })
    }
}

/// What went wrong while preparing a step.
pub(super) type Problem = String;

pub(super) fn open_proc() -> Result<OwnedFd, LaunchError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = fault::point().and_then(|()| rustix::fs::open(c"/proc", flags, Mode::empty()));
    opened.map_err(|errno| {
        let text = errno_text(errno.raw_os_error());
        let text = format!("can't open /proc, by which the process tree is found: {text}");
        LaunchError::preparing(Layer::ProcessTree, text)
    })
}

fn text(bytes: &OsStr) -> Result<CString, Problem> {
    CString::new(bytes.as_bytes()).map_err(|_| format!("{bytes:?} contains a NUL byte"))
}

pub(super) fn host_path(path: &Path) -> Result<CString, Problem> {
    text(path.as_os_str())
}

/// A path inside the sandbox, relative to its root.
fn inner_path(path: &Path) -> Result<CString, Problem> {
    let bytes = path.as_os_str().as_bytes();
    // Never absolute, however many slashes there were.
    let start = bytes.iter().take_while(|byte| **byte == b'/').count();
    text(OsStr::from_bytes(bytes.get(start..).unwrap_or_default()))
}

fn place(path: &Path) -> Result<Place, Problem> {
    let parent = path.parent().ok_or("the root itself can't be made")?;
    let name = path.file_name().ok_or("the path doesn't end with a name")?;
    Ok(Place { parent: inner_path(parent)?, name: text(name)? })
}

/// Turns a step of the plan into the child's; steps of the parent's become none.
fn translate(
    step: &Step,
    plan: &Plan,
    files: &mut Vec<(OwnedFd, u32)>,
    list: &mut Vec<ChildOp>,
) -> Result<(), Problem> {
    let op = match step {
        Step::CreateCgroup(_) | Step::Clone(_) | Step::StartTarget => return Ok(()),
        Step::MapIds(map) if idmap::is_written_inside(map) => ChildOp::MapIds(idmap::texts(map)),
        Step::MapIds(_) => ChildOp::AwaitIdMaps,
        // Its files exist only once the cgroup does; the launch fills them in.
        Step::JoinCgroup => ChildOp::JoinCgroup(Vec::new()),
        Step::NewSession => ChildOp::NewSession,
        Step::TargetGroup => ChildOp::NewGroup,
        Step::NewCgroupNamespace => ChildOp::NewCgroupNamespace,
        Step::AdoptIds(ids) | Step::SetIds(ids) => ChildOp::SetIds { uid: ids.uid, gid: ids.gid },
        Step::SetGroups(groups) => ChildOp::SetGroups(
            groups.iter().map(|group| rustix::process::Gid::from_raw(*group)).collect(),
        ),
        Step::SetHostname(name) => ChildOp::SetHostname(name.as_bytes().to_vec()),
        Step::BeginNetwork if processor_is_idle() => ChildOp::BeginNetwork,
        // Joining it makes it then.
        Step::BeginNetwork => return Ok(()),
        Step::JoinNetwork => ChildOp::JoinNetwork,
        Step::OpenTerminal(ptmx) => {
            ChildOp::OpenTerminal(ptmx.as_deref().map(host_path).transpose()?)
        }
        Step::LoopbackUp => ChildOp::LoopbackUp,
        Step::DropBoundingSet(kept) => ChildOp::DropBoundingSet(*kept),
        Step::LockSecurebits(kept) => ChildOp::LockSecurebits(*kept),
        Step::SetCapabilities(kept) => ChildOp::SetCapabilities(*kept),
        Step::NoNewPrivs => ChildOp::NoNewPrivs,
        Step::SetNice(nice) => ChildOp::SetNice(i32::from(*nice)),
        Step::SetAffinity(processors) => ChildOp::SetAffinity(cpu_set(processors)),
        Step::Stdio(Stdin::Inherit) => return Ok(()),
        // A run may have a standard input of its own.
        Step::Stdio(Stdin::Null) if files.iter().any(|(_, number)| *number == 0) => return Ok(()),
        Step::Stdio(Stdin::Null) => ChildOp::Place { file: open_null()?, number: 0 },
        Step::SetUmask(mask) => ChildOp::SetUmask(*mask),
        Step::ChangeDirectory(path) => ChildOp::ChangeDirectory(host_path(path)?),
        Step::FindProgram => ChildOp::FindProgram,
        Step::Landlock(rules) => landlock::operation(rules, files, None)?,
        Step::CloseDescriptors(kept) => {
            // Nothing that comes later has a descriptor that this could overwrite.
            for (file, number) in files.drain(..) {
                let number = i32::try_from(number).map_err(|_| "descriptor out of range")?;
                list.push(ChildOp::Place { file, number });
            }
            return close_descriptors(kept, list);
        }
        Step::SetRlimit { resource, limit, .. } => {
            ChildOp::SetRlimit { resource: rlimit(*resource), limit: *limit }
        }
        Step::ResetSignals => ChildOp::ResetSignals,
        Step::Verify => {
            list.push(ChildOp::ReadBack(Box::new(credentials(&plan.expected))));
            ChildOp::AwaitInspection
        }
        Step::Seccomp { policy, .. } => filter(policy)?,
        Step::Exec => ChildOp::Exec,
        _ => mounts::mount(step)?,
    };
    list.push(op);
    Ok(())
}

fn open_null() -> Result<OwnedFd, Problem> {
    rustix::fs::open(c"/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| format!("can't open /dev/null: {}", errno_text(errno.raw_os_error())))
}

fn cpu_set(processors: &[u32]) -> rustix::thread::CpuSet {
    let mut set = rustix::thread::CpuSet::new();
    for processor in processors.iter().map(|number| *number as usize) {
        if processor < rustix::thread::CpuSet::MAX_CPU {
            set.set(processor);
        }
    }
    set
}

pub(super) fn rlimit(resource: Resource) -> rustix::process::Resource {
    use rustix::process::Resource as Kernel;
    match resource {
        Resource::AddressSpace => Kernel::As,
        Resource::Core => Kernel::Core,
        Resource::CpuTime => Kernel::Cpu,
        Resource::FileSize => Kernel::Fsize,
        Resource::OpenFiles => Kernel::Nofile,
        Resource::Processes => Kernel::Nproc,
        Resource::Stack => Kernel::Stack,
    }
}

fn close_descriptors(kept: &[u32], list: &mut Vec<ChildOp>) -> Result<(), Problem> {
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    let mut ranges = Vec::new();
    let mut first = 3;
    for descriptor in &kept {
        if *descriptor > first {
            ranges.push((first, descriptor - 1));
        }
        first = descriptor + 1;
        let number = i32::try_from(*descriptor).map_err(|_| "descriptor out of range")?;
        list.push(ChildOp::KeepDescriptor(number));
    }
    ranges.push((first, u32::MAX));
    list.push(ChildOp::CloseDescriptors(ranges));
    Ok(())
}

fn filter(policy: &SeccompPolicy) -> Result<ChildOp, Problem> {
    policy.once(|| compiled(policy)).map(ChildOp::Seccomp)
}

fn compiled(policy: &SeccompPolicy) -> Result<Arc<Vec<Instruction>>, Problem> {
    let arch = Arch::current().ok_or("no table of system calls for this architecture")?;
    let program = seccomp::program(policy, arch).map_err(|error| error.to_string())?;
    let instruction =
        |i: &seccomp::Instruction| Instruction { code: i.code, jt: i.jt, jf: i.jf, k: i.k };
    Ok(Arc::new(program.instructions().iter().map(instruction).collect()))
}

fn credentials(expected: &Expected) -> Credentials {
    Credentials {
        ids: expected.ids.map(|ids| (ids.uid, ids.gid)),
        groups: expected.groups.clone(),
        capabilities: expected
            .capabilities
            .map(|caps| ExpectedCapabilities { kept: caps.kept, bounding: caps.bounding }),
        rlimits: expected.rlimits.iter().map(|(what, limit)| (rlimit(*what), *limit)).collect(),
    }
}
