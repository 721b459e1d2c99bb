//! Whether what is made of a plan keeps the kernel's rules, and the plan's own.

use std::ffi::{CStr, OsString};
use std::os::unix::ffi::OsStringExt;

use super::{ChildOp, Plan, Step, translate};
use crate::plan::order::Actor;

/// Makes the child's operations of a plan, without what opens files of this host, and looks at
/// each.
pub(crate) fn kernel_structures(plan: &Plan) -> Result<(), String> {
    let mut plan = plan.clone();
    for step in &mut plan.steps {
        // Whether it is there is this host's business, and the plan is of another.
        if let Step::Bind(bind) = step {
            bind.map_owner = None;
        }
    }
    let mut rooted = true;
    let mut last = None;
    for step in &plan.steps {
        if let Step::Landlock(rules) = step {
            landlock(rules)?;
            continue;
        }
        let mut list = Vec::new();
        translate(step, &plan, &mut Vec::new(), &mut list)
            .map_err(|problem| format!("{step:?}: {problem}"))?;
        for op in &list {
            operation(op, rooted).map_err(|problem| format!("{step:?}: {problem}"))?;
            rooted &= !matches!(op, ChildOp::EnterRoot);
        }
        if step.actor() == Actor::Target {
            last = list.pop().or(last);
        }
    }
    ensure(matches!(last, Some(ChildOp::Exec)), || "the last operation isn't exec".to_owned())
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// A path in the new root, which is opened relative to it: one that began with a slash, or went
/// up, would be the host's.
fn inner(path: &CStr) -> Result<(), String> {
    let bytes = path.to_bytes();
    let outside = bytes.starts_with(b"/") || bytes.split(|b| *b == b'/').any(|name| name == b"..");
    ensure(!outside && bytes.len() < 4096, || format!("{path:?} isn't inside of the new root"))
}

fn one_name(name: &CStr) -> Result<(), String> {
    let bytes = name.to_bytes();
    let one = !bytes.is_empty() && !bytes.contains(&b'/') && bytes != b"." && bytes != b"..";
    ensure(one, || format!("{name:?} isn't one name"))
}

fn operation(op: &ChildOp, before_the_root: bool) -> Result<(), String> {
    match op {
        ChildOp::Directory { place, mode } => {
            ensure(mode & !0o7777 == 0, || format!("mode {mode:o}"))?;
            one_name(&place.name)?;
            inner(&place.parent)
        }
        ChildOp::EmptyFile(place) | ChildOp::Symlink { place, .. } => {
            one_name(&place.name)?;
            inner(&place.parent)
        }
        ChildOp::Bind { source, target, attributes, .. } => {
            // Relative to a tree, or from the host's root.
            let (path, below) = (&source.path, &source.no_links_below);
            let host = path.to_bytes().starts_with(b"/");
            ensure(host == below.is_none(), || format!("{path:?} below {below:?}"))?;
            let root = path.to_bytes() == b"/";
            ensure(source.may_be_root || !root, || "the new root in itself".to_owned())?;
            let sealed = crate::sys::mount::attribute::NOSUID;
            ensure(attributes & sealed == sealed, || "setuid files would work".to_owned())?;
            inner(target)
        }
        ChildOp::Tmpfs { target, options, .. } => {
            let size: u64 = number(&options.size)?;
            ensure(size > 0, || "no size is no limit".to_owned())?;
            inner(target)
        }
        ChildOp::Remount { path, .. }
        | ChildOp::Proc(path)
        | ChildOp::DevPts(path)
        | ChildOp::ReadOnly(path)
        | ChildOp::Mask(path)
        | ChildOp::Seal(path) => {
            ensure(before_the_root, || format!("{path:?} after the root was entered"))?;
            inner(path)
        }
        ChildOp::MapIds(maps) => {
            for text in [&maps.users, &maps.groups] {
                let text = String::from_utf8_lossy(text);
                let numbers: Vec<_> = text.split(' ').map(str::parse::<u32>).collect();
                let [Ok(inside), Ok(outside), Ok(1)] = numbers.as_slice() else {
                    return Err(format!("the map {text:?}"));
                };
                ensure(*inside != u32::MAX && *outside != u32::MAX, || {
                    format!("the map {text:?}")
                })?;
            }
            Ok(())
        }
        // -1 leaves an id as it is.
        ChildOp::SetIds { uid, gid } => {
            ensure(*uid != u32::MAX && *gid != u32::MAX, || format!("the ids {uid} and {gid}"))
        }
        ChildOp::SetUmask(mask) => ensure(mask & !0o777 == 0, || format!("umask {mask:o}")),
        ChildOp::SetNice(nice) => ensure((-20..20).contains(nice), || format!("nice {nice}")),
        ChildOp::SetHostname(name) => {
            // `__NEW_UTS_LEN`
            ensure((1..=64).contains(&name.len()), || format!("a name of {} bytes", name.len()))
        }
        ChildOp::SetGroups(groups) => {
            // `NGROUPS_MAX`
            ensure(groups.len() <= 65_536, || format!("{} groups", groups.len()))
        }
        ChildOp::SetAffinity(processors) => {
            ensure(processors.count() > 0, || "no processor is left".to_owned())
        }
        ChildOp::CloseDescriptors(ranges) => closed(ranges),
        ChildOp::KeepDescriptor(number) => {
            ensure(*number > 2, || format!("descriptor {number} is kept"))
        }
        ChildOp::ChangeDirectory(path) => {
            ensure(path.to_bytes().starts_with(b"/"), || format!("{path:?} isn't absolute"))
        }
        ChildOp::Seccomp(filter) => {
            ensure((1..=4096).contains(&filter.len()), || format!("{} instructions", filter.len()))
        }
        _ => Ok(()),
    }
}

fn number(text: &CStr) -> Result<u64, String> {
    text.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| format!("{text:?}"))
}

/// Ascending, apart from each other, and up to the last descriptor there can be.
fn closed(ranges: &[(u32, u32)]) -> Result<(), String> {
    let mut next = 3;
    for (first, last) in ranges {
        ensure(*first >= next && first <= last, || format!("{ranges:?}"))?;
        next = last.saturating_add(1);
    }
    let end = ranges.last().map(|(_, last)| *last);
    ensure(end == Some(u32::MAX), || format!("{ranges:?} leave descriptors open"))
}

/// Rules only for what is handled: the kernel refuses others, and an empty domain.
fn landlock(rules: &crate::plan::step::LandlockRules) -> Result<(), String> {
    let something = rules.handled_fs | rules.handled_net | rules.scoped != 0;
    ensure(something, || "an empty domain".to_owned())?;
    for rule in &rules.paths {
        ensure(rule.access & !rules.handled_fs == 0, || format!("{rule:?}"))?;
        ensure(rule.path.is_absolute(), || format!("{rule:?}"))?;
    }
    for (port, access) in &rules.ports {
        ensure(access & !rules.handled_net == 0, || format!("port {port}: {access:#x}"))?;
    }
    Ok(())
}

/// The words of a command as exec gets them; `None`: they can't be said to the kernel.
pub(crate) fn argument_strings(words: &[OsString]) -> Option<Vec<OsString>> {
    let strings = super::strings::arguments(words).ok()?;
    Some(strings.read_back().into_iter().map(OsString::from_vec).collect())
}
