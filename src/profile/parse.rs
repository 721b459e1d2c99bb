//! From a text to a [`Profile`], with every problem of the text found in one go.
//!
//! The text is strict JSON (no comments, trailing commas or other leniencies; nested at most 512
//! deep). Every object may have a `"$comment"`, which is ignored, and the outermost one a
//! `"$schema"`.
//!
//! - [`parse`] reads a whole profile, which needs a `"version"`.
//! - [`parse_fragment`] reads what `--set` takes: one value, at a path of keys.
//!
//! Each section is read by a function of its own; `reader` is what they have in common.

mod enforcement;
mod filesystem;
mod json;
mod limits;
mod paths;
mod process;
mod reader;
mod rights;
mod scalars;
mod seccomp;

use jsonc_parser::ast::Value;

use self::reader::{Fields, Reader};
use super::diagnostic::Diagnostic;
use super::model::Profile;
use super::source::{Origin, SourceId, Sources};
use super::vocabulary::Level;

/// The format version this crate reads.
pub const VERSION: u32 = 1;

/// Reads a profile.
///
/// # Errors
/// All problems of the text, in the order of their places. Text that is not JSON, and a version
/// that isn't supported, are single problems: nothing after them can be judged.
pub fn parse(sources: &Sources, id: SourceId) -> Result<Profile, Vec<Diagnostic>> {
    all_or_nothing(parse_leniently(sources, id))
}

/// Reads one setting, written `json.path=VALUE`, as a profile that has nothing else.
///
/// A key of the path that contains a dot or an equals sign is put into quotes, as a JSON string:
/// `environment.set."a.b"=1`. VALUE is JSON if it can be read as JSON, else it is a string. A
/// number, `true`, `false` or `null` is taken as a string, too, where only a string is right.
///
/// # Errors
/// All problems of the text.
pub fn parse_fragment(sources: &Sources, id: SourceId) -> Result<Profile, Vec<Diagnostic>> {
    let text = sources.get(id).map_or("", |source| source.text.as_str());
    let assignment = json::assignment(text)
        .map_err(|(range, problem)| vec![problem.at(Origin::new(id, range.start, range.end))])?;
    let as_json = read(text, id, Kind::Fragment, &assignment.as_json());
    if as_json.1.is_empty() || !assignment.may_be_text() {
        return all_or_nothing(as_json);
    }
    let as_text = read(text, id, Kind::Fragment, &assignment.as_text());
    all_or_nothing(if as_text.1.is_empty() { as_text } else { as_json })
}

/// Reads a profile, and leaves out what is wrong in it: so that the profiles it refers to can be
/// checked in the same go.
pub(super) fn parse_leniently(sources: &Sources, id: SourceId) -> (Profile, Vec<Diagnostic>) {
    let text = sources.get(id).map_or("", |source| source.text.as_str());
    match json::parse(text) {
        Ok(value) => read(text, id, Kind::Whole, &value),
        Err((range, problem)) => {
            (Profile::default(), vec![problem.at(Origin::new(id, range.start, range.end))])
        }
    }
}

fn all_or_nothing(
    (profile, diagnostics): (Profile, Vec<Diagnostic>),
) -> Result<Profile, Vec<Diagnostic>> {
    if diagnostics.is_empty() { Ok(profile) } else { Err(diagnostics) }
}

/// What a text is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Fragment,
}

fn read(text: &str, id: SourceId, kind: Kind, value: &Value) -> (Profile, Vec<Diagnostic>) {
    let mut reader = Reader::new(text, id);
    let profile = profile(&mut reader, kind, value).unwrap_or_default();
    (profile, reader.into_diagnostics())
}

fn profile(reader: &mut Reader, kind: Kind, value: &Value) -> Option<Profile> {
    let mut fields = Fields::open(reader, "the profile", value)?;
    fields.ignore("$schema");
    if !version(&mut fields, kind) {
        return None;
    }
    let mut profile = Profile::default();
    match kind {
        Kind::Whole => {
            profile.extends = fields.get("extends", scalars::references).unwrap_or_default();
            profile.otherwise = fields.get("otherwise", scalars::references).unwrap_or_default();
        }
        Kind::Fragment => {
            fields.reject(&["version", "extends", "otherwise"], "in a single setting")
        }
    }
    profile.name = fields.get("name", scalars::label);
    profile.description = fields.get("description", scalars::string);
    profile.level = fields
        .spanned("level", |r, v| scalars::word(r, v, "level", Level::NAMES, Level::from_name));
    sections(&mut fields, &mut profile);
    fields.finish();
    Some(profile)
}

fn sections(fields: &mut Fields, profile: &mut Profile) {
    profile.enforcement = fields.get("enforcement", enforcement::enforcement).unwrap_or_default();
    profile.user = fields.get("user", rights::user).unwrap_or_default();
    profile.capabilities = fields.get("capabilities", rights::capabilities).unwrap_or_default();
    profile.namespaces = fields.get("namespaces", enforcement::namespaces).unwrap_or_default();
    profile.filesystem = fields.get("filesystem", filesystem::filesystem).unwrap_or_default();
    profile.limits = fields.get("limits", limits::limits).unwrap_or_default();
    profile.landlock = fields.get("landlock", rights::landlock).unwrap_or_default();
    // Ports are a matter of the network to those who write profiles, and of Landlock to the kernel.
    if let Some(network) = fields.get("network", rights::network) {
        profile.network = network.network;
        rights::append_ports(&mut profile.landlock.connect_tcp, network.connect_tcp);
        rights::append_ports(&mut profile.landlock.bind_tcp, network.bind_tcp);
    }
    profile.seccomp = fields.get("seccomp", seccomp::seccomp).unwrap_or_default();
    profile.environment = fields.get("environment", process::environment).unwrap_or_default();
    profile.process = fields.get("process", process::process).unwrap_or_default();
}

/// Checks the version; `false` when the rest can't be judged.
fn version(fields: &mut Fields, kind: Kind) -> bool {
    let help = format!("the supported version is {VERSION}: \"version\": {VERSION}");
    if kind == Kind::Fragment {
        return true;
    }
    if !fields.has("version") {
        let start = fields.start();
        fields.reader().report(Diagnostic::new("missing \"version\"", start).help(&help));
    }
    let supported = fields.get("version", |reader, value| match value {
        Value::NumberLit(number) if number.value == VERSION.to_string() => Some(true),
        Value::NumberLit(number) => {
            let message = format!("version {} is not supported", number.value);
            let origin = reader.origin(value);
            reader.report(Diagnostic::new(message, origin).help(help));
            Some(false)
        }
        other => reader.wrong_type(other, "a number"),
    });
    supported.unwrap_or(true)
}
