use super::complete::EVERY_KEY;
use super::one_source;
use crate::profile::model::Profile;
use crate::profile::parse::parse;

/// Writes a profile and reads it again; both texts, the second of which has places of its own.
fn around(text: &str) -> (String, String) {
    let read = |text: &str| -> Profile {
        let (sources, id) = one_source(text);
        parse(&sources, id).unwrap_or_else(|problems| {
            panic!("{}\n{text}", crate::profile::diagnostic::render(&problems, &sources, false))
        })
    };
    let written = read(text).to_json();
    let again = read(&written).to_json();
    (written, again)
}

#[test]
fn what_is_written_reads_as_the_same() {
    let (written, again) = around(EVERY_KEY);
    assert_eq!(written, again);
    // Whatever key is forgotten by the writer would be missing here; shorthands aside, which are
    // written in full.
    let keys = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).expect("it is JSON");
        let mut keys = std::collections::BTreeSet::new();
        collect(&value, "", &mut keys);
        keys
    };
    let ignored = |key: &String| {
        key.contains('$') || key.contains("network.connect_tcp") || key.contains("network.bind_tcp")
    };
    let given: Vec<_> = keys(EVERY_KEY).into_iter().filter(|key| !ignored(key)).collect();
    let kept = keys(&written);
    // The one mount that says what is the usual anyway.
    let lost: Vec<_> = given.iter().filter(|key| !kept.contains(*key)).collect();
    assert!(lost.is_empty(), "{lost:?}\n{written}");
}

/// The paths of all keys.
fn collect(value: &serde_json::Value, path: &str, keys: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                let path = format!("{path}.{key}");
                collect(value, &path, keys);
                keys.insert(path);
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|item| collect(item, path, keys)),
        _ => {}
    }
}

#[test]
fn numbers_keep_all_their_digits() {
    for limits in [
        r#""memory": 9223372036854775807"#,
        r#""cpus": 0.001"#,
        r#""cpus": 12.345"#,
        r#""wall_time": "1.000000001s""#,
        r#""wall_time": "1500ms""#,
        r#""cpu_time": "90m""#,
    ] {
        let (written, again) = around(&format!("{{\"version\": 1, \"limits\": {{{limits}}}}}"));
        assert_eq!(written, again);
    }
    let (written, _) = around(r#"{"version": 1, "limits": {"cpus": 12.345, "wall_time": "1.5s"}}"#);
    assert!(written.contains("12.345") && written.contains("\"1.5s\""), "{written}");
}
