//! Which layers a profile wants: by its level, by what its sections ask for, and by name.

use super::Enforcements;
use crate::profile::model::{self, Profile, RootSource};
use crate::profile::source::Origin;
use crate::profile::vocabulary::{Enforcement, Layer, Level, Namespace, NetworkMode};

/// Sections that a profile itself fills in: their layers are wanted at any level.
pub(super) struct Asked {
    landlock: bool,
    seccomp: bool,
    cgroup: bool,
    network: Option<NetworkMode>,
    user: bool,
    /// A path that stays visible because its layer is off would be worse than an error.
    hide: bool,
    /// Where a root other than the host's is asked for.
    root: Option<Origin>,
}

impl Asked {
    pub(super) fn of(profile: &Profile) -> Self {
        let limits = &profile.limits;
        let tree = [
            limits.memory.is_some(),
            limits.swap.is_some(),
            limits.processes.is_some(),
            limits.cpus.is_some(),
            limits.cpu_weight.is_some(),
            limits.cpuset.is_some(),
            limits.io != model::Io::default(),
        ];
        Self {
            landlock: profile.landlock != model::Landlock::default(),
            seccomp: profile.seccomp != model::Seccomp::default(),
            cgroup: tree.contains(&true),
            network: profile.network.mode.map(|mode| mode.value),
            user: profile.user != model::User::default(),
            hide: !profile.filesystem.hide.is_empty(),
            root: profile
                .filesystem
                .root
                .as_ref()
                .filter(|root| root.value != RootSource::Host)
                .map(|root| root.origin),
        }
    }

    /// Where a root is asked for that nothing could show: the level has no view of files, and no
    /// layer for one is asked for by name. The host's root would be shown in its place.
    pub(super) fn root_in_vain(
        &self,
        profile: &Profile,
        level: Level,
        enforcements: &Enforcements,
    ) -> Option<Origin> {
        let named = profile.enforcement.contains_key(&Layer::Root);
        let view = level >= Level::Namespaced || enforcements.wants(Layer::MountNamespace);
        self.root.filter(|_| !named && !view)
    }

    fn layer(&self, layer: Layer) -> bool {
        match layer {
            Layer::Landlock => self.landlock,
            Layer::Seccomp => self.seccomp,
            Layer::Cgroup => self.cgroup,
            Layer::User => self.user,
            Layer::Filesystem | Layer::MountNamespace => self.hide,
            _ => false,
        }
    }
}

/// What each layer's setting comes to: what the level includes or a section asks for is required,
/// `namespaces` refines that, and `enforcement` has the last word.
pub(super) fn enforcements(profile: &Profile, level: Level, asked: &Asked) -> Enforcements {
    let mut enforcements = Enforcements::default();
    for layer in Layer::ALL.iter().copied() {
        let on_request = layer == Layer::TimeNamespace;
        if (layer.level() <= level && !on_request) || asked.layer(layer) {
            enforcements.set(layer, Enforcement::Required);
        }
    }
    if profile.process.session.is_some_and(|session| !session.value) {
        enforcements.set(Layer::Session, Enforcement::Off);
    }
    for (namespace, wanted) in &profile.namespaces {
        let wanted = if wanted.value { Enforcement::Required } else { Enforcement::Off };
        enforcements.set(namespace.layer(), wanted);
    }
    for (layer, enforcement) in &profile.enforcement {
        enforcements.set(*layer, enforcement.value);
    }
    if asked.root.is_some() && enforcements.wants(Layer::MountNamespace) {
        for layer in [Layer::Filesystem, Layer::Root] {
            if !profile.enforcement.contains_key(&layer) {
                enforcements.set(layer, Enforcement::Required);
            }
        }
    }
    let named = profile.namespaces.contains_key(&Namespace::Network)
        || profile.enforcement.contains_key(&Layer::NetworkNamespace);
    if !named && asked.network.is_some_and(|mode| !seccomp_keeps(mode, &enforcements)) {
        enforcements.set(Layer::NetworkNamespace, Enforcement::Required);
    }
    enforcements
}

/// Whether a filter keeps the command from the network without a namespace: it can refuse all of
/// it, but not all except for loopback.
fn seccomp_keeps(mode: NetworkMode, enforcements: &Enforcements) -> bool {
    match mode {
        NetworkMode::Host => true,
        NetworkMode::None => enforcements.get(Layer::Seccomp) == Enforcement::Required,
        NetworkMode::Loopback => false,
    }
}
