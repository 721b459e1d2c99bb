//! Tests on texts of real systems, on directories that stand in for a kernel, and on this kernel.
mod fake;
mod kernel;
mod layout;
mod support;
