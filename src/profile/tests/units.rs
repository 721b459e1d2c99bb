use std::time::Duration;

use crate::profile::units::*;

fn help_of<T: std::fmt::Debug>(result: Result<T, crate::profile::diagnostic::Problem>) -> String {
    result.expect_err("should have been refused").help.unwrap_or_default()
}

#[test]
fn sizes_have_binary_and_decimal_units() {
    let sizes = [
        ("0", 0),
        ("4096", 4096),
        ("7B", 7),
        ("64KB", 64_000),
        ("64kB", 64_000),
        ("64KiB", 65_536),
        ("512MiB", 512 << 20),
        ("1.5GiB", 3 << 29),
        ("2TB", 2_000_000_000_000),
        ("7EiB", 7 << 60),
        ("0.5KiB", 512),
    ];
    for (text, bytes) in sizes {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
}

#[test]
fn a_fraction_of_a_byte_is_rounded_down() {
    assert_eq!(parse_size("1.0001KiB"), Ok(1024));
}

#[test]
fn what_is_not_a_size_is_refused() {
    for text in [
        "",
        " ",
        " 5",
        "5 ",
        "5 MiB",
        "-1",
        "+1",
        "1e3",
        "0x10",
        "NaN",
        "inf",
        "MiB",
        ".5GiB",
        "5.",
        "1.5",
        "1..5GiB",
        "1,5GiB",
        "5mib",
        "5M",
        "5MiBs",
        "١MiB",
        "5\u{a0}MiB",
        "5\0",
        "1.0000000001GiB",
        "--1",
    ] {
        assert!(parse_size(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_size_that_overflows_is_refused_and_the_limit_named() {
    for text in [
        "8EiB",
        "20000000000GiB",
        "9223372036854775808",
        "99999999999999999999999999999999999999999999B",
    ] {
        let problem = parse_size(text).expect_err(text);
        assert!(problem.message.contains("too large"), "{problem:?}");
        assert_eq!(problem.help.as_deref(), Some("the largest size is one byte less than 8EiB"));
    }
    assert_eq!(parse_size("9223372036854775807"), Ok(MAX_SIZE));
}

#[test]
fn a_wrong_size_unit_is_answered_with_the_right_one() {
    assert_eq!(help_of(parse_size("5mib")), "did you mean \"MiB\"?");
    assert!(help_of(parse_size("5M")).starts_with("valid units: EiB, PiB, TiB, GiB, MiB, KiB"));
    assert_eq!(help_of(parse_size("5 MiB")), "write \"5MiB\"");
}

#[test]
fn durations_have_units() {
    let durations = [
        ("1.5s", Duration::from_millis(1500)),
        ("200ms", Duration::from_millis(200)),
        ("30us", Duration::from_micros(30)),
        ("5ns", Duration::from_nanos(5)),
        ("2m", Duration::from_secs(120)),
        ("1h", Duration::from_secs(3600)),
        ("1d", Duration::from_secs(86_400)),
        ("0.000000001s", Duration::from_nanos(1)),
        ("0s", Duration::ZERO),
        ("106751d", MAX_DURATION),
    ];
    for (text, duration) in durations {
        assert_eq!(parse_duration(text), Ok(duration), "{text}");
    }
}

#[test]
fn a_duration_without_a_unit_is_answered_with_units_to_add() {
    assert_eq!(help_of(parse_duration("90")), "add a unit: \"90s\" for seconds, \"90ms\", \"90m\"");
}

#[test]
fn what_is_not_a_duration_is_refused() {
    for text in [
        "", "s", "-1s", "1e3s", "0x1s", "1 s", "1h30m", "1min", "1S", "NaN", "infinity", ".5s",
        "5.s",
    ] {
        assert!(parse_duration(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_duration_of_three_hundred_years_is_refused_and_the_limit_named() {
    for text in ["109575d", "106752d", "99999999999999999999999999999s", "18446744073709551615ns"] {
        assert!(help_of(parse_duration(text)).contains("\"106751d\" (292 years)"), "{text}");
    }
}

#[test]
fn shares_of_processors_are_exact_to_a_thousandth() {
    assert_eq!(parse_cpus("1.5"), Ok(1500));
    assert_eq!(parse_cpus("2"), Ok(2000));
    assert_eq!(parse_cpus("0.001"), Ok(1));
    assert_eq!(parse_cpus("0.1000"), Ok(100));
    for text in ["0.0001", "-1", "1e3", "", "all", "1.5s", "65537", "99999999999999999999"] {
        assert!(parse_cpus(text).is_err(), "{text:?}");
    }
}

#[test]
fn sizes_are_written_exactly() {
    let sizes = [
        (0, "0B"),
        (1, "1B"),
        (1023, "1023B"),
        (1024, "1KiB"),
        (1536, "1.5KiB"),
        (1000, "1KB"),
        (1001, "1001B"),
        (1_000_000, "1MB"),
        (3 << 29, "1.5GiB"),
        (512 << 20, "512MiB"),
        (MAX_SIZE, "9223372036854775807B"),
    ];
    for (bytes, text) in sizes {
        assert_eq!(format_size(bytes), text);
    }
}

#[test]
fn durations_are_written_exactly() {
    let durations = [
        (Duration::ZERO, "0s"),
        (Duration::from_secs(90), "90s"),
        (Duration::from_secs(120), "2m"),
        (Duration::from_secs(7200), "2h"),
        (Duration::from_secs(86_400), "1d"),
        (Duration::from_millis(1500), "1.5s"),
        (Duration::from_millis(200), "200ms"),
        (Duration::from_nanos(1_234_567), "1.234567ms"),
        (Duration::from_nanos(1), "1ns"),
        (MAX_DURATION, "106751d"),
        (Duration::MAX, "18446744073709551615s"),
    ];
    for (duration, text) in durations {
        assert_eq!(format_duration(duration), text);
    }
}

#[test]
fn whatever_is_written_reads_as_the_same_value() {
    // A linear congruential generator: the same numbers in every run.
    let mut state = 1_u64;
    for round in 0..50_000_u32 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = (state >> 1) >> (round % 63);
        assert_eq!(parse_size(&format_size(number)), Ok(number));
        let duration = Duration::from_nanos(number).min(MAX_DURATION);
        assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        let cpus = number % MAX_CPUS;
        assert_eq!(parse_cpus(&format_cpus(cpus)), Ok(cpus));
    }
}
