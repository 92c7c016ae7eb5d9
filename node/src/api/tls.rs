//! TLS for an API that is open to other machines.
//!
//! *Security*: TLS 1.3 alone, by rustls with aws-lc; callers are known by their tokens, not by certificates. Certificate
//! and key are read at start: a renewed certificate takes a restart.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tacit_protocol::{Code, Failure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What TLS records that carry a handshake begin with.
const HANDSHAKE_RECORD: u8 = 0x16;

/// How long who is told so may take to hear of it.
const CLOSING: Duration = Duration::from_secs(2);

/// An acceptor with a certificate, its chain, and its key, all in PEM.
///
/// # Errors
/// `USAGE_TLS` if a file cannot be read or is none, others may read the key, or the two do not belong together.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Failure> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|cause| wrong(certificate, &cause))?;
    if chain.is_empty() {
        return Err(wrong(certificate, &"it holds no certificate"));
    }
    let found = std::fs::metadata(key).map_err(|cause| wrong(key, &cause))?;
    let mode = found.mode() & 0o777;
    if !is_private(mode, found.uid()) {
        return Err(wrong(key, &format_args!("it has mode {mode:o}; run: chmod 600 {}", key.display())));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|cause| wrong(key, &cause))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|cause| wrong(certificate, &cause))?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|cause| wrong(certificate, &format_args!("with the key {}: {cause}", key.display())))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Whether a key file of this mode and owner is kept from others. A system that hands keys to services, such as the
/// mounted secrets of Kubernetes, leaves them to root and lets the service's group read them.
fn is_private(mode: u32, owner: u32) -> bool {
    let others = if owner == 0 { 0o037 } else { 0o077 };
    mode & others == 0
}

fn wrong(file: &Path, cause: &dyn std::fmt::Display) -> Failure {
    let next = "mend `api_tls_certificate` and `api_tls_key` in node.toml: PEM files, the key with mode 0600.";
    Failure::new(Code::new("USAGE_TLS"), format!("{}: {cause}", file.display()), next)
}

/// Makes a connection secure. Whoever speaks plain HTTP is told so, and there is no stream.
pub(super) async fn accept(mut stream: TcpStream, acceptor: &TlsAcceptor) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first[0] != HANDSHAKE_RECORD {
        let next = "call it by https://, with the certificate's authority: `--ca FILE`.";
        let failure = Failure::new(Code::new("API_TLS"), "this port speaks TLS alone", next);
        let body = serde_json::to_string(&failure).expect("a failure serialises");
        let head = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await?;
        stream.shutdown().await?;
        // What came is read, so that closing does not take the answer back.
        let mut rest = [0; 1024];
        drop(tokio::time::timeout(CLOSING, stream.read(&mut rest)).await);
        return Ok(None);
    }
    acceptor.accept(stream).await.map(Some)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_group_may_read_a_key_that_is_of_root_and_no_other() {
        assert!(is_private(0o600, 1_000) && is_private(0o400, 0) && is_private(0o440, 0) && is_private(0o640, 0));
        assert!(!is_private(0o640, 1_000) && !is_private(0o644, 0) && !is_private(0o660, 0));
    }

    #[test]
    fn files_that_are_no_certificate_and_key_are_refused_with_their_name() {
        crate::crypto::install();
        let dir = tempfile::tempdir().expect("a directory");
        let [certificate, key, other] = ["c.pem", "k.pem", "o.pem"].map(|name| dir.path().join(name));
        let code = |certificate: &Path, key: &Path| {
            let failure = acceptor(certificate, key).err().expect("a refusal");
            assert_eq!(failure.code.as_str(), "USAGE_TLS");
            failure.message
        };
        assert!(code(&certificate, &key).contains("c.pem"));
        let made = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
        std::fs::write(&certificate, made.cert.pem()).expect("written");
        assert!(code(&certificate, &key).contains("k.pem"));
        std::fs::write(&key, made.key_pair.serialize_pem()).expect("written");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("set");
        assert!(code(&certificate, &key).contains("chmod 600"));
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("set");
        assert!(acceptor(&certificate, &key).is_ok());
        std::fs::write(&other, "no key").expect("written");
        std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).expect("set");
        assert!(code(&certificate, &other).contains("o.pem"));
        let foreign = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
        std::fs::write(&other, foreign.key_pair.serialize_pem()).expect("written");
        code(&certificate, &other);
    }
}
