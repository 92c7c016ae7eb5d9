//! The cryptography library behind TLS, QUIC and JWTs.

/// Makes aws-lc the provider in this process. Two providers of TLS are compiled in, so that without this call a TLS
/// configuration made by default settings panics. Call it first in `main` and in tests; further calls do nothing.
pub fn install() {
    // An error says that a provider is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
