//! What is executed, as exec takes it.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::{Problem, text};
use crate::sys::exec::StringArray;

/// Where `PATH` is searched when the sandbox's environment has none.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// Where a program is searched for.
pub(super) fn search_path(environment: &[(OsString, OsString)]) -> OsString {
    let path = environment.iter().find_map(|(key, value)| (key == "PATH").then_some(value));
    path.cloned().unwrap_or_else(|| DEFAULT_PATH.into())
}

/// The paths at which the program may be. The search happens inside the sandbox; an empty part of
/// `PATH` would mean the working directory, which an untrusted tree could plant a program in.
pub(super) fn candidates(words: &[OsString], path: &OsStr) -> Result<Vec<CString>, Problem> {
    let name = words.first().ok_or("no command was given")?;
    text(name)?;
    // The empty name is a path that doesn't exist, not each directory of PATH.
    if name.is_empty() || name.as_bytes().contains(&b'/') {
        return Ok(vec![text(name)?]);
    }
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| text(directory.join(name).as_os_str()))
        .collect()
}

pub(super) fn arguments(words: &[OsString]) -> Result<StringArray, Problem> {
    Ok(StringArray::new(words.iter().map(|word| text(word)).collect::<Result<_, _>>()?))
}

pub(super) fn environment(variables: &[(OsString, OsString)]) -> Result<StringArray, Problem> {
    let entry = |(key, value): &(OsString, OsString)| {
        let mut entry = key.clone();
        entry.push("=");
        entry.push(value);
        // The value may be a secret, the name isn't.
        CString::new(entry.into_encoded_bytes())
            .map_err(|_| format!("the variable {key:?} or its value contains a NUL byte"))
    };
    let entries = variables.iter().map(entry).collect::<Result<_, _>>()?;
    Ok(StringArray::new(entries))
}
