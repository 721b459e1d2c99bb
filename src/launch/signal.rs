//! Signals, as a program names them.

/// A signal, by its number (`signal(7)`).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Ending, Profile, Sandbox, Signal};
/// let sandbox = Sandbox::new(&Profile::load("default")?)?;
/// let mut child = sandbox.command("sleep").arg("60").spawn()?;
/// child.signal(Signal::INT)?;
/// assert_eq!(child.wait()?.ending, Ending::Signaled { signal: 2 });
/// assert_eq!(Signal::from_number(2), Some(Signal::INT));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal(i32);

impl Signal {
    /// `SIGHUP`
    pub const HUP: Self = Self(1);
    /// `SIGINT`
    pub const INT: Self = Self(2);
    /// `SIGQUIT`
    pub const QUIT: Self = Self(3);
    /// `SIGKILL`
    pub const KILL: Self = Self(9);
    /// `SIGUSR1`
    pub const USR1: Self = Self(10);
    /// `SIGUSR2`
    pub const USR2: Self = Self(12);
    /// `SIGALRM`
    pub const ALRM: Self = Self(14);
    /// `SIGTERM`
    pub const TERM: Self = Self(15);
    /// `SIGCONT`
    pub const CONT: Self = Self(18);
    /// `SIGSTOP`
    pub const STOP: Self = Self(19);
    /// `SIGTSTP`
    pub const TSTP: Self = Self(20);
    /// `SIGWINCH`
    pub const WINCH: Self = Self(28);

    /// The signal with this number; `None`: there is none (they go from 1 to 64).
    #[must_use]
    pub const fn from_number(number: i32) -> Option<Self> {
        if number >= 1 && number <= 64 { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }
}
