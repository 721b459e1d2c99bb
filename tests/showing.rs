//! What `profiles show` says of a profile.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod support;

use serde_json::Value;
use support::{Caller, Workspace};

fn json(workspace: &Workspace, words: &[&str]) -> Value {
    serde_json::from_str(&workspace.ringfence(words).finish().success()).unwrap()
}

/// What a profile comes to on this host.
fn explained(workspace: &Workspace, profile: &str) -> Value {
    let mut document = json(workspace, &["explain", "-p", profile, "--json"]);
    let fields = document.as_object_mut().unwrap();
    // These depend on the text, not on what it says.
    fields.remove("profile");
    document
}

#[test]
fn a_merged_profile_means_the_same_by_itself() {
    let workspace = Workspace::new(Caller::User);
    workspace.write("other/base.json", r#"{"version": 1, "level": "namespaced", "filesystem":
        {"mounts": [{"source": "${PROFILE_DIR}", "target": "/opt"}, {"type": "none", "target": "/run"}]}}"#);
    workspace.write(
        "project/mine.json",
        r#"{"version": 1, "extends": "../other/base.json", "enforcement": {"root": "required"},
            "environment": {"set": {"HERE": "${PROFILE_DIR}", "DOLLARS": "$${HOME}"}}}"#,
    );
    let profiles = ["default", "untrusted", "network-client", "compute", "./mine.json"];
    for profile in support::host::enforceable(profiles) {
        let shown = json(&workspace, &["profiles", "show", profile, "--json"]);
        let merged = shown["merged"].to_string();
        workspace.write("project/merged.json", &merged);
        let (one, other) = (explained(&workspace, profile), explained(&workspace, "./merged.json"));
        assert_eq!(one, other, "{profile}\n{merged}");
        assert_eq!(shown["merged"]["level"], shown["level"].as_str().unwrap_or("namespaced"));
    }
}

#[test]
fn a_merged_profile_is_shown_as_a_text_too() {
    let workspace = Workspace::new(Caller::User);
    let shown = json(&workspace, &["profiles", "show", "ci", "--json"]);
    let text = workspace.ringfence(["profiles", "show", "ci", "--merged"]).finish().success();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), shown["merged"]);
    // What it extends, and what its level sets.
    for inherited in ["/etc/ssl/certs", "LC_*", "\"core\""] {
        assert!(text.contains(inherited), "{inherited}: {text}");
    }
    assert!(!text.contains("\"extends\""), "{text}");
    // For people, in the order in which profiles are written.
    assert!(text.find("\"level\"") < text.find("\"filesystem\""), "{text}");
    assert!(!shown["text"].as_str().unwrap().contains("/etc/ssl/certs"));
}
