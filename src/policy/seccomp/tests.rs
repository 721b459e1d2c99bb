//! What sections mean, by name and argument.

use super::samples::{allowing, equal, names, open, policy, rule, usual};
use super::*;
use crate::profile::diagnostic::Diagnostic;
use crate::profile::model::{ArgumentRule, Seccomp, SeccompRule};
use crate::profile::source::{Origin, Source, Sources, Spanned};
use crate::profile::vocabulary::ArgumentOperator;

const ALLOW: SeccompAction = SeccompAction::Allow;
const EPERM: SeccompAction = SeccompAction::Errno(1);
const ENOSYS: SeccompAction = SeccompAction::Errno(38);
const EPROTONOSUPPORT: SeccompAction = SeccompAction::Errno(93);
const EAFNOSUPPORT: SeccompAction = SeccompAction::Errno(97);
/// Bits that the kernel ignores in an `int` argument.
const HIGH: u64 = 0xdead_beef << 32;

fn lists(allow: &[&str], deny: &[&str]) -> Seccomp {
    Seccomp { allow: names(allow), deny: names(deny), ..Seccomp::default() }
}

fn problems(section: &Seccomp) -> Vec<Diagnostic> {
    SeccompPolicy::resolve(section).expect_err("an invalid section")
}

/// What happens to a call with these first arguments.
fn decide(policy: &SeccompPolicy, call: &str, first: &[u64]) -> SeccompAction {
    let mut arguments = [0; 6];
    arguments[..first.len()].copy_from_slice(first);
    policy.treatment(call).expect("a known call").decide(&arguments)
}

#[test]
fn an_empty_section_allows_the_usual_calls_and_refuses_the_rest() {
    let policy = usual();
    for call in ["read", "openat", "execve", "socket", "fork", "landlock_restrict_self", "prctl"] {
        assert_ne!(policy.permits(call), Verdict::Never, "{call}");
    }
    for call in ["mount", "bpf", "ptrace", "keyctl", "perf_event_open", "userfaultfd", "setns"] {
        assert_eq!(policy.treatment(call), Some(&Treatment::always(EPERM)), "{call}");
    }
}

#[test]
fn deny_alone_takes_away_from_the_usual_calls() {
    let policy = policy(&lists(&[], &["@network", "kill"]));
    assert_eq!(policy.permits("read"), Verdict::Always);
    assert_eq!(policy.permits("socket"), Verdict::Never);
    assert_eq!(decide(&policy, "kill", &[]), EPERM);
}

#[test]
fn a_default_alone_allows_nothing_else() {
    let kill = SeccompAction::Kill;
    let policy = policy(&Seccomp { default: Some(kill.into()), ..Seccomp::default() });
    assert_eq!(decide(&policy, "read", &[]), kill);
    assert_eq!(decide(&policy, "clone3", &[]), ENOSYS);
}

#[test]
fn names_beat_groups_and_deny_beats_allow() {
    let policy = policy(&lists(&["@file-system", "bind", "kill"], &["@network", "unlink", "kill"]));
    assert_eq!(decide(&policy, "bind", &[]), ALLOW);
    assert_eq!(decide(&policy, "connect", &[]), EPERM);
    assert_eq!(decide(&policy, "unlink", &[]), EPERM);
    assert_eq!(decide(&policy, "kill", &[]), EPERM);
}

#[test]
fn the_first_rule_whose_conditions_hold_beats_the_lists() {
    let section = Seccomp {
        rules: vec![
            rule(&["fcntl", "bpf"], &[equal(1, 7)], SeccompAction::Kill),
            rule(&["fcntl"], &[equal(1, 7)], EPERM),
            rule(&["bpf"], &[], SeccompAction::Log),
            rule(&["bpf"], &[equal(0, 1)], SeccompAction::Kill),
        ],
        deny: names(&["bpf"]),
        ..Seccomp::default()
    };
    let policy = policy(&section);
    assert_eq!(decide(&policy, "fcntl", &[3, 7]), SeccompAction::Kill);
    assert_eq!(decide(&policy, "fcntl", &[3, 8]), ALLOW);
    assert_eq!(decide(&policy, "bpf", &[0, 7]), SeccompAction::Kill);
    assert_eq!(decide(&policy, "bpf", &[1, 0]), SeccompAction::Log);
    assert_eq!(policy.permits("bpf"), Verdict::Sometimes);
}

#[test]
fn clone3_needs_its_own_name() {
    let everything = Seccomp {
        default: Some(ALLOW.into()),
        allow: names(&["@default", "@namespace"]),
        ..Seccomp::default()
    };
    assert_eq!(decide(&policy(&everything), "clone3", &[]), ENOSYS);
    assert_eq!(decide(&policy(&lists(&[], &["clone3"])), "clone3", &[]), ENOSYS);
    assert_eq!(decide(&policy(&lists(&["clone3"], &[])), "clone3", &[]), ALLOW);
}

#[test]
fn clone_and_unshare_make_no_namespaces() {
    let policy = usual();
    let (thread, fork) = (0x003d_0f00, 17);
    assert_eq!(decide(&policy, "clone", &[thread]), ALLOW);
    assert_eq!(decide(&policy, "clone", &[fork]), ALLOW);
    for bit in [0x2_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 1 << 30]
    {
        assert_eq!(decide(&policy, "clone", &[fork | bit]), EPERM, "{bit:#x}");
        assert_eq!(decide(&policy, "clone", &[fork | bit | HIGH]), EPERM, "{bit:#x}");
        assert_eq!(decide(&policy, "unshare", &[0x200 | bit]), EPERM, "{bit:#x}");
    }
    assert_eq!(decide(&policy, "unshare", &[0x80]), EPERM);
    assert_eq!(decide(&policy, "unshare", &[0x200 | 0x400]), ALLOW);
}

#[test]
fn a_guard_holds_whoever_allows_the_call_until_its_group_is_allowed() {
    let by_default = Seccomp { default: Some(ALLOW.into()), ..Seccomp::default() };
    for section in [lists(&["ioctl"], &[]), lists(&["@io"], &[]), by_default] {
        assert_eq!(decide(&policy(&section), "ioctl", &[0, 0x5412]), EPERM);
        assert_eq!(decide(&policy(&section), "ioctl", &[0, 0x5401]), ALLOW);
    }
    let lifted = policy(&lists(&["@io", "@terminal-injection"], &[]));
    assert_eq!(decide(&lifted, "ioctl", &[0, 0x5412]), ALLOW);
    let both = policy(&lists(&["@io", "@terminal-injection"], &["@terminal-injection"]));
    assert_eq!(decide(&both, "ioctl", &[0, 0x5412]), EPERM);
}

#[test]
fn terminals_can_not_be_typed_into_with_high_bits_set_either() {
    for policy in [usual(), allowing(&["@compute"]), SeccompPolicy::guard()] {
        for request in [0x5412, 0x541c, 0x5412 | HIGH, 0x541c | 1 << 32] {
            assert_eq!(decide(&policy, "ioctl", &[0, request]), EPERM, "{request:#x}");
        }
    }
}

#[test]
fn sockets_of_other_families_and_protocols_do_not_exist() {
    let policy = usual();
    let socket = |family, protocol| decide(&policy, "socket", &[family, 1, protocol]);
    for family in [1, 2, 10, 16] {
        assert_eq!(socket(family, 0), ALLOW, "{family}");
        assert_eq!(socket(family | HIGH, HIGH), ALLOW, "{family}");
    }
    for family in [0, 3, 15, 17, 29, 31, 38, 40, 43, 44] {
        assert_eq!(socket(family, 0), EAFNOSUPPORT, "{family}");
        assert_eq!(socket(family | HIGH, 0), EAFNOSUPPORT, "{family}");
        assert_eq!(decide(&policy, "socketpair", &[family, 1, 0]), EAFNOSUPPORT, "{family}");
    }
    for protocol in [33, 132, 136, 256, 262, 262 | HIGH] {
        assert_eq!(socket(2, protocol), EPROTONOSUPPORT, "{protocol:#x}");
        assert_eq!(socket(10, protocol), EPROTONOSUPPORT, "{protocol:#x}");
    }
    for protocol in [1, 6, 12, 15, 16, 17] {
        assert_eq!(socket(16, protocol), EPROTONOSUPPORT, "netlink {protocol}");
    }
}

#[test]
fn connecting_by_sending_is_refused() {
    let policy = usual();
    let fast_open = 0x2000_0000 | HIGH;
    assert_eq!(decide(&policy, "sendto", &[3, 0, 0, fast_open]), SeccompAction::Errno(95));
    assert_eq!(decide(&policy, "sendmsg", &[3, 0, fast_open]), SeccompAction::Errno(95));
    assert_eq!(decide(&policy, "sendmmsg", &[3, 0, 1, fast_open]), SeccompAction::Errno(95));
    assert_eq!(decide(&policy, "sendto", &[3, 0, 0, 0x4000]), ALLOW);
}

#[test]
fn no_call_makes_a_setuid_or_setgid_file() {
    let usual = usual();
    for bit in [0o4000, 0o2000, 0o6000, 0o4000 | HIGH] {
        let mode = 0o755 | bit;
        for call in ["chmod", "fchmod", "creat", "mknod"] {
            assert_eq!(decide(&usual, call, &[0, mode]), EPERM, "{call}");
        }
        for call in ["fchmodat", "fchmodat2", "mknodat"] {
            assert_eq!(decide(&usual, call, &[0, 0, mode]), EPERM, "{call}");
        }
        for creates in [0o100, 0o101, 0o20_200_000, 0o20_040_000] {
            assert_eq!(decide(&usual, "open", &[0, creates, mode]), EPERM);
            assert_eq!(decide(&usual, "openat", &[0, 0, creates, mode]), EPERM);
        }
        // No file is made, and the third argument means nothing.
        assert_eq!(decide(&usual, "openat", &[0, 0, 0o2, mode]), ALLOW);
    }
    assert_eq!(decide(&usual, "chmod", &[0, 0o1777]), ALLOW);
    assert_eq!(decide(&usual, "openat2", &[]), ENOSYS);
    let lifted = policy(&lists(&["@default", "@setid-files"], &[]));
    assert_eq!(decide(&lifted, "chmod", &[0, 0o4755]), ALLOW);
    assert_eq!(decide(&lifted, "openat2", &[]), ALLOW);
}

#[test]
fn io_uring_is_refused() {
    for policy in [usual(), allowing(&["@compute"])] {
        for call in ["io_uring_setup", "io_uring_enter", "io_uring_register"] {
            assert_eq!(policy.treatment(call), Some(&Treatment::always(EPERM)), "{call}");
        }
    }
}

#[test]
fn personality_is_linux_or_nothing() {
    let policy = usual();
    for allowed in [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff, 0x4_0000] {
        assert_eq!(decide(&policy, "personality", &[allowed]), ALLOW, "{allowed:#x}");
    }
    for refused in [1, 0x40_0000, 0x10_0000, 0x44_0000] {
        assert_eq!(decide(&policy, "personality", &[refused]), EPERM, "{refused:#x}");
    }
}

#[test]
fn compute_makes_threads_but_no_processes() {
    let policy = allowing(&["@compute"]);
    assert_eq!(decide(&policy, "clone", &[0x003d_0f00]), ALLOW);
    assert_eq!(decide(&policy, "clone", &[17]), EPERM);
    assert_eq!(decide(&policy, "clone", &[0x003d_0f00 | 0x1000_0000]), EPERM);
    for call in ["fork", "vfork", "socket", "unlinkat", "kill", "memfd_create"] {
        assert_eq!(policy.permits(call), Verdict::Never, "{call}");
    }
    for call in ["execve", "write", "exit_group"] {
        assert_eq!(policy.permits(call), Verdict::Always, "{call}");
    }
}

#[test]
fn a_group_can_be_refused_in_part() {
    let policy = policy(&lists(&["@default"], &["@network-unix"]));
    assert_eq!(decide(&policy, "socket", &[1, 1, 0]), EPERM);
    assert_eq!(decide(&policy, "socket", &[2, 1, 0]), ALLOW);
    let only_unix = self::policy(&lists(&["@network-unix"], &[]));
    assert_eq!(decide(&only_unix, "socket", &[1, 1, 0]), ALLOW);
    assert_eq!(decide(&only_unix, "socket", &[2, 1, 0]), EPERM);
}

/// The guard of another group would have answered first, with an error of its own.
#[test]
fn what_is_refused_by_a_part_of_a_group_is_refused_before_any_guard() {
    let policy = policy(&lists(&["@default"], &["@network-unix"]));
    assert_eq!(decide(&policy, "socket", &[1, 1, 262]), EPERM);
    assert_eq!(decide(&policy, "socket", &[2, 1, 262]), EPROTONOSUPPORT);
}

#[test]
fn the_launcher_can_read_its_mode_back_under_any_policy() {
    let strictest = Seccomp {
        default: Some(SeccompAction::Kill.into()),
        deny: names(&["prctl"]),
        rules: vec![rule(&["prctl"], &[], SeccompAction::Kill)],
        ..Seccomp::default()
    };
    assert_eq!(decide(&policy(&strictest), "prctl", &[21]), ALLOW);
    assert_eq!(decide(&policy(&strictest), "prctl", &[22]), SeccompAction::Kill);
}

#[test]
fn newer_calls_and_x32_are_missing_whatever_the_default() {
    for policy in [usual(), open()] {
        for number in [470, 600, 0x3fff_ffff, 0x4000_0000, u32::MAX] {
            assert_eq!(policy.decide(Arch::X86_64, number, &[0; 6]), ENOSYS, "{number}");
            assert_eq!(policy.decide(Arch::Aarch64, number, &[0; 6]), ENOSYS, "{number}");
        }
    }
}

#[test]
fn the_terminal_guard_lets_newer_calls_through_but_not_x32() {
    let guard = SeccompPolicy::guard();
    assert_eq!(guard.decide(Arch::X86_64, 470, &[0; 6]), ALLOW);
    assert_eq!(guard.decide(Arch::Aarch64, 0x4000_0000, &[0; 6]), ALLOW);
    // 514 is x32's own ioctl, 0x4000_0010 the common one by x32's way in.
    for number in [514, 0x4000_0010, 0x4000_0202] {
        assert_eq!(guard.decide(Arch::X86_64, number, &[0; 6]), ENOSYS, "{number:#x}");
    }
}

#[test]
fn every_problem_is_found_at_its_place() {
    let text = "opnat @file-sytem network @ioctl rule".to_owned();
    let mut sources = Sources::default();
    let source = sources.add(Source { name: "profile".to_owned(), text, directory: None });
    let at = |start: usize, end| Origin::new(source, start, end);
    let spanned = |name: &str, origin| Spanned::new(name.to_owned(), origin);
    let bad_rule = SeccompRule {
        calls: vec![spanned("@io", at(33, 37)), "futex_time64".to_owned().into()],
        arguments: vec![equal(6, 0), equal(0, 1 << 32)],
        action: SeccompAction::Errno(0),
    };
    let section = Seccomp {
        allow: vec![spanned("opnat", at(0, 5)), spanned("@file-sytem", at(6, 17))],
        deny: vec![spanned("network", at(18, 25)), spanned("@ioctl", at(26, 32))],
        rules: vec![Spanned::new(bad_rule, at(33, 37))],
        default: None,
    };
    let found = problems(&section);
    let help: Vec<&str> = found.iter().filter_map(|one| one.help.as_deref()).collect();
    assert_eq!(found.len(), 9);
    assert!(help[0].contains("\"openat\""), "{help:?}");
    assert!(help[1].contains("\"@file-system\""), "{help:?}");
    assert!(help[2].contains("\"@network\""), "{help:?}");
    assert!(help[3].contains("\"ioctl\""), "{help:?}");
    assert_eq!(found[0].origin, at(0, 5));
    assert_eq!(found[3].origin, at(26, 32));
}

#[test]
fn a_condition_that_never_holds_is_a_problem() {
    let operator = ArgumentOperator::MaskedEqual;
    let never = ArgumentRule { index: 0, operator, value: 3, mask: 1, wide: true };
    let section = Seccomp { rules: vec![rule(&["read"], &[never], EPERM)], ..Seccomp::default() };
    assert_eq!(problems(&section).len(), 1);
}
