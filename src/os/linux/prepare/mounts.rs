//! Mounts, as the child makes them.

use std::ffi::CString;

use super::super::child::ops::{ChildOp, Source, TmpfsOptions};
use super::super::idmap;
use super::{Problem, host_path, inner_path, place, text};
use crate::plan::step::{Bind, NewRoot, Step, Tmpfs};
use crate::sys::mount::attribute;

pub(super) fn mount(step: &Step) -> Result<ChildOp, Problem> {
    Ok(match step {
        Step::PrivateMounts => ChildOp::PrivateMounts,
        Step::NewRoot(NewRoot::Empty) => ChildOp::NewEmptyRoot,
        Step::NewRoot(NewRoot::Tree(path)) => ChildOp::NewTreeRoot(host_path(path)?),
        Step::Directory { path, mode } => ChildOp::Directory { place: place(path)?, mode: *mode },
        Step::EmptyFile(path) => ChildOp::EmptyFile(place(path)?),
        Step::Symlink { path, text: says } => {
            ChildOp::Symlink { place: place(path)?, text: text(says.as_os_str())? }
        }
        Step::Bind(bind) => bind_op(bind)?,
        Step::Remount(remount) => ChildOp::Remount {
            path: inner_path(&remount.path)?,
            attributes: attributes(remount.writable, remount.executable, remount.device),
        },
        Step::Tmpfs(tmpfs) => tmpfs_op(tmpfs)?,
        Step::Proc(path) => ChildOp::Proc(inner_path(path)?),
        Step::DevPts(path) => ChildOp::DevPts(inner_path(path)?),
        Step::ReadOnly { path, .. } => ChildOp::ReadOnly(inner_path(path)?),
        Step::Mask { path, .. } => ChildOp::Mask(inner_path(path)?),
        Step::Seal(path) => ChildOp::Seal(inner_path(path)?),
        Step::EnterRoot => ChildOp::EnterRoot,
        other => return Err(format!("the step {other:?} has no counterpart in the child")),
    })
}

/// What a mount doesn't allow, as the kernel's attributes.
fn attributes(writable: bool, executable: bool, device: bool) -> u64 {
    [(writable, attribute::RDONLY), (executable, attribute::NOEXEC), (device, attribute::NODEV)]
        .into_iter()
        .filter(|(allowed, _)| !allowed)
        .fold(attribute::NOSUID, |set, (_, bit)| set | bit)
}

fn bind_op(bind: &Bind) -> Result<ChildOp, Problem> {
    let below = bind.no_links_below.as_deref();
    let path = match below.and_then(|below| bind.source.strip_prefix(below).ok()) {
        Some(rest) => text(rest.as_os_str())?,
        None => host_path(&bind.source)?,
    };
    Ok(ChildOp::Bind {
        source: Source {
            path,
            no_links_below: below.map(host_path).transpose()?,
            may_be_root: bind.may_be_root,
        },
        target: inner_path(&bind.target)?,
        attributes: attributes(bind.writable, bind.executable, bind.device),
        id_map: bind.map_owner.map(idmap::namespace).transpose()?,
    })
}

fn tmpfs_op(tmpfs: &Tmpfs) -> Result<ChildOp, Problem> {
    let number = |text: String| CString::new(text).map_err(|_| "a number with a NUL".to_owned());
    let executable = if tmpfs.executable { 0 } else { attribute::NOEXEC };
    let owner = match tmpfs.owner {
        None => None,
        Some(ids) => Some((number(ids.uid.to_string())?, number(ids.gid.to_string())?)),
    };
    Ok(ChildOp::Tmpfs {
        target: inner_path(&tmpfs.target)?,
        options: TmpfsOptions {
            size: number(tmpfs.size.to_string())?,
            mode: number(format!("{:o}", tmpfs.mode))?,
            owner,
        },
        attributes: attribute::NOSUID | attribute::NODEV | executable,
        optional: tmpfs.optional,
    })
}
