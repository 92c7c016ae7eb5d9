//! What the processor can do.

use std::sync::OnceLock;

/// A set of vector instructions. Every level gives the same results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// No instructions of its own: what the compiler makes for the target, and AES as the `aes` crate finds it.
    Portable,
    /// 256-bit registers with AVX2, VAES and VPCLMULQDQ.
    Avx2,
    /// 512-bit registers with AVX-512 (F, BW, DQ, VL), VAES and VPCLMULQDQ. Processors with AVX-512 but without VAES
    /// are [`Self::Portable`], as are those with AVX2 but without VAES.
    Avx512,
}

impl Level {
    /// All levels, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The widest level that this machine has.
    pub fn detect() -> Self {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| Self::ALL.into_iter().rfind(|level| level.is_available()).unwrap_or(Self::Portable))
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
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
    fn the_level_found_is_available_and_the_portable_one_always_is() {
        assert!(Level::Portable.is_available());
        assert!(Level::detect().is_available());
        for level in Level::ALL {
            assert!(level.or_portable().is_available());
        }
    }
}
