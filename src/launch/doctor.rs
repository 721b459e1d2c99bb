//! What this host offers to this user, and what would give the rest.

use serde::Serialize;

use super::{Effort, choose};
use crate::error::Error;
use crate::os;
use crate::plan::facts::cgroup::{CgroupLayout, Controller, Place, PlaceKind, Support as Held};
use crate::plan::facts::{Cause, HostFacts, LandlockFacts, Support, Surrounding};
use crate::plan::landlock::access;
use crate::plan::{self, Problem};
use crate::policy::{Context, Policy, ProfileIdentity, validate};
use crate::profile::model::Profile;
use crate::profile::names::capability_name;
use crate::profile::source::Sources;
use crate::profile::vocabulary::{Level, Namespace};

/// The version of the document's format. It changes when a field changes its meaning or goes;
/// new fields may come without.
pub const FORMAT_VERSION: u32 = 1;

/// What this host offers to this user.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// The kernel's release.
    pub kernel: String,
    /// The processor architecture, if there are system call tables for it.
    pub architecture: Option<&'static str>,
    /// Who asks.
    pub user: Caller,
    /// The highest level that this user reaches here, all layers enforced.
    pub highest_level: Option<Level>,
    /// Each level: whether it is reached, or what is missing.
    pub levels: Vec<LevelAnswer>,
    /// What the profile `default` comes to here.
    pub default_profile: DefaultProfile,
    /// Each thing that was looked for.
    pub findings: Vec<Finding>,
    /// What Landlock offers, bit by bit.
    pub landlock: LandlockFacts,
    /// What else is worth knowing.
    pub surroundings: Vec<Surrounding>,
}

/// Who asks.
#[derive(Clone, Debug, Serialize)]
pub struct Caller {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Effective capabilities, by name.
    pub capabilities: Vec<&'static str>,
}

/// Whether a level is reached.
#[derive(Clone, Debug, Serialize)]
pub struct LevelAnswer {
    /// Which.
    pub level: Level,
    /// Whether a plan with all its layers required can be made.
    pub reached: bool,
    /// What is missing.
    pub problems: Vec<Problem>,
}

/// What the profile `default` comes to.
#[derive(Clone, Debug, Serialize)]
pub struct DefaultProfile {
    /// The profile that is enforced: itself, or the one that takes its place; absent: none can be.
    pub enforced: Option<String>,
    /// The effective level it reaches.
    pub effective_level: Option<Level>,
    /// Why not, where none can be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// An answer to a question about the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It was tried, and works.
    Yes,
    /// It was tried, and doesn't work.
    No,
    /// It could not be tried here; a launch will show.
    Inconclusive,
}

/// One thing that was looked for.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What it belongs to: `namespaces`, `cgroup` …
    pub topic: &'static str,
    /// What was looked for.
    pub name: String,
    /// Whether it is there.
    pub answer: Answer,
    /// How it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Why it isn't, and what would give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// Looks at the host: namespaces, mounts and cgroups are tried, and undone.
///
/// `default` is the profile of that name, as policies in order of preference.
#[must_use]
pub fn diagnose(context: &Context, default: &[Policy]) -> Option<Diagnosis> {
    let policies: Vec<Policy> =
        Level::ALL.iter().filter_map(|level| preset(*level, context)).collect();
    let facts = os::facts(policies.last()?, Effort::Try);
    let levels: Vec<LevelAnswer> = policies.iter().map(answer).collect();
    let highest_level = levels.iter().take_while(|level| level.reached).last();
    Some(Diagnosis {
        version: FORMAT_VERSION,
        highest_level: highest_level.map(|level| level.level),
        kernel: facts.kernel.clone(),
        architecture: facts.arch.map(crate::policy::arch::Arch::name),
        user: caller(&facts),
        levels,
        default_profile: default_profile(default),
        findings: findings(&facts),
        landlock: facts.landlock.clone(),
        surroundings: os::surroundings(),
    })
}

/// A level and nothing else, all its layers required.
fn preset(level: Level, context: &Context) -> Option<Policy> {
    let profile = Profile { level: Some(level.into()), ..Profile::default() };
    let identity = ProfileIdentity { name: level.as_str().to_owned(), ..Default::default() };
    validate(profile, identity, &Sources::default(), context).ok()
}

fn answer(policy: &Policy) -> LevelAnswer {
    let facts = os::facts(policy, Effort::Try);
    let level = policy.level;
    match plan::build(policy, &facts) {
        Ok(plan) => {
            let reached = plan.effective().is_some_and(|effective| effective >= level);
            LevelAnswer { level, reached, problems: Vec::new() }
        }
        Err(refusal) => LevelAnswer { level, reached: false, problems: refusal.problems },
    }
}

fn default_profile(policies: &[Policy]) -> DefaultProfile {
    match choose(&mut policies.to_vec().into(), Effort::Try) {
        Ok(chosen) => DefaultProfile {
            enforced: Some(chosen.plan.profile.name.clone()),
            effective_level: chosen.plan.effective(),
            problems: Vec::new(),
        },
        Err(error) => DefaultProfile {
            enforced: None,
            effective_level: None,
            problems: match error {
                Error::Refused(refusal) => refusal.problems,
                _ => Vec::new(),
            },
        },
    }
}

fn caller(facts: &HostFacts) -> Caller {
    let caller = &facts.caller;
    let has = (0..64).filter(|number| caller.has(*number));
    Caller {
        uid: caller.uid,
        gid: caller.gid,
        groups: caller.groups.clone(),
        capabilities: has.filter_map(capability_name).collect(),
    }
}

fn findings(facts: &HostFacts) -> Vec<Finding> {
    let mut list = Vec::new();
    for (namespace, support) in &facts.namespaces {
        list.push(namespace_finding(facts, *namespace, support));
    }
    for (name, support) in [
        ("mounting by descriptor", &facts.mount_descriptors),
        ("mount_setattr", &facts.mount_attributes),
        ("fresh /proc", &facts.fresh_proc),
    ] {
        list.push(finding("mounts", name, support));
    }
    landlock(&facts.landlock, &mut list);
    list.push(finding("seccomp", "filters of system calls", &facts.seccomp));
    if facts.arch.is_none() {
        list.push(missing(
            "seccomp",
            "system call tables",
            Cause::new("there are none for this processor architecture", "use x86_64 or aarch64"),
        ));
    }
    cgroups(facts, &mut list);
    list
}

fn finding(topic: &'static str, name: &str, support: &Support) -> Finding {
    Finding {
        topic,
        name: name.to_owned(),
        answer: match support {
            Support::Proved => Answer::Yes,
            Support::Assumed => Answer::Inconclusive,
            Support::Missing(_) => Answer::No,
        },
        detail: None,
        cause: support.cause().cloned(),
    }
}

fn missing(topic: &'static str, name: &str, cause: Cause) -> Finding {
    finding(topic, name, &Support::Missing(cause))
}

/// Without privileges, every namespace stands on the user namespace.
fn namespace_finding(facts: &HostFacts, namespace: Namespace, support: &Support) -> Finding {
    let privileged = facts.caller.has(21);
    let user = facts.namespaces.get(&Namespace::User).and_then(Support::cause);
    let name = namespace.as_str();
    match (user, namespace) {
        (Some(cause), other) if !privileged && other != Namespace::User => {
            let cause = Cause::new("needs a user namespace, see above", cause.remedy.clone());
            missing("namespaces", name, cause)
        }
        _ => finding("namespaces", name, support),
    }
}

fn landlock(facts: &LandlockFacts, list: &mut Vec<Finding>) {
    if let Some(cause) = &facts.missing {
        list.push(missing("landlock", "rules for files", cause.clone()));
        return;
    }
    let yes = |name: &str, detail: String| Finding {
        detail: Some(detail),
        ..finding("landlock", name, &Support::Proved)
    };
    list.push(yes("rules for files", format!("ABI {}", facts.abi)));
    for (name, has, since) in [
        ("renaming across directories", facts.access_fs & access::REFER != 0, "5.19"),
        ("truncation", facts.access_fs & access::TRUNCATE != 0, "6.2"),
        ("TCP ports", facts.access_net & access::ALL_NET == access::ALL_NET, "6.7"),
        ("device requests", facts.access_fs & access::IOCTL_DEV != 0, "6.10"),
        (
            "scopes of signals and sockets",
            facts.scopes & access::ALL_SCOPES == access::ALL_SCOPES,
            "6.12",
        ),
    ] {
        list.push(if has {
            yes(name, format!("since Linux {since}"))
        } else {
            let found = format!("this kernel's Landlock (ABI {}) doesn't know it", facts.abi);
            missing("landlock", name, Cause::new(found, format!("use Linux {since} or later")))
        });
    }
}

fn cgroups(facts: &HostFacts, list: &mut Vec<Finding>) {
    let cgroup = &facts.cgroup;
    let layout = match cgroup.layout {
        CgroupLayout::None => "no hierarchy is mounted",
        CgroupLayout::V1 => "version 1",
        CgroupLayout::V2 => "version 2",
        CgroupLayout::Hybrid => "version 1, with version 2 beside it",
    };
    let place = match &cgroup.place {
        None => String::new(),
        Some(Place { parent, kind }) => {
            let how = match kind {
                PlaceKind::Root => "the root of the hierarchy",
                PlaceKind::Sibling => "beside this process's own cgroup",
                PlaceKind::Delegated => "in this process's own, delegated cgroup",
                PlaceKind::Bare => "in this process's own cgroup, without controllers",
            };
            format!("; runs go to {} ({how})", parent.directory.display())
        }
    };
    let some = cgroup.parents().next().is_some();
    let cause = Cause::new(
        format!("{layout}; there is no place to make a cgroup in"),
        plan::facts::cgroup::DELEGATE,
    );
    list.push(if some {
        let detail = Some(format!("{layout}{place}"));
        Finding { detail, ..finding("cgroup", "a cgroup for each run", &Support::Proved) }
    } else {
        missing("cgroup", "a cgroup for each run", cause)
    });
    for controller in Controller::ALL {
        let name = controller.to_string();
        let yes = |detail: String| Finding {
            detail: Some(detail),
            ..finding("cgroup", &name, &Support::Proved)
        };
        list.push(match cgroup.support(controller) {
            Held::V1 { parent } => yes(format!("version 1, in {}", parent.directory.display())),
            Held::V2 => yes("version 2".into()),
            Held::HeldByHost { why } => yes((*why).into()),
            Held::Missing(why) => {
                missing("cgroup", &name, Cause::new(why.to_string(), why.remedy()))
            }
        });
    }
}
