//! From a profile to what the kernel is given: whatever a profile asks of whatever host, either the
//! plan is consistent, or the refusal says all that stands in the way; and what is made of the plan
//! is what the kernel's rules allow.

use std::ffi::OsString;
use std::path::PathBuf;

use super::profile_text::one_source;
use super::{Choices, profiles};
use crate::plan;
use crate::policy::{Context, Policy, ProfileIdentity, validate};
use crate::profile::expand::Variables;
use crate::profile::parse::parse;

pub(super) fn target(data: &[u8]) {
    let mut choices = Choices::new(data);
    let (name, host) = plan::tests::host(choices.byte());
    let text = profiles::profile(&mut choices, true);
    let Some(policy) = policy(&text) else { return };
    let plan = match plan::build(&policy, &host) {
        // A profile that is wrong stays wrong, whatever is made best-effort.
        Err(refusal) if refusal.is_mistake => {
            let told = |problem: &plan::Problem| !problem.cause.found.is_empty();
            assert!(refusal.problems.iter().all(told), "{name}: {refusal:?}: {text}");
            return;
        }
        Err(_) => None,
        Ok(plan) => Some(plan),
    };
    plan::tests::judge(&policy, &host).unwrap_or_else(|what| panic!("{name}: {what}: {text}"));
    if let Some(Err(what)) = plan.as_ref().map(crate::os::fuzzing::kernel_structures) {
        panic!("{name}: {what}: {text}");
    }
}

/// A policy, as the command line gets one of a profile without bases.
fn policy(text: &str) -> Option<Policy> {
    let (sources, id) = one_source(text);
    let profile = parse(&sources, id).ok()?;
    validate(profile, ProfileIdentity::default(), &sources, &context()).ok()
}

/// Where the made-up hosts' user is.
pub(super) fn context() -> Context {
    let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    Context {
        variables: Variables {
            home: Some(PathBuf::from("/home/me")),
            cwd: Some(PathBuf::from("/home/me/work")),
            real_home: None,
            uid: 1000,
        },
        environment: vec![variable("PATH", "/usr/bin:/bin"), variable("HOME", "/home/me")],
    }
}
