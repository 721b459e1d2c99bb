use std::time::Duration;

use super::{accepted, each_refused, refused};
use crate::profile::model::Setting::{AtMost, Unlimited};

#[test]
fn limits_are_read_with_their_units() {
    let limits = accepted(
        r#""limits": {"memory": "512MiB", "swap": 0, "processes": 64, "cpus": "1.5", "cpu_weight": 10000,
            "cpuset": "0-3,5", "cpu_time": "10s", "wall_time": "1m", "core": "0B", "nice": -20}"#,
    )
    .limits;
    assert_eq!(limits.memory.map(|l| l.value), Some(AtMost(512 << 20)));
    assert_eq!(limits.swap.map(|l| l.value), Some(AtMost(0)));
    assert_eq!(limits.processes.map(|l| l.value), Some(AtMost(64)));
    assert_eq!(limits.cpus.map(|l| l.value), Some(AtMost(1500)));
    assert_eq!(limits.cpu_weight.map(|l| l.value), Some(10_000));
    assert_eq!(limits.cpuset.map(|l| l.value), Some(vec![0, 1, 2, 3, 5]));
    assert_eq!(limits.wall_time.map(|l| l.value), Some(AtMost(Duration::from_secs(60))));
    assert_eq!(limits.core.map(|l| l.value), Some(AtMost(0)));
    assert_eq!(limits.nice.map(|l| l.value), Some(-20));
}

#[test]
fn every_limit_but_three_can_be_unlimited() {
    let keys = [
        "memory",
        "swap",
        "processes",
        "cpus",
        "cpu_time",
        "wall_time",
        "open_files",
        "file_size",
        "stack",
        "core",
    ];
    for key in keys {
        accepted(&format!("\"limits\": {{\"{key}\": \"unlimited\"}}"));
    }
    let limits = accepted(r#""limits": {"memory": "unlimited"}"#).limits;
    assert_eq!(limits.memory.map(|l| l.value), Some(Unlimited));
}

#[test]
fn zero_is_right_only_for_core_and_swap() {
    for key in ["memory", "file_size", "stack", "cpus"] {
        each_refused(&format!("\"limits\": {{\"{key}\": "), &["0", "\"0\"", "0.0"], "}", "");
    }
    each_refused(
        "\"limits\": {\"memory\": ",
        &["0", "\"0MiB\"", "\"0.0001B\""],
        "}",
        "the value is 0",
    );
    each_refused("\"limits\": {\"wall_time\": ", &["\"0s\"", "\"0.0ms\""], "}", "the value is 0");
    each_refused("\"limits\": {\"processes\": ", &["0"], "}", "out of range");
}

#[test]
fn numbers_that_are_no_sizes_are_refused() {
    let wrong = [
        "-1",
        "1.5",
        "1e3",
        "\"\"",
        "\" 5\"",
        "\"5 MiB\"",
        "\"NaN\"",
        "true",
        "[]",
        "9223372036854775808",
    ];
    each_refused("\"limits\": {\"memory\": ", &wrong, "}", "");
}

#[test]
fn a_duration_needs_a_unit() {
    refused(
        r#""limits": {"wall_time": 90}"#,
        "90",
        "\"90\" is not a duration",
        "add a unit: \"90s\" for seconds, \"90ms\", \"90m\"",
    );
}

#[test]
fn counts_are_whole_numbers() {
    refused(
        r#""limits": {"processes": 1.5}"#,
        "1.5",
        "1.5 is not a whole number",
        "write it without a fraction or an exponent",
    );
    each_refused(
        "\"limits\": {\"open_files\": ",
        &[
            "-1",
            "9223372036854775808",
            "1e3",
            "\"64\"",
            "99999999999999999999999999999999999999999999",
        ],
        "}",
        "",
    );
}

#[test]
fn numbers_out_of_range_are_answered_with_the_range() {
    refused(
        r#""limits": {"nice": 20}"#,
        "20",
        "20 is out of range",
        "write a number from -20 to 19",
    );
    refused(
        r#""limits": {"cpu_weight": 0}"#,
        "0",
        "0 is out of range",
        "write a number from 1 to 10000",
    );
}

#[test]
fn a_wrong_cpu_range_is_shown_alone() {
    refused(
        r#""limits": {"cpuset": "0-3,x,5"}"#,
        "x",
        "\"x\" is not a range of CPUs",
        "write numbers up to 65535 and ranges, as in \"0-3,5\"",
    );
    refused(r#""limits": {"cpuset": "0-3,2"}"#, "2", "\"2\" has CPUs that are listed before", "");
    each_refused(
        "\"limits\": {\"cpuset\": ",
        &[
            "\"3-0\"",
            "\"0-4294967295\"",
            "\"-1\"",
            "\"1-\"",
            "\"1,\"",
            "\"\"",
            "\"+1\"",
            "\" 1\"",
            "\"0-1-2\"",
        ],
        "}",
        "",
    );
}

#[test]
fn io_limits_are_sizes_and_counts() {
    let io =
        accepted(r#""limits": {"io": {"read_bytes": "10MiB", "write_operations": 100}}"#).limits.io;
    assert_eq!(io.read_bytes.map(|l| l.value), Some(AtMost(10 << 20)));
    assert_eq!(io.write_operations.map(|l| l.value), Some(AtMost(100)));
    each_refused("\"limits\": {\"io\": {\"read_operations\": ", &["\"1MiB\"", "0"], "}}", "");
}
