//! What a profile says without effect: legal, but surely not meant.
//!
//! Only what is certain on every host is told; a guess would teach people to pass over warnings.

use std::path::Path;

use super::Policy;
use super::asks::{Ask, asks};
use super::filesystem::{Filesystem, MountKind, Root};
use crate::profile::diagnostic::{Diagnostic, quoted};
use crate::profile::model::Profile;
use crate::profile::vocabulary::{Access, Enforcement, Layer};

/// Looks for what has no effect in a profile (merged, but without the defaults of its level), and
/// the policy that it was made into.
#[must_use]
pub fn lint(profile: &Profile, policy: &Policy) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    switched_off(profile, policy, &mut warnings);
    dependent(profile, policy, &mut warnings);
    if policy.enforcement.wants(Layer::Filesystem) {
        landlock_paths(profile, policy, &mut warnings);
        unseen(profile, policy, &mut warnings);
    }
    environment(profile, &mut warnings);
    warnings
}

/// Sections whose layer the same profile switches off, or its level doesn't include.
fn switched_off(profile: &Profile, policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let in_vain = |ask: &Ask| !ask.has_effect(&policy.enforcement);
    for ask in asks(profile).into_iter().filter(in_vain) {
        let (key, layer) = (&ask.key, ask.layer());
        let message = format!("{key} has no effect: the layer {layer} is off");
        let help = format!(
            "take it away, or add \"enforcement\": {{\"{layer}\": \"required\"}}; the level {} \
             is the first with that layer",
            layer.level()
        );
        warnings.push(Diagnostic::new(message, ask.origin).help(help));
    }
}

/// Layers that are asked for by name, without the layer that they stand on.
fn dependent(profile: &Profile, policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    for (layer, base) in [
        (Layer::Root, Layer::Filesystem),
        (Layer::Masks, Layer::Filesystem),
        (Layer::Filesystem, Layer::MountNamespace),
    ] {
        if let Some(setting) = profile.enforcement.get(&layer)
            && setting.value != Enforcement::Off
            && !policy.enforcement.wants(base)
        {
            let message = format!("the layer {layer} needs the layer {base}, which is off");
            let help = format!("add \"{base}\": \"{}\" to enforcement", setting.value);
            warnings.push(Diagnostic::new(message, setting.origin).help(help));
        }
    }
}

/// Landlock rules for what nobody sees, or nothing can change.
fn landlock_paths(profile: &Profile, policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let (written, rules) = (&profile.landlock, &policy.landlock);
    let view = &policy.filesystem;
    let lists = [
        ("read", &written.read, &rules.read),
        ("write", &written.write, &rules.write),
        ("execute", &written.execute, &rules.execute),
    ];
    for (list, written, paths) in lists {
        for (written, path) in written.iter().zip(paths) {
            let shown = quoted(&path.to_string_lossy());
            if !touches(view, path) {
                let message = format!("landlock.{list}: no mount shows {shown} in the sandbox");
                let help = "add it to filesystem.mounts; Landlock only takes rights away";
                warnings.push(Diagnostic::new(message, written.origin).help(help));
            } else if list == "write" && is_read_only(view, path) {
                let message = format!("landlock.write: {shown} is mounted read-only");
                let help = "mount it with \"access\": \"rw\"; Landlock only takes rights away";
                warnings.push(Diagnostic::new(message, written.origin).help(help));
            }
        }
    }
}

/// Whether the path, or something below it, is to be seen.
fn touches(view: &Filesystem, path: &Path) -> bool {
    view.root != Root::Minimal
        || view.mount_above(path).is_some()
        || view.mounts.iter().any(|mount| mount.target.starts_with(path))
}

fn is_read_only(view: &Filesystem, path: &Path) -> bool {
    let writable = |kind: &MountKind| match kind {
        MountKind::Bind { access, .. } => *access == Access::ReadWrite,
        MountKind::Tmpfs { .. } | MountKind::Proc | MountKind::Dev => true,
    };
    let below = view.mounts.iter().filter(|mount| mount.target.starts_with(path));
    !below.map(|mount| &mount.kind).any(writable)
        && !view.mount_above(path).is_some_and(|mount| writable(&mount.kind))
}

/// Paths that the profile speaks of and an empty root doesn't have.
fn unseen(profile: &Profile, policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let view = &policy.filesystem;
    for (written, path) in profile.filesystem.hide.iter().zip(&view.hide) {
        if !touches(view, path) {
            let shown = quoted(&path.to_string_lossy());
            let message = format!("filesystem.hide: no mount shows {shown} in the sandbox anyway");
            warnings.push(Diagnostic::new(message, written.origin).help("take it away"));
        }
    }
    let cwd = &policy.process.cwd;
    if let Some(written) = &profile.process.cwd
        && cwd != Path::new("/")
        && !touches(view, cwd)
    {
        let shown = quoted(&cwd.to_string_lossy());
        let message = format!("process.cwd: no mount shows {shown}, so that no command can start");
        let help = "add it to filesystem.mounts, or choose another directory";
        warnings.push(Diagnostic::new(message, written.origin).help(help));
    }
}

fn environment(profile: &Profile, warnings: &mut Vec<Diagnostic>) {
    let section = &profile.environment;
    if let (Some(clear), Some(first)) = (&section.clear, section.pass.first())
        && !clear.value
    {
        let message = "environment.pass has no effect: every variable is passed, as \
                       environment.clear is false";
        let help = "take one of the two away";
        warnings.push(Diagnostic::new(message, first.origin).help(help));
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Context, ProfileIdentity, lint, validate};
    use crate::profile::parse::parse;
    use crate::profile::source::{Source, Sources};

    fn warnings(text: &str) -> Vec<String> {
        let mut sources = Sources::default();
        let source = Source { name: "test".into(), text: text.into(), directory: None };
        let id = sources.add(source);
        let profile = parse(&sources, id).expect("the text is a profile");
        let identity = ProfileIdentity::default();
        let policy = validate(profile.clone(), identity, &sources, &Context::default());
        let policy = policy.expect("the profile is valid");
        lint(&profile, &policy).into_iter().map(|warning| warning.message).collect()
    }

    #[test]
    fn a_plain_level_has_nothing_to_warn_of() {
        for level in ["basic", "user-based", "namespaced", "resource-limited", "containerized"] {
            let text = format!(r#"{{"version": 1, "level": "{level}", "network": "none"}}"#);
            assert_eq!(warnings(&text), Vec::<String>::new(), "{level}");
        }
    }

    #[test]
    fn a_landlock_rule_for_what_no_mount_shows_has_no_effect() {
        let found = warnings(
            r#"{"version": 1, "level": "containerized", "landlock": {"read": ["/srv/data"]}}"#,
        );
        assert_eq!(found, [r#"landlock.read: no mount shows "/srv/data" in the sandbox"#]);
    }

    #[test]
    fn a_landlock_rule_makes_no_read_only_mount_writable() {
        let found = warnings(
            r#"{"version": 1, "level": "containerized",
                "filesystem": {"mounts": [{"source": "/srv"}]}, "landlock": {"write": ["/srv/a"]}}"#,
        );
        assert_eq!(found, [r#"landlock.write: "/srv/a" is mounted read-only"#]);
    }

    #[test]
    fn a_limit_whose_layer_is_off_has_no_effect() {
        let found = warnings(
            r#"{"version": 1, "level": "basic", "enforcement": {"cgroup": "off"},
                "limits": {"memory": "1GiB"}}"#,
        );
        assert_eq!(found, ["limits.memory has no effect: the layer cgroup is off"]);
    }

    #[test]
    fn mounts_that_nothing_makes_have_no_effect() {
        let found =
            warnings(r#"{"version": 1, "level": "basic", "filesystem": {"mounts": ["/srv"]}}"#);
        assert_eq!(found, ["filesystem.mounts has no effect: the layer filesystem is off"]);
    }

    #[test]
    fn a_view_of_files_needs_a_mount_namespace() {
        let found = warnings(
            r#"{"version": 1, "level": "basic", "enforcement": {"filesystem": "required"}}"#,
        );
        assert_eq!(found, ["the layer filesystem needs the layer mount-namespace, which is off"]);
    }

    #[test]
    fn passing_variables_that_are_passed_anyway_has_no_effect() {
        let found = warnings(
            r#"{"version": 1, "level": "basic", "environment": {"clear": false, "pass": ["A"]}}"#,
        );
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
