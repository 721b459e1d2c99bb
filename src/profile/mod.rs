//! Room 1: from the text of a profile to a [`Profile`](model::Profile), with the place of every value.
pub mod diagnostic;
pub mod expand;
pub mod layering;
pub mod model;
pub mod names;
pub mod parse;
pub mod source;
pub mod suggest;
pub mod template;
pub mod units;
pub mod vocabulary;
pub mod write;

#[cfg(test)]
mod tests;
