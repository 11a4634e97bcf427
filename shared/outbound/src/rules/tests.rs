//! What the operator's and the endpoint's lists open and close.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;
use crate::networks::parse_networks;

fn rules(operator: &str, endpoint: &str, plain: bool) -> Rules {
    let list = |text| NetworkList::new(&parse_networks(text).unwrap());
    Rules { operator: Arc::new(list(operator)), endpoint: list(endpoint), plain }
}

fn vet(rules: &Rules, address: &str) -> Result<IpAddr, Refusal> {
    rules.vet(address.parse().unwrap())
}

#[test]
fn public_addresses_are_called_over_https_only() {
    let address = "8.8.8.8".parse().unwrap();
    assert_eq!(rules("", "", false).vet(address), Ok(address));
    assert_eq!(rules("", "", true).vet(address), Err(Refusal::Plain { address }));
    assert_eq!(rules("8.8.8.8", "", true).vet(address), Ok(address));
}

#[test]
fn the_operator_opens_private_addresses_for_both_schemes() {
    for plain in [false, true] {
        let rules = rules("127.0.0.0/8,::1", "", plain);
        for address in ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(vet(&rules, address).is_ok(), "{address}");
        }
        for address in ["10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::2"] {
            assert!(matches!(vet(&rules, address), Err(Refusal::Forbidden { .. })), "{address}");
        }
    }
}

#[test]
fn the_endpoint_closes_and_never_opens() {
    let closed = rules("", "10.0.0.0/8,8.8.8.0/24", false);
    assert!(vet(&closed, "8.8.8.8").is_ok());
    assert!(vet(&closed, "::ffff:8.8.8.8").is_ok());
    assert_eq!(vet(&closed, "1.1.1.1"), Err(Refusal::NotListed { address: "1.1.1.1".parse().unwrap() }));
    assert!(matches!(vet(&closed, "10.0.0.1"), Err(Refusal::Forbidden { .. })));
    let both = rules("10.0.0.0/8", "10.1.0.0/16", false);
    assert!(vet(&both, "10.1.0.1").is_ok());
    assert!(matches!(vet(&both, "10.2.0.1"), Err(Refusal::NotListed { .. })));
}

#[test]
fn a_mapped_address_is_connected_to_as_ipv4() {
    assert_eq!(vet(&rules("", "", false), "::ffff:8.8.8.8"), Ok("8.8.8.8".parse().unwrap()));
}

/// Addresses of both families, many of them near the ones that matter.
fn addresses() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<Ipv4Addr>().prop_map(IpAddr::V4),
        any::<Ipv6Addr>().prop_map(IpAddr::V6),
        any::<Ipv4Addr>().prop_map(|address| address.to_ipv6_mapped().into()),
        any::<[u8; 3]>().prop_map(|[a, b, c]| Ipv4Addr::new(10, a, b, c).into()),
        any::<u64>().prop_map(|bits| Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(bits)).into()),
    ]
}

fn networks() -> impl Strategy<Value = IpNet> {
    (addresses(), 0_u8..=128).prop_map(|(address, length)| {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, length.min(longest)).unwrap()
    })
}

proptest! {
    #[test]
    fn the_operators_list_opens_what_it_names_and_nothing_else(
        address in addresses(), list in proptest::collection::vec(networks(), 0..4), plain: bool,
    ) {
        // A mapped network of at least 96 bits names IPv4 addresses; any other names IPv6 addresses.
        let named = list.iter().any(|network| match (network, address.to_canonical()) {
            (IpNet::V6(network), IpAddr::V4(v4)) => {
                network.prefix_len() >= 96 && network.contains(&v4.to_ipv6_mapped())
            }
            (network, address) => network.contains(&address),
        });
        let rules = Rules { operator: Arc::new(NetworkList::new(&list)), endpoint: NetworkList::default(), plain };
        let public = not_public(address).is_none();
        prop_assert_eq!(rules.vet(address).is_ok(), named || (public && !plain));
    }

    #[test]
    fn an_endpoints_list_only_takes_away(
        address in addresses(), list in proptest::collection::vec(networks(), 1..4),
    ) {
        let operator = Arc::new(NetworkList::default());
        let open = Rules { operator, endpoint: NetworkList::default(), plain: false };
        let closed = Rules { endpoint: NetworkList::new(&list), ..open.clone() };
        let listed = closed.endpoint.contains(address.to_canonical());
        prop_assert_eq!(closed.vet(address).is_ok(), open.vet(address).is_ok() && listed);
    }
}
