//! Where the program begins, where that isn't in Rust's own start. A part of the program and not of
//! the library, which has no `main`.
#![allow(unsafe_code, reason = "no other symbol of the program is called main")]

/// What libc calls once it has set itself up.
///
/// Rust's own start would first read `/proc/self/maps` to know an overflow of the stack when it sees
/// one, and make a stack on which to tell of it: a tenth of all that a launch computes. What of it
/// matters here, [`ringfence::cli::start`] does. (Elsewhere, musl for one, the standard library
/// learns the arguments from its own start alone.)
#[unsafe(no_mangle)]
extern "C" fn main() -> std::ffi::c_int {
    ringfence::cli::start().into()
}
