use crate::profile::names::*;
use crate::profile::suggest::{help, nearest};

#[test]
fn capabilities_are_found_by_number_and_by_name_in_any_form() {
    assert_eq!(capability_number("CAP_NET_BIND_SERVICE"), Some(10));
    assert_eq!(capability_number("net_bind_service"), Some(10));
    assert_eq!(capability_number("cap_Sys_Admin"), Some(21));
    assert_eq!(capability_number("CAP_CAP_SYS_ADMIN"), None);
    assert_eq!(capability_number(""), None);
    assert_eq!(capability_name(40), Some("CAP_CHECKPOINT_RESTORE"));
    assert_eq!(capability_name(41), None);
}

#[test]
fn every_capability_is_found_under_its_own_number() {
    for number in 0..41 {
        let name = capability_name(number).expect("there are 41");
        assert_eq!(capability_number(name), Some(number));
    }
}

#[test]
fn errors_have_the_numbers_of_linux() {
    for (name, number) in
        [("EPERM", 1), ("ENOSYS", 38), ("EAGAIN", 11), ("EWOULDBLOCK", 11), ("EHWPOISON", 133)]
    {
        assert_eq!(errno_number(name), Some(number));
    }
    assert_eq!(errno_name(11), Some("EAGAIN"));
    assert_eq!(errno_name(95), Some("EOPNOTSUPP"));
    assert_eq!(errno_name(0), None);
}

#[test]
fn no_error_is_listed_twice() {
    let mut names: Vec<&str> = ERRNOS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn the_nearest_name_is_the_one_meant() {
    let names = ["memory", "swap", "cpu_time", "cpus"];
    assert_eq!(nearest("memroy", names), Some("memory"));
    assert_eq!(nearest("MEMORY", names), Some("memory"));
    assert_eq!(nearest("cpu-time", names), Some("cpu_time"));
    assert_eq!(nearest("sawp", names), Some("swap"));
    assert_eq!(nearest("disk", names), None);
    assert_eq!(nearest("", names), None);
    assert_eq!(nearest(&"memory".repeat(1000), names), None);
}

#[test]
fn when_nothing_is_near_all_names_are_listed() {
    assert_eq!(help("xyz", ["ro", "rw"]), "valid names: ro, rw");
}
