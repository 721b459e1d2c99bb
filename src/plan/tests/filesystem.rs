//! The view of the file system, as steps.

use std::path::{Path, PathBuf};

use super::super::facts::{HostFacts, PathFact};
use super::super::step::{Bind, NewRoot, Step};
use super::wishes::{best_effort, policy};
use super::{Layer, Plan, Status, hosts, layers_of, planned, refused, state, status, steps};
use crate::profile::vocabulary::{Enforcement, Level};

/// The plan of a containerized run with these mounts and nothing else in its root.
#[track_caller]
fn minimal(mounts: &str) -> Plan {
    let none = r#"{"type": "none", "target": "/proc"}, {"type": "none", "target": "/dev"},
        {"type": "none", "target": "/tmp"}, {"type": "none", "target": "/run"}"#;
    let members = format!(r#""filesystem": {{"mounts": [{none}, {mounts}]}}"#);
    planned(&policy(Level::Containerized, &members), &hosts::user())
}

/// The plan of a run that sees the host's tree, with these mounts on top.
#[track_caller]
fn on_host(mounts: &str) -> Plan {
    let members = format!(r#""filesystem": {{"mounts": [{mounts}]}}"#);
    planned(&policy(Level::Namespaced, &members), &hosts::user())
}

fn binds(plan: &Plan) -> Vec<&Bind> {
    steps(plan, |step| match step {
        Step::Bind(bind) if !bind.device => Some(bind),
        _ => None,
    })
}

fn targets(plan: &Plan) -> Vec<String> {
    binds(plan).iter().map(|bind| bind.target.display().to_string()).collect()
}

fn links(plan: &Plan) -> Vec<(String, String)> {
    let text = |path: &Path| path.display().to_string();
    steps(plan, |step| match step {
        Step::Symlink { path, text: says } if !path.starts_with("/dev") => {
            Some((text(path), text(says)))
        }
        _ => None,
    })
}

fn directories(plan: &Plan) -> Vec<String> {
    steps(plan, |step| match step {
        Step::Directory { path, .. } => Some(path.display().to_string()),
        _ => None,
    })
}

fn masked(plan: &Plan) -> Vec<PathBuf> {
    steps(plan, |step| match step {
        Step::Mask { path, layer: Layer::Masks } | Step::ReadOnly { path, layer: Layer::Masks } => {
            Some(path.clone())
        }
        _ => None,
    })
}

#[test]
fn mount_points_are_made_from_the_root_down_each_once() {
    let plan = minimal(r#"{"source": "/srv/data"}, {"source": "/home/me/work"}"#);
    assert_eq!(directories(&plan), ["/home", "/home/me", "/home/me/work", "/srv", "/srv/data"]);
    assert_eq!(targets(&plan), ["/home/me/work", "/srv/data"]);
}

#[test]
fn a_file_is_bound_on_a_file_that_was_made_for_it() {
    let plan = minimal(r#"{"source": "/etc/passwd"}"#);
    assert!(plan.steps.contains(&Step::EmptyFile("/etc/passwd".into())));
    assert_eq!(directories(&plan), ["/etc"]);
}

#[test]
fn a_link_whose_end_is_shown_is_made_again() {
    let plan = minimal(r#"{"source": "/usr"}, {"source": "/bin"}"#);
    assert_eq!(links(&plan), [("/bin".to_owned(), "usr/bin".to_owned())]);
    assert_eq!(targets(&plan), ["/usr"]);
}

#[test]
fn a_link_whose_end_is_not_shown_is_bound() {
    let plan = minimal(r#"{"source": "/bin"}"#);
    assert!(links(&plan).is_empty());
    assert_eq!(targets(&plan), ["/bin"]);
}

#[test]
fn a_link_whose_end_is_covered_or_shown_in_another_way_is_bound() {
    for usr in [
        r#"{"source": "/usr"}, {"type": "tmpfs", "target": "/usr/bin"}"#,
        r#"{"source": "/usr", "noexec": true}"#,
        r#"{"source": "/usr", "access": "rw"}"#,
        r#"{"source": "/opt", "target": "/usr"}"#,
    ] {
        let plan = minimal(&format!(r#"{usr}, {{"source": "/bin"}}"#));
        assert!(links(&plan).is_empty(), "{usr}");
        assert!(targets(&plan).contains(&"/bin".to_owned()), "{usr}");
    }
}

#[test]
fn no_link_is_made_in_a_tree_of_the_hosts() {
    // `/srv/data/current` is a link to `v1` there already.
    let plan = minimal(r#"{"source": "/srv/data"}, {"source": "/srv/data/current"}"#);
    assert!(links(&plan).is_empty());
    assert_eq!(targets(&plan), ["/srv/data", "/srv/data/current"]);
}

#[test]
fn what_is_mounted_below_a_link_makes_no_directory_in_its_place() {
    let plan = minimal(
        r#"{"source": "/usr"}, {"source": "/bin"}, {"source": "/opt", "target": "/bin/tools"}"#,
    );
    assert_eq!(directories(&plan), ["/usr"]);
}

#[test]
fn a_bind_below_a_tmpfs_gets_its_mount_point_there() {
    let plan = minimal(
        r#"{"type": "tmpfs", "target": "/home/me"}, {"source": "/home/me/work", "access": "rw"}"#,
    );
    assert_eq!(directories(&plan), ["/home", "/home/me", "/home/me/work"]);
    let order = steps(&plan, |step| match step {
        Step::Tmpfs(_) => Some("tmpfs"),
        Step::Directory { path, .. } if path.ends_with("work") => Some("work"),
        Step::Bind(_) => Some("bind"),
        _ => None,
    });
    assert_eq!(order, ["tmpfs", "work", "bind"]);
}

#[test]
fn nothing_is_made_below_a_bind() {
    let plan = minimal(
        r#"{"source": "/usr"}, {"source": "/opt", "target": "/usr/local/opt"},
        {"source": "/etc/passwd", "target": "/usr/local/file"}"#,
    );
    assert_eq!(directories(&plan), ["/usr"]);
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::EmptyFile(_))));
}

#[test]
fn a_tmpfs_over_a_bind_takes_directories_again() {
    let plan = minimal(
        r#"{"source": "/usr"}, {"type": "tmpfs", "target": "/usr/local"},
        {"source": "/opt", "target": "/usr/local/opt"}"#,
    );
    assert_eq!(directories(&plan), ["/usr", "/usr/local/opt"]);
}

#[test]
fn a_device_can_be_bound_over_that_of_the_minimal_dev() {
    let members = r#""filesystem": {"mounts": [{"source": "/dev/null"}]}"#;
    planned(&policy(Level::Containerized, members), &hosts::user());
}

#[test]
fn the_hosts_tree_shows_a_read_only_bind_of_itself_already() {
    assert!(targets(&on_host(r#"{"source": "/usr"}, {"source": "/bin"}"#)).is_empty());
    assert_eq!(targets(&on_host(r#"{"source": "/usr", "noexec": true}"#)), ["/usr"]);
    assert_eq!(targets(&on_host(r#"{"source": "/home/me/work", "access": "rw"}"#)).len(), 1);
}

#[test]
fn a_read_only_bind_inside_a_writable_one_is_made() {
    let plan = on_host(r#"{"source": "/home/me", "access": "rw"}, {"source": "/home/me/work"}"#);
    assert_eq!(targets(&plan), ["/home/me", "/home/me/work"]);
    assert!(!binds(&plan)[1].writable);
}

#[test]
fn a_source_that_is_missing_is_refused_unless_it_is_optional() {
    let asked = |optional: bool| {
        let mount = format!(r#"{{"source": "/nowhere", "optional": {optional}}}"#);
        policy(Level::Containerized, &format!(r#""filesystem": {{"mounts": [{mount}]}}"#))
    };
    let refusal = refused(&asked(false), &hosts::root());
    assert_eq!(refusal.problems[0].cause.found, "can't bind /nowhere: ENOENT");
    assert!(targets(&planned(&asked(true), &hosts::root())).is_empty());
}

#[test]
fn a_place_that_the_hosts_tree_does_not_have_is_refused() {
    let asked = |level, mount: &str| {
        let policy = policy(level, &format!(r#""filesystem": {{"mounts": [{mount}]}}"#));
        let mut host = hosts::root();
        host.paths.insert("/srv/new".into(), PathFact::Missing("ENOENT".into()));
        host.paths.insert("/srv/data/new".into(), PathFact::Missing("ENOENT".into()));
        host.paths.insert("/srv/file".into(), PathFact::File { owner: 0 });
        super::build(&policy, &host).map_err(|refusal| {
            assert!(refusal.is_mistake);
            refusal.problems[0].cause.found.clone()
        })
    };
    for mount in [
        r#"{"source": "/usr", "target": "/srv/new"}"#,
        r#"{"source": "/usr", "target": "/srv/file"}"#,
        r#"{"type": "tmpfs", "target": "/srv/new"}"#,
        r#"{"type": "proc", "target": "/srv/new"}"#,
        r#"{"type": "dev", "target": "/srv/new"}"#,
        r#"{"source": "/srv/data", "target": "/mnt"},
           {"type": "tmpfs", "target": "/mnt/new"}"#,
    ] {
        let found = asked(Level::Namespaced, mount).expect_err(mount);
        assert!(found.contains("which the host has to have: /srv/"), "{found}");
    }
    // It is made there.
    let made = r#"{"type": "tmpfs", "target": "/srv"}, {"source": "/usr", "target": "/srv/new"}"#;
    assert!(asked(Level::Namespaced, made).is_ok());
    let bind = r#"{"source": "/usr", "target": "/srv/new"}"#;
    assert!(asked(Level::Containerized, bind).is_ok());
}

#[test]
fn a_root_directory_that_is_none_is_refused_even_best_effort() {
    let members = r#""filesystem": {"root": {"directory": "/nowhere"}}"#;
    let refusal = refused(&best_effort(Level::Containerized, members), &hosts::root());
    assert_eq!(layers_of(&refusal), [Layer::Root]);
}

#[test]
fn a_root_of_its_own_that_is_off_says_that_the_hosts_is_shown() {
    let members = r#""filesystem": {"root": "minimal"}, "enforcement": {"root": "off"}"#;
    let plan = planned(&policy(Level::Containerized, members), &hosts::root());
    assert!(plan.steps.contains(&Step::NewRoot(NewRoot::Tree("/".into()))));
    assert!(state(&plan, Layer::Root).details[0].starts_with("the host's root is shown"));
}

#[test]
fn a_directory_as_the_root_shows_nothing_of_the_hosts_by_itself() {
    let members = r#""filesystem": {"root": {"directory": "/srv/rootfs"}, "mounts": ["/usr"]}"#;
    for level in [Level::Namespaced, Level::Containerized] {
        let plan = planned(&policy(level, members), &hosts::root());
        assert!(plan.steps.contains(&Step::NewRoot(NewRoot::Tree("/srv/rootfs".into()))));
        assert_eq!(binds(&plan).iter().filter(|bind| bind.source == Path::new("/usr")).count(), 1);
    }
}

#[test]
fn a_required_root_without_a_view_is_refused() {
    let mut asked = policy(Level::Containerized, "");
    asked.enforcement.set(Layer::Filesystem, Enforcement::Off);
    assert_eq!(layers_of(&refused(&asked, &hosts::root())), [Layer::Root, Layer::Masks]);
    asked.enforcement.set(Layer::Root, Enforcement::Off);
    asked.enforcement.set(Layer::Masks, Enforcement::Off);
    planned(&asked, &hosts::root());
}

#[test]
fn a_kernel_that_cannot_make_a_tree_read_only_has_each_of_its_mounts_remounted() {
    let mut host = hosts::old_kernel();
    host.mounts = ["/", "/srv", "/srv/deep", "/proc"].map(PathBuf::from).to_vec();
    let plan = planned(&policy(Level::Namespaced, ""), &host);
    let remounted = steps(&plan, |step| match step {
        Step::Remount(remount) if !remount.writable => Some(remount.path.clone()),
        _ => None,
    });
    for mount in &host.mounts {
        assert!(remounted.contains(mount), "{}: {remounted:?}", mount.display());
    }
    assert!(
        steps(&planned(&policy(Level::Namespaced, ""), &hosts::root()), |step| {
            matches!(step, Step::Remount(_)).then_some(())
        })
        .is_empty()
    );
}

#[test]
fn the_mounts_below_what_a_link_leads_to_are_remounted_too() {
    let mut host = hosts::old_kernel();
    host.mounts = ["/", "/usr/lib", "/usr/lib/modules", "/usr/libexec"].map(PathBuf::from).to_vec();
    host.real_paths = [("/lib".into(), "/usr/lib".into())].into();
    let members = r#""filesystem": {"mounts": [{"source": "/lib", "target": "/srv"}]},
        "enforcement": {"landlock": "off"}"#;
    let plan = planned(&policy(Level::Containerized, members), &host);
    let remounted = steps(&plan, |step| match step {
        Step::Remount(remount) => Some(remount.path.clone()),
        _ => None,
    });
    let below: Vec<_> = remounted.iter().filter(|path| path.starts_with("/srv")).collect();
    assert_eq!(below, [Path::new("/srv"), Path::new("/srv/modules")]);
}

#[test]
fn masks_without_proc_and_sys_claim_nothing() {
    let plan = minimal(r#"{"source": "/usr"}"#);
    assert_eq!(status(&plan, Layer::Masks), Status::Off);
    assert_eq!(plan.effective(), Some(Level::Containerized), "there is nothing to mask");
}

#[test]
fn masks_follow_proc_and_sys_to_where_they_are_mounted() {
    let plan = minimal(
        r#"{"type": "proc", "target": "/srv/proc"}, {"source": "/sys", "target": "/srv/sys"}"#,
    );
    let masked = masked(&plan);
    for path in ["/srv/proc/sys", "/srv/proc/kcore", "/srv/sys/firmware"] {
        assert!(masked.contains(&PathBuf::from(path)), "{path}: {masked:?}");
    }
    assert!(masked.iter().all(|path| path.starts_with("/srv")), "{masked:?}");
}

#[test]
fn hidden_paths_are_masked_without_the_layer_masks() {
    let members = r#""filesystem": {"hide": ["/srv/data"]}"#;
    let plan = planned(&policy(Level::Namespaced, members), &hosts::user());
    assert_eq!(status(&plan, Layer::Masks), Status::Off);
    let hidden = Step::Mask { path: "/srv/data".into(), layer: Layer::Filesystem };
    assert!(plan.steps.contains(&hidden));
}

#[test]
fn owners_are_mapped_only_from_outside_of_a_user_namespace() {
    let mount = r#""filesystem": {"mounts": [
        {"source": "/srv/data", "access": "rw", "map_owner": true}]}"#;
    let mapped = |members: &str, host: &HostFacts| {
        let plan = planned(&policy(Level::Containerized, members), host);
        let mapped = binds(&plan).iter().any(|bind| bind.map_owner.is_some());
        (mapped, plan.notes.iter().any(|note| note.contains("belongs to user")))
    };
    assert_eq!(mapped(mount, &hosts::root()), (true, false));
    // It belongs to root, whom the user can't speak for.
    assert_eq!(mapped(mount, &hosts::user()), (false, false));
    let in_namespace = format!(r#"{mount}, "namespaces": {{"user": true}}"#);
    assert_eq!(mapped(&in_namespace, &hosts::root()), (false, true));
    let of_another = HostFacts {
        paths: [("/srv/data".into(), PathFact::Directory { owner: 7 })].into(),
        ..hosts::root()
    };
    assert_eq!(mapped(mount, &of_another), (false, false));
}

#[test]
fn owners_are_mapped_where_only_another_file_system_cant() {
    let mounts = r#""filesystem": {"mounts": [
        {"source": "/srv/data", "access": "ro", "map_owner": true},
        {"source": "/srv/work", "access": "rw", "map_owner": true}]}"#;
    let directory = PathFact::Directory { owner: 0 };
    let host = HostFacts {
        paths: ["/srv/data", "/srv/work"].map(|path| (path.into(), directory.clone())).into(),
        unmappable: ["/srv/data".into()].into(),
        ..hosts::root()
    };
    let plan = planned(&policy(Level::Containerized, mounts), &host);
    let mapped = |path| {
        let bind = binds(&plan).into_iter().find(|bind| bind.source == Path::new(path));
        bind.is_some_and(|bind| bind.map_owner.is_some())
    };
    assert_eq!((mapped("/srv/data"), mapped("/srv/work")), (false, true));
    let told = |path: &str| plan.notes.iter().any(|note| note.starts_with(path));
    assert_eq!((told("/srv/data"), told("/srv/work")), (true, false));
}

#[test]
fn a_directory_between_what_is_writable_and_what_is_hidden_stays_where_it_is() {
    let members = r#""filesystem": {"mounts": [{"source": "/home/me", "access": "rw"}],
        "hide": ["/home/me/work/secret", "/home/me/nowhere/secret"]}"#;
    let plan = planned(&policy(Level::Namespaced, members), &hosts::user());
    assert_eq!(targets(&plan), ["/home/me", "/home/me/work"]);
    assert!(binds(&plan).iter().all(|bind| bind.writable));
    // What can't be written to can't be renamed either.
    let members = r#""filesystem": {"mounts": ["/home/me"], "hide": ["/home/me/work/secret"]}"#;
    let plan = planned(&policy(Level::Containerized, members), &hosts::user());
    assert!(!targets(&plan).contains(&"/home/me/work".to_owned()), "{:?}", targets(&plan));
}
