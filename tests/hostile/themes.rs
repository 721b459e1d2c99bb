//! What hostile input and hostile programs try, by theme; each has an attack at least.

/// In the order of their numbers, from 1 on.
pub const THEMES: [&str; 34] = [
    "profiles with mistakes in them",
    "layers that the host can't give",
    "a kernel that says it has another Landlock",
    "user namespaces forbidden",
    "inside another container",
    "links that send a mount elsewhere",
    "targets of mounts that make no sense",
    "mount points made in a user's directory",
    "sources of mounts exchanged during setup",
    "mounts below a mount",
    "typing into the terminal",
    "arguments with more bits than the kernel looks at",
    "other interfaces to the kernel",
    "system calls newer than a list",
    "io_uring",
    "descriptors",
    "the launcher's program and memory",
    "a launcher killed at any step",
    "crowds of processes, daemons",
    "processes that can't be ended easily",
    "memory by every way to have it",
    "cgroups of others",
    "pipes that are full or closed, signals blocked",
    "programs that can't be executed",
    "profiles, hooks and programs changed for the next run",
    "sockets",
    "interprocess communication, keys and locks",
    "devices, and files of the kernel's",
    "changes through a read-only border",
    "setuid files left behind",
    "secrets in the environment",
    "times and time limits that make no sense",
    "very many arguments, variables, mounts",
    "reports that can't be written",
];

#[test]
fn every_theme_has_an_attack() {
    for (number, theme) in THEMES.iter().enumerate() {
        let attacks = crate::attacks();
        let of_theme = attacks.iter().filter(|attack| usize::from(attack.theme) == number + 1);
        assert!(of_theme.count() > 0, "{}: {theme}: no attack", number + 1);
    }
}
