//! Where profiles are found: files by path; by name the user's, the host's, and the built-in ones.

use std::path::{Path, PathBuf};

use crate::os::Unopened;
use crate::profile::diagnostic::quoted;
use crate::profile::layering::{LoadError, Loader};
use crate::profile::source::Source;
use crate::profile::suggest;

/// A profile that is part of this program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! built_in {
    ($( $name:literal, )+) => {
        /// The profiles that are part of this program.
        pub const BUILT_IN: &[BuiltIn] = &[ $( BuiltIn {
            name: $name,
            text: include_str!(concat!("../../profiles/", $name, ".json")),
        }, )+ ];
    };
}

built_in! {
    "default", "ci", "untrusted", "compute", "network-client", "landlock-only", "ci-landlock", "system",
}

/// How large a profile may be. The largest useful ones have a few kilobytes.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// The directories and names by which profiles are found.
#[derive(Clone, Debug)]
pub struct Library {
    /// Searched in this order, before the built-in profiles.
    pub directories: Vec<PathBuf>,
    /// Whether a profile that others can write is refused: they could widen what root runs.
    pub distrust_writable: bool,
}

/// A profile that can be named.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its file; absent for a built-in one.
    pub path: Option<PathBuf>,
}

impl Library {
    /// The library of the user who calls: `$XDG_CONFIG_HOME/ringfence/profiles` (or `~/.config/…`),
    /// then `/etc/ringfence/profiles`. Never the working directory: what is worked on must not
    /// choose what it is worked on with.
    #[must_use]
    pub fn of_caller() -> Self {
        let absolute = |path: PathBuf| path.is_absolute().then_some(path);
        let config = std::env::var_os("XDG_CONFIG_HOME")
            .and_then(|path| absolute(path.into()))
            .or_else(|| {
                let home = std::env::var_os("HOME").and_then(|path| absolute(path.into()));
                home.map(|home| home.join(".config"))
            });
        let own = config.map(|config| config.join("ringfence/profiles"));
        let system = PathBuf::from("/etc/ringfence/profiles");
        Self {
            directories: own.into_iter().chain([system]).collect(),
            distrust_writable: crate::os::is_root(),
        }
    }

    /// Every profile that can be named, the ones found first hiding others of the same name.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut add = |name: String, path| {
            if !entries.iter().any(|entry| entry.name == name) {
                entries.push(Entry { name, path });
            }
        };
        for directory in &self.directories {
            let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
                .map(|files| files.flatten().map(|file| file.path()).collect())
                .unwrap_or_default();
            files.sort();
            for path in files {
                let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
                if path.extension().is_some_and(|extension| extension == "json")
                    && let Some(name) = name
                {
                    add(name, Some(path));
                }
            }
        }
        for profile in BUILT_IN {
            add(profile.name.to_owned(), None);
        }
        entries
    }

    fn by_name(&self, name: &str) -> Result<Source, LoadError> {
        for directory in &self.directories {
            let path = directory.join(format!("{name}.json"));
            if path.symlink_metadata().is_ok() {
                return self.by_path(&path);
            }
        }
        let built_in = BUILT_IN.iter().find(|profile| profile.name == name);
        built_in.map_or_else(
            || Err(self.unknown(name)),
            |profile| {
                Ok(Source {
                    name: format!("built-in profile {name}"),
                    text: profile.text.to_owned(),
                    directory: None,
                })
            },
        )
    }

    fn unknown(&self, name: &str) -> LoadError {
        let known: Vec<String> = self.entries().into_iter().map(|entry| entry.name).collect();
        let error = LoadError::new(format!("there is no profile {}", quoted(name)));
        if Path::new(name).exists() || Path::new(&format!("{name}.json")).exists() {
            return error.help(format!("for a file of the working directory, write ./{name}"));
        }
        match suggest::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean {}?", quoted(near))),
            None => error.help(format!("there are: {}", known.join(", "))),
        }
    }

    fn by_path(&self, path: &Path) -> Result<Source, LoadError> {
        let fail = |what: String| LoadError::new(format!("{}: {what}", path.display()));
        let (file, path) = crate::os::open_by_steps(path, self.distrust_writable)
            .map_err(|why| unopened(path, &why))?;
        let metadata = file.metadata().map_err(|error| fail(plain(&error)))?;
        if metadata.len() > MOST_BYTES {
            return Err(fail("is larger than 4 MiB, which no profile is".to_owned()));
        }
        let text = std::io::read_to_string(file).map_err(|error| fail(plain(&error)))?;
        let directory = path.parent().map(Path::to_owned);
        Ok(Source { name: path.display().to_string(), text, directory })
    }
}

fn unopened(path: &Path, unopened: &Unopened) -> LoadError {
    let fail = |what: String| LoadError::new(format!("{}: {what}", path.display()));
    match unopened {
        Unopened::Error(error) => fail(plain(error)),
        Unopened::NotAFile => fail("isn't a regular file".to_owned()),
        Unopened::Distrusted { by, why } => {
            fail(format!("refused: {} {why}, and this runs as root", by.display())).help(
                "chown root and chmod go-w it; the same holds of every directory and link on the \
                 way to a profile",
            )
        }
    }
}

/// An error without Rust's "(os error 2)".
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

impl Loader for Library {
    /// A reference with a slash, or that ends in `.json`, is a path; inside a profile, a relative
    /// one starts at the profile's directory. Everything else is a name.
    fn load(&mut self, reference: &str, directory: Option<&Path>) -> Result<Source, LoadError> {
        let is_path = reference.contains('/') || reference.ends_with(".json");
        match (is_path, directory) {
            (false, _) => self.by_name(reference),
            (true, Some(directory)) => self.by_path(&directory.join(reference)),
            (true, None) => self.by_path(Path::new(reference)),
        }
    }
}
