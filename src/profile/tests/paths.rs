use super::{accepted, each_refused, refused};

const BEGIN: &str = "begin it with \"/\", \"${HOME}\", \"${CWD}\" or \"${PROFILE_DIR}\"";

#[test]
fn paths_are_absolute_or_begin_with_a_directory_variable() {
    accepted(
        r#""filesystem": {"hide": ["/", "/a", "${HOME}", "${HOME}/.ssh", "${CWD}/x", "${PROFILE_DIR}/x", "/u/${UID}", "/.a/..b/c./...", "/ä/✓"]}"#,
    );
    refused(
        r#""filesystem": {"hide": ["usr"]}"#,
        "\"usr\"",
        "the path \"usr\" is not absolute",
        BEGIN,
    );
    refused(
        r#""filesystem": {"hide": ["${UID}/x"]}"#,
        "\"${UID}/x\"",
        "the path \"${UID}/x\" is not absolute",
        BEGIN,
    );
    each_refused(
        "\"filesystem\": {\"hide\": [",
        &["\"./a\"", "\"..\"", "\".\"", "\"a/${HOME}\"", "\"$${HOME}\""],
        "]}",
        "not absolute",
    );
}

#[test]
fn shell_spellings_of_the_home_directory_are_answered_with_the_variable() {
    refused(
        r#""process": {"cwd": "~/x"}"#,
        "\"~/x\"",
        "the path \"~/x\" is not absolute",
        "write ${HOME} for the home directory",
    );
    refused(
        r#""process": {"cwd": "$HOME/x"}"#,
        "\"$HOME/x\"",
        "the path \"$HOME/x\" is not absolute",
        "write ${HOME}, with braces",
    );
}

#[test]
fn dots_in_paths_are_refused() {
    refused(
        r#""process": {"cwd": "/a/../b"}"#,
        "\"/a/../b\"",
        "the path \"/a/../b\" contains \"..\"",
        "write the path without it",
    );
    for place in [
        "\"filesystem\": {\"hide\": [",
        "\"landlock\": {\"read\": [",
        "\"landlock\": {\"write\": [",
        "\"filesystem\": {\"mounts\": [",
    ] {
        each_refused(
            place,
            &["\"/..\"", "\"/a/..\"", "\"/a/./b\"", "\"/a/.\"", "\"${HOME}/..\""],
            "]}",
            "contains",
        );
    }
}

#[test]
fn over_long_paths_are_refused() {
    let name = "n".repeat(256);
    refused(
        &format!("\"process\": {{\"cwd\": \"/{name}\"}}"),
        &format!("\"/{name}\""),
        "a name in the path is too long: 256 bytes",
        "the kernel takes at most 255 bytes",
    );
    let path = "/n".repeat(2048);
    refused(
        &format!("\"process\": {{\"cwd\": \"{path}\"}}"),
        &format!("\"{path}\""),
        "the path is too long: 4096 bytes",
        "the kernel takes at most 4095 bytes",
    );
    accepted(&format!("\"process\": {{\"cwd\": \"/{}{}\"}}", "n".repeat(255), "/n".repeat(1900)));
}

#[test]
fn an_empty_path_and_one_with_a_nul_byte_are_refused() {
    each_refused("\"filesystem\": {\"hide\": [", &["\"\"", "\"/a\\u0000b\""], "]}", "the text");
}

#[test]
fn a_malformed_variable_is_shown_alone() {
    refused(
        r#""process": {"cwd": "/a/${HOME"}"#,
        "${HOME",
        "\"${\" without \"}\"",
        "write \"$${\" for the characters themselves",
    );
    refused(
        r#""process": {"cwd": "/a/${HOEM}/b"}"#,
        "${HOEM}",
        "unknown variable \"HOEM\"",
        "did you mean \"HOME\"?",
    );
    refused(
        r#""environment": {"set": {"A": "x${PATH}"}}"#,
        "${PATH}",
        "unknown variable \"PATH\"",
        "valid names: HOME, CWD, PROFILE_DIR, UID",
    );
    refused(
        r#""environment": {"set": {"A": "${}"}}"#,
        "${}",
        "unknown variable \"\"",
        "valid names: HOME, CWD, PROFILE_DIR, UID",
    );
}

#[test]
fn a_malformed_variable_in_a_text_with_escapes_is_shown_with_the_text() {
    let problems =
        super::problems_of(&super::with_version(r#""environment": {"set": {"A": "\t${X}"}}"#));
    assert_eq!(problems[0].text.as_deref(), Some(r#""\t${X}""#));
}
