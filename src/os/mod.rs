//! Room 5: the backends; the only place that asks which system this is.
#[cfg(target_os = "linux")]
pub mod linux;
