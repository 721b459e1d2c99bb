//! `ringfence explain`.

use super::args::ExplainArguments;
use super::output::{self, BAD, DOUBTFUL, FAINT, GOOD, HEADING, paint, paint_padded};
use super::{failure, request};
use crate::error::Error;
use crate::launch::explain::{Explained, explain as explain_policies};
use crate::plan::explain::{
    Files, Filter, Holder, Network, NetworkHolder, Permissions, Visible, What,
};
use crate::plan::{LayerState, Status};
use crate::profile::diagnostic::escaped;
use crate::profile::units::format_size;
use crate::profile::vocabulary::{Level, NetworkMode};

/// Explains a profile on this host; what the program is to exit with.
pub(super) fn explain(arguments: &ExplainArguments) -> u8 {
    let explained = request::resolve(&arguments.sandbox, output::error_has_color())
        .and_then(|request| explain_policies(&request.policies, &request.context));
    let written = explained.and_then(|explained| {
        if arguments.json { output::print_json(&explained) } else { print(&explained) }
    });
    match written {
        Ok(()) => 0,
        Err(error) => failure::tell(&error, arguments.json),
    }
}

fn print(explained: &Explained) -> Result<(), Error> {
    let mut text = heading(explained);
    section(&mut text, "Permissions", permissions(&explained.explanation.permissions));
    section(&mut text, "Borders", explained.explanation.borders.iter().flat_map(border));
    let monitored = explained.explanation.monitored.iter();
    section(
        &mut text,
        "Monitored actions",
        monitored.map(|one| entry(one.what, &escaped(&one.then))),
    );
    let ways_out = explained.explanation.ways_out.iter();
    section(&mut text, "Remaining ways out", ways_out.map(|way| format!("- {}", escaped(way))));
    output::print(&text)
}

fn section(text: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    *text += &format!("\n{}\n", paint(HEADING, title));
    for line in lines {
        *text += &format!("  {line}\n");
    }
}

fn entry(name: &str, value: &str) -> String {
    format!("{name:<18} {value}")
}

fn heading(explained: &Explained) -> String {
    let level = |level: Option<Level>| level.map_or("none", Level::as_str);
    let effective = explained.effective_level;
    let reached = effective.is_some_and(|level| level >= explained.requested_level);
    let mut text = format!(
        "{} {}, level {}, effective here: {}\n",
        paint(HEADING, "Profile"),
        escaped(&explained.profile.name),
        explained.requested_level,
        paint(if reached { GOOD } else { DOUBTFUL }, level(effective)),
    );
    for note in &explained.notes {
        text += &format!("  {}\n", escaped(note));
    }
    text
}

fn permissions(permissions: &Permissions) -> Vec<String> {
    let mut lines = files(&permissions.files);
    lines.push(entry("network", &network(&permissions.network)));
    let user = &permissions.user;
    let outside = if user.outside_uid == user.uid {
        String::new()
    } else {
        format!("; outside of the sandbox, user {}", user.outside_uid)
    };
    lines.push(entry("user", &format!("{}, group {}{outside}", user.uid, user.gid)));
    if !user.groups.is_empty() {
        lines.push(entry("groups", &format!("{:?}", user.groups)));
    }
    lines.push(entry("capabilities", &list_or_none(&permissions.capabilities)));
    let environment = &permissions.environment;
    lines.push(entry("variables passed", &list_or_none(&environment.passed)));
    if !environment.set.is_empty() {
        lines.push(entry("variables set", &list_or_none(&environment.set)));
    }
    for limit in &permissions.limits {
        let held = match limit.held_by {
            Holder::Cgroup => "the whole tree, by a cgroup",
            Holder::EachProcess => "each process by itself",
            Holder::Supervisor => "the run, by a timer",
            Holder::Nobody => "not enforced",
        };
        lines.push(entry("limit", &format!("{} {} ({held})", limit.limit, limit.value)));
    }
    match &permissions.system_calls {
        Some(filter) => lines.extend(system_calls(filter)),
        None => lines.push(entry("system calls", "all: no seccomp filter")),
    }
    lines
}

fn list_or_none<T: AsRef<str>>(names: &[T]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| escaped(name.as_ref())).collect::<Vec<_>>().join(", ")
}

fn files(files: &Files) -> Vec<String> {
    let mut lines = vec![entry("files", &format!("decided by {}", files.decided_by))];
    lines.extend(files.visible.iter().map(|visible| entry("", &path(visible))));
    let paths = |paths: &[std::path::PathBuf]| {
        paths.iter().map(|path| escaped(&path.to_string_lossy())).collect::<Vec<_>>().join(", ")
    };
    if !files.hidden.is_empty() {
        lines.push(entry("hidden", &paths(&files.hidden)));
    }
    if !files.absent.is_empty() {
        lines.push(entry("not on this host", &paint(FAINT, &paths(&files.absent))));
    }
    lines
}

fn path(visible: &Visible) -> String {
    let what = match visible.what {
        What::ReadOnly => "read-only".to_owned(),
        What::ReadWrite => "writable".to_owned(),
        What::Private { bytes } => format!("private, empty, {} in memory", format_size(bytes)),
        What::PrivateDirectory => {
            "closed; a private directory stands in, which HOME or TMPDIR names".to_owned()
        }
        What::Proc => "fresh, of the sandbox's processes".to_owned(),
        What::Devices if visible.path.file_name() != Some("dev".as_ref()) => "device".to_owned(),
        What::Devices => "devices: null, zero, full, random, urandom, tty and the like".to_owned(),
        What::Listing => "can be listed".to_owned(),
    };
    let style = if visible.what.is_writable_host() { DOUBTFUL } else { FAINT };
    let mut text = format!(
        "{} {}",
        escaped(&visible.path.to_string_lossy()),
        paint(style, &format!("({what}"))
    );
    if let Some(source) = &visible.source {
        text += &format!(", the host's {}", escaped(&source.to_string_lossy()));
    }
    let files = matches!(visible.what, What::ReadOnly | What::ReadWrite | What::Private { .. });
    if files && !visible.executable {
        text += ", nothing in it can be executed";
    }
    text + &paint(style, ")")
}

fn network(network: &Network) -> String {
    let ports = |ports: &Option<Vec<u16>>| match ports {
        None => "any".to_owned(),
        Some(ports) if ports.is_empty() => "none".to_owned(),
        Some(ports) => ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
    };
    let mode = match network.mode {
        NetworkMode::None if network.held_by == NetworkHolder::Seccomp => {
            "none: IPv4 and IPv6 sockets are refused by seccomp"
        }
        NetworkMode::None => "none, not even loopback",
        NetworkMode::Loopback => "loopback only, not the host's",
        NetworkMode::Host => "the host's",
    };
    let mut text = mode.to_owned();
    if network.connect_tcp.is_some() || network.bind_tcp.is_some() {
        let (connect, bind) = (ports(&network.connect_tcp), ports(&network.bind_tcp));
        text += &format!("; TCP ports to connect to: {connect}; to bind: {bind}");
    }
    text
}

fn system_calls(filter: &Filter) -> Vec<String> {
    let counts = format!(
        "{} of {} allowed, {} more depending on their arguments",
        filter.allowed, filter.known, filter.conditional
    );
    let mut lines = vec![entry("system calls", &counts)];
    let names = |wanted: fn(usize, usize) -> bool| -> Vec<String> {
        let groups = filter.groups.iter().filter(|group| wanted(group.allowed, group.of));
        groups
            .map(|group| match (group.allowed, group.of) {
                (0, _) => group.group.to_owned(),
                (allowed, of) if allowed == of => group.group.to_owned(),
                (allowed, of) => format!("{} ({allowed} of {of})", group.group),
            })
            .collect()
    };
    for (title, names) in [
        ("  allowed", names(|allowed, of| allowed == of)),
        ("  in part", names(|allowed, of| allowed > 0 && allowed < of)),
        ("  refused", names(|allowed, of| allowed == 0 && of > 0)),
    ] {
        if !names.is_empty() {
            lines.push(entry(title, &names.join(", ")));
        }
    }
    lines
}

/// A layer: its state, and below it what would change that, and what it does and doesn't cover.
fn border(state: &LayerState) -> Vec<String> {
    let (style, status) = match state.status {
        Status::Enforced => (GOOD, "enforced"),
        Status::Fallback => (DOUBTFUL, "fallback"),
        Status::Unavailable => (BAD, "unavailable"),
        Status::Off => (FAINT, "off"),
    };
    let name = format!("{:<17}", state.layer.as_str());
    let mut first = format!("{name} {}", paint_padded(style, status, 11));
    if let Some(mechanism) = &state.mechanism {
        first += &format!(" {}", escaped(mechanism));
    }
    let mut details = state.details.iter();
    if state.mechanism.is_none()
        && state.cause.is_none()
        && let Some(why) = details.next()
    {
        first += &format!(" {}", escaped(why));
    }
    let mut lines = vec![first.trim_end().to_owned()];
    let indent = " ".repeat(30);
    if let Some(cause) = &state.cause {
        lines.push(format!("{indent}cause: {}", escaped(&cause.found)));
        lines.push(format!("{indent}remedy: {}", escaped(&cause.remedy)));
    }
    lines.extend(details.map(|detail| format!("{indent}{}", escaped(detail))));
    lines
}
