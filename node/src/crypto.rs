//! The cryptography library behind TLS and QUIC.

/// Makes aws-lc the provider of TLS in this process. Two providers are compiled in, so that without this call a TLS
/// configuration made by default settings panics. Call it first in `main` and in tests; further calls do nothing.
pub fn install() {
    // An error says that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
