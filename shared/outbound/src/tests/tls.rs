//! Receivers' certificates are checked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use postrider_application::ports::outbound::{Outbound as _, OutboundError};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Names, post};
use crate::{HttpOutbound, parse_networks, tls};

/// An HTTPS server for `receiver.example` whose certificate is its own root.
async fn server() -> (SocketAddr, CertificateDer<'static>) {
    let own = rcgen::generate_simple_self_signed(vec!["receiver.example".to_owned()]).unwrap();
    let certificate = own.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate breaks off.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"hello") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    });
    (address, certificate)
}

async fn reason(outbound: HttpOutbound, url: &str) -> String {
    match outbound.send(post(url)).await.unwrap_err() {
        OutboundError::Connect { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_counts_for_its_name_when_its_root_is_trusted() {
    let (address, root) = server().await;
    let allowed = parse_networks("127.0.0.1").unwrap();
    let trusting = |name: &str| {
        HttpOutbound::with_parts(&allowed, Names::new(name, &[&["127.0.0.1"]]), tls::trusting(root.clone()))
    };
    let url = |name: &str| format!("https://{name}:{}/", address.port());

    let outbound = trusting("receiver.example");
    assert_eq!(outbound.send(post(&url("receiver.example"))).await.unwrap().status, 200);

    let reason = reason(trusting("other.example"), &url("other.example")).await;
    assert!(reason.contains("certificate"), "{reason}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (address, _) = server().await;
    let names = Names::new("receiver.example", &[&["127.0.0.1"]]);
    let outbound = HttpOutbound::with_lookup(&parse_networks("127.0.0.1").unwrap(), names).unwrap();
    let reason = reason(outbound, &format!("https://receiver.example:{}/", address.port())).await;
    assert!(reason.contains("certificate"), "{reason}");
    println!("{reason}");
}
