//! Merging does what `docs/profiles.md` says, rule by rule; compared on what profiles say when
//! they are written, in which the code that merges has no part.

use serde_json::{Map, Value};

use super::profile_text::{one_source, without_places};
use super::{Choices, profile_text, profiles};
use crate::profile::layering::{merge, normalized, overlay};
use crate::profile::model::Profile;
use crate::profile::parse::parse;

/// What replaces the earlier value as a whole: single values, and statements about the whole.
const REPLACED: [&str; 37] = [
    "level",
    "user.uid",
    "user.gid",
    "user.groups",
    "capabilities.keep",
    "filesystem.root",
    "network.mode",
    "limits.memory",
    "limits.swap",
    "limits.processes",
    "limits.cpus",
    "limits.cpu_weight",
    "limits.cpuset",
    "limits.cpu_time",
    "limits.wall_time",
    "limits.open_files",
    "limits.file_size",
    "limits.output",
    "limits.output_overflow",
    "limits.stack",
    "limits.core",
    "limits.nice",
    "limits.io.read_bytes",
    "limits.io.write_bytes",
    "limits.io.read_operations",
    "limits.io.write_operations",
    "landlock.scopes",
    "environment.clear",
    "process.cwd",
    "process.hostname",
    "process.umask",
    "process.stdin",
    "process.session",
    "process.grace",
    "name",
    "description",
    "version",
];

const BY_KEY: [&str; 3] = ["enforcement", "namespaces", "environment.set"];

/// What is appended, without what is there already.
const APPENDED: [&str; 9] = [
    "filesystem.hide",
    "landlock.read",
    "landlock.write",
    "landlock.execute",
    "landlock.connect_tcp",
    "landlock.bind_tcp",
    "seccomp.rules",
    "environment.pass",
    "process.descriptors",
];

pub(super) fn target(data: &[u8]) {
    let mut choices = Choices::new(data);
    let Some(base) = profile(&mut choices) else { return };
    let Some(over) = profile(&mut choices) else { return };
    let merged = merge(base.clone(), over.clone());
    profile_text::writes_as_itself(&merged);
    judge(&written(&base), &written(&over), &written(&merged));
    // An overlay differs in what the profile calls itself, and in nothing else.
    let mut overlaid = overlay(base.clone(), over.clone());
    assert_eq!(overlaid.name, over.name.clone().or_else(|| base.name.clone()));
    assert_eq!(overlaid.description, over.description.clone().or(base.description.clone()));
    overlaid.name.clone_from(&merged.name);
    overlaid.description.clone_from(&merged.description);
    assert_eq!(without_places(&overlaid), without_places(&merged));
    // Said twice is said once.
    assert_eq!(
        merge(merged.clone(), over.clone()),
        merge(merge(base.clone(), over.clone()), over.clone())
    );
    let Some(third) = profile(&mut choices) else { return };
    associates(base, over, third);
}

/// Of three, it is the same whichever two are laid on each other first.
fn associates(base: Profile, over: Profile, third: Profile) {
    let left = merge(merge(base.clone(), over.clone()), third.clone());
    let right = merge(base, merge(over, third));
    let (mut left, mut right) = (written(&left), written(&right));
    // Where all names of an `allow` were taken back, this stands for it, be it needed later or not.
    let eperm = Value::from("EPERM");
    if [&left, &right].iter().any(|one| at(one, "seccomp.default") == Some(&eperm)) {
        for one in [&mut left, &mut right] {
            one["seccomp"].as_object_mut().map(|seccomp| seccomp.remove("default"));
        }
    }
    // The order of names says nothing, and depends on when some were taken back.
    for one in [&mut left, &mut right] {
        for key in ["/seccomp/allow", "/seccomp/deny"] {
            if let Some(names) = one.pointer_mut(key).and_then(Value::as_array_mut) {
                names.sort_by_key(ToString::to_string);
            }
        }
    }
    assert_eq!(left, right);
}

fn profile(choices: &mut Choices<'_>) -> Option<Profile> {
    let (sources, id) = one_source(&profiles::profile(choices, false));
    parse(&sources, id).ok()
}

fn written(profile: &Profile) -> Value {
    serde_json::from_str(&profile.to_json()).expect("a profile is written as JSON")
}

/// What is at a path of keys.
fn at<'a>(profile: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(profile, |value, key| value.get(key))
}

fn list(profile: &Value, path: &str) -> Vec<Value> {
    at(profile, path).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn judge(base: &Value, over: &Value, merged: &Value) {
    for path in REPLACED {
        let own = ["name", "description"].contains(&path);
        let earlier = if own { None } else { at(base, path) };
        assert_eq!(at(merged, path), at(over, path).or(earlier), "{path}");
    }
    for path in BY_KEY {
        let map = |profile| at(profile, path).and_then(Value::as_object).cloned();
        let mut expected: Map<String, Value> = map(base).unwrap_or_default();
        expected.extend(map(over).unwrap_or_default());
        assert_eq!(map(merged).unwrap_or_default(), expected, "{path}");
    }
    for path in APPENDED {
        let expected = appended(list(base, path), list(over, path));
        assert_eq!(list(merged, path), expected, "{path}");
        // No list isn't an empty one.
        let said = at(base, path).is_some() || at(over, path).is_some();
        assert_eq!(at(merged, path).is_some(), said, "{path}");
    }
    calls(base, over, merged);
    mounts(base, over, merged);
}

fn appended(base: Vec<Value>, over: Vec<Value>) -> Vec<Value> {
    let mut both = Vec::new();
    for value in base.into_iter().chain(over) {
        if !both.contains(&value) {
            both.push(value);
        }
    }
    both
}

/// A name in a later `allow` leaves the inherited `deny`, and the reverse. An `allow` of which
/// nothing is left isn't one that was never written, in whose place the usual group is allowed.
fn calls(base: &Value, over: &Value, merged: &Value) {
    for (path, against) in [("seccomp.allow", "seccomp.deny"), ("seccomp.deny", "seccomp.allow")] {
        let mut earlier = list(base, path);
        let taken_back = list(over, against);
        earlier.retain(|name| !taken_back.contains(name));
        assert_eq!(list(merged, path), appended(earlier, list(over, path)), "{path}");
    }
    let said = at(over, "seccomp.default").or_else(|| at(base, "seccomp.default"));
    let emptied = at(base, "seccomp.allow").is_some() && at(merged, "seccomp.allow").is_none();
    let eperm = Value::from("EPERM");
    let expected = said.or(emptied.then_some(&eperm));
    assert_eq!(at(merged, "seccomp.default"), expected, "seccomp.default");
}

/// Of two mounts with the same target the later stays, at its own place.
fn mounts(base: &Value, over: &Value, merged: &Value) {
    let target = |mount: &Value| normalized(mount["target"].as_str().expect("a target"));
    let later = list(over, "filesystem.mounts");
    let taken: Vec<String> = later.iter().map(target).collect();
    let mut expected = list(base, "filesystem.mounts");
    expected.retain(|mount| !taken.contains(&target(mount)));
    expected.extend(later);
    assert_eq!(list(merged, "filesystem.mounts"), expected, "filesystem.mounts");
}
