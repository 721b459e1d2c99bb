//! The `ringfence` command.
#![cfg_attr(all(target_os = "linux", target_env = "gnu", not(test)), no_main)]

#[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
#[path = "sys/entry.rs"]
mod entry;

// A test of this program, which has none, begins in the harness.
#[cfg(not(all(target_os = "linux", target_env = "gnu", not(test))))]
fn main() -> std::process::ExitCode {
    ringfence::cli::start().into()
}
