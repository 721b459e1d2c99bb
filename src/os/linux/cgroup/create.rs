//! Making a cgroup and writing its limits.

use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::delegation::{self, Delegation};
use super::directory::Directory;
use super::error::{CgroupError, Problem, Step};
use super::setting::{LimitInForce, Setting, apply};
use super::{Cgroup, Member, Roots, Version, cgroup_name, layout, open_to_join, v1, v2};
use crate::plan::facts::cgroup::{
    CgroupFacts, Controller, Parent, Place, PlaceKind, Support, controllers_for,
};
use crate::policy::limits::{IoLimits, TreeLimits};

/// What a cgroup is made for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The limits, every one of which must be held.
    pub limits: &'a TreeLimits,
    /// Processes of the launcher's own that will be in the cgroup: its init.
    pub extra_processes: u64,
    /// Whether to count what can be counted here, limited or not.
    pub accounting: bool,
    /// Whether to count processor time in any case: somebody looks at it during the run.
    pub cpu_time: bool,
    /// Whether it has to be able to end what is in it: not where a pid namespace does that.
    pub kill: bool,
}

/// What is known while the parts are made.
struct Job<'a> {
    limits: &'a TreeLimits,
    processes: Option<u64>,
    devices: Vec<String>,
    name: String,
}

impl Cgroup {
    /// Makes a cgroup at the places that the facts name, and writes and confirms its limits.
    ///
    /// A limit that isn't held, exactly or tighter, is an error; then nothing is left behind.
    pub fn create(
        facts: &CgroupFacts,
        request: &Request<'_>,
        roots: &Roots,
    ) -> Result<Self, CgroupError> {
        let limits = request.limits;
        demand(facts, limits)?;
        let mut cgroup = Self {
            members: Vec::new(),
            join_files: Vec::new(),
            in_force: held_by_host(facts, limits),
            delegation: None,
            proc: roots.proc.clone(),
        };
        let job = Job {
            limits,
            processes: limits.processes.map(|count| count.saturating_add(request.extra_processes)),
            devices: if limits.io == IoLimits::default() {
                Vec::new()
            } else {
                block_devices(&roots.sys)?
            },
            name: cgroup_name(),
        };
        if limits.io != IoLimits::default() && job.devices.is_empty() {
            cgroup.in_force.push(LimitInForce {
                limit: "io",
                mechanism: "this host has no block device (/sys/block is empty)".into(),
                value: "none".into(),
            });
        }
        let wanted = wanted(facts, request);
        for (parent, controllers) in v1_parts(facts, &wanted) {
            cgroup.add_v1(&job, parent, controllers)?;
        }
        let in_v2: Vec<_> =
            wanted.into_iter().filter(|&c| *facts.support(c) == Support::V2).collect();
        if let Some(place) = &facts.place
            && (!in_v2.is_empty() || cgroup.members.is_empty())
        {
            cgroup.add_v2(&job, place, in_v2)?;
        }
        Ok(cgroup)
    }

    fn add_v1(
        &mut self,
        job: &Job<'_>,
        parent: &Parent,
        controllers: Vec<Controller>,
    ) -> Result<(), CgroupError> {
        let inherited = v1::Inherited::read(parent);
        let is_here = |controller| controllers.contains(&controller);
        let settings = v1::settings(job.limits, job.processes, &job.devices, &inherited, is_here);
        let directory = self.make(job, parent, Version::V1, controllers)?;
        let in_force = apply(directory, &settings)?;
        let join_file = open_to_join(directory, "tasks")?;
        self.in_force.extend(in_force);
        self.join_files.push(join_file);
        Ok(())
    }

    fn add_v2(
        &mut self,
        job: &Job<'_>,
        place: &Place,
        controllers: Vec<Controller>,
    ) -> Result<(), CgroupError> {
        let is_here = |controller| controllers.contains(&controller);
        let settings: Vec<Setting> = v2::settings(job.limits, job.processes, &job.devices, is_here);
        let parent = open_parent(&place.parent)?;
        let needed: Vec<Controller> =
            controllers.iter().copied().filter(|c| c.v2_name().is_some()).collect();
        // Until the new cgroup is there, no other thread may take the delegation back.
        let _turn = delegation::turn();
        if place.kind == PlaceKind::Delegated && !needed.is_empty() {
            self.delegation = Some(Delegation::enter(open_parent(&place.parent)?)?);
        }
        delegation::enable(&parent, &needed)?;
        let directory = self.make(job, &place.parent, Version::V2, controllers)?;
        check_type(directory)?;
        let in_force = apply(directory, &settings)?;
        self.in_force.extend(in_force);
        Ok(())
    }

    /// Makes one directory, which from here on goes away with `self`.
    fn make(
        &mut self,
        job: &Job<'_>,
        parent: &Parent,
        version: Version,
        controllers: Vec<Controller>,
    ) -> Result<&Directory, CgroupError> {
        let directory = open_parent(parent)?;
        let path = directory.file_path(&job.name);
        let failed = |errno| {
            CgroupError::errno(controllers.first().copied(), Step::Make, path.clone(), errno)
        };
        let child = directory.make_child(&job.name).map_err(failed)?;
        self.members.push(Member {
            parent: directory,
            directory: child,
            name: job.name.clone(),
            version,
            controllers,
            cgroup: layout::child_cgroup(&parent.cgroup, &job.name),
        });
        let member = &self.members[self.members.len() - 1];
        // A sweep in another PID namespace can't see that this launcher lives, but sees the lock.
        rustix::fs::flock(&member.directory, FlockOperation::NonBlockingLockShared)
            .map_err(|errno| CgroupError::errno(None, Step::Make, path, errno))?;
        Ok(&member.directory)
    }
}

/// Every limit must have something that holds it.
fn demand(facts: &CgroupFacts, limits: &TreeLimits) -> Result<(), CgroupError> {
    match facts.missing_for(limits).into_iter().next() {
        None => Ok(()),
        Some((controller, missing)) => Err(CgroupError {
            controller: Some(controller),
            step: Step::Place,
            path: facts.parents().next().unwrap_or(Path::new("/sys/fs/cgroup")).to_path_buf(),
            problem: Problem::Missing(missing),
        }),
    }
}

fn held_by_host(facts: &CgroupFacts, limits: &TreeLimits) -> Vec<LimitInForce> {
    match (limits.swap, facts.support_for(Controller::Swap, limits)) {
        (Some(_), Support::HeldByHost { why }) => {
            vec![LimitInForce { limit: "swap", mechanism: why.into(), value: "0".into() }]
        }
        _ => Vec::new(),
    }
}

/// What the limits need, and what else is of use where it can be had.
fn wanted(facts: &CgroupFacts, request: &Request<'_>) -> Vec<Controller> {
    let mut wanted = controllers_for(request.limits);
    let counted =
        [Controller::Memory, Controller::Processes, Controller::CpuAccounting, Controller::Io];
    let counted = counted.iter().filter(|controller| {
        request.accounting || (request.cpu_time && **controller == Controller::CpuAccounting)
    });
    // What limits nothing and counts nothing is made all the same: a cgroup was asked for.
    let kill = request.kill || (wanted.is_empty() && counted.clone().next().is_none());
    for &controller in counted.chain(kill.then_some(&Controller::Kill)) {
        if facts.support(controller).is_available() && !wanted.contains(&controller) {
            wanted.push(controller);
        }
    }
    wanted
}

/// One directory for each hierarchy: controllers that share one share it here too.
fn v1_parts<'a>(
    facts: &'a CgroupFacts,
    wanted: &[Controller],
) -> Vec<(&'a Parent, Vec<Controller>)> {
    let mut parts: Vec<(&Parent, Vec<Controller>)> = Vec::new();
    for &controller in wanted {
        let Support::V1 { parent } = facts.support(controller) else { continue };
        match parts.iter_mut().find(|(other, _)| other.directory == parent.directory) {
            Some((_, controllers)) => controllers.push(controller),
            None => parts.push((parent, vec![controller])),
        }
    }
    parts
}

fn open_parent(parent: &Parent) -> Result<Directory, CgroupError> {
    Directory::open(&parent.directory)
        .map_err(|errno| CgroupError::errno(None, Step::Place, parent.directory.clone(), errno))
}

/// A cgroup below a threaded one can be made, but not used.
fn check_type(directory: &Directory) -> Result<(), CgroupError> {
    let failed = |problem| CgroupError {
        controller: None,
        step: Step::Make,
        path: directory.path().to_path_buf(),
        problem,
    };
    match directory.read("cgroup.type") {
        Ok(text) if text.trim() == "domain" => Ok(()),
        Ok(text) => Err(failed(Problem::Threaded(text.trim().to_owned()))),
        Err(errno) => Err(failed(Problem::Errno(super::directory::fact(errno)))),
    }
}

/// The numbers of all whole block devices that have a medium; the limits don't take partitions.
fn block_devices(sys: &Path) -> Result<Vec<String>, CgroupError> {
    let directory = sys.join("block");
    let failed = |path: &Path, error: &std::io::Error| {
        let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
        CgroupError::errno(Controller::Io, Step::Place, path, errno)
    };
    let mut devices = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(|error| failed(&directory, &error))? {
        let path = entry.map_err(|error| failed(&directory, &error))?.path();
        // A device can go away while this runs: nothing is left to limit then.
        let (Ok(size), Ok(number)) =
            (std::fs::read_to_string(path.join("size")), std::fs::read_to_string(path.join("dev")))
        else {
            continue;
        };
        if size.trim() != "0" {
            devices.push(number.trim().to_owned());
        }
    }
    devices.sort();
    Ok(devices)
}
