//! Who the command runs as: ids, groups and capabilities.

use super::build::Builder;
use super::facts::{Cause, HostFacts, NOBODY};
use super::step::{IdMap, Ids, Step};
use super::{ExpectedCapabilities, Status};
use crate::profile::model::IdOrName;
use crate::profile::vocabulary::{Layer, Namespace};

/// Capability numbers, from `<linux/capability.h>`.
pub(super) const CAP_SETGID: u8 = 6;
pub(super) const CAP_SETUID: u8 = 7;
pub(super) const CAP_SETPCAP: u8 = 8;
pub(super) const CAP_SYS_ADMIN: u8 = 21;
pub(super) const CAP_SYS_NICE: u8 = 23;

/// How many supplementary groups a policy can ask for: the process that has them reads them back
/// into a place of this size.
const MOST_GROUPS: usize = 64;

/// Whether the caller can run a command as another user without a user namespace.
pub(super) fn can_switch_user(facts: &HostFacts) -> bool {
    let caller = &facts.caller;
    caller.has(CAP_SETUID) && caller.has(CAP_SETGID) && !caller.confined
}

pub(super) fn plan(builder: &mut Builder<'_>) {
    if builder.wants(Layer::User) {
        match requested_ids(builder) {
            Ok((ids, groups)) => user(builder, ids, groups),
            Err(cause) => builder.missing(Layer::User, cause),
        }
    } else {
        builder.off(Layer::User);
    }
    if builder.namespaces.contains(&Namespace::User) && builder.id_map.is_none() {
        // Without the user layer namespaces still need a mapping: the caller's own ids.
        map_ids(builder, builder.ids);
    }
    capabilities(builder);
}

/// The ids that the policy names, with those it leaves open filled in.
fn requested_ids(builder: &Builder<'_>) -> Result<(Option<Ids>, Vec<u32>), Cause> {
    let identity = &builder.policy.identity;
    let accounts = &builder.facts.accounts;
    let (uid, primary) = match &identity.uid {
        None => (None, None),
        Some(IdOrName::Id(uid)) => (Some(*uid), accounts.primary_groups.get(uid).copied()),
        Some(IdOrName::Name(name)) => {
            let (uid, gid) = accounts.users.get(name).ok_or_else(|| unknown("user", name))?;
            (Some(*uid), Some(*gid))
        }
    };
    let group = |wanted: &IdOrName| match wanted {
        IdOrName::Id(gid) => Ok(*gid),
        IdOrName::Name(name) => {
            accounts.groups.get(name).copied().ok_or_else(|| unknown("group", name))
        }
    };
    let gid = identity.gid.as_ref().map(group).transpose()?.or(primary);
    let mut groups = identity.groups.iter().map(group).collect::<Result<Vec<_>, _>>()?;
    groups.sort_unstable();
    groups.dedup();
    if groups.len() > MOST_GROUPS {
        return Err(Cause::new(
            format!("{} supplementary groups can't be confirmed once they are set", groups.len()),
            format!("name at most {MOST_GROUPS} in user.groups"),
        ));
    }
    let ids = match (uid, gid) {
        (None, None) => None,
        (uid, gid) => {
            let uid = uid.unwrap_or_else(|| default_ids(builder).uid);
            Some(Ids { uid, gid: gid.unwrap_or(uid) })
        }
    };
    Ok((ids, groups))
}

fn unknown(kind: &str, name: &str) -> Cause {
    Cause::new(
        format!(
            "there is no {kind} \"{name}\" in /etc/{}",
            if kind == "user" { "passwd" } else { kind }
        ),
        format!("name an existing {kind}, or give its number"),
    )
}

/// Nobody, for a caller that can become anybody; else the caller, who can't become another.
fn default_ids(builder: &Builder<'_>) -> Ids {
    if can_switch_user(builder.facts) {
        Ids { uid: NOBODY, gid: NOBODY }
    } else {
        Ids { uid: builder.facts.caller.uid, gid: builder.facts.caller.gid }
    }
}

fn user(builder: &mut Builder<'_>, ids: Option<Ids>, groups: Vec<u32>) {
    let ids = ids.unwrap_or_else(|| default_ids(builder));
    let caller = &builder.facts.caller;
    if can_switch_user(builder.facts) {
        return switch_user(builder, ids, groups);
    }
    if !builder.namespaces.contains(&Namespace::User) {
        let support = builder.facts.namespaces.get(&Namespace::User);
        let cause = support.and_then(|support| support.cause()).cloned().unwrap_or_else(|| {
            Cause::new(
                "changing ids needs CAP_SETUID and CAP_SETGID, or a user namespace",
                "set namespaces.user to true, or start ringfence as root",
            )
        });
        return builder.missing(Layer::User, cause);
    }
    if !groups.is_empty() {
        let cause = Cause::new(
            "supplementary groups can't be set by an unprivileged caller (user_namespaces(7))",
            "leave user.groups empty, or start ringfence as root",
        );
        return builder.missing(Layer::User, cause);
    }
    let outside = Ids { uid: caller.uid, gid: caller.gid };
    let kept = caller.groups.iter().filter(|group| **group != caller.gid).count();
    map_ids(builder, ids);
    builder.steps.push(Step::SetIds(ids));
    let mechanism = format!(
        "user namespace: {}:{} inside is {}:{} outside",
        ids.uid, ids.gid, outside.uid, outside.gid
    );
    builder.enforced(Layer::User, mechanism);
    if kept > 0 {
        builder.detail(
            Layer::User,
            format!(
                "{kept} supplementary groups of the caller still count for access to files: \
                 the kernel doesn't let an unprivileged process drop them"
            ),
        );
    }
}

/// Plans the change of ids by the caller's own capabilities.
fn switch_user(builder: &mut Builder<'_>, ids: Ids, groups: Vec<u32>) {
    let in_namespace = builder.namespaces.contains(&Namespace::User);
    if in_namespace && groups.iter().any(|group| *group != ids.gid) {
        let cause = Cause::new(
            "a user namespace maps one group, so that others can't be supplementary ones",
            "leave user.groups empty, or set namespaces.user to false",
        );
        return builder.missing(Layer::User, cause);
    }
    builder.ids = ids;
    builder.steps.push(Step::SetGroups(groups.clone()));
    builder.steps.push(Step::SetIds(ids));
    builder.expected.ids = Some(ids);
    builder.expected.groups = Some(groups.clone());
    if in_namespace {
        // Each id maps to itself; the caller's own isn't mapped, so that it is adopted at once.
        builder.id_map = Some(IdMap { inside: ids, outside: ids, keep_setgroups: true });
        builder.steps.push(Step::MapIds(IdMap { inside: ids, outside: ids, keep_setgroups: true }));
        builder.steps.push(Step::AdoptIds(ids));
    }
    if ids.uid == builder.facts.caller.uid {
        builder.off(Layer::User);
        return builder.detail(Layer::User, "the profile asks for the caller's own user");
    }
    let mechanism = format!("setresuid(2) and setresgid(2) to {}:{}", ids.uid, ids.gid);
    builder.enforced(Layer::User, mechanism);
    builder.detail(
        Layer::User,
        if groups.is_empty() {
            "no supplementary groups".to_owned()
        } else {
            format!("supplementary groups {groups:?}")
        },
    );
}

/// Plans a user namespace in which `ids` are the caller.
fn map_ids(builder: &mut Builder<'_>, ids: Ids) {
    let caller = &builder.facts.caller;
    let map = IdMap {
        inside: ids,
        outside: Ids { uid: caller.uid, gid: caller.gid },
        keep_setgroups: false,
    };
    builder.ids = ids;
    builder.id_map = Some(map);
    builder.steps.push(Step::MapIds(map));
    builder.expected.ids = Some(ids);
}

fn capabilities(builder: &mut Builder<'_>) {
    let layer = Layer::Capabilities;
    if !builder.wants(layer) {
        return builder.off(layer);
    }
    let caller = &builder.facts.caller;
    // A new user namespace gives all of them, over what is in it.
    let in_namespace = builder.namespaces.contains(&Namespace::User);
    let bounding = in_namespace || caller.has(CAP_SETPCAP);
    let available = match (in_namespace, bounding) {
        (true, _) => u64::MAX,
        (false, true) => caller.capabilities,
        // Keeping any across the change of ids and exec needs the securebits.
        (false, false) => 0,
    };
    let wanted = builder.policy.capabilities;
    let kept = wanted & available;
    if !bounding {
        let cause = Cause::new(
            "emptying the bounding set needs CAP_SETPCAP",
            "start ringfence as root, or on a host that allows user namespaces",
        );
        builder.fallback(
            layer,
            "four sets emptied; the bounding set stays, and no_new_privs keeps exec from using it",
            cause,
        );
    } else if kept != wanted {
        let cause = Cause::new(
            "the caller doesn't have a capability that the profile keeps",
            "start ringfence as root, or take it out of capabilities.keep",
        );
        builder.fallback(layer, "all five sets emptied but for those that the caller has", cause);
    } else {
        builder.enforced(layer, "all five sets emptied, securebits locked");
    }
    if wanted != 0 {
        builder.detail(layer, "the profile keeps some: see capabilities.keep");
    }
    if builder.last_status() == Some(Status::Unavailable) {
        return; // Refused.
    }
    if bounding {
        builder.steps.extend([Step::DropBoundingSet(kept), Step::LockSecurebits(kept)]);
    }
    builder.steps.push(Step::SetCapabilities(kept));
    builder.expected.capabilities = Some(ExpectedCapabilities { kept, bounding });
}
