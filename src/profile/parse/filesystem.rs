//! The `filesystem` section.

use std::collections::HashMap;

use jsonc_parser::ast::Value;

use super::limits;
use super::paths;
use super::reader::{Fields, Reader};
use super::scalars;
use crate::profile::diagnostic::{Diagnostic, Problem, quoted};
use crate::profile::layering::normalized;
use crate::profile::model::{Filesystem, Mount, MountKind, RootSource};
use crate::profile::source::Spanned;
use crate::profile::suggest;
use crate::profile::vocabulary::Access;

/// Every key that some type of mount has.
const MOUNT_KEYS: &[&str] = &[
    "source",
    "target",
    "access",
    "optional",
    "noexec",
    "map_owner",
    "unless_home",
    "size",
    "mode",
];

/// The types of mounts.
const MOUNT_TYPES: &[&str] = &["bind", "tmpfs", "proc", "dev", "none"];

pub(super) fn filesystem(reader: &mut Reader, value: &Value) -> Option<Filesystem> {
    let mut fields = Fields::open(reader, "filesystem", value)?;
    let filesystem = Filesystem {
        root: fields.spanned("root", root),
        mounts: fields.get("mounts", mounts).unwrap_or_default(),
        hide: fields.get("hide", paths::list_inside).unwrap_or_default(),
    };
    fields.finish();
    Some(filesystem)
}

fn root(reader: &mut Reader, value: &Value) -> Option<RootSource> {
    if let Value::StringLit(literal) = value {
        return match &*literal.value {
            "host" => Some(RootSource::Host),
            "minimal" => Some(RootSource::Minimal),
            other => {
                let help = if other.contains('/') {
                    format!("write {{\"directory\": {}}} for a directory", quoted(other))
                } else {
                    suggest::help(other, ["host", "minimal"])
                };
                let problem = Problem::new(format!("unknown root {}", quoted(other)));
                reader.report_at(value, problem.help(help))
            }
        };
    }
    let mut fields = Fields::open(reader, "root, or \"host\" or \"minimal\"", value)?;
    let directory = fields.required("directory", paths::on_host);
    fields.finish();
    directory.map(RootSource::Directory)
}

fn mounts(reader: &mut Reader, value: &Value) -> Option<Vec<Spanned<Mount>>> {
    let mounts = reader.list(value, "an array of mounts", mount)?;
    let mut targets = HashMap::new();
    for mount in &mounts {
        if targets.insert(normalized(&mount.target), mount.origin).is_some() {
            let message = format!("another mount has the target {}", quoted(&mount.target));
            reader.report(Diagnostic::new(message, mount.origin).help("keep one of them"));
        }
    }
    Some(mounts)
}

fn mount(reader: &mut Reader, value: &Value) -> Option<Mount> {
    if let Value::StringLit(_) = value {
        let path = paths::inside(reader, value)?;
        let kind = MountKind::Bind {
            source: path.clone(),
            access: Access::ReadOnly,
            noexec: false,
            map_owner: false,
            unless_home: false,
        };
        return Some(Mount { target: path, kind, optional: false });
    }
    let mut fields = Fields::open(reader, "a mount, or a path", value)?;
    let kind = fields.get("type", mount_type);
    if fields.has("type") && kind.is_none() {
        // Which keys are right depends on the type.
        return None;
    }
    let kind = kind.unwrap_or("bind");
    let mount = match kind {
        "tmpfs" => tmpfs(&mut fields),
        "proc" => fixed(&mut fields, "/proc", MountKind::Proc),
        "dev" => fixed(&mut fields, "/dev", MountKind::Dev),
        "none" => fields.required("target", paths::inside).map(|target| Mount {
            target,
            kind: MountKind::None,
            optional: false,
        }),
        _ => bind(&mut fields),
    };
    fields.reject(MOUNT_KEYS, &format!("in a mount of type \"{kind}\""));
    fields.finish();
    mount
}

fn mount_type(reader: &mut Reader, value: &Value) -> Option<&'static str> {
    if let Value::StringLit(literal) = value
        && literal.value == "overlay"
    {
        let problem = Problem::new("mounts of type \"overlay\" are not supported yet");
        let help = format!("supported types: {}", MOUNT_TYPES.join(", "));
        return reader.report_at(value, problem.help(help));
    }
    scalars::word(reader, value, "mount type", MOUNT_TYPES, |name| {
        MOUNT_TYPES.iter().copied().find(|known| *known == name)
    })
}

fn bind(fields: &mut Fields) -> Option<Mount> {
    // A source may go up with "..", a target may not; a path that is both must be right as both.
    let is_both = !fields.has("target");
    let source = fields.get("source", if is_both { paths::inside } else { paths::on_host });
    let target = fields.get("target", paths::inside);
    let access = fields
        .get("access", |r, v| scalars::word(r, v, "access", Access::NAMES, Access::from_name));
    let optional = flag(fields, "optional");
    let noexec = flag(fields, "noexec");
    let map_owner = flag(fields, "map_owner");
    let unless_home = flag(fields, "unless_home");
    if is_both && !fields.has("source") {
        let start = fields.start();
        let diagnostic = Diagnostic::new("a bind mount has neither source nor target", start);
        fields.reader().report(diagnostic.help("add \"source\": \"/path\""));
    }
    let target = target.or_else(|| source.clone())?;
    let source = source.unwrap_or_else(|| target.clone());
    let access = access.unwrap_or(Access::ReadOnly);
    let kind = MountKind::Bind { source, access, noexec, map_owner, unless_home };
    Some(Mount { target, kind, optional })
}

fn tmpfs(fields: &mut Fields) -> Option<Mount> {
    let target = fields.required("target", paths::inside);
    // Not 0, which the kernel's tmpfs takes as "no limit".
    let size = fields.get("size", limits::size);
    let mode = fields.get("mode", |r, v| scalars::octal(r, v, 0o7777));
    let noexec = flag(fields, "noexec");
    Some(Mount { target: target?, kind: MountKind::Tmpfs { size, mode, noexec }, optional: false })
}

fn fixed(fields: &mut Fields, default: &str, kind: MountKind) -> Option<Mount> {
    let given = fields.has("target");
    let target = fields.get("target", paths::inside);
    let target = if given { target? } else { default.to_owned() };
    Some(Mount { target, kind, optional: false })
}

fn flag(fields: &mut Fields, key: &'static str) -> bool {
    fields.get(key, scalars::boolean).unwrap_or(false)
}
