//! Paths are bytes: what isn't UTF-8 has to survive the variables of a profile.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use ringfence::profile::expand::{Expander, Variables};
use ringfence::profile::source::{Origin, Sources};

#[test]
fn a_home_directory_that_is_not_utf_8_survives() {
    let home = OsString::from_vec(b"/home/\xff".to_vec());
    let variables = Variables { home: Some(home.into()), ..Variables::default() };
    let expander = Expander { variables: &variables, sources: &Sources::default() };
    let path = expander.path("${HOME}/x", Origin::CODE).expect("it is set");
    assert_eq!(path.as_os_str().as_bytes(), b"/home/\xff/x");
}
