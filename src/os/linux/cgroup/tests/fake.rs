//! Hosts that aren't this one, as directories.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::os::linux::cgroup::{Cgroup, Effort, Layout, Problem, Request, Roots, Step, probe};
use crate::plan::facts::Errno;
use crate::plan::facts::cgroup::{
    CgroupFacts, CgroupLayout, Controller, Missing, NO_SWAP, PlaceKind, Support,
};
use crate::policy::limits::TreeLimits;

/// A directory that stands in for `/`.
struct Fake {
    directory: TempDir,
    proc_cgroup: String,
    mountinfo: String,
}

impl Fake {
    /// The kernel's view: we are in `own` of a version 2 hierarchy, alone.
    fn v2(own: &str) -> Self {
        let fake = Self::bare(format!("0::{own}\n"));
        let mount = fake.path("cg");
        fs::create_dir_all(mount.join(own.trim_start_matches('/'))).expect("directories");
        let mountinfo = format!("30 1 0:9 / {} rw - cgroup2 cgroup2 rw\n", mount.display());
        let fake = Self { mountinfo, ..fake };
        let mut cgroup = Path::new(own);
        while cgroup != Path::new("/") {
            fake.cgroup(cgroup, "");
            fake.write(cgroup, "cgroup.events", "populated 1\n");
            cgroup = cgroup.parent().unwrap_or(Path::new("/"));
        }
        fake.cgroup(Path::new("/"), "memory pids cpu\n");
        fake.write(Path::new(own), "cgroup.procs", &format!("{}\n", std::process::id()));
        fake
    }

    fn bare(proc_cgroup: String) -> Self {
        let directory = TempDir::new().expect("a directory");
        fs::create_dir_all(directory.path().join("proc/self")).expect("directories");
        fs::create_dir_all(directory.path().join("sys/block")).expect("directories");
        Self { directory, proc_cgroup, mountinfo: String::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn cgroup(&self, cgroup: &Path, enabled: &str) {
        self.write(cgroup, "cgroup.controllers", "cpuset cpu io memory hugetlb pids\n");
        self.write(cgroup, "cgroup.subtree_control", enabled);
        self.write(cgroup, "cgroup.procs", "");
    }

    fn write(&self, cgroup: &Path, file: &str, text: &str) {
        let cgroup = cgroup.strip_prefix("/").unwrap_or(cgroup);
        fs::write(self.path("cg").join(cgroup).join(file), text).expect("a file");
    }

    fn swaps(&self, lines: &str) {
        let text = format!("Filename\tType\tSize\tUsed\tPriority\n{lines}");
        fs::write(self.path("proc/swaps"), text).expect("a file");
    }

    fn roots(&self) -> Roots {
        Roots { proc: self.path("proc"), sys: self.path("sys") }
    }

    fn facts(&self) -> CgroupFacts {
        let layout = Layout::detect(&self.proc_cgroup, &self.mountinfo);
        probe(&layout, &self.roots(), Effort::Look)
    }
}

fn kind(facts: &CgroupFacts) -> Option<PlaceKind> {
    facts.place.as_ref().map(|place| place.kind)
}

#[test]
fn in_the_real_root_a_child_of_it_is_made() {
    let facts = Fake::v2("/").facts();
    assert_eq!(facts.layout, CgroupLayout::V2);
    assert_eq!(kind(&facts), Some(PlaceKind::Root));
    assert_eq!(facts.supports.memory, Support::V2);
}

#[test]
fn beside_a_service_a_sibling_is_made() {
    let fake = Fake::v2("/system.slice/a.service");
    fake.write(Path::new("/system.slice"), "cgroup.subtree_control", "memory pids\n");
    let facts = fake.facts();
    assert_eq!(kind(&facts), Some(PlaceKind::Sibling));
    let place = facts.place.expect("a place");
    assert_eq!(place.parent.directory, fake.path("cg/system.slice"));
    assert_eq!(place.parent.cgroup, "/system.slice");
}

#[test]
fn at_the_root_of_a_cgroup_namespace_alone_our_own_cgroup_is_divided() {
    let fake = Fake::v2("/");
    fake.write(Path::new("/"), "cgroup.events", "populated 1\n");
    assert_eq!(kind(&fake.facts()), Some(PlaceKind::Delegated));
}

#[test]
fn with_company_at_the_root_of_a_cgroup_namespace_only_killing_is_left() {
    let fake = Fake::v2("/");
    fake.write(Path::new("/"), "cgroup.events", "populated 1\n");
    let procs = format!("1\n{}\n", std::process::id());
    fake.write(Path::new("/"), "cgroup.procs", &procs);
    let facts = fake.facts();
    assert_eq!(kind(&facts), Some(PlaceKind::Bare));
    assert_eq!(facts.supports.kill, Support::V2);
    let busy = Missing::Busy { path: fake.path("cg"), others: 1 };
    assert_eq!(facts.supports.memory, Support::Missing(busy.clone()));
    assert!(busy.remedy().contains("Delegate=yes"));
}

#[test]
fn a_controller_that_the_place_lacks_is_missing_by_name_of_the_file() {
    let fake = Fake::v2("/");
    fake.write(Path::new("/"), "cgroup.controllers", "cpu pids\n");
    let facts = fake.facts();
    let path = fake.path("cg/cgroup.controllers");
    assert_eq!(facts.supports.memory, Support::Missing(Missing::NotOffered { path }));
    assert_eq!(facts.supports.processes, Support::V2);
}

#[test]
fn without_any_hierarchy_everything_is_missing() {
    let facts = Fake::bare("0::/\n".into()).facts();
    assert_eq!(facts.layout, CgroupLayout::None);
    assert_eq!(facts.place, None);
    for controller in Controller::ALL {
        assert_eq!(*facts.support(controller), Support::Missing(Missing::NotMounted));
    }
}

fn v1_memory() -> Fake {
    let fake = Fake::bare("4:memory:/\n0::/\n".into());
    fs::create_dir(fake.path("cg")).expect("a directory");
    let mountinfo =
        format!("30 1 0:9 / {} rw - cgroup cgroup rw,memory\n", fake.path("cg").display());
    Fake { mountinfo, ..fake }
}

#[test]
fn swap_without_accounting_is_missing_unless_the_host_has_none() {
    let fake = v1_memory();
    fake.swaps("/dev/sda2\tpartition\t1\t0\t-2\n");
    let path = fake.path("cg/memory.memsw.limit_in_bytes");
    assert_eq!(fake.facts().supports.swap, Support::Missing(Missing::NoFile { path }));
    fake.swaps("");
    assert_eq!(fake.facts().supports.swap, Support::HeldByHost { why: NO_SWAP });
}

#[test]
fn version_1_cannot_limit_swap_alone() {
    let fake = v1_memory();
    fake.swaps("/dev/sda2\tpartition\t1\t0\t-2\n");
    fake.write(Path::new("/"), "memory.memsw.limit_in_bytes", "");
    let alone = TreeLimits { swap: Some(0), ..TreeLimits::default() };
    let missing = fake.facts().missing_for(&alone);
    assert_eq!(missing, [(Controller::Swap, Missing::SwapAlone)]);
    let both = TreeLimits { memory: Some(1), ..alone };
    assert_eq!(fake.facts().missing_for(&both), []);
}

#[test]
fn a_limit_that_the_facts_lack_is_an_error_before_anything_is_made() {
    let fake = v1_memory();
    let limits = TreeLimits { processes: Some(1), ..TreeLimits::default() };
    let request = Request {
        limits: &limits,
        extra_processes: 0,
        accounting: true,
        cpu_time: false,
        kill: true,
    };
    let error = Cgroup::create(&fake.facts(), &request, &fake.roots()).expect_err("no pids");
    assert_eq!(error.controller, Some(Controller::Processes));
    assert_eq!(error.problem, Problem::Missing(Missing::NotMounted));
    assert_eq!(fs::read_dir(fake.path("cg")).expect("readable").count(), 0);
}

#[test]
fn a_control_file_that_is_not_there_is_an_error_that_leaves_nothing_behind() {
    let fake = v1_memory();
    let limits = TreeLimits { memory: Some(1), ..TreeLimits::default() };
    let request = Request {
        limits: &limits,
        extra_processes: 0,
        accounting: false,
        cpu_time: false,
        kill: true,
    };
    let error = Cgroup::create(&fake.facts(), &request, &fake.roots()).expect_err("no file");
    assert_eq!((error.step, error.problem.clone()), (Step::Write, Problem::Errno(Errno(2))));
    assert!(error.path.ends_with("memory.limit_in_bytes"), "{error}");
    assert_eq!(fs::read_dir(fake.path("cg")).expect("readable").count(), 0);
}

#[test]
fn what_cannot_be_written_is_named_with_the_refusal() {
    let fake = v1_memory();
    fs::remove_dir(fake.path("cg")).expect("a directory");
    let missing = Missing::NotWritable { path: fake.path("cg"), errno: Errno(2) };
    assert_eq!(fake.facts().supports.memory, Support::Missing(missing));
}

#[test]
fn a_controller_that_no_hierarchy_has_is_not_blamed_on_the_place() {
    let fake = Fake::v2("/");
    fake.write(Path::new("/"), "cgroup.events", "populated 1\n");
    fake.write(Path::new("/"), "cgroup.procs", "1\n2\n");
    fake.write(Path::new("/"), "cgroup.controllers", "hugetlb pids\n");
    let supports = fake.facts().supports;
    let path = fake.path("cg/cgroup.controllers");
    assert_eq!(supports.memory, Support::Missing(Missing::NotOffered { path }));
    assert!(matches!(supports.processes, Support::Missing(Missing::Busy { others: 2, .. })));
}
