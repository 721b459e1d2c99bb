//! Users and groups by name, from `/etc/passwd` and `/etc/group`.
//!
//! Read directly: the C library's look-up loads plug-ins, which a static program can't.

use std::path::Path;

use crate::plan::facts::Accounts;
use crate::policy::Identity;
use crate::profile::model::IdOrName;

/// Looks up what an identity names.
pub(in super::super) fn look_up(identity: &Identity) -> Accounts {
    let mut accounts = Accounts::default();
    if let Some(uid) = &identity.uid {
        for user in entries(Path::new("/etc/passwd")) {
            let [name, _, id, group, ..] = user.as_slice() else { continue };
            let (Ok(id), Ok(group)) = (id.parse(), group.parse()) else { continue };
            match uid {
                IdOrName::Name(wanted) if wanted == name => {
                    accounts.users.entry(name.clone()).or_insert((id, group));
                }
                IdOrName::Id(wanted) if *wanted == id => {
                    accounts.primary_groups.entry(id).or_insert(group);
                }
                _ => {}
            }
        }
    }
    let named =
        identity.gid.iter().chain(&identity.groups).any(|group| matches!(group, IdOrName::Name(_)));
    if named {
        for group in entries(Path::new("/etc/group")) {
            let [name, _, id, ..] = group.as_slice() else { continue };
            if let Ok(id) = id.parse() {
                accounts.groups.entry(name.clone()).or_insert(id);
            }
        }
    }
    accounts
}

/// The home directory of a user, where there is an entry for it.
pub(crate) fn home_of(uid: u32) -> Option<std::path::PathBuf> {
    entries(Path::new("/etc/passwd")).into_iter().find_map(|user| {
        let [_, _, id, _, _, home, ..] = user.as_slice() else { return None };
        (id.parse() == Ok(uid) && !home.is_empty()).then(|| home.into())
    })
}

/// The lines of such a file, split at colons.
fn entries(path: &Path) -> Vec<Vec<String>> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(':').map(str::to_owned).collect())
        .collect()
}
