//! What a run would be: chosen and planned like one, but not started.

use serde::Serialize;

use super::{Effort, choose};
use crate::error::Error;
use crate::plan::explain::{Explanation, Subject, explain as explain_plan};
use crate::policy::{Context, Policy, ProfileIdentity};
use crate::profile::vocabulary::Level;
use crate::report::Replaced;

/// The version of the document's format. It changes when a field changes its meaning or goes;
/// new fields may come without.
pub const FORMAT_VERSION: u32 = 1;

/// What a run would be.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// The profile that would be enforced.
    pub profile: ProfileIdentity,
    /// The profile that was asked for, where another would take its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Replaced>,
    /// The level asked for.
    pub requested_level: Level,
    /// The highest level all of whose layers would be enforced.
    pub effective_level: Option<Level>,
    /// What it comes to.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// What the user would be told before the run, one line each.
    pub notes: Vec<String>,
}

/// Says what the first of `policies` that this host can enforce comes to.
///
/// # Errors
/// [`Error::Refused`], as for a run.
pub fn explain(policies: &[Policy], context: &Context) -> Result<Explained, Error> {
    let chosen = choose(&mut policies.to_vec().into(), Effort::Try)?;
    let explanation = explain_plan(&Subject {
        policy: &chosen.policy,
        plan: &chosen.plan,
        facts: &chosen.facts,
        environment: &context.environment,
        forwarded: &crate::os::FORWARDED_NAMES,
    });
    Ok(Explained {
        version: FORMAT_VERSION,
        profile: chosen.plan.profile.clone(),
        requested_level: chosen.plan.requested,
        effective_level: chosen.plan.effective(),
        explanation,
        notes: chosen.plan.notes.clone(),
        instead_of: chosen.instead_of,
    })
}
