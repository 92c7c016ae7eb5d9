//! What the processor can do.

use std::fmt;
use std::sync::OnceLock;

/// The environment variable that names the level of this process: `portable`, `avx2` or `avx512`. A diagnostic, read
/// once: it lets one machine test every level that it has.
pub const LEVEL_VARIABLE: &str = "TACIT_SIMD";

/// Why [`LEVEL_VARIABLE`] chooses no level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LevelError {
    /// It is the name of no level.
    Unknown(String),
    /// This machine does not have the level.
    Unavailable(Level),
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let [first, second, third] = Level::ALL.map(Level::name);
                write!(f, "{LEVEL_VARIABLE} is {name:?}, which is none of {first}, {second} and {third}")
            }
            Self::Unavailable(level) => {
                write!(f, "{LEVEL_VARIABLE} is {:?}, which this machine does not have", level.name())
            }
        }
    }
}

impl std::error::Error for LevelError {}

/// A set of vector instructions. Every level gives the same results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// No instructions of its own: what the compiler makes for the target, and AES as the `aes` crate finds it.
    Portable,
    /// 256-bit registers with AVX2, FMA, VAES and VPCLMULQDQ.
    Avx2,
    /// 512-bit registers with AVX-512 (F, BW, DQ, VL), VAES and VPCLMULQDQ. Processors with AVX-512 but without VAES
    /// are [`Self::Portable`], as are those with AVX2 but without VAES.
    Avx512,
}

impl Level {
    /// All levels, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// Its name, as [`LEVEL_VARIABLE`] has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The level of this process: the one that [`LEVEL_VARIABLE`] names, or the widest that this machine has. A program
    /// asks [`Self::chosen`] when it starts, so that a name which cannot be followed is refused there; here it counts
    /// for nothing.
    pub fn detect() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| Self::chosen().unwrap_or_else(|_| Self::widest()))
    }

    /// The level that [`LEVEL_VARIABLE`] names, or the widest where it is not set.
    ///
    /// # Errors
    /// [`LevelError`] where it names no level, or one that this machine does not have.
    pub fn chosen() -> Result<Self, LevelError> {
        match std::env::var_os(LEVEL_VARIABLE) {
            None => Ok(Self::widest()),
            Some(name) => Self::named(&name.to_string_lossy()),
        }
    }

    fn named(name: &str) -> Result<Self, LevelError> {
        match Self::ALL.into_iter().find(|level| level.name() == name) {
            Some(level) if level.is_available() => Ok(level),
            Some(level) => Err(LevelError::Unavailable(level)),
            None => Err(LevelError::Unknown(name.to_owned())),
        }
    }

    fn widest() -> Self {
        Self::ALL.into_iter().rfind(|level| level.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("aes")
                    && is_x86_feature_detected!("pclmulqdq")
                    && is_x86_feature_detected!("vaes")
                    && is_x86_feature_detected!("vpclmulqdq")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// This level if the machine has it, else the portable one: what every dispatch goes through, so that no caller
    /// can reach instructions that do not exist.
    pub(crate) fn or_portable(self) -> Self {
        // Feature detection is cached by the standard library: a load and a test each.
        if self.is_available() { self } else { Self::Portable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_chosen_by_its_name_where_the_machine_has_it() {
        for level in Level::ALL {
            let expected = if level.is_available() { Ok(level) } else { Err(LevelError::Unavailable(level)) };
            assert_eq!(Level::named(level.name()), expected);
        }
        for name in ["", "AVX2", "avx", "sse2"] {
            let error = Level::named(name).expect_err("no level");
            assert!(error.to_string().contains("portable, avx2 and avx512"), "{error}");
        }
    }

    #[test]
    fn the_level_found_is_available_and_the_portable_one_always_is() {
        assert!(Level::Portable.is_available());
        assert!(Level::detect().is_available());
        for level in Level::ALL {
            assert!(level.or_portable().is_available());
        }
    }
}
