//! Filters do what their policies say: compared over all numbers and many arguments.

use super::assemble::return_value;
use super::evaluate::{Call, check, run};
use super::*;
use crate::policy::arch::Arch;
use crate::policy::seccomp::samples::{self, Random, allowing, open, usual};
use crate::policy::seccomp::{SeccompPolicy, Test, Treatment};

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const KILL: u32 = 0x8000_0000;

fn compiled(policy: &SeccompPolicy, arch: Arch) -> Program {
    let program = compile(policy, arch).expect("short enough");
    check(&program);
    program
}

/// What the filter of a policy returns for a native call.
fn result(policy: &SeccompPolicy, arch: Arch, number: u32, first: &[u64]) -> u32 {
    let mut arguments = [0; 6];
    arguments[..first.len()].copy_from_slice(first);
    run(&compiled(policy, arch), &Call { number, audit_arch: arch.audit(), arguments }).0
}

fn number(arch: Arch, name: &str) -> u32 {
    arch.calls().find(|(_, call)| *call == name).expect("a call of this architecture").0
}

/// Arguments near those that a treatment compares with, and others.
fn arguments(random: &mut Random, treatment: Option<&Treatment>) -> [u64; 6] {
    let mut arguments = std::array::from_fn(|_| random.word());
    for condition in treatment.iter().flat_map(|one| &one.rules).flat_map(|rule| &rule.conditions) {
        let value = match condition.test() {
            Test::Equal(value)
            | Test::NotEqual(value)
            | Test::Less(value)
            | Test::LessOrEqual(value)
            | Test::Greater(value)
            | Test::GreaterOrEqual(value)
            | Test::AnyBit(value) => value,
            Test::MaskedEqual { mask, value } => value | random.word() & !mask,
        };
        let off_by = random.pick(&[0, 0, 0, 1, u64::MAX, 1 << 32]);
        let high = random.pick(&[0, 0, random.0 << 32]);
        if random.below(4) > 0 {
            arguments[usize::from(condition.index())] = value.wrapping_add(off_by) ^ high;
        }
    }
    arguments
}

/// Compares a filter with its policy over every named number, its neighbours, and `noise` others.
fn compare(policy: &SeccompPolicy, arch: Arch, random: &mut Random, noise: usize) {
    let program = compiled(policy, arch);
    let low = 0..=600;
    let x32 = (0..=600).map(|number| number | 0x4000_0000);
    let edges = [0x3fff_ffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let others: Vec<u32> =
        (0..noise).map(|_| u32::try_from(random.next() >> 32).expect("32 bits")).collect();
    for number in low.chain(x32).chain(edges).chain(others) {
        let treatment = arch.call(number).and_then(|call| policy.treatment(call));
        let tries = if treatment.is_some_and(|one| !one.rules.is_empty()) { 200 } else { 2 };
        for _ in 0..tries {
            let arguments = arguments(random, treatment);
            let expected = return_value(policy.decide(arch, number, &arguments));
            let call = Call { number, audit_arch: arch.audit(), arguments };
            let (returned, _) = run(&program, &call);
            assert_eq!(returned, expected, "{arch:?} {number} {arguments:x?}");
        }
    }
}

#[test]
fn filters_agree_with_their_policies() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let wide = allowing(&["@default", "@namespace", "@setid-files"]);
    for policy in [usual(), allowing(&["@compute"]), SeccompPolicy::guard(), wide] {
        for arch in Arch::ALL {
            compare(&policy, arch, &mut random, 50_000);
        }
    }
}

#[test]
fn filters_of_random_policies_agree_with_them() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..60 {
        let policy = samples::random(&mut random);
        for arch in Arch::ALL {
            compare(&policy, arch, &mut random, 200);
        }
    }
}

/// Many rules on one call push the rest of the filter out of reach of conditional jumps.
#[test]
fn filters_longer_than_a_jump_agree_with_their_policies() {
    let mut random = Random(0xd1b5_4a32_d192_ed03);
    let calls = ["read", "ioctl", "fcntl", "socket", "futex"];
    let policy = samples::random_rules(&mut random, &calls, 90);
    for arch in Arch::ALL {
        assert!(compiled(&policy, arch).instructions().len() > 1000);
        compare(&policy, arch, &mut random, 1000);
    }
}

#[test]
fn a_filter_too_long_for_the_kernel_is_an_error() {
    let policy = samples::with_rules_on_read(2000);
    let error = compile(&policy, Arch::X86_64).expect_err("too long");
    assert!(matches!(error, CompileError::TooLong { instructions } if instructions > 4096));
}

#[test]
fn a_policy_always_gives_the_same_filter() {
    for arch in Arch::ALL {
        assert_eq!(compiled(&usual(), arch), compiled(&usual(), arch));
    }
}

/// HOSTILE 11: TIOCSTI and TIOCLINUX, also with bits set above 32 in the request number.
#[test]
fn nothing_is_typed_into_a_terminal() {
    for arch in Arch::ALL {
        for policy in [usual(), allowing(&["@compute"]), SeccompPolicy::guard()] {
            for request in [0x5412, 0x541c, 0x5412 | 1 << 32, 0x541c | u64::MAX << 32] {
                let ioctl = number(arch, "ioctl");
                assert_eq!(result(&policy, arch, ioctl, &[0, request]), EPERM, "{request:#x}");
            }
        }
    }
}

/// HOSTILE 12: `AF_VSOCK | 1 << 32`, `F_SETLK | 1 << 32`.
#[test]
fn high_bits_do_not_carry_an_argument_past_a_rule() {
    let policy = samples::refusing("fcntl", 1, 6);
    for arch in Arch::ALL {
        for high in [0, 1 << 32, u64::MAX << 32] {
            assert_eq!(result(&policy, arch, number(arch, "fcntl"), &[3, 6 | high]), EPERM);
            assert_eq!(result(&policy, arch, number(arch, "fcntl"), &[3, 7 | high]), ALLOW);
            let socket = number(arch, "socket");
            assert_eq!(result(&policy, arch, socket, &[40 | high, 1]), 0x0005_0061);
            assert_eq!(result(&policy, arch, socket, &[2 | high, 1]), ALLOW);
        }
    }
}

/// HOSTILE 13: x32, i386 and other foreign ABIs.
#[test]
fn foreign_interfaces_are_refused_by_every_filter() {
    // i386, 32-bit Arm, the other one of ours, and the native one with its 64-bit mark gone.
    let foreign = [0x4000_0003, 0x4000_0028, 0xc000_00b7, 0xc000_003e, 0x3e, 0xb7, 0];
    for policy in [usual(), SeccompPolicy::guard(), open()] {
        for arch in Arch::ALL {
            let program = compiled(&policy, arch);
            for audit_arch in foreign.into_iter().filter(|one| *one != arch.audit()) {
                for number in 0..600 {
                    let call = Call { number, audit_arch, arguments: [0; 6] };
                    assert_eq!(run(&program, &call).0, KILL, "{audit_arch:#x} {number}");
                }
            }
        }
        for number in 0..600 {
            let x32 = number | 0x4000_0000;
            assert_eq!(result(&policy, Arch::X86_64, x32, &[]), ENOSYS, "{number}");
        }
    }
}

/// HOSTILE 14: calls that are newer than the filter; the mount API and clone3.
#[test]
fn what_comes_next_is_not_there_yet() {
    for arch in Arch::ALL {
        for policy in [&usual(), &open()] {
            for number in [470, 471, 500, 1000, 0x3fff_ffff] {
                assert_eq!(result(policy, arch, number, &[]), ENOSYS, "{number}");
            }
            assert_eq!(result(policy, arch, number(arch, "clone3"), &[]), ENOSYS);
            assert_eq!(result(policy, arch, number(arch, "openat2"), &[]), ENOSYS);
        }
        for call in ["open_tree", "move_mount", "fsopen", "fsmount", "mount_setattr"] {
            assert_eq!(result(&usual(), arch, number(arch, call), &[]), EPERM, "{call}");
        }
    }
}

/// HOSTILE 15: `io_uring` doing what the filter forbids.
#[test]
fn no_ring_is_set_up_entered_or_registered_with() {
    for arch in Arch::ALL {
        for call in ["io_uring_setup", "io_uring_enter", "io_uring_register"] {
            assert_eq!(result(&usual(), arch, number(arch, call), &[]), EPERM, "{call}");
        }
    }
}

/// Not a limit of time: a filter whose common paths grew long has lost its search.
#[test]
fn common_calls_take_a_short_path() {
    for arch in Arch::ALL {
        for (name, policy) in [
            ("default", usual()),
            ("compute", allowing(&["@compute"])),
            ("guard", SeccompPolicy::guard()),
        ] {
            let program = compiled(&policy, arch);
            let steps = |number| {
                let call = Call { number, audit_arch: arch.audit(), arguments: [0; 6] };
                run(&program, &call).1
            };
            let calls: Vec<usize> = arch.calls().map(|(number, _)| steps(number)).collect();
            let common = ["read", "write", "mmap", "futex", "close", "openat"];
            let common = common.map(|call| steps(number(arch, call)));
            println!(
                "{name} on {}: {} instructions; mean path {:.1}, longest {}; read, write, mmap, \
                 futex, close, openat: {common:?}",
                arch.name(),
                program.instructions().len(),
                calls.iter().sum::<usize>() as f64 / calls.len() as f64,
                calls.iter().max().expect("calls"),
            );
            assert!(common.iter().all(|steps| *steps <= 20), "{name}: {common:?}");
        }
    }
}
