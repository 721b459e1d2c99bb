//! One test for each rule of the order: what the kernel forces, or what a later step still needs.
//!
//! Each asks it of every step there is, so that a new step can't slip past a rule.

use std::path::PathBuf;

use super::{Actor, arrange, rank};
use crate::plan::facts::Resource;
use crate::plan::step::{Bind, IdMap, Ids, LandlockRules, NewRoot, Remount, Step, Tmpfs};
use crate::policy::limits::TreeLimits;
use crate::policy::seccomp::SeccompPolicy;
use crate::profile::vocabulary::{Layer, Stdin};

const IDS: Ids = Ids { uid: 1, gid: 1 };

/// One step of every kind, in no useful order.
fn every_step() -> Vec<Step> {
    let path = || PathBuf::from("/x");
    let seccomp = |layer| Step::Seccomp { policy: SeccompPolicy::guard(), layer };
    vec![
        Step::Exec,
        seccomp(Layer::Seccomp),
        Step::Verify,
        Step::ResetSignals,
        Step::CloseDescriptors(Vec::new()),
        Step::Landlock(LandlockRules::default()),
        Step::FindProgram,
        Step::ChangeDirectory(path()),
        Step::SetUmask(0),
        Step::SetRlimit { resource: Resource::Core, limit: 0, layer: Layer::Rlimits },
        Step::SetAffinity(Vec::new()),
        Step::SetNice(0),
        Step::Stdio(Stdin::Null),
        Step::TargetGroup,
        Step::TakeTerminal,
        Step::OpenTerminal(None),
        Step::StartTarget,
        Step::NoNewPrivs,
        Step::SetCapabilities(0),
        Step::SetIds(IDS),
        Step::SetGroups(Vec::new()),
        Step::LockSecurebits(0),
        Step::DropBoundingSet(0),
        Step::LoopbackUp,
        Step::JoinNetwork,
        Step::SetHostname(String::new()),
        Step::EnterRoot,
        Step::Seal(path()),
        Step::Mask { path: path(), layer: Layer::Masks },
        Step::ReadOnly { path: path(), layer: Layer::Masks },
        Step::DevPts(path()),
        Step::Proc(path()),
        Step::Tmpfs(Tmpfs {
            target: path(),
            size: 0,
            mode: 0,
            owner: None,
            executable: false,
            optional: false,
        }),
        Step::Bind(Bind {
            source: path(),
            target: path(),
            writable: false,
            executable: false,
            device: false,
            map_owner: None,
            no_links_below: None,
            may_be_root: false,
        }),
        Step::Symlink { path: path(), text: path() },
        Step::EmptyFile(path()),
        Step::Directory { path: path(), mode: 0 },
        Step::Remount(Remount { path: path(), writable: false, executable: false, device: false }),
        Step::NewRoot(NewRoot::Empty),
        Step::PrivateMounts,
        Step::AdoptIds(IDS),
        Step::NewCgroupNamespace,
        Step::JoinCgroup,
        Step::NewSession,
        Step::BeginNetwork,
        Step::MapIds(IdMap { inside: IDS, outside: IDS, keep_setgroups: false }),
        Step::Clone(Vec::new()),
        Step::CreateCgroup(TreeLimits::default()),
    ]
}

/// The number of a step's kind. A new kind doesn't compile until it is listed here, which is the
/// reminder to add it to [`every_step`].
fn kind(step: &Step) -> usize {
    match step {
        Step::CreateCgroup(_) => 0,
        Step::Clone(_) => 1,
        Step::MapIds(_) => 2,
        Step::NewSession => 3,
        Step::JoinCgroup => 4,
        Step::NewCgroupNamespace => 5,
        Step::AdoptIds(_) => 6,
        Step::PrivateMounts => 7,
        Step::NewRoot(_) => 8,
        Step::Remount(_) => 9,
        Step::Directory { .. } => 10,
        Step::EmptyFile(_) => 11,
        Step::Symlink { .. } => 12,
        Step::Bind(_) => 13,
        Step::Tmpfs(_) => 14,
        Step::Proc(_) => 15,
        Step::DevPts(_) => 16,
        Step::ReadOnly { .. } => 17,
        Step::Mask { .. } => 18,
        Step::Seal(_) => 19,
        Step::EnterRoot => 20,
        Step::SetHostname(_) => 21,
        Step::LoopbackUp => 22,
        Step::DropBoundingSet(_) => 23,
        Step::LockSecurebits(_) => 24,
        Step::SetGroups(_) => 25,
        Step::SetIds(_) => 26,
        Step::SetCapabilities(_) => 27,
        Step::NoNewPrivs => 28,
        Step::StartTarget => 29,
        Step::TargetGroup => 30,
        Step::Stdio(_) => 31,
        Step::SetNice(_) => 32,
        Step::SetAffinity(_) => 33,
        Step::SetRlimit { .. } => 34,
        Step::SetUmask(_) => 35,
        Step::ChangeDirectory(_) => 36,
        Step::FindProgram => 37,
        Step::Landlock(_) => 38,
        Step::CloseDescriptors(_) => 39,
        Step::ResetSignals => 40,
        Step::Verify => 41,
        Step::Seccomp { .. } => 42,
        Step::Exec => 43,
        Step::BeginNetwork => 44,
        Step::JoinNetwork => 45,
        Step::OpenTerminal(_) => 46,
        Step::TakeTerminal => 47,
    }
}

const KINDS: usize = 48;

fn arranged() -> Vec<Step> {
    let mut steps = every_step();
    arrange(&mut steps);
    steps
}

/// Every step that `before` picks comes before every step that `after` picks.
#[track_caller]
fn comes_before(before: fn(&Step) -> bool, after: fn(&Step) -> bool) {
    let steps = arranged();
    let last = steps.iter().rposition(before).expect("a step is picked");
    let first = steps.iter().position(after).expect("a step is picked");
    assert!(last < first, "{:?} comes after {:?}", steps[last], steps[first]);
    assert!(rank(&steps[last]) < rank(&steps[first]), "by chance: one rank");
}

fn mounts(step: &Step) -> bool {
    (7..=20).contains(&kind(step))
}

/// Steps that need a capability, of the host's or of the new user namespace.
fn needs_capability(step: &Step) -> bool {
    mounts(step)
        || matches!(
            step,
            Step::NewCgroupNamespace
                | Step::AdoptIds(_)
                | Step::SetHostname(_)
                | Step::BeginNetwork
                | Step::JoinNetwork
                | Step::LoopbackUp
                | Step::SetNice(_)
                | Step::SetAffinity(_)
                | Step::DropBoundingSet(_)
                | Step::LockSecurebits(_)
                | Step::SetGroups(_)
                | Step::SetIds(_)
        )
}

#[test]
fn every_kind_of_step_is_in_these_tests() {
    let mut kinds: Vec<_> = every_step().iter().map(kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, (0..KINDS).collect::<Vec<_>>());
}

#[test]
fn every_kind_of_step_has_a_rank_of_its_own_or_shares_it_with_its_like() {
    let steps = arranged();
    for pair in steps.windows(2) {
        if rank(&pair[0]) == rank(&pair[1]) {
            let like = mounts(&pair[0]) && mounts(&pair[1]);
            assert!(like, "{:?} and {:?} in any order", pair[0], pair[1]);
        }
    }
}

#[test]
fn steps_of_one_rank_keep_the_order_they_were_planned_in() {
    let directory = |name: &str| Step::Directory { path: name.into(), mode: 0 };
    let wanted =
        [directory("/b"), Step::EmptyFile("/b/c".into()), directory("/a"), Step::Proc("/a".into())];
    let mut steps = wanted.to_vec();
    steps.insert(2, Step::Exec);
    steps.insert(0, Step::Verify);
    arrange(&mut steps);
    assert_eq!(steps[..4], wanted);
}

#[test]
fn the_cgroup_is_made_before_the_clone_that_is_born_in_it() {
    comes_before(|s| matches!(s, Step::CreateCgroup(_)), |s| matches!(s, Step::Clone(_)));
}

#[test]
fn the_cgroup_is_joined_before_its_namespace_is_made() {
    comes_before(|s| *s == Step::JoinCgroup, |s| *s == Step::NewCgroupNamespace);
}

#[test]
fn ids_are_mapped_before_init_does_anything() {
    comes_before(|s| matches!(s, Step::MapIds(_)), |s| s.actor() > Actor::Parent);
}

#[test]
fn the_network_namespace_is_made_beside_the_mounts_and_joined_after_them() {
    comes_before(|s| *s == Step::BeginNetwork, mounts);
    comes_before(mounts, |s| *s == Step::JoinNetwork);
    comes_before(|s| *s == Step::JoinNetwork, |s| *s == Step::LoopbackUp);
}

#[test]
fn mapped_ids_are_adopted_before_anything_is_made() {
    comes_before(|s| matches!(s, Step::AdoptIds(_)), mounts);
}

#[test]
fn mounts_are_private_before_anything_is_mounted() {
    comes_before(|s| *s == Step::PrivateMounts, |s| mounts(s) && *s != Step::PrivateMounts);
}

#[test]
fn masks_cover_what_was_mounted_before() {
    comes_before(
        |s| matches!(s, Step::Bind(_) | Step::Tmpfs(_) | Step::Proc(_)),
        |s| matches!(s, Step::Mask { .. } | Step::ReadOnly { .. }),
    );
}

#[test]
fn the_root_is_sealed_when_nothing_is_made_in_it_any_more_and_then_entered() {
    comes_before(|s| mounts(s) && kind(s) < 19, |s| matches!(s, Step::Seal(_)));
    comes_before(|s| matches!(s, Step::Seal(_)), |s| *s == Step::EnterRoot);
}

#[test]
fn the_root_is_entered_before_paths_mean_the_sandbox() {
    comes_before(
        |s| *s == Step::EnterRoot,
        |s| matches!(s, Step::ChangeDirectory(_) | Step::FindProgram | Step::Landlock(_)),
    );
}

#[test]
fn groups_change_before_the_ids() {
    comes_before(|s| matches!(s, Step::SetGroups(_)), |s| matches!(s, Step::SetIds(_)));
}

#[test]
fn bounding_set_and_securebits_change_before_the_ids() {
    comes_before(
        |s| matches!(s, Step::DropBoundingSet(_) | Step::LockSecurebits(_)),
        |s| matches!(s, Step::SetIds(_)),
    );
}

#[test]
fn the_bounding_set_is_emptied_before_the_securebits_are_locked() {
    comes_before(
        |s| matches!(s, Step::DropBoundingSet(_)),
        |s| matches!(s, Step::LockSecurebits(_)),
    );
}

#[test]
fn capabilities_go_after_the_last_step_that_needs_one() {
    comes_before(needs_capability, |s| matches!(s, Step::SetCapabilities(_)));
}

#[test]
fn a_terminal_is_opened_as_the_sandboxed_user_in_the_finished_root() {
    comes_before(
        |s| mounts(s) || matches!(s, Step::SetIds(_)),
        |s| matches!(s, Step::OpenTerminal(_)),
    );
}

#[test]
fn a_terminal_is_taken_by_a_group_that_is_there_and_not_instead_of_a_closed_stream() {
    comes_before(|s| *s == Step::TargetGroup, |s| *s == Step::TakeTerminal);
    comes_before(|s| *s == Step::TakeTerminal, |s| matches!(s, Step::Stdio(_)));
}

#[test]
fn no_new_privs_comes_before_landlock_and_seccomp() {
    comes_before(
        |s| *s == Step::NoNewPrivs,
        |s| matches!(s, Step::Landlock(_) | Step::Seccomp { .. }),
    );
}

#[test]
fn landlock_comes_after_every_mount_and_after_the_root_is_entered() {
    comes_before(mounts, |s| matches!(s, Step::Landlock(_)));
}

#[test]
fn the_program_is_looked_for_before_landlock_could_hide_why_it_is_not_found() {
    comes_before(|s| *s == Step::FindProgram, |s| matches!(s, Step::Landlock(_)));
}

#[test]
fn what_the_kernel_says_is_read_when_nothing_but_the_filter_is_left() {
    comes_before(|s| kind(s) < 41 || kind(s) > 43, |s| *s == Step::Verify);
    comes_before(|s| *s == Step::Verify, |s| matches!(s, Step::Seccomp { .. }));
}

#[test]
fn seccomp_is_last_but_for_exec() {
    comes_before(|s| kind(s) < 42 || kind(s) > 43, |s| matches!(s, Step::Seccomp { .. }));
    assert_eq!(arranged().last(), Some(&Step::Exec));
}

#[test]
fn limits_of_each_process_are_the_commands_and_not_inits() {
    let limit = Step::SetRlimit { resource: Resource::Processes, limit: 1, layer: Layer::Cgroup };
    assert_eq!(limit.actor(), Actor::Target);
}

#[test]
fn the_parent_makes_init_does_the_privileged_part_and_the_command_the_rest() {
    for step in every_step() {
        let wanted = match kind(&step) {
            0..=2 => Actor::Parent,
            3..=29 | 32 | 33 | 44 | 45 | 46 => Actor::Init,
            _ => Actor::Target,
        };
        assert_eq!(step.actor(), wanted, "{step:?}");
    }
}

#[test]
fn no_step_goes_back_to_an_actor_before() {
    let actors: Vec<_> = arranged().iter().map(Step::actor).collect();
    assert!(actors.is_sorted());
    let last_of_init = arranged().iter().rposition(|s| s.actor() == Actor::Init);
    let start = arranged().iter().position(|s| *s == Step::StartTarget);
    assert_eq!(last_of_init, start, "init starts the command when it is done");
}
