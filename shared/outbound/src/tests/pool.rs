//! Connections are kept and used again, but never across different rules.

use std::net::IpAddr;

use ipnet::IpNet;
use postrider_application::ports::outbound::{Outbound as _, OutboundError, OutboundRequest, Refusal};

use super::server::Server;
use super::{Names, local, post};
use crate::{HttpOutbound, parse_networks};

const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn many_requests_share_one_connection() {
    let server = Server::answering(EMPTY).await;
    let outbound = local();
    for _ in 0..50 {
        outbound.send(post(&server.url("/"))).await.unwrap();
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_body_that_is_read_but_not_kept_leaves_the_connection_usable() {
    let body = "x".repeat(60_000);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let server = Server::answering(answer.leak()).await;
    let outbound = local();
    for _ in 0..5 {
        let response = outbound.send(post(&server.url("/"))).await.unwrap();
        assert_eq!((response.body.len(), response.body_truncated), (4096, true));
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn an_open_connection_does_not_serve_an_endpoint_that_may_not_call_the_address() {
    let server = Server::answering(EMPTY).await;
    let names = Names::new("shared.example", &[&["127.0.0.1"]]);
    let outbound = HttpOutbound::with_lookup(&parse_networks("127.0.0.0/8").unwrap(), names).unwrap();
    let url = format!("http://shared.example:{}/", server.address.port());
    let request =
        |list: &str| OutboundRequest { allowed_networks: parse_networks(list).unwrap(), ..post(&url) };

    outbound.send(request("")).await.unwrap();
    let error = outbound.send(request("127.0.0.2")).await.unwrap_err();
    let address: IpAddr = "127.0.0.1".parse().unwrap();
    assert!(
        matches!(error, OutboundError::Refused(Refusal::NotListed { address: refused }) if refused == address)
    );
    assert_eq!(server.accepted(), 1);

    for list in ["127.0.0.1,10.0.0.0/8", "10.0.0.0/8,127.0.0.1,127.0.0.1"] {
        outbound.send(request(list)).await.unwrap();
    }
    assert_eq!(server.accepted(), 2, "the same list in another order has the same client");
}

#[tokio::test]
async fn the_number_of_clients_is_bounded_and_the_least_used_goes() {
    let server = Server::answering(EMPTY).await;
    let outbound = local();
    let request = |number: u8| {
        let own: IpNet = IpAddr::from([10, 0, 0, number]).into();
        let allowed_networks = vec![own, "127.0.0.1/32".parse().unwrap()];
        OutboundRequest { allowed_networks, ..post(&server.url("/")) }
    };
    for number in 0..=255 {
        outbound.send(request(number)).await.unwrap();
        outbound.send(request(0)).await.unwrap();
    }
    assert_eq!(server.accepted(), 256);
    // One more: the client of list 1 is the one that was not used for longest.
    let another = OutboundRequest { allowed_networks: parse_networks("127.0.0.0/8").unwrap(), ..request(0) };
    outbound.send(another).await.unwrap();
    outbound.send(request(0)).await.unwrap();
    assert_eq!(server.accepted(), 257);
    outbound.send(request(1)).await.unwrap();
    assert_eq!(server.accepted(), 258);
}
