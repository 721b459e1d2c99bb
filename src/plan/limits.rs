//! Limits: of the tree by a cgroup, of each process by `setrlimit(2)`.

use std::time::Duration;

use super::build::Builder;
use super::facts::cgroup::{Controller, Support};
use super::facts::{Cause, Resource};
use super::identity::CAP_SYS_NICE;
use super::step::Step;
use crate::policy::limits::{IoLimits, TreeLimits};
use crate::profile::units::format_size;
use crate::profile::vocabulary::{Layer, Namespace};

pub(super) fn plan(builder: &mut Builder<'_>) {
    cgroup(builder);
    rlimits(builder);
    processor_time(builder);
}

/// The limit of each process holds a tree only where the tree is one process: the supervisor holds
/// the rest to it, where a cgroup says what they have used.
fn processor_time(builder: &mut Builder<'_>) {
    let Some(limit) = builder.policy.process_limits.cpu_time else { return };
    let counted = builder.facts.cgroup.support(Controller::CpuAccounting).is_available();
    if !builder.wants(Layer::Rlimits) {
        return;
    }
    if builder.expected.cgroup && counted {
        builder.cpu_time = Some(limit);
        builder.detail(Layer::Rlimits, "cpu_time: of the whole tree too, as its cgroup counts");
    } else {
        builder.detail(Layer::Rlimits, "cpu_time: of each process; nothing counts the tree's");
    }
}

/// One limit of the tree, and what can hold it.
struct TreeLimit {
    controller: Controller,
    text: String,
    /// Takes it out of a set of limits.
    remove: fn(&mut TreeLimits),
    /// What each process can be held to in its place.
    stand_in: Option<Step>,
}

fn cgroup(builder: &mut Builder<'_>) {
    let layer = Layer::Cgroup;
    let asked = tree_limits(builder);
    if !builder.wants(layer) {
        builder.off(layer);
        for limit in &asked {
            builder.detail(layer, format!("{} isn't enforced: the layer is off", limit.text));
        }
        return;
    }
    let mut held = builder.policy.tree_limits.clone();
    let mut lacking = Vec::new();
    let mut causes: Vec<Cause> = Vec::new();
    for limit in asked {
        if let Support::Missing(why) =
            builder.facts.cgroup.support_for(limit.controller, &builder.policy.tree_limits)
        {
            let cause = Cause::new(format!("{}: {why}", limit.controller), why.remedy());
            if !causes.contains(&cause) {
                causes.push(cause);
            }
            (limit.remove)(&mut held);
            lacking.push(limit);
        }
    }
    // Without a place to make one in, there is no cgroup even for no limits.
    let place = builder.facts.cgroup.parents().next().is_some();
    if causes.is_empty() && !place {
        causes.push(Cause::new(
            "there is no place to make a cgroup in",
            super::facts::cgroup::DELEGATE,
        ));
    }
    let own = format!("a cgroup of its own ({})", layout_name(builder));
    let in_part = place && !held.is_empty();
    let stands_in = lacking.iter().any(|limit| limit.stand_in.is_some());
    match (causes.is_empty(), in_part, stands_in) {
        (true, ..) => builder.enforced(layer, own),
        (false, true, true) => {
            let mechanism = format!("{own} for some limits, limits of each process for others");
            builder.fallbacks(layer, mechanism, causes);
        }
        (false, true, false) => {
            builder.fallbacks(layer, format!("{own} for some limits"), causes);
        }
        (false, false, true) => {
            builder.fallbacks(layer, "limits of each process (setrlimit(2))", causes);
        }
        (false, false, false) => builder.missing_for(layer, causes),
    }
    for limit in lacking {
        stand_in(builder, limit);
    }
    if builder.is_enforced(layer) || in_part {
        builder.steps.extend([Step::CreateCgroup(held), Step::JoinCgroup]);
        builder.expected.cgroup = true;
    }
}

/// Has something else hold each process to a limit of the tree.
fn stand_in(builder: &mut Builder<'_>, limit: TreeLimit) {
    let layer = Layer::Cgroup;
    let Some(step) = limit.stand_in else {
        return builder.detail(layer, format!("{}: nothing stands in", limit.text));
    };
    let by = match &step {
        Step::SetRlimit { resource, .. } => resource.kernel_name(),
        _ => "sched_setaffinity(2)",
    };
    builder.detail(layer, format!("{}: {by} stands in, for each process", limit.text));
    add_limit(builder, step);
}

fn layout_name(builder: &Builder<'_>) -> &'static str {
    use super::facts::cgroup::CgroupLayout;
    match builder.facts.cgroup.layout {
        CgroupLayout::None => "none",
        CgroupLayout::V1 => "version 1",
        CgroupLayout::V2 => "version 2",
        CgroupLayout::Hybrid => "of a host with version 1 and 2",
    }
}

fn tree_limits(builder: &Builder<'_>) -> Vec<TreeLimit> {
    let limits = &builder.policy.tree_limits;
    let rlimit = |resource, limit| Some(Step::SetRlimit { resource, limit, layer: Layer::Cgroup });
    let mut list = Vec::new();
    let mut add = |controller, text, remove, stand_in| {
        list.push(TreeLimit { controller, text, remove, stand_in });
    };
    if let Some(bytes) = limits.memory {
        let stand_in = rlimit(Resource::AddressSpace, bytes);
        add(
            Controller::Memory,
            format!("memory {}", format_size(bytes)),
            |l| l.memory = None,
            stand_in,
        );
    }
    if let Some(bytes) = limits.swap {
        add(Controller::Swap, format!("swap {}", format_size(bytes)), |l| l.swap = None, None);
    }
    if let Some(count) = limits.processes {
        let stand_in = others_of_the_user(builder)
            .and_then(|others| rlimit(Resource::Processes, count.saturating_add(others)));
        add(Controller::Processes, format!("processes {count}"), |l| l.processes = None, stand_in);
    }
    if let Some(thousandths) = limits.cpus {
        let cpus = crate::profile::units::format_cpus(thousandths);
        add(Controller::Cpu, format!("cpus {cpus}"), |l| l.cpus = None, None);
    }
    if let Some(weight) = limits.cpu_weight {
        add(Controller::Cpu, format!("cpu_weight {weight}"), |l| l.cpu_weight = None, None);
    }
    if !limits.cpuset.is_empty() {
        let mut there = limits.cpuset.clone();
        there.retain(|number| builder.facts.processors.contains(number));
        // The kernel refuses a set with no processor in it.
        let stand_in = (!there.is_empty()).then_some(Step::SetAffinity(there));
        add(
            Controller::Cpuset,
            format!("cpuset {:?}", limits.cpuset),
            |l| l.cpuset.clear(),
            stand_in,
        );
    }
    if limits.io != IoLimits::default() {
        add(Controller::Io, "io".to_owned(), |l| l.io = IoLimits::default(), None);
    }
    list
}

/// Processes that `RLIMIT_NPROC` counts besides the command's own: init, and where the count is of
/// the whole user on this host, the user's others. `None`: the kernel doesn't hold this user to the
/// limit at all.
fn others_of_the_user(builder: &Builder<'_>) -> Option<u64> {
    let (caller, user) = (&builder.facts.caller, builder.outside_uid());
    let init = 1;
    if user == 0 {
        return None; // `copy_process` in kernel/fork.c spares the host's root.
    }
    let own_count =
        builder.namespaces.contains(&Namespace::User) && builder.facts.kernel_is_at_least(5, 14);
    // How many processes another user has isn't known: the limit then is tighter, never looser.
    if own_count || user != caller.uid {
        return Some(init);
    }
    Some(caller.processes.unwrap_or(0).saturating_add(init))
}

/// The kernel counts whole seconds; more of them than can be counted are no limit.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

/// A handler to which `/proc/sys/kernel/core_pattern` pipes dumps, a process of the host's root, is
/// started whatever this limit is, 0 included, but not for 1 (`fs/coredump.c`). No dump fits that.
fn core_bytes(limit: u64) -> u64 {
    limit.max(1)
}

fn rlimits(builder: &mut Builder<'_>) {
    let layer = Layer::Rlimits;
    if !builder.wants(layer) {
        return builder.off(layer);
    }
    let limits = &builder.policy.process_limits;
    let seconds = limits.cpu_time.map(whole_seconds);
    let asked = [
        (Resource::CpuTime, seconds),
        (Resource::OpenFiles, limits.open_files),
        (Resource::FileSize, limits.file_size),
        (Resource::Stack, limits.stack),
        (Resource::Core, limits.core.map(core_bytes)),
    ];
    let nice = limits.nice;
    let dumped =
        limits.core == Some(0) && builder.facts.caller.hard_limits.get(&Resource::Core) == Some(&0);
    if dumped {
        let text = "core: 0, to which the caller is held, keeps no handler of dumps \
                    (/proc/sys/kernel/core_pattern) from being started";
        builder.detail(layer, text);
    }
    let mut names = Vec::new();
    for (resource, limit) in asked {
        if let Some(limit) = limit {
            names.push(resource.kernel_name());
            add_limit(builder, Step::SetRlimit { resource, limit, layer });
        }
    }
    let too_low = nice.and_then(|nice| too_low(builder, nice));
    if let (Some(nice), None) = (nice, &too_low) {
        names.push("nice");
        builder.steps.push(Step::SetNice(nice));
    }
    let mechanism = format!("setrlimit(2): {}", names.join(", "));
    match too_low {
        None if names.is_empty() => {
            builder.nothing_to_enforce(layer, "no limits of single processes are asked for");
        }
        None => builder.enforced(layer, mechanism),
        Some(cause) if names.is_empty() => builder.missing(layer, cause),
        Some(cause) => builder.fallback(layer, mechanism, cause),
    }
}

/// Why a niceness can't be set: one below the caller's own is a privilege over the whole host,
/// which a user namespace doesn't give (`can_nice` in kernel/sched/syscalls.c).
fn too_low(builder: &Builder<'_>, nice: i8) -> Option<Cause> {
    let (own, lowest) = builder.facts.caller.niceness?;
    let in_namespace = builder.namespaces.contains(&Namespace::User);
    let privileged = builder.facts.caller.has(CAP_SYS_NICE) && !in_namespace;
    if privileged || i32::from(nice) >= own.min(lowest) {
        return None;
    }
    let why = if builder.facts.caller.has(CAP_SYS_NICE) {
        "which CAP_SYS_NICE doesn't do from inside of a user namespace"
    } else {
        "without CAP_SYS_NICE"
    };
    Some(Cause::new(
        format!(
            "limits.nice: {nice} is below the caller's {own}, and below {lowest}, the lowest that \
             RLIMIT_NICE allows, {why}"
        ),
        format!(
            "set limits.nice to {} or more, raise the limit (\"nice\" in limits.conf(5)), or start \
             ringfence as root without a user namespace",
            own.min(lowest)
        ),
    ))
}

/// Adds a limit, lowered to what the caller itself is held to: raising it would need a privilege,
/// and being held to less is no weaker.
fn add_limit(builder: &mut Builder<'_>, step: Step) {
    let step = match step {
        Step::SetRlimit { resource, limit, layer } => {
            let hard = builder.facts.caller.hard_limits.get(&resource).copied();
            let limit = limit.min(hard.unwrap_or(u64::MAX));
            builder.expected.rlimits.push((resource, limit));
            Step::SetRlimit { resource, limit, layer }
        }
        other => other,
    };
    builder.steps.push(step);
}
