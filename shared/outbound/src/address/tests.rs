//! The table of blocks at its edges, and every way to hide an IPv4 address in an IPv6 address.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn kind(address: &str) -> Option<&'static str> {
    not_public(address.parse().unwrap())
}

#[test]
fn every_ipv4_block_is_refused_from_its_first_to_its_last_address() {
    // First and last address of a block, and its neighbours where these are public.
    let blocks = [
        ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0")),
        ("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0")),
        ("100.64.0.0", "100.127.255.255", Some("100.63.255.255"), Some("100.128.0.0")),
        ("127.0.0.0", "127.255.255.255", Some("126.255.255.255"), Some("128.0.0.0")),
        ("168.63.129.16", "168.63.129.16", Some("168.63.129.15"), Some("168.63.129.17")),
        ("169.254.0.0", "169.254.255.255", Some("169.253.255.255"), Some("169.255.0.0")),
        ("172.16.0.0", "172.31.255.255", Some("172.15.255.255"), Some("172.32.0.0")),
        ("192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0")),
        ("192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0")),
        ("192.88.99.0", "192.88.99.255", Some("192.88.98.255"), Some("192.88.100.0")),
        ("192.168.0.0", "192.168.255.255", Some("192.167.255.255"), Some("192.169.0.0")),
        ("198.18.0.0", "198.19.255.255", Some("198.17.255.255"), Some("198.20.0.0")),
        ("198.51.100.0", "198.51.100.255", Some("198.51.99.255"), Some("198.51.101.0")),
        ("203.0.113.0", "203.0.113.255", Some("203.0.112.255"), Some("203.0.114.0")),
        ("224.0.0.0", "239.255.255.255", Some("223.255.255.255"), None),
        ("240.0.0.0", "255.255.255.255", None, None),
    ];
    for (first, last, before, after) in blocks {
        assert!(kind(first).is_some() && kind(last).is_some(), "{first}-{last}");
        for public in [before, after].into_iter().flatten() {
            assert_eq!(kind(public), None, "{public}");
        }
    }
}

#[test]
fn every_ipv6_block_is_refused_from_its_first_to_its_last_address() {
    let blocks = [
        ("::", "::ffff:ffff"),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
        ("100::", "100::ffff:ffff:ffff:ffff"),
        ("1fff::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fe80::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ];
    for (first, last) in blocks {
        assert!(kind(first).is_some() && kind(last).is_some(), "{first}-{last}");
    }
    let public = [
        "2000::",
        "2001:200::",
        "2001:db7:ffff::1",
        "2001:db9::",
        "2003::1",
        "2606:4700::1111",
        "3fff:1000::",
    ];
    for public in public {
        assert_eq!(kind(public), None, "{public}");
    }
}

#[test]
fn what_is_refused_is_named() {
    let cases = [
        ("127.0.0.1", "a loopback address"),
        ("::1", "a loopback address"),
        ("::ffff:127.0.0.1", "a loopback address"),
        ("169.254.169.254", "a link-local address (cloud metadata)"),
        ("169.254.100.1", "a link-local address (cloud metadata)"),
        ("64:ff9b::a9fe:a9fe", "a link-local address (cloud metadata)"),
        ("fd00:ec2::254", "a private address"),
        ("100.100.100.200", "a shared address (carrier-grade NAT)"),
        ("255.255.255.255", "the broadcast address"),
        ("0.0.0.0", "an unspecified address"),
        ("::", "an unspecified address"),
        ("::127.0.0.1", "an address of an IPv4 tunnel"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "an address for protocol assignments"),
        ("4000::1", "a reserved address"),
    ];
    for (address, expected) in cases {
        assert_eq!(kind(address), Some(expected), "{address}");
    }
}

#[test]
fn public_addresses_pass_in_the_forms_that_reach_them() {
    for address in ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808", "2600::5efe:808:808"] {
        assert_eq!(kind(address), None, "{address}");
    }
    // The tunnels are refused whatever is in them.
    for address in ["::8.8.8.8", "2002:808:808::1", "2001:0:808:808::f7f7:f7f7", "64:ff9b:1::808:808"] {
        assert!(kind(address).is_some(), "{address}");
    }
}

/// Any address of any block of the table.
fn forbidden_v4() -> impl Strategy<Value = Ipv4Addr> {
    (select(IPV4_BLOCKS.as_slice()), any::<u32>()).prop_map(|((first, length, _), random)| {
        let host = if length == 32 { 0 } else { random >> length };
        Ipv4Addr::from_bits(first.to_bits() | host)
    })
}

/// Every way in which an IPv4 address can be part of an IPv6 address.
fn embeddings(v4: Ipv4Addr, random: u64) -> Vec<Ipv6Addr> {
    let bits = u128::from(v4.to_bits());
    let obscured = u128::from(!v4.to_bits());
    let network = (u128::from(random) | 1 << 61) & !(0b11 << 62);
    let at =
        |prefix: &str, bits: u128| Ipv6Addr::from_bits(prefix.parse::<Ipv6Addr>().unwrap().to_bits() | bits);
    vec![
        v4.to_ipv6_mapped(),
        v4.to_ipv6_compatible(),
        at("64:ff9b::", bits),
        at("64:ff9b:1::", bits),
        at("64:ff9b:1::", bits << 48),
        at("2002::", bits << 80 | u128::from(random)),
        at("2001::", bits << 64),
        at("2001::", u128::from(random) << 32 | obscured),
        at("::5efe:0:0", network << 64 | bits),
        at("::200:5efe:0:0", network << 64 | bits),
        at("fe80::5efe:0:0", bits),
    ]
}

proptest! {
    #[test]
    fn no_embedding_hides_a_forbidden_ipv4_address(v4 in forbidden_v4(), random: u64) {
        for address in embeddings(v4, random) {
            prop_assert!(not_public(address.into()).is_some(), "{v4} in {address}");
        }
    }

    #[test]
    fn a_mapped_address_is_judged_as_the_ipv4_address_it_stands_for(bits: u32) {
        let v4 = Ipv4Addr::from_bits(bits);
        prop_assert_eq!(not_public(v4.to_ipv6_mapped().into()), not_public(v4.into()));
    }

    #[test]
    fn nothing_outside_of_global_unicast_is_public(bits: u128) {
        let address = Ipv6Addr::from_bits(bits);
        let unicast = bits >> 125 == 1;
        let carries_ipv4 = address.to_ipv4_mapped().is_some() || within_v6(address, NAT64);
        prop_assert!(unicast || carries_ipv4 || not_public(address.into()).is_some(), "{address}");
    }
}
