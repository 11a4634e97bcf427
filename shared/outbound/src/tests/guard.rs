//! What the guard refuses, from the URL to the connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use postrider_application::ports::outbound::{Outbound as _, OutboundError, OutboundRequest, Refusal};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service as _;

use super::{Names, local, post};
use crate::guard::Guard;
use crate::networks::NetworkList;
use crate::rules::Rules;
use crate::tests::server::Server;
use crate::{HttpOutbound, Lookup, parse_networks};

fn outbound(operator: &str, names: Arc<Names>) -> HttpOutbound {
    HttpOutbound::with_lookup(&parse_networks(operator).unwrap(), names).unwrap()
}

fn refusal(error: OutboundError) -> Refusal {
    match error {
        OutboundError::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn literal_addresses_are_refused_in_every_spelling() {
    let outbound = outbound("", Arc::default());
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "①②⑦.⓪.⓪.①",
        "[::1]",
        "[::ffff:7f00:1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
    ] {
        let url = format!("https://{host}/hook").parse().unwrap();
        let refused = outbound.check_url(&url, &[]).unwrap_err();
        assert!(matches!(refused, Refusal::Forbidden { .. }), "{host}: {refused:?}");
    }
    assert_eq!(outbound.check_url(&"https://8.8.8.8/".parse().unwrap(), &[]), Ok(()));
}

#[test]
fn urls_are_judged_before_anything_is_looked_up() {
    let closed = outbound("", Arc::default());
    let open = outbound("127.0.0.0/8", Arc::default());
    let check = |outbound: &HttpOutbound, url: &str| outbound.check_url(&url.parse().unwrap(), &[]);
    for url in
        ["ftp://example.com/", "file:///etc/passwd", "data:,x", "gopher://example.com/", "ws://example.com"]
    {
        assert_eq!(check(&closed, url), Err(Refusal::Scheme), "{url}");
    }
    for url in
        ["https://user@example.com/", "https://:password@example.com/", "https://user:password@8.8.8.8/"]
    {
        assert_eq!(check(&closed, url), Err(Refusal::Authority), "{url}");
    }
    assert_eq!(check(&closed, "http://example.com/"), Err(Refusal::Scheme));
    assert_eq!(check(&open, "http://example.com/"), Ok(()), "the look-up decides");
    assert_eq!(check(&closed, "https://example.com/"), Ok(()));
    let address: IpAddr = Ipv4Addr::new(8, 8, 8, 8).into();
    assert_eq!(check(&open, "http://8.8.8.8/"), Err(Refusal::Plain { address }));
    assert_eq!(check(&open, "http://127.0.0.1:8080/"), Ok(()));
    let listed = parse_networks("10.0.0.0/8").unwrap();
    let refused = closed.check_url(&"https://8.8.8.8/".parse().unwrap(), &listed);
    assert_eq!(refused, Err(Refusal::NotListed { address }));
}

#[tokio::test]
async fn what_check_url_refuses_is_not_sent() {
    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let outbound = outbound("10.0.0.0/8", Arc::default());
    let refused = refusal(outbound.send(post(&server.url("/"))).await.unwrap_err());
    assert!(matches!(refused, Refusal::Forbidden { kind: "a loopback address", .. }), "{refused:?}");
    assert_eq!(server.accepted(), 0);
}

/// What the guard answers for a name. Nothing is connected to, so that a name may be a public one.
async fn resolve(names: Arc<Names>, name: &str, operator: &str, plain: bool) -> Result<Vec<IpAddr>, Refusal> {
    let operator = Arc::new(NetworkList::new(&parse_networks(operator).unwrap()));
    let mut guard =
        Guard { lookup: names, rules: Rules { operator, endpoint: NetworkList::default(), plain } };
    match guard.call(name.parse().unwrap()).await {
        Ok(addresses) => Ok(addresses.map(|address| address.ip()).collect()),
        Err(error) => Err(error.downcast_ref::<Refusal>().unwrap().clone()),
    }
}

#[tokio::test]
async fn one_private_address_among_public_ones_refuses_the_name() {
    let names = Names::new("mixed.example", &[&["8.8.8.8", "2606:4700::1111", "10.0.0.1"]]);
    let expected = Refusal::Forbidden { address: "10.0.0.1".parse().unwrap(), kind: "a private address" };
    assert_eq!(resolve(names, "mixed.example", "", false).await, Err(expected));
}

#[tokio::test]
async fn plain_http_needs_every_address_in_the_operators_list() {
    let names = Names::new("half.example", &[&["127.0.0.1", "8.8.8.8"]]);
    let expected = Refusal::Plain { address: "8.8.8.8".parse().unwrap() };
    assert_eq!(resolve(names, "half.example", "127.0.0.0/8", true).await, Err(expected));
}

#[tokio::test]
async fn a_name_that_turns_to_this_machine_after_the_first_look_is_not_connected_to() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let names = Names::new("rebind.example", &[&["8.8.8.8"], &["127.0.0.1"]]);
    let first = resolve(names.clone(), "rebind.example", "", false).await.unwrap();
    assert_eq!(first, [IpAddr::from([8, 8, 8, 8])], "public at the first look");

    let url = format!("https://rebind.example:{}/", address.port());
    let error = outbound("", names).send(post(&url)).await.unwrap_err();

    assert!(matches!(refusal(error), Refusal::Forbidden { kind: "a loopback address", .. }));
    let own = TcpStream::connect(address).await.unwrap();
    let (_, first) = listener.accept().await.unwrap();
    assert_eq!(first, own.local_addr().unwrap(), "the first to come was this test itself");
}

/// A resolver that never answers.
struct Silence;

impl Lookup for Silence {
    fn lookup(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        futures::future::pending().boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_looked_up_for_ever_is_given_up_before_the_request_is() {
    let outbound = HttpOutbound::with_lookup(&[], Arc::new(Silence)).unwrap();
    for (seconds, limit) in [(60, 10), (10, 10), (5, 5)] {
        let timeout = Duration::from_secs(seconds);
        let request = OutboundRequest { timeout, ..post("https://slow.example/") };
        let error = outbound.send(request).await.unwrap_err();
        let limit = Duration::from_secs(limit);
        assert!(matches!(error, OutboundError::TimedOut { timeout } if timeout == limit), "{error:?}");
    }
}

#[tokio::test]
async fn the_client_connects_to_what_was_vetted_without_another_look() {
    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    // A second look-up would give an address that nothing listens at.
    let names = Names::new("pinned.example", &[&["127.0.0.1"], &["127.9.9.9"]]);
    let url = format!("http://pinned.example:{}/", server.address.port());
    let response = outbound("127.0.0.0/8", names).send(post(&url)).await.unwrap();
    assert_eq!((response.status, server.accepted()), (204, 1));
}

#[tokio::test]
async fn names_without_an_address_are_unresolved() {
    let outbound = outbound("", Names::new("empty.example", &[&[]]));
    for host in ["empty.example", "unknown.example"] {
        let error = outbound.send(post(&format!("https://{host}/"))).await.unwrap_err();
        assert!(matches!(&error, OutboundError::Unresolved { host: named } if named == host), "{error:?}");
    }
}

#[tokio::test]
async fn localhost_is_what_it_resolves_to() {
    let error = HttpOutbound::new(&[]).unwrap().send(post("https://localhost/")).await.unwrap_err();
    assert!(matches!(refusal(error), Refusal::Forbidden { kind: "a loopback address", .. }));
}

#[tokio::test]
async fn the_endpoints_list_closes_literal_addresses_too() {
    let allowed_networks = parse_networks("::1").unwrap();
    let request = OutboundRequest { allowed_networks, ..post("http://127.0.0.1/") };
    let error = local().send(request).await.unwrap_err();
    assert!(matches!(refusal(error), Refusal::NotListed { .. }));
}
