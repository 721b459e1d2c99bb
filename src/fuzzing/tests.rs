//! The targets without a fuzzer: the corpus, and what mutations make of it.

use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::{TARGETS, Target};

/// How many mutations of the corpus, and how many inputs from nothing, each target gets.
/// `RINGFENCE_FUZZ=1000000` takes more time.
const CASES: u32 = 300;

fn cases() -> u32 {
    let asked = std::env::var("RINGFENCE_FUZZ").ok().and_then(|cases| cases.parse().ok());
    asked.unwrap_or(CASES)
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// One change to an input.
#[derive(Clone, Debug)]
enum Mutation {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
}

impl Mutation {
    fn apply(&self, data: &mut Vec<u8>) {
        let place = |at: usize| if data.is_empty() { 0 } else { at % data.len() };
        match self {
            Self::Set(at, byte) => {
                let at = place(*at);
                if let Some(place) = data.get_mut(at) {
                    *place = *byte;
                }
            }
            Self::Insert(at, bytes) => {
                let at = place(*at);
                data.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(at, count) | Self::Repeat(at, count) => {
                let at = place(*at);
                let end = (at + count % 64).min(data.len());
                let part = data[at..end].to_vec();
                let again = matches!(self, Self::Repeat(..));
                data.splice(at..end, if again { [part.clone(), part].concat() } else { vec![] });
            }
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<u16>().prop_map(usize::from);
    proptest::prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at.clone(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at.clone(), at.clone()).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (at.clone(), at).prop_map(|(at, count)| Mutation::Repeat(at, count)),
    ]
}

/// Tries inputs, and says the least that fails.
fn try_all(name: &str, target: Target, inputs: &impl Strategy<Value = Vec<u8>>) {
    let config = Config {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    // Always the same: a test that fails now and then says nothing.
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, random);
    let result = runner.run(inputs, |data| {
        let outcome = std::panic::catch_unwind(|| target(&data));
        outcome.map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            TestCaseError::fail(text.unwrap_or_else(|| "it panicked".to_owned()))
        })
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, data)) => panic!("{name}: {why}\nthe input: {data:?}"),
        Err(TestError::Abort(why)) => panic!("{name}: {why}"),
    }
}

fn hold(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    let seeds = corpus(name);
    assert!(!seeds.is_empty(), "{name} has no corpus");
    for (path, data) in &seeds {
        assert!(std::panic::catch_unwind(|| target(data)).is_ok(), "{}", path.display());
    }
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, data)| data).collect();
    let mutated = (0..seeds.len(), vec(mutation(), 1..6)).prop_map(move |(seed, mutations)| {
        let mut data = seeds[seed].clone();
        mutations.iter().for_each(|mutation| mutation.apply(&mut data));
        data
    });
    try_all(name, *target, &mutated);
    try_all(name, *target, &vec(any::<u8>(), 0..600));
}

/// A test for each target, and for nothing else.
macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test] fn $name() { hold(stringify!($name)); })*

        #[test]
        fn every_target_is_tested_and_has_a_fuzzer_and_a_corpus() {
            let tested = [$(stringify!($name)),*];
            let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(tested.as_slice(), known);
            let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
            for folder in ["corpus", "fuzz_targets"] {
                let entries = std::fs::read_dir(fuzz.join(folder)).unwrap();
                let names = entries.map(|entry| entry.unwrap().path());
                let mut names: Vec<_> =
                    names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
                names.sort();
                assert_eq!(names, known, "{folder}");
            }
        }
    };
}

targets! { command_line kernel_texts layering plan profile_text report seccomp tightening }
