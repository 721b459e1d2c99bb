//! Whose profiles root takes: everything on the way to one has to be root's.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;

use support::{Caller, UNPRIVILEGED, Workspace, callers, skip};

const PROFILE: &str = r#"{"version": 1, "level": "basic"}"#;

fn root() -> Option<Workspace> {
    if callers().contains(&Caller::Root) {
        return Some(Workspace::new(Caller::Root));
    }
    skip("root", "only root distrusts profiles");
    None
}

fn give_away(path: &Path) {
    lchown(path, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[track_caller]
fn accepted(workspace: &Workspace, profile: &Path) {
    let run = workspace.shell(&["-q", "-p", profile.to_str().unwrap()], "echo ran");
    assert_eq!(run.success(), "ran", "{}", profile.display());
}

/// The profile is refused, and the message names what is to blame.
#[track_caller]
fn refused(workspace: &Workspace, profile: &Path, by: &Path) {
    let run = workspace.shell(&["-q", "-p", profile.to_str().unwrap()], "echo ran");
    assert_eq!((run.code(), run.stdout()), (125, String::new()), "{run:?}");
    let text = format!("refused: {} ", by.display());
    assert!(run.stderr().contains(&text), "{text}: {}", run.stderr());
}

#[test]
fn a_link_that_somebody_else_owns_is_refused_though_it_leads_to_a_file_of_root_s() {
    let Some(workspace) = root() else { return };
    let profile = workspace.write("etc/profile.json", PROFILE);
    let link = workspace.path().join("link.json");
    symlink(&profile, &link).unwrap();
    accepted(&workspace, &link);
    give_away(&link);
    refused(&workspace, &link, &link);
    // Neither does a link of root's help that leads to such a one.
    let first = workspace.path().join("first.json");
    symlink("link.json", &first).unwrap();
    refused(&workspace, &first, &link);
}

#[test]
fn a_link_on_the_way_that_somebody_else_owns_is_refused() {
    let Some(workspace) = root() else { return };
    workspace.write("etc/profiles/profile.json", PROFILE);
    let link = workspace.path().join("link");
    symlink("etc/profiles", &link).unwrap();
    accepted(&workspace, &link.join("profile.json"));
    accepted(&workspace, &link.join("../profiles/profile.json"));
    give_away(&link);
    refused(&workspace, &link.join("profile.json"), &link);
}

#[test]
fn a_link_of_root_s_in_a_directory_that_others_can_write_is_refused() {
    let Some(workspace) = root() else { return };
    let profile = workspace.write("etc/profile.json", PROFILE);
    let shared = workspace.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let link = shared.join("link.json");
    symlink(&profile, &link).unwrap();
    for mode in [0o777, 0o775] {
        set_mode(&shared, mode);
        refused(&workspace, &link, &shared);
    }
    // Nobody but root exchanges what is root's in a sticky directory.
    set_mode(&shared, 0o1777);
    accepted(&workspace, &link);
    give_away(&link);
    refused(&workspace, &link, &link);
}

#[test]
fn a_directory_that_somebody_else_owns_is_refused_wherever_it_is_on_the_way() {
    let Some(workspace) = root() else { return };
    let profile = workspace.write("outer/inner/profile.json", PROFILE);
    let outer = workspace.path().join("outer");
    give_away(&outer);
    refused(&workspace, &profile, &outer);
    // Also where the way leads out of it again.
    let other = workspace.write("other.json", PROFILE);
    accepted(&workspace, &other);
    refused(&workspace, &outer.join("../other.json"), &outer);
    // And where it is only the working directory.
    let mut call = workspace.ringfence(["run", "-q", "-p", "./profile.json", "--", "true"]);
    call.command.current_dir(outer.join("inner"));
    assert_eq!(call.finish().code(), 125);
}

#[test]
fn what_a_profile_refers_to_is_looked_at_like_itself() {
    let Some(workspace) = root() else { return };
    let base = workspace.write("etc/base.json", PROFILE);
    let link = workspace.path().join("etc/link.json");
    symlink(&base, &link).unwrap();
    let extending =
        workspace.write("etc/extending.json", r#"{"version": 1, "extends": "./link.json"}"#);
    // A host that has no such user can't enforce it, and looks at what takes its place.
    let standing_in = workspace.write(
        "etc/otherwise.json",
        r#"{"version": 1, "level": "basic", "user": "no-such-user", "otherwise": "./link.json"}"#,
    );
    accepted(&workspace, &extending);
    accepted(&workspace, &standing_in);
    give_away(&link);
    refused(&workspace, &extending, &link);
    refused(&workspace, &standing_in, &link);
}

#[test]
fn profiles_found_by_name_are_looked_at_like_others() {
    let Some(workspace) = root() else { return };
    let profile = workspace.write("profile.json", PROFILE);
    let place = workspace.home().join(".config/ringfence/profiles");
    std::fs::create_dir_all(&place).unwrap();
    symlink(&profile, place.join("named.json")).unwrap();
    accepted(&workspace, Path::new("named"));
    give_away(&place.join("named.json"));
    refused(&workspace, Path::new("named"), &place.join("named.json"));
}

#[test]
fn a_user_takes_any_profile_that_can_be_read() {
    let workspace = Workspace::new(Caller::User);
    let profile = workspace.write("shared/profile.json", PROFILE);
    set_mode(&profile, 0o666);
    set_mode(profile.parent().unwrap(), 0o777);
    symlink("shared/profile.json", workspace.path().join("link.json")).unwrap();
    accepted(&workspace, &workspace.path().join("link.json"));
}
