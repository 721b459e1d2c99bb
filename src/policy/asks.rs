//! What a profile says that only certain layers can keep, and what is lost when they are off.

use std::collections::BTreeMap;

use super::enforcement::{Asked, enforcements};
use super::seccomp::DEFAULT_GROUP;
use super::{Enforcements, Policy, level};
use crate::profile::model::{Profile, RootSource};
use crate::profile::source::{Origin, Sources, Spanned};
use crate::profile::vocabulary::{Enforcement, Layer, Level, Namespace, NetworkMode};

/// One thing that a profile says.
pub(super) struct Ask {
    /// How profiles write it.
    pub(super) key: String,
    /// Where it is written.
    pub(super) origin: Origin,
    /// The layers of which one is enough to keep it; the first is the usual one.
    keepers: &'static [Layer],
}

impl Ask {
    /// The layer whose absence is to blame.
    pub(super) fn layer(&self) -> Layer {
        self.keepers[0]
    }

    /// Whether something keeps it.
    pub(super) fn has_effect(&self, enforcements: &Enforcements) -> bool {
        self.keepers.iter().any(|layer| enforcements.wants(*layer))
    }
}

/// Everything in the sections of a profile (merged, but without the defaults of its level) that
/// depends on a layer.
pub(super) fn asks(profile: &Profile) -> Vec<Ask> {
    let mut asks = Vec::new();
    let mut add = |key: &str, origin: Option<Origin>, keepers| {
        asks.extend(origin.map(|origin| Ask { key: key.to_owned(), origin, keepers }));
    };
    limits(profile, &mut add);
    files(profile, &mut add);
    let network = profile.network.mode.as_ref();
    match network.map(|mode| mode.value) {
        // A filter can refuse all of the network, but not all except for loopback.
        Some(NetworkMode::None) => {
            add("network.mode", at(network), &[Layer::NetworkNamespace, Layer::Seccomp]);
        }
        Some(NetworkMode::Loopback) => {
            add("network.mode", at(network), &[Layer::NetworkNamespace]);
        }
        Some(NetworkMode::Host) | None => {}
    }
    let rules = &profile.landlock;
    add("landlock.read", at(rules.read.first()), &[Layer::Landlock]);
    add("landlock.write", at(rules.write.first()), &[Layer::Landlock]);
    add("landlock.execute", at(rules.execute.first()), &[Layer::Landlock]);
    // An empty list has no place of its own, and says the most: no port at all.
    let list = |ports: &Option<Vec<Spanned<u16>>>| {
        ports.as_ref().map(|ports| at(ports.first()).unwrap_or(Origin::CODE))
    };
    add("connect_tcp", list(&rules.connect_tcp), &[Layer::Landlock]);
    add("bind_tcp", list(&rules.bind_tcp), &[Layer::Landlock]);
    add("landlock.scopes", at(rules.scopes.iter().flatten().next()), &[Layer::Landlock]);
    let section = &profile.seccomp;
    add("seccomp.default", at(section.default.as_ref()), &[Layer::Seccomp]);
    // What is let through besides the usual group is still let through without a filter.
    let usual = section.allow.iter().any(|name| name.value == DEFAULT_GROUP);
    add("seccomp.allow", at(section.allow.first().filter(|_| !usual)), &[Layer::Seccomp]);
    add("seccomp.deny", at(section.deny.first()), &[Layer::Seccomp]);
    add("seccomp.rules", at(section.rules.first()), &[Layer::Seccomp]);
    let user = &profile.user;
    let user = at(user.uid.as_ref()).or_else(|| at(user.gid.as_ref()));
    add("user", user, &[Layer::User]);
    add("process.hostname", at(profile.process.hostname.as_ref()), &[Layer::UtsNamespace]);
    asks
}

fn files(profile: &Profile, add: &mut impl FnMut(&str, Option<Origin>, &'static [Layer])) {
    let section = &profile.filesystem;
    let own_root = section.root.as_ref().filter(|root| root.value != RootSource::Host);
    add("filesystem.root", at(own_root), &[Layer::Root]);
    let mounts = at(section.mounts.first());
    add("filesystem.mounts", mounts, &[Layer::Filesystem, Layer::Landlock]);
    add("filesystem.hide", at(section.hide.first()), &[Layer::Filesystem]);
}

fn limits(profile: &Profile, add: &mut impl FnMut(&str, Option<Origin>, &'static [Layer])) {
    let limits = &profile.limits;
    add("limits.memory", at(limits.memory.as_ref()), &[Layer::Cgroup]);
    add("limits.swap", at(limits.swap.as_ref()), &[Layer::Cgroup]);
    // What the level sets by itself isn't the profile's own wish, though it says so.
    let usual = level::preset(Level::ResourceLimited).limits.processes.map(|usual| usual.value);
    let processes = limits.processes.as_ref().filter(|limit| Some(limit.value) != usual);
    add("limits.processes", at(processes), &[Layer::Cgroup]);
    add("limits.cpus", at(limits.cpus.as_ref()), &[Layer::Cgroup]);
    add("limits.cpu_weight", at(limits.cpu_weight.as_ref()), &[Layer::Cgroup]);
    add("limits.cpuset", at(limits.cpuset.as_ref()), &[Layer::Cgroup]);
    let io = &limits.io;
    let io = [&io.read_bytes, &io.write_bytes, &io.read_operations, &io.write_operations];
    add("limits.io", at(io.into_iter().flatten().next()), &[Layer::Cgroup]);
    add("limits.wall_time", at(limits.wall_time.as_ref()), &[Layer::WallTime]);
    add("limits.cpu_time", at(limits.cpu_time.as_ref()), &[Layer::Rlimits]);
    add("limits.open_files", at(limits.open_files.as_ref()), &[Layer::Rlimits]);
    add("limits.file_size", at(limits.file_size.as_ref()), &[Layer::Rlimits]);
    add("limits.stack", at(limits.stack.as_ref()), &[Layer::Rlimits]);
    add("limits.nice", at(limits.nice.as_ref()), &[Layer::Rlimits]);
}

fn at<T>(value: Option<&Spanned<T>>) -> Option<Origin> {
    value.map(|value| value.origin)
}

/// Whether a change to a profile may take a layer away from it.
#[must_use]
pub fn switches_off(change: &Profile) -> bool {
    change.level.is_some()
        || change.enforcement.values().any(|setting| setting.value == Enforcement::Off)
        || change.namespaces.values().any(|wanted| !wanted.value)
}

/// What options of the command line take away from a profile, one line for each option that does:
/// layers that it requires by name, and what it says that nothing keeps any more.
#[must_use]
pub fn overridden(
    written: &Profile,
    changed: &Profile,
    policy: &Policy,
    sources: &Sources,
) -> Vec<String> {
    let level = written.level.map_or(policy.level, |level| level.value);
    let before = enforcements(written, level, &Asked::of(written));
    let after = &policy.enforcement;
    // By what took them away, then by layer.
    let mut lost: BTreeMap<String, BTreeMap<Layer, Vec<String>>> = BTreeMap::new();
    let mut lose = |layer: Layer, key: String| {
        let option = option(changed, layer, policy, sources);
        lost.entry(option).or_default().entry(layer).or_default().push(key);
    };
    for (layer, key) in required(written) {
        if before.wants(layer) && !after.wants(layer) {
            lose(layer, key);
        }
    }
    let written = asks(written);
    for ask in asks(changed) {
        let in_vain =
            written.iter().any(|written| written.key == ask.key && !written.has_effect(&before));
        if !ask.has_effect(after) && !in_vain {
            lose(ask.layer(), ask.key);
        }
    }
    let name = &policy.profile.name;
    lost.into_iter().map(|(option, layers)| line(&option, name, &layers)).collect()
}

/// The layers that a profile requires by name, and where it says so.
fn required(profile: &Profile) -> impl Iterator<Item = (Layer, String)> {
    let required =
        profile.enforcement.iter().filter(|(_, setting)| setting.value == Enforcement::Required);
    let namespaces = profile.namespaces.iter().filter(|(_, wanted)| wanted.value);
    required
        .map(|(layer, _)| (*layer, format!("enforcement.{layer}")))
        .chain(namespaces.map(|(name, _)| (name.layer(), format!("namespaces.{name}"))))
}

/// What switched a layer off, as it was typed.
fn option(changed: &Profile, layer: Layer, policy: &Policy, sources: &Sources) -> String {
    let namespace = Namespace::ALL.iter().find(|namespace| namespace.layer() == layer);
    let place = |origin: Origin| {
        let (id, _) = origin.place()?;
        sources.get(id)?.name.strip_prefix("option ").map(str::to_owned)
    };
    let setting = changed.enforcement.get(&layer);
    let by_name = match (setting, namespace.and_then(|name| changed.namespaces.get(name))) {
        (Some(setting), _) if setting.value == Enforcement::Off => place(setting.origin),
        (_, Some(wanted)) if !wanted.value => place(wanted.origin),
        _ => None,
    };
    match by_name.as_deref() {
        Some("--enforcement") => format!("--enforcement {layer}=off"),
        Some(option) => option.to_owned(),
        None => format!("--level {}", policy.level),
    }
}

fn line(option: &str, profile: &str, layers: &BTreeMap<Layer, Vec<String>>) -> String {
    let layers: Vec<String> =
        layers.iter().map(|(layer, keys)| format!("{layer} ({})", keys.join(", "))).collect();
    format!(
        "{option} switches off what the profile {profile} asks for, which has no effect now: {}",
        layers.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use crate::policy::{Context, ProfileIdentity, overridden, validate};
    use crate::profile::layering::overlay;
    use crate::profile::parse::{parse, parse_fragment};
    use crate::profile::source::{Source, Sources};

    /// What is told of a profile that an option is laid over.
    fn told(text: &str, option: &str, fragments: &[&str]) -> Vec<String> {
        let mut sources = Sources::default();
        let mut add = |name: &str, text: &str| {
            sources.add(Source { name: name.into(), text: text.into(), directory: None })
        };
        let id = add("test", text);
        let options: Vec<_> =
            fragments.iter().map(|text| add(&format!("option {option}"), text)).collect();
        let written = parse(&sources, id).expect("the text is a profile");
        let mut changed = written.clone();
        for id in options {
            changed = overlay(changed, parse_fragment(&sources, id).expect("it is a fragment"));
        }
        let identity = ProfileIdentity { name: "test".into(), ..Default::default() };
        let policy = validate(changed.clone(), identity, &sources, &Context::default());
        overridden(&written, &changed, &policy.expect("it is valid"), &sources)
    }

    #[test]
    fn a_layer_that_the_profile_requires_by_name_is_missed() {
        let text = r#"{"version": 1, "level": "basic",
            "enforcement": {"landlock": "required"}, "network": {"connect_tcp": [443]}}"#;
        let found = told(text, "--enforcement", &["enforcement.landlock=off"]);
        assert_eq!(
            found,
            ["--enforcement landlock=off switches off what the profile test asks for, which has \
              no effect now: landlock (enforcement.landlock, connect_tcp)"]
        );
    }

    #[test]
    fn what_only_the_level_sets_is_not_missed() {
        let text = r#"{"version": 1, "level": "containerized", "network": "host",
            "seccomp": {"allow": ["@default"]}, "limits": {"processes": 4096}}"#;
        for layer in ["root", "masks", "landlock", "seccomp", "cgroup", "ipc-namespace"] {
            let off = format!("enforcement.{layer}=off");
            assert_eq!(told(text, "--enforcement", &[&off]), Vec::<String>::new(), "{layer}");
        }
    }

    #[test]
    fn what_another_layer_keeps_is_not_missed() {
        let text = r#"{"version": 1, "level": "containerized", "network": "none"}"#;
        let off = "enforcement.network-namespace=off";
        assert_eq!(told(text, "--enforcement", &[off]), Vec::<String>::new());
        assert_eq!(told(text, "--enforcement", &[off, "enforcement.seccomp=off"]).len(), 1);
    }

    #[test]
    fn what_had_no_effect_before_is_not_missed() {
        let text = r#"{"version": 1, "level": "basic", "enforcement": {"cgroup": "off"},
            "limits": {"memory": "1GiB"}}"#;
        let found = told(text, "--enforcement", &["enforcement.seccomp=off"]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn an_empty_list_of_ports_says_much() {
        let text = r#"{"version": 1, "level": "containerized", "network": {"bind_tcp": []}}"#;
        let found = told(text, "--enforcement", &["enforcement.landlock=off"]);
        assert!(found.len() == 1 && found[0].ends_with("landlock (bind_tcp)"), "{found:?}");
    }
}
