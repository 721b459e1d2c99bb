//! x
/// The one spelling of a path: no doubled and no trailing slashes.
#[must_use]
pub fn normalized(path: &str) -> String {
    let mut spelling = String::with_capacity(path.len());
    if path.starts_with('/') {
        spelling.push('/');
    }
    for name in path.split('/').filter(|name| !name.is_empty()) {
        if !spelling.is_empty() && !spelling.ends_with('/') {
            spelling.push('/');
        }
        spelling.push_str(name);
    }
    spelling
}
