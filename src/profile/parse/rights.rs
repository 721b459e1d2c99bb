//! The sections about what the command may be and reach: `user`, `capabilities`, `landlock` and
//! `network`.

use jsonc_parser::ast::Value;

use super::paths;
use super::reader::{Fields, Reader};
use super::scalars;
use crate::profile::diagnostic::{Problem, quoted};
use crate::profile::model::{Capabilities, IdOrName, Landlock, Network, User};
use crate::profile::source::Spanned;
use crate::profile::vocabulary::{LandlockScope, NetworkMode};
use crate::profile::{names, suggest};

/// The largest id: the one above it, -1, means "no change" to the kernel.
const MAX_ID: u32 = u32::MAX - 1;

pub(super) fn user(reader: &mut Reader, value: &Value) -> Option<User> {
    if let Value::StringLit(_) = value {
        return user_shorthand(reader, value);
    }
    let mut fields = Fields::open(reader, "user", value)?;
    let user = User {
        uid: fields.spanned("uid", id_or_name),
        gid: fields.spanned("gid", id_or_name),
        groups: fields.get("groups", |r, v| r.list(v, "an array of groups", id_or_name)),
    };
    fields.finish();
    Some(user)
}

/// `user` or `user:group`, as in `chown(1)`.
fn user_shorthand(reader: &mut Reader, value: &Value) -> Option<User> {
    let text = scalars::nonempty(reader, value)?;
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (text, None),
    };
    let mut part = |part: &str, start: usize| {
        let origin = reader.part(value, text, start..start + part.len());
        match parse_id(part) {
            Ok(id) => Some(Spanned::new(id, origin)),
            Err(problem) => {
                reader.report(problem.at(origin));
                None
            }
        }
    };
    let gid = gid.map(|gid| part(gid, uid.len() + 1));
    let uid = part(uid, 0)?;
    Some(User { uid: Some(uid), gid: gid.flatten(), groups: None })
}

fn id_or_name(reader: &mut Reader, value: &Value) -> Option<IdOrName> {
    match value {
        Value::NumberLit(_) => {
            scalars::integer(reader, value, 0..=i128::from(MAX_ID)).map(IdOrName::Id)
        }
        Value::StringLit(literal) => match parse_id(&literal.value) {
            Ok(id) => Some(id),
            Err(problem) => reader.report_at(value, problem),
        },
        other => reader.wrong_type(other, "a number or a name"),
    }
}

fn parse_id(text: &str) -> Result<IdOrName, Problem> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let id = text.parse().ok().filter(|id| *id <= MAX_ID).map(IdOrName::Id);
        return id.ok_or_else(|| {
            let problem = Problem::new(format!("the id {} is out of range", quoted(text)));
            problem.help(format!("the largest id is {MAX_ID}"))
        });
    }
    let stray = |c: char| c == ':' || c == '/' || c.is_whitespace() || c.is_control();
    if text.is_empty() || text.starts_with('-') || text.contains(stray) {
        let problem = Problem::new(format!("{} is not a name or a number", quoted(text)));
        return Err(problem.help("write \"USER\", \"USER:GROUP\" or numbers in their place"));
    }
    Ok(IdOrName::Name(text.to_owned()))
}

pub(super) fn capabilities(reader: &mut Reader, value: &Value) -> Option<Capabilities> {
    let mut fields = Fields::open(reader, "capabilities", value)?;
    let keep = fields.get("keep", |r, v| r.list(v, "an array of capabilities", capability));
    fields.finish();
    Some(Capabilities { keep })
}

fn capability(reader: &mut Reader, value: &Value) -> Option<u8> {
    let name = scalars::nonempty(reader, value)?;
    names::capability_number(name).or_else(|| {
        let problem = Problem::new(format!("unknown capability {}", quoted(name)));
        let full = name.to_ascii_uppercase();
        let full = format!("CAP_{}", full.strip_prefix("CAP_").unwrap_or(&full));
        reader.report_at(value, problem.help(suggest::help(&full, names::CAPABILITIES)))
    })
}

pub(super) fn landlock(reader: &mut Reader, value: &Value) -> Option<Landlock> {
    let mut fields = Fields::open(reader, "landlock", value)?;
    let landlock = Landlock {
        read: fields.get("read", paths::list_inside).unwrap_or_default(),
        write: fields.get("write", paths::list_inside).unwrap_or_default(),
        execute: fields.get("execute", paths::list_inside).unwrap_or_default(),
        connect_tcp: fields.get("connect_tcp", ports),
        bind_tcp: fields.get("bind_tcp", ports),
        scopes: fields.get("scopes", |r, v| r.list(v, "an array of scopes", scope)),
    };
    fields.finish();
    Some(landlock)
}

fn scope(reader: &mut Reader, value: &Value) -> Option<LandlockScope> {
    scalars::word(reader, value, "scope", LandlockScope::NAMES, LandlockScope::from_name)
}

fn ports(reader: &mut Reader, value: &Value) -> Option<Vec<Spanned<u16>>> {
    reader.list(value, "an array of port numbers", scalars::port)
}

/// The `network` section, with the ports that go to Landlock.
#[derive(Default)]
pub(super) struct NetworkAndPorts {
    pub(super) network: Network,
    pub(super) connect_tcp: Option<Vec<Spanned<u16>>>,
    pub(super) bind_tcp: Option<Vec<Spanned<u16>>>,
}

pub(super) fn network(reader: &mut Reader, value: &Value) -> Option<NetworkAndPorts> {
    if let Value::StringLit(_) = value {
        let origin = reader.origin(value);
        let mode = Some(Spanned::new(mode(reader, value)?, origin));
        return Some(NetworkAndPorts { network: Network { mode }, ..Default::default() });
    }
    let mut fields = Fields::open(reader, "network", value)?;
    let network = NetworkAndPorts {
        network: Network { mode: fields.spanned("mode", mode) },
        connect_tcp: fields.get("connect_tcp", ports),
        bind_tcp: fields.get("bind_tcp", ports),
    };
    fields.finish();
    Some(network)
}

fn mode(reader: &mut Reader, value: &Value) -> Option<NetworkMode> {
    scalars::word(reader, value, "network mode", NetworkMode::NAMES, NetworkMode::from_name)
}

/// Appends ports to a list, which comes into being if there are any to append.
pub(super) fn append_ports(ports: &mut Option<Vec<Spanned<u16>>>, more: Option<Vec<Spanned<u16>>>) {
    let Some(more) = more else { return };
    let ports = ports.get_or_insert_default();
    for port in more {
        if !ports.iter().any(|known| known.value == port.value) {
            ports.push(port);
        }
    }
}
