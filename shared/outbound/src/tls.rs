//! TLS, set up once: every client shares the root certificates, which take some milliseconds and about
//! 100 KB to load.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// This machine has no root certificates to check receivers' certificates with.
#[derive(Debug, thiserror::Error)]
#[error("no root certificates are found; install the package ca-certificates, or set SSL_CERT_FILE")]
pub struct NoRoots(#[source] rustls::Error);

/// TLS 1.2 and 1.3 with the root certificates of this machine.
pub(crate) fn system_roots() -> Result<ClientConfig, NoRoots> {
    let verified = begin().and_then(|begun| begun.with_platform_verifier());
    verified.map(finish).map_err(NoRoots)
}

/// The same with a root certificate of a test's own.
#[cfg(test)]
pub(crate) fn trusting(root: rustls::pki_types::CertificateDer<'static>) -> ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root).unwrap();
    finish(begin().unwrap().with_root_certificates(roots))
}

fn begin() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

fn finish(verified: ConfigBuilder<ClientConfig, WantsClientCert>) -> ClientConfig {
    let mut config = verified.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
