//! From a failed call to an error that names layer, object, cause and remedy.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::cgroup::{CgroupError, Problem};
use super::child::record::{Call, Failure};
use super::facts::blockers;
use super::guard::Unguarded;
use super::idmap::MapError;
use super::prepare::Context;
use crate::error::{Contradiction, LaunchError, LaunchFailure, errno_text};
use crate::plan::facts;
use crate::plan::facts::Cause;
use crate::plan::facts::cgroup::Missing;
use crate::plan::step::Step;
use crate::profile::vocabulary::{Layer, Namespace};

/// The clone itself failed: nothing was set up yet.
pub(super) fn clone(namespaces: &[Namespace], in_cgroup: bool, errno: Errno) -> LaunchError {
    let user = namespaces.contains(&Namespace::User);
    let action = Step::Clone(namespaces.to_vec()).describe();
    let kind = LaunchFailure::Setup {
        action,
        call: "clone3(2)",
        errno: facts::Errno(errno.raw_os_error()),
    };
    let lacking = matches!(errno, Errno::AGAIN | Errno::NOMEM);
    if namespaces.is_empty() || lacking {
        let remedy = if in_cgroup && errno == Errno::BUSY {
            "another process enabled controllers in the cgroup; try again"
        } else {
            "the host lacks processes or memory: see ulimit -u and the pids limit of this cgroup"
        };
        let layer = Layer::ProcessTree;
        return LaunchError { layer, kind, remedy: Some(remedy.into()), contradiction: None };
    }
    let cause = if user { blockers::user_namespace(errno) } else { blockers::namespaces(errno) };
    LaunchError {
        layer: if user { Layer::UserNamespace } else { Layer::MountNamespace },
        kind,
        remedy: Some(cause.remedy.clone()),
        contradiction: Some(Box::new(if user {
            Contradiction::UserNamespace(cause)
        } else {
            Contradiction::Namespaces(cause)
        })),
    }
}

/// A map of the new user namespace couldn't be written.
pub(super) fn id_map(error: &MapError) -> LaunchError {
    let cause = blockers::id_map(error.file, Errno::from_raw_os_error(error.errno));
    LaunchError {
        layer: Layer::UserNamespace,
        kind: LaunchFailure::Setup {
            action: format!("write {}", error.file),
            call: "write(2)",
            errno: facts::Errno(error.errno),
        },
        remedy: Some(cause.remedy.clone()),
        contradiction: Some(Box::new(Contradiction::UserNamespace(cause))),
    }
}

/// Which map, or what belongs to it, a failed call was to write.
pub(super) fn map_file(call: Call) -> Option<&'static str> {
    match call {
        Call::SetgroupsFile => Some("setgroups"),
        Call::UidMap => Some("uid_map"),
        Call::GidMap => Some("gid_map"),
        _ => None,
    }
}

/// The cgroup couldn't be made as asked.
pub(super) fn cgroup(error: &CgroupError) -> LaunchError {
    let missing = match &error.problem {
        Problem::Missing(missing) => Some(missing.clone()),
        Problem::Errno(errno) => {
            Some(Missing::NotWritable { path: error.path.clone(), errno: *errno })
        }
        _ => None,
    };
    let text = error.to_string();
    LaunchError {
        layer: Layer::Cgroup,
        kind: LaunchFailure::Prepare(text.strip_prefix("cgroup: ").unwrap_or(&text).to_owned()),
        remedy: None,
        contradiction: missing
            .map(|missing| Box::new(Contradiction::Cgroup(error.controller, missing))),
    }
}

/// A step of the child failed. `actor`: 0 for init, 1 for the command's process.
pub(super) fn step(context: &Context, actor: usize, number: u16, failure: Failure) -> LaunchError {
    let origin = context.origins[actor].get(usize::from(number));
    let step = origin.and_then(|number| context.plan.steps.get(*number));
    let Some(step) = step else {
        return LaunchError {
            layer: Layer::ProcessTree,
            kind: setup("start the command's process".into(), failure),
            remedy: remedy_of_resources(failure.errno),
            contradiction: None,
        };
    };
    if matches!(step, Step::FindProgram | Step::Exec) {
        return program(context, failure);
    }
    if matches!(step, Step::Verify) {
        return mismatch(failure);
    }
    if let Some(file) = map_file(failure.call) {
        return id_map(&MapError { file, errno: failure.errno.raw_os_error() });
    }
    let contradiction = contradiction(step, failure);
    let cause = contradiction.as_ref().map(|contradiction| match contradiction {
        Contradiction::Mounting(cause)
        | Contradiction::FreshProc(cause)
        | Contradiction::OwnerMapping(_, cause)
        | Contradiction::Namespace(_, cause)
        | Contradiction::Namespaces(cause) => cause.remedy.clone(),
        _ => String::new(),
    });
    LaunchError {
        layer: step.layer(),
        kind: setup(step.describe(), failure),
        remedy: cause.or_else(|| remedy(step, failure)),
        contradiction: contradiction.map(Box::new),
    }
}

fn setup(action: String, failure: Failure) -> LaunchFailure {
    let errno = failure.errno.raw_os_error();
    LaunchFailure::Setup { action, call: failure.call.text(), errno: facts::Errno(errno) }
}

/// Hidden paths can't be watched, or one has changed already.
pub(super) fn unguarded(why: &Unguarded) -> LaunchError {
    let kind = match why {
        Unguarded::Failed(errno) => LaunchFailure::Setup {
            action: "watch for changes of hidden paths".into(),
            call: "inotify_add_watch(2)",
            errno: facts::Errno(errno.raw_os_error()),
        },
        Unguarded::Appeared(path) => LaunchFailure::Prepare(format!(
            "something came to be at {}, which is hidden, while the sandbox was set up",
            path.display()
        )),
    };
    let remedy = match why {
        Unguarded::Failed(Errno::ACCESS) => {
            "a directory above a hidden path may be entered, but not read: hide that directory"
        }
        Unguarded::Failed(_) => {
            "see the sysctls fs.inotify.max_user_instances and max_user_watches"
        }
        Unguarded::Appeared(_) => "run it again",
    };
    let remedy = Some(remedy.to_owned());
    LaunchError { layer: Layer::Filesystem, kind, remedy, contradiction: None }
}

fn mismatch(failure: Failure) -> LaunchError {
    let layer = match failure.call {
        Call::ReadIds | Call::ReadGroups => Layer::User,
        Call::ReadNoNewPrivs => Layer::NoNewPrivs,
        Call::ReadRlimit => Layer::Rlimits,
        Call::ReadSeccomp => Layer::Seccomp,
        _ => Layer::Capabilities,
    };
    LaunchError {
        layer,
        kind: LaunchFailure::Mismatch(failure.call.text().to_owned()),
        remedy: None,
        contradiction: None,
    }
}

fn remedy_of_resources(errno: Errno) -> Option<String> {
    matches!(errno, Errno::AGAIN | Errno::NOMEM)
        .then(|| "raise limits.processes or limits.memory in the profile".to_owned())
}

/// What a failed step says of the host, where another plan may do without it.
fn contradiction(step: &Step, failure: Failure) -> Option<Contradiction> {
    let denied = matches!(failure.errno, Errno::PERM | Errno::ACCESS);
    let missing = matches!(failure.errno, Errno::NOSYS | Errno::NODEV);
    match (step, failure.call) {
        (Step::Proc(_), Call::Fsmount | Call::Fsconfig | Call::Fsopen) if denied => {
            Some(Contradiction::FreshProc(blockers::fresh_proc(failure.errno)))
        }
        (Step::Bind(bind), Call::IdMap) => {
            let cause = Cause::new(
                format!("{}: {}", failure.call.text(), errno_text(failure.errno.raw_os_error())),
                "use a file system that can map owners, such as ext4, xfs or btrfs",
            );
            Some(Contradiction::OwnerMapping(bind.source.clone(), cause))
        }
        (Step::JoinNetwork, Call::Unshare) => {
            Some(Contradiction::Namespaces(blockers::namespaces(failure.errno)))
        }
        // Containers let namespaces be made whose use their filter refuses.
        (Step::SetHostname(_), _) if denied => {
            let cause = blockers::hostname(failure.errno);
            Some(Contradiction::Namespace(Namespace::Uts, cause))
        }
        (Step::NewCgroupNamespace, _) if denied => {
            let cause = blockers::namespaces(failure.errno);
            Some(Contradiction::Namespace(Namespace::Cgroup, cause))
        }
        (Step::PrivateMounts | Step::NewRoot(_), call)
            if (denied || missing) && call != Call::Create && call != Call::Mkdir =>
        {
            Some(Contradiction::Mounting(blockers::mounting(call.text(), failure.errno)))
        }
        _ => None,
    }
}

fn remedy(step: &Step, failure: Failure) -> Option<String> {
    let text = match (step, failure.call, failure.errno) {
        (Step::Landlock(_), Call::Open, Errno::LOOP) => {
            "a symbolic link is on the way to one of its paths in a directory that commands can \
             write to, and may have been made by one; name what it leads to"
        }
        (Step::Bind(_), Call::OpenTree, Errno::NOENT) => {
            "the path doesn't exist on this host; mark the mount \"optional\": true"
        }
        (Step::Bind(bind), Call::OpenTree, Errno::LOOP) => {
            let below = bind.no_links_below.as_deref().unwrap_or(Path::new("/"));
            return Some(format!(
                "a symbolic link below {} is on the way, which a command may have made; name what \
                 it leads to",
                below.display()
            ));
        }
        (Step::Bind(bind), Call::OpenTree, Errno::ACCESS) => {
            return Some(format!(
                "the user who starts the sandbox may not reach {}",
                bind.source.display()
            ));
        }
        (_, Call::Resolve, Errno::NOENT) => {
            "the directory must exist in the root file system: nothing is made there"
        }
        (_, Call::MoveMount, Errno::NOTDIR) => {
            "one of source and target is a directory, the other isn't"
        }
        (_, Call::OpenTree | Call::MoveMount | Call::Fsmount, Errno::NOSPC) => {
            "there are as many mounts as the kernel allows in a mount namespace: mount less, or \
             raise the sysctl fs.mount-max"
        }
        (Step::ChangeDirectory(_), _, Errno::NOENT) => {
            "the directory isn't visible in the sandbox: add it with --ro or --rw, or choose \
             another with --cwd"
        }
        (Step::ChangeDirectory(_), _, Errno::ACCESS) => {
            "the sandboxed user may not enter it: choose another with --cwd, or the user with --user"
        }
        (Step::CloseDescriptors(_), _, Errno::BADF) => {
            "open the declared descriptors (--pass-fd, process.descriptors) before ringfence starts, or \
             put others at their numbers (--pass-fd N:M)"
        }
        (Step::SetNice(_), _, Errno::PERM | Errno::ACCESS) => {
            "a higher priority needs CAP_SYS_NICE: raise limits.nice"
        }
        (Step::SetRlimit { .. }, _, Errno::PERM) => {
            "the limit is above the caller's hard limit (ulimit -H)"
        }
        _ => return remedy_of_resources(failure.errno),
    };
    Some(text.to_owned())
}

/// The program isn't there, or can't be executed.
fn program(context: &Context, failure: Failure) -> LaunchError {
    let program = &context.program;
    let name = crate::profile::diagnostic::escaped(&program.to_string_lossy());
    let kind = match (failure.call, failure.errno) {
        (Call::FindProgram, Errno::NOENT) => {
            LaunchFailure::NotFound { program: name, on_host: on_host(context) }
        }
        (call, errno) => LaunchFailure::NotExecutable {
            program: name,
            errno: facts::Errno(errno.raw_os_error()),
            why: why_not_executable(call, errno).map(str::to_owned),
        },
    };
    let remedy = match &kind {
        LaunchFailure::NotFound { on_host: Some(path), .. } => {
            Some(format!("make it visible: --ro {}", parent_of(path).display()))
        }
        _ => None,
    };
    LaunchError { layer: Layer::ProcessTree, kind, remedy, contradiction: None }
}

fn parent_of(path: &str) -> PathBuf {
    Path::new(path).parent().unwrap_or(Path::new("/")).to_owned()
}

fn why_not_executable(call: Call, errno: Errno) -> Option<&'static str> {
    match (call, errno) {
        (Call::Execve, Errno::NOENT) => Some(
            "the file is there, but the interpreter that it names isn't visible in the sandbox",
        ),
        (Call::Execve, Errno::ACCESS) => {
            Some("it is on a noexec mount, or Landlock or its permissions deny it")
        }
        (Call::FindProgram, Errno::ACCESS) => {
            Some("it is a directory, or its permissions deny it to the sandboxed user")
        }
        (_, Errno::NOEXEC) => Some("neither a program of this architecture nor a script with #!"),
        _ => None,
    }
}

/// Where the program is on the host, by the host's own `PATH`.
fn on_host(context: &Context) -> Option<String> {
    let program = Path::new(&context.program);
    if program.components().count() > 1 {
        return program.is_file().then(|| program.display().to_string());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
        .map(|found| found.display().to_string())
}

/// What the kernel says from outside isn't what was planned.
pub(super) fn outside(layer: Layer, text: String) -> LaunchError {
    let kind = LaunchFailure::Mismatch(text);
    LaunchError { layer, kind, remedy: None, contradiction: None }
}

/// A namespace of the command's can't be confirmed, and what can't be confirmed isn't relied on.
pub(super) fn unconfirmed(namespace: Namespace, path: &str, errno: Errno) -> LaunchError {
    let error = unreadable(namespace.layer(), path, errno);
    if !matches!(errno, Errno::PERM | Errno::ACCESS) {
        return error;
    }
    let cause = blockers::confirming(errno);
    let contradiction = Contradiction::UserNamespace(cause.clone());
    LaunchError {
        remedy: Some(cause.remedy),
        contradiction: Some(Box::new(contradiction)),
        ..error
    }
}

/// Something that has to be read for the look from outside can't be read.
pub(super) fn unreadable(layer: Layer, path: &str, errno: Errno) -> LaunchError {
    outside(layer, format!("{path} can't be read: {}", errno_text(errno.raw_os_error())))
}
