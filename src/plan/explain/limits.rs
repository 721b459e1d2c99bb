//! How much a command may use, and who holds it to that.

use serde::Serialize;

use super::Subject;
use crate::plan::facts::Resource;
use crate::plan::step::Step;
use crate::policy::limits::{IoLimits, TreeLimits};
use crate::profile::units::{format_cpus, format_duration, format_size};
use crate::profile::vocabulary::Layer;

/// A limit that the profile asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Limit {
    /// Its name in the profile.
    pub limit: &'static str,
    /// Its value, as a profile writes it.
    pub value: String,
    /// Who holds it.
    pub held_by: Holder,
}

/// Who holds a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// A cgroup: it holds for the whole tree.
    Cgroup,
    /// `setrlimit(2)` or the like: it holds for each process by itself.
    EachProcess,
    /// The launcher's timer.
    Supervisor,
    /// Nobody: the host can't, or the layer is off.
    Nobody,
}

pub(super) fn limits(subject: &Subject<'_>) -> Vec<Limit> {
    let mut list = tree(subject);
    list.extend(each_process(subject));
    if let Some(limit) = subject.policy.wall_time {
        let held = subject.plan.supervision.wall_time.is_some();
        list.push(Limit {
            limit: "wall_time",
            value: format_duration(limit),
            held_by: if held { Holder::Supervisor } else { Holder::Nobody },
        });
    }
    list
}

fn tree(subject: &Subject<'_>) -> Vec<Limit> {
    let asked = &subject.policy.tree_limits;
    let none = TreeLimits::default();
    let held = subject.plan.steps.iter().find_map(|step| match step {
        Step::CreateCgroup(limits) => Some(limits),
        _ => None,
    });
    let held = held.unwrap_or(&none);
    let stand_in = |resource| {
        let sets = |step: &Step| matches!(step, Step::SetRlimit { resource: set, layer: Layer::Cgroup, .. } if *set == resource);
        subject.plan.steps.iter().any(sets)
    };
    let affinity = subject.plan.steps.iter().any(|step| matches!(step, Step::SetAffinity(_)));
    let holder = |cgroup: bool, stand_in: bool| match (cgroup, stand_in) {
        (true, _) => Holder::Cgroup,
        (false, true) => Holder::EachProcess,
        (false, false) => Holder::Nobody,
    };
    let mut list = Vec::new();
    let mut add = |limit, value, held_by| list.push(Limit { limit, value, held_by });
    if let Some(bytes) = asked.memory {
        let held = holder(held.memory.is_some(), stand_in(Resource::AddressSpace));
        add("memory", format_size(bytes), held);
    }
    if let Some(bytes) = asked.swap {
        add("swap", format_size(bytes), holder(held.swap.is_some(), false));
    }
    if let Some(count) = asked.processes {
        let held = holder(held.processes.is_some(), stand_in(Resource::Processes));
        add("processes", count.to_string(), held);
    }
    if let Some(cpus) = asked.cpus {
        add("cpus", format_cpus(cpus), holder(held.cpus.is_some(), false));
    }
    if let Some(weight) = asked.cpu_weight {
        add("cpu_weight", weight.to_string(), holder(held.cpu_weight.is_some(), false));
    }
    if !asked.cpuset.is_empty() {
        add("cpuset", format!("{:?}", asked.cpuset), holder(!held.cpuset.is_empty(), affinity));
    }
    if asked.io != IoLimits::default() {
        add("io", "as in the profile".into(), holder(held.io != IoLimits::default(), false));
    }
    list
}

fn each_process(subject: &Subject<'_>) -> Vec<Limit> {
    let limits = &subject.policy.process_limits;
    let held = subject.holds(Layer::Rlimits);
    let held_by = if held { Holder::EachProcess } else { Holder::Nobody };
    let values = [
        ("cpu_time", limits.cpu_time.map(format_duration)),
        ("open_files", limits.open_files.map(|count| count.to_string())),
        ("file_size", limits.file_size.map(format_size)),
        ("stack", limits.stack.map(format_size)),
        ("core", limits.core.map(format_size)),
        ("nice", limits.nice.map(|nice| nice.to_string())),
    ];
    let set = values.into_iter().filter_map(|(limit, value)| Some((limit, value?)));
    let supervised = subject.plan.supervision.cpu_time.is_some();
    set.map(|(limit, value)| {
        let of_tree = supervised && limit == "cpu_time";
        Limit { limit, value, held_by: if of_tree { Holder::Cgroup } else { held_by } }
    })
    .collect()
}
