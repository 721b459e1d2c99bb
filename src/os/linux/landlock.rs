//! The rules of a Landlock domain, made from the plan's: as far as they can be made outside.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use super::child::ops::{ChildOp, LandlockPath};
use super::child::terminal::OwnTerminal;
use super::fault;
use super::prepare::{Problem, host_path};
use super::terminal::CallersTerminal;
use crate::error::errno_text;
use crate::plan::landlock::access::{IOCTL_DEV, READ_FILE, WRITE_FILE};
use crate::plan::step::LandlockRules;
use crate::sys::landlock::RulesetAttributes;

/// The operation that puts the command under these rules. `files` are what it gets at descriptors of
/// its own, `own` its terminal.
pub(super) fn operation(
    rules: &LandlockRules,
    files: &[(OwnedFd, u32)],
    own: Option<(&CallersTerminal, &OwnTerminal)>,
) -> Result<ChildOp, Problem> {
    let attributes = RulesetAttributes {
        access_fs: rules.handled_fs,
        access_net: rules.handled_net,
        scoped: rules.scoped,
    };
    let ruleset = fault::point()
        .and_then(|()| crate::sys::landlock::create_ruleset(&attributes))
        .map_err(|errno| format!("landlock_create_ruleset(2): {}", text(errno)))?;
    for (port, access) in &rules.ports {
        crate::sys::landlock::add_port_rule(ruleset.as_fd(), *port, *access).map_err(|errno| {
            format!("landlock_add_rule(2) for TCP port {port}: {}", text(errno))
        })?;
    }
    let replaced = own.map_or([false; 3], |(callers, _)| callers.streams);
    reopening_terminals(ruleset.as_fd(), rules.handled_fs, files, replaced)?;
    let rights = of_terminals(rules.handled_fs);
    if let Some((_, OwnTerminal { slave: Some(slave), .. })) = own {
        add_terminal(ruleset.as_fd(), slave.as_fd(), rights)?;
    }
    // Paths can only be opened in the finished root: the child adds their rules.
    let path = |rule: &crate::plan::step::LandlockPath| {
        let below = |tree: &PathBuf| {
            let rest = rule.path.strip_prefix(tree).unwrap_or(&rule.path);
            Ok::<_, Problem>((host_path(tree)?, host_path(rest)?))
        };
        let below = rule.no_links_below.as_ref().map(below).transpose()?;
        let path = host_path(&rule.path)?;
        Ok(LandlockPath { path, access: rule.access, optional: rule.optional, below })
    };
    let mut paths = rules.paths.iter().map(path).collect::<Result<Vec<_>, Problem>>()?;
    if own.is_some() {
        // The name that stands for it.
        paths.push(existing(c"/dev/tty", rights));
    }
    if own.is_some_and(|(_, own)| own.slave.is_none()) {
        // Its own name; no others are there.
        paths.push(existing(c"/dev/pts", rights));
    }
    Ok(ChildOp::Landlock { ruleset, paths })
}

/// A rule for a path, if it is there.
fn existing(path: &CStr, access: u64) -> LandlockPath {
    LandlockPath { path: path.into(), access, optional: true, below: None }
}

/// Lets a terminal among the standard streams be opened again, as `/dev/stderr` does it: its path
/// isn't in the sandbox. Not so other files, of which the command may have got only a part of the
/// rights that opening them anew would give.
fn reopening_terminals(
    ruleset: BorrowedFd<'_>,
    handled: u64,
    files: &[(OwnedFd, u32)],
    replaced: [bool; 3],
) -> Result<(), Problem> {
    let rights = of_terminals(handled);
    let own = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    for ((number, inherited), replaced) in (0..).zip(own).zip(replaced) {
        let placed = files.iter().find(|(_, at)| *at == number);
        let stream = placed.map_or(inherited, |(file, _)| file.as_fd());
        // The caller's is out of reach for a command that has a terminal of its own.
        if !replaced && rustix::termios::isatty(stream) {
            add_terminal(ruleset, stream, rights)?;
        }
    }
    Ok(())
}

fn text(errno: rustix::io::Errno) -> String {
    errno_text(errno.raw_os_error())
}

/// What is done with terminals.
fn of_terminals(handled: u64) -> u64 {
    (READ_FILE | WRITE_FILE | IOCTL_DEV) & handled
}

fn add_terminal(
    ruleset: BorrowedFd<'_>,
    terminal: BorrowedFd<'_>,
    rights: u64,
) -> Result<(), Problem> {
    crate::sys::landlock::add_path_rule(ruleset, terminal, rights)
        .map_err(|errno| format!("landlock_add_rule(2) for the terminal: {}", text(errno)))
}
