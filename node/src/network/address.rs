//! Which addresses of a peer may be dialled (CHK-109), and the resolution of names before that question is asked.
//!
//! *Security*: a ticket or a greeting could name an address inside our own machine or network and make this node knock
//! there. Names are resolved first and the result is checked, so a name cannot smuggle such an address in.

use std::net::IpAddr;

use libp2p::{Multiaddr, multiaddr::Protocol};
use tacit_protocol::address::{MAX_ADDRESSES, check_ip};

/// Which addresses may be dialled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// Whether addresses of this machine (loopback, in-process) and of private networks may be dialled. Default: no. For
    /// organisations that share a private network, for tests, and for the demo, where both run on one machine.
    pub allow_local: bool,
}

impl AddressPolicy {
    /// Whether an address whose host is an IP address (or in-process) may be dialled for a peer.
    pub fn permits(self, address: &Multiaddr) -> bool {
        let mut parts = address.iter();
        match parts.next() {
            Some(Protocol::Ip4(ip)) => self.permits_ip(IpAddr::V4(ip)) && is_ours(parts),
            Some(Protocol::Ip6(ip)) => self.permits_ip(IpAddr::V6(ip)) && is_ours(parts),
            Some(Protocol::Memory(_)) => self.allow_local,
            _ => false,
        }
    }

    /// Whether an IP address may be dialled for a peer.
    pub fn permits_ip(self, ip: IpAddr) -> bool {
        check_ip(ip, self.allow_local).is_ok()
    }
}

/// The addresses among `addresses` that may be dialled, names resolved, at most [`MAX_ADDRESSES`].
pub(crate) async fn resolve(addresses: Vec<Multiaddr>, policy: AddressPolicy) -> Vec<Multiaddr> {
    let mut resolved = Vec::new();
    for address in addresses.into_iter().take(MAX_ADDRESSES) {
        match host_name(&address) {
            None => resolved.push(address),
            // The port is no part of the question; names come from the operating system's resolver.
            Some(host) => {
                let found = tokio::net::lookup_host((host.as_str(), 0)).await;
                let ips = found.into_iter().flatten().take(MAX_ADDRESSES).map(|socket| socket.ip());
                resolved.extend(ips.filter_map(|ip| with_ip(&address, ip)));
            }
        }
    }
    resolved.retain(|address| policy.permits(address));
    resolved.truncate(MAX_ADDRESSES);
    resolved
}

/// Whether what follows the host is one of our transports, to the peer itself or over one relay.
fn is_ours<'a>(mut parts: impl Iterator<Item = Protocol<'a>>) -> bool {
    match parts.next() {
        Some(Protocol::Tcp(port)) => port != 0 && ends(parts),
        Some(Protocol::Udp(port)) => port != 0 && parts.next() == Some(Protocol::QuicV1) && ends(parts),
        _ => false,
    }
}

fn ends<'a>(mut parts: impl Iterator<Item = Protocol<'a>>) -> bool {
    matches!(
        (parts.next(), parts.next(), parts.next(), parts.next()),
        (None | Some(Protocol::P2p(_)), None, None, None)
            | (Some(Protocol::P2p(_)), Some(Protocol::P2pCircuit), None | Some(Protocol::P2p(_)), None)
    )
}

/// Whether an address leads over a relay.
pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// The relay that an address leads over.
pub(crate) fn relay_of(address: &Multiaddr) -> Option<libp2p::PeerId> {
    let mut last = None;
    for part in address.iter() {
        match part {
            Protocol::P2p(peer) => last = Some(peer),
            Protocol::P2pCircuit => return last,
            _ => {}
        }
    }
    None
}

fn host_name(address: &Multiaddr) -> Option<String> {
    let mut parts = address.iter();
    match parts.next() {
        Some(Protocol::Dns(host) | Protocol::Dns4(host) | Protocol::Dns6(host)) if is_ours(&mut parts) => {
            Some(host.into_owned())
        }
        _ => None,
    }
}

/// `address` with its name replaced by an IP address of the kind that it asks for.
fn with_ip(address: &Multiaddr, ip: IpAddr) -> Option<Multiaddr> {
    let host = match (address.iter().next()?, ip) {
        (Protocol::Dns(_) | Protocol::Dns4(_), IpAddr::V4(ip)) => Protocol::Ip4(ip),
        (Protocol::Dns(_) | Protocol::Dns6(_), IpAddr::V6(ip)) => Protocol::Ip6(ip),
        _ => return None,
    };
    Some(std::iter::once(host).chain(address.iter().skip(1)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddress")
    }

    const PUBLIC: AddressPolicy = AddressPolicy { allow_local: false };
    const LOCAL: AddressPolicy = AddressPolicy { allow_local: true };

    #[test]
    fn chk_109_refuses_inward_addresses_unless_configured() {
        for inward in [
            "/ip4/127.0.0.1/tcp/4001",
            "/ip4/127.9.9.9/udp/4001/quic-v1",
            "/ip6/::1/tcp/4001",
            "/ip6/::ffff:127.0.0.1/tcp/4001",
            "/ip4/10.1.2.3/udp/4001/quic-v1",
            "/memory/7",
        ] {
            assert!(!PUBLIC.permits(&address(inward)), "{inward}");
            assert!(LOCAL.permits(&address(inward)), "{inward}");
        }
        assert!(PUBLIC.permits(&address("/ip4/192.0.2.7/tcp/4001")));
        assert!(PUBLIC.permits(&address("/ip4/203.0.113.7/udp/4001/quic-v1")));
    }

    #[test]
    fn refuses_what_no_transport_of_ours_dials() {
        for odd in [
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/169.254.169.254/tcp/80",
            "/ip6/fe80::1/tcp/4001",
            "/ip4/224.0.0.1/udp/1/quic-v1",
            "/ip4/255.255.255.255/tcp/1",
            "/ip4/192.0.2.7/tcp/0",
            "/ip4/192.0.2.7/udp/1",
            "/ip4/192.0.2.7/tcp/1/ws",
            "/ip4/192.0.2.7/tcp/1/p2p-circuit",
            "/p2p/12D3KooWA8EXV3KjBxEU5EnsPfneLx84vMWAtTBQBeyooN82KSuS/p2p-circuit",
            "/unix/tmp",
        ] {
            assert!(!LOCAL.permits(&address(odd)), "{odd}");
        }
    }

    #[test]
    fn chk_109_an_address_over_a_relay_is_judged_by_where_the_relay_is() {
        let over = |host: &str| {
            address(&format!("/ip4/{host}/tcp/1/p2p/12D3KooWA8EXV3KjBxEU5EnsPfneLx84vMWAtTBQBeyooN82KSuS/p2p-circuit"))
        };
        assert!(PUBLIC.permits(&over("192.0.2.7")) && !PUBLIC.permits(&over("10.1.2.3")));
        assert_eq!(
            relay_of(&over("192.0.2.7")),
            over("192.0.2.7").iter().find_map(|part| match part {
                Protocol::P2p(peer) => Some(peer),
                _ => None,
            })
        );
        assert!(is_relayed(&over("192.0.2.7")) && relay_of(&address("/ip4/192.0.2.7/tcp/1")).is_none());
        let twice = over("192.0.2.7").with(Protocol::P2pCircuit);
        assert!(!PUBLIC.permits(&twice));
    }

    #[tokio::test]
    async fn a_name_is_judged_by_what_it_resolves_to() {
        let local = vec![address("/dns4/localhost/tcp/4001")];
        assert!(resolve(local.clone(), PUBLIC).await.is_empty());
        assert_eq!(resolve(local.clone(), LOCAL).await, vec![address("/ip4/127.0.0.1/tcp/4001")]);
    }
}
