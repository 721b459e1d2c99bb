//! Limits of one run only tighten: in the policy, in the plan, and in the steps.

use super::Limits;
use crate::fuzzing::Choices;
use crate::plan::facts::{HostFacts, Resource};
use crate::plan::step::Step;
use crate::plan::{Plan, Status, build};
use crate::policy::Policy;
use crate::policy::limits::TreeLimits;
use crate::profile::vocabulary::{Enforcement, Layer};

/// Limits a run of a policy on a host, and compares the plans.
pub(crate) fn tightened(
    policy: &Policy,
    host: &HostFacts,
    choices: &mut Choices<'_>,
) -> Result<(), String> {
    let limits = limits(choices);
    let mut after = policy.clone();
    limits.apply(&mut after);
    in_the_policy(limits, policy, &after)?;
    let (Ok(before), Ok(planned)) = (build(policy, host), build(&after, host)) else {
        // Refusing what can't be had is no loosening.
        return Ok(());
    };
    in_the_plan(&before, &planned)?;
    kept_or_told(limits, &planned)
}

fn limits(choices: &mut Choices<'_>) -> Limits {
    let mut maybe = || choices.flag().then(|| (choices.word() >> 24) + 1);
    let (cpu_time, wall_time) = (maybe(), maybe());
    Limits {
        memory: maybe(),
        processes: maybe(),
        cpus: maybe(),
        cpu_time: cpu_time.map(std::time::Duration::from_millis),
        wall_time: wall_time.map(std::time::Duration::from_millis),
        open_files: maybe(),
        file_size: maybe(),
        output: maybe(),
    }
}

/// Of two limits the lower one, none being the highest.
fn lower<T: Ord + Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if one < other { one } else { other }),
        (one, other) => one.or(other),
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn in_the_policy(limits: Limits, before: &Policy, after: &Policy) -> Result<(), String> {
    let (tree, process) = (&before.tree_limits, &before.process_limits);
    let mut expected = before.clone();
    expected.tree_limits.memory = lower(tree.memory, limits.memory);
    expected.tree_limits.processes = lower(tree.processes, limits.processes);
    expected.tree_limits.cpus = lower(tree.cpus, limits.cpus);
    expected.process_limits.cpu_time = lower(process.cpu_time, limits.cpu_time);
    expected.process_limits.open_files = lower(process.open_files, limits.open_files);
    expected.process_limits.file_size = lower(process.file_size, limits.file_size);
    expected.wall_time = lower(before.wall_time, limits.wall_time);
    expected.output = lower(before.output, limits.output);
    // A layer may be asked for that wasn't: nothing else changes.
    for layer in Layer::ALL.iter().copied() {
        let (was, is) = (before.enforcement.get(layer), after.enforcement.get(layer));
        ensure(is <= was, || format!("{layer} was {was}, and is {is}"))?;
    }
    expected.enforcement = after.enforcement.clone();
    ensure(expected == *after, || format!("{limits:?} made {after:?}"))
}

fn rlimit(plan: &Plan, wanted: Resource) -> Option<u64> {
    let mut limits = plan.steps.iter().filter_map(|step| match step {
        Step::SetRlimit { resource, limit, .. } if *resource == wanted => Some(*limit),
        _ => None,
    });
    limits.next_back()
}

fn tree(plan: &Plan) -> Option<&TreeLimits> {
    plan.steps.iter().find_map(|step| match step {
        Step::CreateCgroup(limits) => Some(limits),
        _ => None,
    })
}

fn at_most<T: Ord>(after: Option<T>, before: Option<T>) -> bool {
    match (after, before) {
        (Some(after), Some(before)) => after <= before,
        (after, before) => before.is_none() || after.is_some(),
    }
}

fn in_the_plan(before: &Plan, after: &Plan) -> Result<(), String> {
    for resource in [Resource::CpuTime, Resource::OpenFiles, Resource::FileSize, Resource::Core] {
        let (was, is) = (rlimit(before, resource), rlimit(after, resource));
        ensure(at_most(is, was), || format!("{resource:?} was {was:?}, and is {is:?}"))?;
    }
    let (was, is) = (before.supervision.wall_time, after.supervision.wall_time);
    ensure(at_most(is, was), || format!("wall_time was {was:?}, and is {is:?}"))?;
    let (Some(was), Some(is)) = (tree(before), tree(after)) else {
        return ensure(tree(before).is_none(), || "the cgroup is gone".to_owned());
    };
    let held = at_most(is.memory, was.memory)
        && at_most(is.processes, was.processes)
        && at_most(is.cpus, was.cpus);
    ensure(held, || format!("the tree was held to {was:?}, and is to {is:?}"))
}

/// Whoever limits a run gets the limit, or is told that there is none: never a run without it that
/// looks as if nothing was asked.
fn kept_or_told(limits: Limits, plan: &Plan) -> Result<(), String> {
    let of_the_tree = [limits.memory, limits.processes, limits.cpus];
    let asked = [
        (Layer::Cgroup, of_the_tree.iter().any(Option::is_some)),
        (
            Layer::Rlimits,
            limits.cpu_time.is_some() || limits.open_files.is_some() || limits.file_size.is_some(),
        ),
        (Layer::WallTime, limits.wall_time.is_some()),
    ];
    for (layer, _) in asked.into_iter().filter(|(_, asked)| *asked) {
        let state = plan.layers.iter().find(|state| state.layer == layer);
        let off = state.is_none_or(|state| {
            state.status == Status::Off || state.enforcement == Enforcement::Off
        });
        ensure(!off, || format!("{layer} is off, and a run is limited by it: {limits:?}"))?;
    }
    Ok(())
}
