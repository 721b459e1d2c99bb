//! Room 3: from a policy and facts about the host to a plan, or to a refusal; pure.
pub mod facts;
