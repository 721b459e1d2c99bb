//! The filter of the usual group of system calls, compiled beforehand: most launches use it, and
//! working it out takes longer than the rest of planning together.
//!
//! A test compiles it anew and compares. After a change of groups or compiler, that test says how
//! to write the tables again.

mod aarch64;
mod x86_64;

use super::compile::{CompileError, compile};
use super::{Instruction, Program};
use crate::policy::arch::Arch;
use crate::policy::seccomp::{DEFAULT_GROUP, SeccompPolicy};

/// An instruction, as the tables have it: code, jt, jf, k.
type Row = (u16, u8, u8, u32);

/// The filter of a policy: the one made beforehand where that is it, else compiled.
///
/// # Errors
/// As for [`compile`].
pub fn program(policy: &SeccompPolicy, arch: Arch) -> Result<Program, CompileError> {
    if !policy.says_only(DEFAULT_GROUP) {
        return compile(policy, arch);
    }
    let rows = table(arch).iter();
    Ok(Program(rows.map(|&(code, jt, jf, k)| Instruction { code, jt, jf, k }).collect()))
}

const fn table(arch: Arch) -> &'static [Row] {
    match arch {
        Arch::X86_64 => x86_64::ROWS,
        Arch::Aarch64 => aarch64::ROWS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::seccomp::Verdict;
    use crate::profile::model::Seccomp;

    /// Set to write the tables again instead of comparing.
    const WRITE: &str = "RINGFENCE_WRITE_FILTERS";

    fn text(program: &Program) -> String {
        let rows: String = program
            .instructions()
            .iter()
            .map(|i| format!("    ({:#04x}, {}, {}, {:#x}),\n", i.code, i.jt, i.jf, i.k))
            .collect();
        format!(
            "//! Written by the test of this module's parent; not by hand.\n\n\
             pub(super) const ROWS: &[super::Row] = &[\n{rows}];\n"
        )
    }

    #[test]
    fn the_filters_made_beforehand_are_those_that_the_compiler_makes() {
        let policy = SeccompPolicy::resolve(&Seccomp::default()).unwrap();
        assert!(policy.says_only(DEFAULT_GROUP));
        for arch in Arch::ALL {
            let compiled = compile(&policy, arch).unwrap();
            if std::env::var_os(WRITE).is_some() {
                let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/os/linux/seccomp/ready");
                let path = format!("{folder}/{}.rs", arch.name());
                std::fs::write(path, text(&compiled)).unwrap();
            } else {
                let same = program(&policy, arch).unwrap() == compiled;
                assert!(same, "run once with {WRITE}=1, and look at the difference");
            }
        }
    }

    #[test]
    fn the_usual_group_lets_a_command_start_and_a_failure_be_told() {
        let policy = SeccompPolicy::resolve(&Seccomp::default()).unwrap();
        for call in ["execve", "exit_group", "write"] {
            assert_eq!(policy.permits(call), Verdict::Always, "{call}");
        }
    }

    #[test]
    fn a_policy_that_says_more_is_compiled() {
        let usual = SeccompPolicy::resolve(&Seccomp::default()).unwrap();
        let section = Seccomp { deny: vec!["getpid".to_owned().into()], ..Seccomp::default() };
        let narrower = SeccompPolicy::resolve(&section).unwrap();
        for policy in [narrower, usual.clone().without_network(), SeccompPolicy::guard()] {
            assert!(!policy.says_only(DEFAULT_GROUP));
            let filter = program(&policy, Arch::X86_64).unwrap();
            assert_eq!(filter, compile(&policy, Arch::X86_64).unwrap());
            assert_ne!(filter, program(&usual, Arch::X86_64).unwrap());
        }
    }
}
