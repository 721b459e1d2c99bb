//! What a launch costs; a placeholder until there is something to measure.

fn main() {}
