//! Which namespaces are made.

use super::build::Builder;
use super::facts::Cause;
use super::identity::{CAP_SYS_ADMIN, can_switch_user};
use super::step::Step;
use crate::profile::vocabulary::{Layer, Namespace, NetworkMode};

/// The namespaces besides the user namespace, which is decided first: without privileges, the
/// others depend on it.
const OTHERS: [Namespace; 7] = [
    Namespace::Mount,
    Namespace::Pid,
    Namespace::Ipc,
    Namespace::Uts,
    Namespace::Network,
    Namespace::Cgroup,
    Namespace::Time,
];

pub(super) fn plan(builder: &mut Builder<'_>) {
    let privileged = builder.facts.caller.has(CAP_SYS_ADMIN);
    let wanted = |ns: &Namespace| builder.wants(ns.layer()) && !left_to_host(builder, *ns);
    let needed = (!privileged && OTHERS.iter().any(wanted))
        || (builder.wants(Layer::User) && !can_switch_user(builder.facts));
    let user = user_namespace(builder, needed);
    for namespace in OTHERS {
        let layer = namespace.layer();
        if !builder.wants(layer) {
            if namespace == Namespace::Time {
                builder.nothing_to_enforce(layer, "made only on request");
            } else {
                builder.off(layer);
            }
        } else if left_to_host(builder, namespace) {
            builder.off(layer);
            builder.detail(layer, "the profile gives the command the host's network");
        } else if let Some(cause) = unsupported(builder, namespace, privileged, &user) {
            builder.missing(layer, cause);
        } else {
            make(builder, namespace);
        }
    }
}

/// Whether the profile gives the command what the host has, instead of a namespace.
fn left_to_host(builder: &Builder<'_>, namespace: Namespace) -> bool {
    namespace == Namespace::Network && builder.policy.network == NetworkMode::Host
}

/// Decides on the user namespace; an error is why the others can't rely on it.
fn user_namespace(builder: &mut Builder<'_>, needed: bool) -> Result<(), Cause> {
    let layer = Layer::UserNamespace;
    let asked = builder.policy.user_namespace;
    // Below its level the layer is off by itself, which doesn't rule it out as a means.
    let switched_off = !builder.wants(layer) && builder.policy.level >= layer.level();
    if asked == Some(false) || switched_off {
        builder.off(layer);
        if builder.wants(layer) {
            builder.detail(layer, "the profile switches it off (namespaces.user: false)");
        }
        return Err(Cause::new(
            "the profile switches user namespaces off, and the caller has no CAP_SYS_ADMIN",
            "set namespaces.user to true, or start ringfence as root",
        ));
    }
    let wanted = needed || (asked == Some(true) && builder.wants(layer));
    if !wanted {
        builder.nothing_to_enforce(layer, "not needed for what is asked for");
        return Ok(());
    }
    let support = builder.facts.namespaces.get(&Namespace::User);
    match support.and_then(|support| support.cause()).cloned() {
        None => {
            builder.namespaces.push(Namespace::User);
            builder.enforced(layer, "CLONE_NEWUSER, one user and one group mapped");
            Ok(())
        }
        Some(cause) if builder.wants(layer) => {
            builder.missing(layer, cause.clone());
            Err(cause)
        }
        Some(cause) => {
            builder.off(layer);
            Err(cause)
        }
    }
}

fn unsupported(
    builder: &Builder<'_>,
    namespace: Namespace,
    privileged: bool,
    user: &Result<(), Cause>,
) -> Option<Cause> {
    let own = builder.facts.namespaces.get(&namespace).and_then(|support| support.cause());
    match (own, user) {
        (Some(cause), _) => Some(cause.clone()),
        (None, Err(cause)) if !privileged => Some(cause.clone()),
        _ => None,
    }
}

fn make(builder: &mut Builder<'_>, namespace: Namespace) {
    builder.namespaces.push(namespace);
    let layer = namespace.layer();
    // Whatever happens to init, the end of a pid namespace takes the process beside it along.
    if namespace == Namespace::Network && builder.namespaces.contains(&Namespace::Pid) {
        builder.steps.extend([Step::BeginNetwork, Step::JoinNetwork]);
    }
    match namespace {
        Namespace::Mount => {
            builder.steps.push(Step::PrivateMounts);
            builder.enforced(layer, "CLONE_NEWNS, no propagation to or from the host");
        }
        Namespace::Uts => {
            builder.steps.push(Step::SetHostname(builder.policy.process.hostname.clone()));
            let hostname = &builder.policy.process.hostname;
            builder.enforced(layer, format!("CLONE_NEWUTS, hostname {hostname}"));
        }
        Namespace::Network if builder.policy.network == NetworkMode::Loopback => {
            builder.steps.push(Step::LoopbackUp);
            builder.enforced(layer, "CLONE_NEWNET, loopback only");
        }
        Namespace::Network => builder.enforced(layer, "CLONE_NEWNET, loopback down"),
        Namespace::Cgroup => {
            builder.steps.push(Step::NewCgroupNamespace);
            builder.enforced(layer, "CLONE_NEWCGROUP, rooted in the cgroup that it runs in");
        }
        Namespace::User => builder.enforced(layer, "CLONE_NEWUSER"),
        Namespace::Pid => builder.enforced(layer, "CLONE_NEWPID, with an init of its own"),
        Namespace::Ipc => builder.enforced(layer, "CLONE_NEWIPC"),
        Namespace::Time => builder.enforced(layer, "CLONE_NEWTIME"),
    }
}
