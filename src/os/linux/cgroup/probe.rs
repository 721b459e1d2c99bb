//! Facts about control groups.

use super::super::files;
use super::directory::{Directory, fact};
use super::layout::Layout;
use super::place::{self, may_make_children, may_write};
use super::{Roots, cgroup_name};
use crate::plan::facts::cgroup::{
    CgroupFacts, Controller, Missing, NO_SWAP, Parent, Place, PlaceKind, Support, Supports,
};

/// How sure the facts have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Writes nothing: permissions are asked for. What a launch needs; its own `mkdir` is the proof.
    Look,
    /// Makes and removes a cgroup at each place, which also finds what permissions don't tell.
    Try,
}

/// Finds out what this process can do with control groups.
#[must_use]
pub fn probe(layout: &Layout, roots: &Roots, effort: Effort) -> CgroupFacts {
    let mut probe = Probe { layout, roots, place: None, no_place: None, v2_names: Vec::new() };
    probe.find_place(effort);
    let support = |controller| probe.support(controller, effort);
    let supports = Supports {
        memory: support(Controller::Memory),
        swap: support(Controller::Swap),
        processes: support(Controller::Processes),
        cpu: support(Controller::Cpu),
        cpu_accounting: support(Controller::CpuAccounting),
        cpuset: support(Controller::Cpuset),
        io: support(Controller::Io),
        kill: support(Controller::Kill),
    };
    let host_has_swap = !probe.host_has_no_swap();
    CgroupFacts { layout: layout.kind(), supports, place: probe.place, host_has_swap }
}

struct Probe<'a> {
    layout: &'a Layout,
    roots: &'a Roots,
    place: Option<Place>,
    /// Why there is no place with controllers.
    no_place: Option<Missing>,
    /// The controllers that can be enabled at the place.
    v2_names: Vec<String>,
}

impl Probe<'_> {
    fn find_place(&mut self, effort: Effort) {
        let own = match self.layout.v2.as_ref().map(|hierarchy| &hierarchy.own) {
            None => return,
            Some(Err(missing)) => {
                self.no_place = Some(missing.clone());
                return;
            }
            Some(Ok(own)) => own,
        };
        (self.place, self.no_place) = place::find(own);
        if let Some(place) = &self.place {
            if effort == Effort::Try
                && let Err(missing) = try_child(&place.parent)
            {
                (self.place, self.no_place) = (None, Some(missing));
                return;
            }
            if place.kind != PlaceKind::Bare {
                self.v2_names = offered(&place.parent);
            }
        }
    }

    fn support(&self, controller: Controller, effort: Effort) -> Support {
        match controller {
            Controller::Swap => self.swap(effort),
            Controller::Kill => self.kill(effort),
            Controller::CpuAccounting if self.layout.v1_hierarchy("cpuacct").is_none() => {
                self.always_in_v2()
            }
            _ => self.ordinary(controller, effort),
        }
    }

    fn ordinary(&self, controller: Controller, effort: Effort) -> Support {
        if let Some(hierarchy) = self.layout.v1_hierarchy(controller.v1_name()) {
            return match &hierarchy.own {
                Err(missing) => Support::Missing(missing.clone()),
                Ok(parent) => v1_support(controller, parent, effort),
            };
        }
        let Some(v2) = &self.layout.v2 else { return Support::Missing(Missing::NotMounted) };
        if controller.v2_name().is_some_and(|name| self.v2_names.iter().any(|own| own == name)) {
            return Support::V2;
        }
        let own = match &v2.own {
            Ok(own) => own.directory.join("cgroup.controllers"),
            Err(missing) => return Support::Missing(missing.clone()),
        };
        // Having no place is the reason only for what the hierarchy has at all: on a hybrid host
        // that isn't much.
        let is_in_v2 = std::fs::read_to_string(&own).map_or(true, |text| {
            text.split_whitespace().any(|name| controller.v2_name() == Some(name))
        });
        match (&self.no_place, &self.place) {
            (Some(missing), _) if is_in_v2 => Support::Missing(missing.clone()),
            (None, Some(place)) => {
                let path = place.parent.directory.join("cgroup.controllers");
                Support::Missing(Missing::NotOffered { path })
            }
            _ => Support::Missing(Missing::NotOffered { path: own }),
        }
    }

    /// Swap is part of the memory controller, but has a switch of its own (`swapaccount=`).
    fn swap(&self, effort: Effort) -> Support {
        let memory = self.ordinary(Controller::Memory, effort);
        let file = match (&memory, &self.place) {
            (Support::V1 { parent }, _) => {
                Some(parent.directory.join("memory.memsw.limit_in_bytes")).filter(|f| !f.exists())
            }
            (Support::V2, Some(place)) => missing_swap_file(place),
            _ => None,
        };
        match file {
            None => memory,
            Some(_) if self.host_has_no_swap() => Support::HeldByHost { why: NO_SWAP },
            Some(path) => Support::Missing(Missing::NoFile { path }),
        }
    }

    fn host_has_no_swap(&self) -> bool {
        // The first line is a heading.
        files::read_text(self.roots.proc.join("swaps")).is_ok_and(|text| text.lines().count() <= 1)
    }

    /// Version 2 has `cgroup.kill` (5.14) or at least `cgroup.freeze` (5.2) in every cgroup.
    fn kill(&self, effort: Effort) -> Support {
        match self.always_in_v2() {
            Support::Missing(_) if self.layout.v1_hierarchy("freezer").is_some() => {
                self.ordinary(Controller::Kill, effort)
            }
            support => support,
        }
    }

    fn always_in_v2(&self) -> Support {
        match (&self.place, &self.no_place) {
            (Some(_), _) => Support::V2,
            (None, Some(missing)) => Support::Missing(missing.clone()),
            (None, None) => Support::Missing(Missing::NotMounted),
        }
    }
}

fn v1_support(controller: Controller, parent: &Parent, effort: Effort) -> Support {
    // The root has these files too, so their absence means that the kernel lacks the feature.
    let file = match controller {
        Controller::Cpu => Some("cpu.cfs_quota_us"),
        Controller::Io => Some("blkio.throttle.read_bps_device"),
        _ => None,
    };
    let checks = || {
        may_make_children(&parent.directory)?;
        if let Some(path) = file.map(|file| parent.directory.join(file))
            && !path.exists()
        {
            return Err(Missing::NoFile { path });
        }
        if effort == Effort::Try { try_child(parent) } else { Ok(()) }
    };
    match checks() {
        Ok(()) => Support::V1 { parent: parent.clone() },
        Err(missing) => Support::Missing(missing),
    }
}

/// The controllers that children at this place have or can be given.
fn offered(parent: &Parent) -> Vec<String> {
    let Ok(directory) = Directory::open(&parent.directory) else { return Vec::new() };
    let control = "cgroup.subtree_control";
    let can_enable = may_write(&directory.file_path(control)).is_ok();
    let file = if can_enable { "cgroup.controllers" } else { control };
    let text = directory.read(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// The root has no `memory.swap.max`: any cgroup that has `memory.max` can tell.
fn missing_swap_file(place: &Place) -> Option<std::path::PathBuf> {
    let parent = Directory::open(&place.parent.directory).ok()?;
    let names = parent.child_names().unwrap_or_default();
    let children = names.iter().filter_map(|name| parent.child(name).ok());
    let witness = [Directory::open(&place.parent.directory).ok()]
        .into_iter()
        .flatten()
        .chain(children)
        .find(|directory| directory.has("memory.max"))?;
    (!witness.has("memory.swap.max")).then(|| witness.file_path("memory.swap.max"))
}

fn try_child(parent: &Parent) -> Result<(), Missing> {
    let refused =
        |errno| Missing::NotWritable { path: parent.directory.clone(), errno: fact(errno) };
    let directory = Directory::open(&parent.directory).map_err(refused)?;
    let name = cgroup_name();
    directory.make_child(&name).map_err(refused)?;
    directory.remove_child(&name).map_err(refused)
}
