//! Room 1: from the text of a profile to a [`Profile`](model::Profile), with the place of every value.
pub mod diagnostic;
pub mod model;
pub mod source;
pub mod suggest;
pub mod vocabulary;
