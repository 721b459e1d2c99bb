//! Users and groups by name, from `/etc/passwd` and `/etc/group`.
//!
//! Read directly: the C library's look-up loads plug-ins, which a static program can't.

use crate::plan::facts::Accounts;
use crate::policy::Identity;
use crate::profile::model::IdOrName;

/// Looks up what an identity names.
pub(in super::super) fn look_up(identity: &Identity) -> Accounts {
    let mut accounts = Accounts::default();
    if identity.uid.is_some() {
        users(identity, &read("/etc/passwd"), &mut accounts);
    }
    let named =
        identity.gid.iter().chain(&identity.groups).any(|group| matches!(group, IdOrName::Name(_)));
    if named {
        groups(&read("/etc/group"), &mut accounts);
    }
    accounts
}

/// The home directory of a user, where there is an entry for it.
pub(crate) fn home_of(uid: u32) -> Option<std::path::PathBuf> {
    home_in(&read("/etc/passwd"), uid)
}

fn read(path: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Takes the user that an identity names from the text of `/etc/passwd`; the first entry counts.
pub(in super::super) fn users(identity: &Identity, passwd: &str, accounts: &mut Accounts) {
    for user in entries(passwd) {
        let [name, _, id, group, ..] = user.as_slice() else { continue };
        let (Some(id), Some(group)) = (number(id), number(group)) else { continue };
        match &identity.uid {
            Some(IdOrName::Name(wanted)) if wanted == name => {
                accounts.users.entry((*name).to_owned()).or_insert((id, group));
            }
            Some(IdOrName::Id(wanted)) if *wanted == id => {
                accounts.primary_groups.entry(id).or_insert(group);
            }
            _ => {}
        }
    }
}

/// Takes all groups from the text of `/etc/group`; the first entry of a name counts.
pub(in super::super) fn groups(group: &str, accounts: &mut Accounts) {
    for group in entries(group) {
        let [name, _, id, ..] = group.as_slice() else { continue };
        if let Some(id) = number(id) {
            accounts.groups.entry((*name).to_owned()).or_insert(id);
        }
    }
}

pub(in super::super) fn home_in(passwd: &str, uid: u32) -> Option<std::path::PathBuf> {
    entries(passwd).find_map(|user| {
        let [_, _, id, _, _, home, ..] = user.as_slice() else { return None };
        (number(id) == Some(uid) && !home.is_empty()).then(|| home.into())
    })
}

/// The lines of such a file, split at colons.
fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(':').collect())
}

/// An id. The greatest number is none: to `setresuid(2)` it means to leave the id as it is, and
/// the command of root would stay root.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account of the number -1 would have been taken for "as it is".
    #[test]
    fn an_account_without_a_usable_number_is_none() {
        let passwd = "ghost:x:4294967295:100::/:\nhalf:x:100:4294967295::/:\nreal:x:7:8::/r:\n";
        for (name, found) in [("ghost", None), ("half", None), ("real", Some((7, 8)))] {
            let uid = Some(IdOrName::Name(name.to_owned()));
            let identity = Identity { uid, gid: None, groups: Vec::new() };
            let mut accounts = Accounts::default();
            users(&identity, passwd, &mut accounts);
            assert_eq!(accounts.users.get(name).copied(), found, "{name}");
        }
        let mut accounts = Accounts::default();
        groups("ghost:x:4294967295:\nreal:x:7:\n", &mut accounts);
        assert_eq!(accounts.groups, [("real".to_owned(), 7)].into());
    }
}
