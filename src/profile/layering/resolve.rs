//! Following `extends` and `otherwise` from one profile to all that it stands on.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::merge;
use crate::profile::diagnostic::{Diagnostic, Problem, quoted};
use crate::profile::model::Profile;
use crate::profile::parse::parse_leniently;
use crate::profile::source::{Origin, Source, SourceId, Sources, Spanned};

/// How many profiles may stand on each other.
pub const MAX_DEPTH: usize = 16;

/// Finds profiles. It lives where there is a file system.
pub trait Loader {
    /// Finds and reads the profile that `reference` means: a name or a path, which is relative to
    /// `directory`, the directory of the profile that refers to it.
    ///
    /// The same profile must always get the same [`Source::name`]: that is how a cycle is seen.
    ///
    /// # Errors
    /// When there is no such profile, or it can't be read or trusted.
    fn load(&mut self, reference: &str, directory: Option<&Path>) -> Result<Source, LoadError>;
}

/// Why a profile could not be loaded.
pub type LoadError = Problem;

/// What a reference to a profile turned out to be.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The profile, and after it those that may take its place, in order of preference. Never
    /// empty.
    pub choices: Vec<Layered>,
    /// All texts they were made of.
    pub sources: Sources,
}

/// A profile with everything it extends.
#[derive(Clone, Debug)]
pub struct Layered {
    /// The profiles merged; mounts of type `none` are still there ([`super::finish`]).
    pub profile: Profile,
    /// What it calls itself, else what its file is called.
    pub name: String,
    /// What it was made of, in hexadecimal digits: the SHA-256 of its text. Where it extends
    /// others: that of all texts, in the order they were merged, each once and after its length in
    /// bytes as a 64-bit little-endian number.
    pub sha256: String,
}

/// Why a reference to a profile can't be used.
#[derive(Clone, Debug)]
pub struct Failure {
    /// All problems of all its texts.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts.
    pub sources: Sources,
    /// What could be made of them all the same, wrong values left out: only good for finding more
    /// problems in one go. Empty where not even the profile asked for could be read.
    pub choices: Vec<Layered>,
}

/// Loads a profile, all it extends, and all that may take its place.
///
/// Bases are merged in the order they are written, each with everything *it* extends, and the
/// profile itself comes last. The `otherwise` of a base does not count. Where profile A has the
/// alternatives B and C, and B has D, the order of preference is A, B, D, C.
///
/// # Errors
/// All problems of all the texts that could be found.
pub fn resolve(loader: &mut dyn Loader, reference: &str) -> Result<Loaded, Failure> {
    resolve_with(Resolver::new(loader), reference)
}

/// The same without what may take the profile's place: most launches never need it.
///
/// # Errors
/// All problems of all the texts that could be found.
pub fn resolve_first(loader: &mut dyn Loader, reference: &str) -> Result<Loaded, Failure> {
    resolve_with(Resolver { first_only: true, ..Resolver::new(loader) }, reference)
}

fn resolve_with(mut resolver: Resolver<'_>, reference: &str) -> Result<Loaded, Failure> {
    let first = Spanned::new(reference.to_owned(), Origin::CODE);
    let mut choices = Vec::new();
    resolver.alternatives(&first, None, &mut Vec::new(), &mut choices);
    let Resolver { sources, diagnostics, .. } = resolver;
    let choices: Vec<Layered> = choices.into_iter().map(|(_, layered)| layered).collect();
    if !diagnostics.is_empty() || choices.is_empty() {
        return Err(Failure { diagnostics, sources, choices });
    }
    Ok(Loaded { choices, sources })
}

/// A profile merged with its bases, and the texts that went into it.
struct Merged {
    profile: Profile,
    texts: Vec<SourceId>,
}

/// The profiles between the one asked for and the one being looked at, outermost first.
type Chain = Vec<SourceId>;

struct Resolver<'l> {
    /// Whether alternatives are left aside.
    first_only: bool,
    loader: &'l mut dyn Loader,
    sources: Sources,
    diagnostics: Vec<Diagnostic>,
    /// Every text that was loaded, by its name, and what it says.
    parsed: HashMap<String, (SourceId, Rc<Profile>)>,
    /// Every profile whose bases are merged.
    merged: HashMap<SourceId, Rc<Merged>>,
}

impl<'l> Resolver<'l> {
    fn new(loader: &'l mut dyn Loader) -> Self {
        Self {
            first_only: false,
            loader,
            sources: Sources::default(),
            diagnostics: Vec::new(),
            parsed: HashMap::new(),
            merged: HashMap::new(),
        }
    }

    /// Adds a profile and what may take its place to the choices.
    fn alternatives(
        &mut self,
        reference: &Spanned<String>,
        referrer: Option<SourceId>,
        chain: &mut Chain,
        choices: &mut Vec<(SourceId, Layered)>,
    ) {
        let Some((id, profile)) = self.open(reference, referrer) else { return };
        if !self.may_enter(id, reference.origin, chain, "otherwise")
            || choices.iter().any(|(known, _)| *known == id)
        {
            return;
        }
        let merged = self.with_bases(id, &profile, &mut Vec::new());
        choices.push((id, self.layered(id, &merged)));
        if self.first_only {
            return;
        }
        chain.push(id);
        for alternative in &profile.otherwise {
            self.alternatives(alternative, Some(id), chain, choices);
        }
        chain.pop();
    }

    /// Merges a profile with everything it extends.
    fn with_bases(&mut self, id: SourceId, profile: &Profile, chain: &mut Chain) -> Rc<Merged> {
        if let Some(merged) = self.merged.get(&id) {
            return Rc::clone(merged);
        }
        let mut result = Merged { profile: Profile::default(), texts: Vec::new() };
        chain.push(id);
        for reference in &profile.extends {
            let Some((base_id, base)) = self.open(reference, Some(id)) else { continue };
            if self.may_enter(base_id, reference.origin, chain, "extends") {
                let base = self.with_bases(base_id, &base, chain);
                result.profile = merge(result.profile, base.profile.clone());
                result.texts.extend(&base.texts);
            }
        }
        chain.pop();
        result.profile = merge(result.profile, profile.clone());
        result.texts.push(id);
        let mut seen = HashSet::new();
        result.texts.retain(|text| seen.insert(*text));
        let result = Rc::new(result);
        self.merged.insert(id, Rc::clone(&result));
        result
    }

    /// Loads and parses a text, unless that was done before.
    fn open(
        &mut self,
        reference: &Spanned<String>,
        referrer: Option<SourceId>,
    ) -> Option<(SourceId, Rc<Profile>)> {
        let directory = referrer
            .and_then(|id| self.sources.get(id))
            .and_then(|source| source.directory.as_deref());
        let source = match self.loader.load(reference, directory) {
            Ok(source) => source,
            Err(problem) => {
                self.diagnostics.push(problem.at(reference.origin));
                return None;
            }
        };
        if let Some(known) = self.parsed.get(&source.name) {
            return Some(known.clone());
        }
        let name = source.name.clone();
        let id = self.sources.add(source);
        let (profile, diagnostics) = parse_leniently(&self.sources, id);
        self.diagnostics.extend(diagnostics);
        let parsed = (id, Rc::new(profile));
        self.parsed.insert(name, parsed.clone());
        Some(parsed)
    }

    /// Reports a reference that leads back to where it came from, or too far.
    fn may_enter(&mut self, id: SourceId, origin: Origin, chain: &Chain, key: &str) -> bool {
        let problem = if let Some(start) = chain.iter().position(|link| *link == id) {
            let links = chain[start..].iter().chain([&id]);
            let names: Vec<String> = links.map(|link| quoted(self.source_name(*link))).collect();
            Diagnostic::new(
                format!("\"{key}\" leads back to itself: {}", names.join(" → ")),
                origin,
            )
        } else if chain.len() >= MAX_DEPTH {
            let message = format!("\"{key}\" goes more than {MAX_DEPTH} profiles deep");
            Diagnostic::new(message, origin)
        } else {
            return true;
        };
        self.diagnostics.push(problem);
        false
    }

    fn source_name(&self, id: SourceId) -> &str {
        self.sources.get(id).map_or("", |source| source.name.as_str())
    }

    fn layered(&self, id: SourceId, merged: &Merged) -> Layered {
        Layered {
            profile: merged.profile.clone(),
            name: merged.profile.name.clone().unwrap_or_else(|| self.file_stem(id)),
            sha256: self.sha256(&merged.texts),
        }
    }

    fn file_stem(&self, id: SourceId) -> String {
        let name = self.source_name(id);
        let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
        stem.unwrap_or(name).to_owned()
    }

    fn sha256(&self, texts: &[SourceId]) -> String {
        let mut hash = Sha256::new();
        for source in texts.iter().filter_map(|id| self.sources.get(*id)) {
            if texts.len() > 1 {
                hash.update((source.text.len() as u64).to_le_bytes());
            }
            hash.update(&source.text);
        }
        let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
        let bytes = hash.finalize();
        bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}
