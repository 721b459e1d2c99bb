//! The sections that map a closed set of names: `enforcement` and `namespaces`.

use std::collections::BTreeMap;

use jsonc_parser::ast::Value;

use super::reader::{Reader, entries};
use super::scalars;
use crate::profile::diagnostic::{Problem, quoted};
use crate::profile::source::Spanned;
use crate::profile::suggest;
use crate::profile::vocabulary::{Enforcement, Layer, Namespace};

pub(super) fn enforcement(
    reader: &mut Reader,
    value: &Value,
) -> Option<BTreeMap<Layer, Spanned<Enforcement>>> {
    named(reader, value, ("enforcement", "layer"), (Layer::NAMES, Layer::from_name), |r, v| {
        scalars::word(r, v, "enforcement", Enforcement::NAMES, Enforcement::from_name)
    })
}

pub(super) fn namespaces(
    reader: &mut Reader,
    value: &Value,
) -> Option<BTreeMap<Namespace, Spanned<bool>>> {
    let names = (Namespace::NAMES, Namespace::from_name as fn(&str) -> _);
    named(reader, value, ("namespaces", "namespace"), names, scalars::boolean)
}

/// All names of a closed set, and what each stands for.
type Names<K> = (&'static [&'static str], fn(&str) -> Option<K>);

/// An object whose keys are names of one kind.
fn named<K: Ord, T>(
    reader: &mut Reader,
    value: &Value,
    (section, kind): (&str, &str),
    (names, from_name): Names<K>,
    mut read: impl FnMut(&mut Reader, &Value) -> Option<T>,
) -> Option<BTreeMap<K, Spanned<T>>> {
    let mut map = BTreeMap::new();
    for property in entries(reader, section, value)? {
        let name = property.name.as_str();
        let origin = reader.origin(&property.value);
        let content = read(reader, &property.value);
        if let Some(key) = from_name(name) {
            map.extend(content.map(|content| (key, Spanned::new(content, origin))));
        } else {
            let help = suggest::help(name, names.iter().copied());
            let problem = Problem::new(format!("unknown {kind} {}", quoted(name))).help(help);
            reader.report_at::<()>(&property.name, problem);
        }
    }
    Some(map)
}
