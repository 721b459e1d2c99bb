//! The table in `docs/security.md`: made of what is claimed, which the battery holds to be true.

use std::path::Path;

use crate::table::{Attack, COLUMNS};
use crate::themes::THEMES;

const BEGIN: &str = "<!-- attacks: made by tests/hostile; RINGFENCE_BLESS=1 writes it anew -->\n";
const END: &str = "<!-- end of attacks -->\n";

/// The section between the markers.
fn section(attacks: &[Attack]) -> String {
    let mut text = format!("\n| attack | {} |\n| --- |", COLUMNS.join(" | "));
    text += &" --- |".repeat(COLUMNS.len());
    text.push('\n');
    for (number, theme) in THEMES.iter().enumerate() {
        let of_theme: Vec<_> =
            attacks.iter().filter(|attack| usize::from(attack.theme) == number + 1).collect();
        text += &format!("| **{theme}** |{}\n", " |".repeat(COLUMNS.len()));
        for attack in of_theme {
            text += &format!("| {} |", attack.name);
            for column in COLUMNS {
                text += if attack.claims.contains(&column) { " held |" } else { " – |" };
            }
            text.push('\n');
        }
    }
    text.push('\n');
    text
}

#[test]
fn the_documented_table_is_the_one_that_is_tested() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the section begins");
    let (documented, after) = rest.split_once(END).expect("the section ends");
    let tested = section(&crate::attacks());
    if std::env::var_os("RINGFENCE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{tested}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(documented, tested, "write it anew: RINGFENCE_BLESS=1 cargo test --test hostile");
}
