//! Lists of networks: the operator's allow-list and the endpoints' own.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// How many leading bits an IPv4-mapped IPv6 address has before its IPv4 address (RFC 4291, section 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// An entry of a list of networks is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworksError {
    /// Neither an address nor a network.
    #[error("\"{0}\" is neither an address such as 10.1.2.3 nor a network such as 10.0.0.0/8 or fd00::/8")]
    Unreadable(String),
    /// The address has bits beyond the prefix, so that more is named than it seems.
    #[error("\"{text}\" names an address inside of a network; write {network}, or the address alone")]
    Ambiguous {
        /// The entry.
        text: String,
        /// The network that it is in.
        network: IpNet,
    },
}

/// Reads a comma-separated list of networks and single addresses, such as `127.0.0.0/8, ::1`.
///
/// # Errors
/// The first entry that cannot be read. An empty text is an empty list.
pub fn parse_networks(text: &str) -> Result<Vec<IpNet>, NetworksError> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries.map(parse_network).collect()
}

fn parse_network(text: &str) -> Result<IpNet, NetworksError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let network: IpNet = text.parse().map_err(|_| NetworksError::Unreadable(text.to_owned()))?;
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(NetworksError::Ambiguous { text: text.to_owned(), network: network.trunc() })
    }
}

/// Networks in one form: sorted, each once, and IPv4-mapped IPv6 as the IPv4 that it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct NetworkList(Vec<IpNet>);

impl NetworkList {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        let mut list: Vec<IpNet> = networks.iter().map(|network| canonical(*network)).collect();
        list.sort_unstable();
        list.dedup();
        Self(list)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a network of the list contains this address, which is in canonical form.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network.trunc() };
    let length = v6.prefix_len().checked_sub(MAPPED_PREFIX);
    let mapped = v6.addr().to_ipv4_mapped().zip(length);
    let v4 = mapped.and_then(|(address, length)| Ipv4Net::new(address, length).ok());
    v4.map_or(network, IpNet::V4).trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> NetworkList {
        NetworkList::new(&parse_networks(text).unwrap())
    }

    #[test]
    fn networks_and_single_addresses_are_read() {
        let networks = parse_networks(" 127.0.0.0/8, ::1,10.1.2.3 ,").unwrap();
        let written: Vec<String> = networks.iter().map(ToString::to_string).collect();
        assert_eq!(written, ["127.0.0.0/8", "::1/128", "10.1.2.3/32"]);
        assert_eq!(parse_networks(""), Ok(vec![]));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for bad in ["localhost", "10.0.0.0/33", "10.0.0", "::/129", "10.0.0.0/8/8", "0x7f.1"] {
            let error = parse_networks(&format!("::1,{bad}")).unwrap_err();
            assert_eq!(error, NetworksError::Unreadable(bad.to_owned()));
        }
        let error = parse_networks("10.1.2.3/8").unwrap_err();
        assert!(error.to_string().contains("write 10.0.0.0/8,"), "{error}");
    }

    #[test]
    fn a_mapped_network_is_its_ipv4_network() {
        assert_eq!(list("::ffff:10.0.0.0/104"), list("10.0.0.0/8"));
        assert_eq!(list("::ffff:10.0.0.1"), list("10.0.0.1"));
        assert!(!list("::/0").contains("10.0.0.1".parse().unwrap()));
        assert!(!list("::fffe:0:0/95").contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn the_order_of_a_list_and_repetitions_do_not_matter() {
        assert_eq!(list("10.0.0.0/8,::1,10.0.0.0/8"), list("::1,10.0.0.0/8"));
    }
}
