//! Which addresses are public, by the IANA special-purpose address registries.
//!
//! Sources: <https://www.iana.org/assignments/iana-ipv4-special-registry>,
//! <https://www.iana.org/assignments/iana-ipv6-special-registry> and
//! <https://www.iana.org/assignments/ipv6-address-space>, with RFC 6890. The few addresses inside of a
//! block for protocol assignments that the registries call globally reachable (anycast services) are
//! refused with their block: no receiver lives there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const PRIVATE: &str = "a private address";
const DOCUMENTATION: &str = "an address for documentation";
const BENCHMARK: &str = "an address for benchmarks";
const RESERVED: &str = "a reserved address";
const TUNNEL: &str = "an address of an IPv4 tunnel";

/// IPv4 blocks that are not public: first address, prefix length, what they are.
const IPV4_BLOCKS: [(Ipv4Addr, u32, &str); 17] = [
    // RFC 791, "this network": Linux connects 0.0.0.0 to itself.
    (Ipv4Addr::new(0, 0, 0, 0), 8, "an unspecified address"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, PRIVATE),
    // RFC 6598. Alibaba Cloud's metadata service is in it, at 100.100.100.200.
    (Ipv4Addr::new(100, 64, 0, 0), 10, "a shared address (carrier-grade NAT)"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "a loopback address"),
    // RFC 3927. Metadata services of the clouds and the runtime API of AWS Lambda are in it.
    (Ipv4Addr::new(169, 254, 0, 0), 16, "a link-local address (cloud metadata)"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, PRIVATE),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "an address for protocol assignments"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, DOCUMENTATION),
    // RFC 7526.
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a deprecated relay address (6to4)"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, PRIVATE),
    (Ipv4Addr::new(198, 18, 0, 0), 15, BENCHMARK),
    (Ipv4Addr::new(198, 51, 100, 0), 24, DOCUMENTATION),
    (Ipv4Addr::new(203, 0, 113, 0), 24, DOCUMENTATION),
    // RFC 5771.
    (Ipv4Addr::new(224, 0, 0, 0), 4, "a multicast address"),
    (Ipv4Addr::BROADCAST, 32, "the broadcast address"),
    // RFC 1112, section 4.
    (Ipv4Addr::new(240, 0, 0, 0), 4, RESERVED),
    // Public by the registry, but answered by the host of every virtual machine of Azure:
    // <https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16>.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a platform address (Azure)"),
];

/// IPv6 blocks that are not public and have a name of their own.
const IPV6_BLOCKS: [(Ipv6Addr, u32, &str); 14] = [
    (Ipv6Addr::UNSPECIFIED, 128, "an unspecified address"),
    (Ipv6Addr::LOCALHOST, 128, "a loopback address"),
    // RFC 4291, section 2.5.5.1: IPv4-compatible, deprecated. Whatever is embedded, it is not routed.
    (Ipv6Addr::UNSPECIFIED, 96, TUNNEL),
    // RFC 8215: NAT64 with a prefix of the network's own; what is behind it cannot be known here.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, "a local translation address (NAT64)"),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, "a discarded address"),
    // RFC 2928. Teredo (2001::/32, RFC 4380), benchmarks (2001:2::/48) and ORCHID are in it.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "an address for protocol assignments"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, DOCUMENTATION),
    // RFC 3056, 6to4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, TUNNEL),
    // RFC 9637.
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, DOCUMENTATION),
    // RFC 9602.
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, "an address of a routing segment"),
    // RFC 4193. The metadata service of AWS is in it, at fd00:ec2::254.
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, PRIVATE),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "a link-local address"),
    // RFC 3879: site-local, deprecated, but still routed in some networks.
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, PRIVATE),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "a multicast address"),
];

/// RFC 4291, section 2.4: everything that is handed out for global unicast is in here.
const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// RFC 6052: the well-known prefix of NAT64, before an IPv4 address that is called in the end.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// What an address is if it is not public; `None` for a public one.
pub(crate) fn not_public(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let within = |(first, length, _): &&(Ipv4Addr, u32, &str)| (bits ^ first.to_bits()) >> (32 - length) == 0;
    IPV4_BLOCKS.iter().find(within).map(|(_, _, kind)| *kind)
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    if within_v6(address, NAT64) {
        return not_public_v4(embedded_in_last_bits(address));
    }
    let block = IPV6_BLOCKS.iter().find(|(first, length, _)| within_v6(address, (*first, *length)));
    if let Some((_, _, kind)) = block {
        return Some(kind);
    }
    if !within_v6(address, GLOBAL_UNICAST) {
        return Some(RESERVED);
    }
    // RFC 5214, section 6.1: ISATAP, which tunnels to the IPv4 address in its interface identifier.
    let [.., upper, lower, _, _] = address.segments();
    if matches!(upper, 0 | 0x200) && lower == 0x5efe {
        return not_public_v4(embedded_in_last_bits(address));
    }
    None
}

fn within_v6(address: Ipv6Addr, (first, length): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ first.to_bits()) >> (128 - length) == 0
}

const fn embedded_in_last_bits(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests;
