//! Addresses that peers announce (CHK-109): which forms exist, and which of them a node dials.
//!
//! *Security*: an address from a peer is an order to connect somewhere. Those that point inwards are refused, because
//! a peer could use them to probe the node's own network. Names are resolved later, so whoever dials checks the result
//! with [`check_ip`] again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::identity::PeerId;

/// The most addresses that a peer may announce.
pub const MAX_ADDRESSES: usize = 8;
/// The most bytes of an address.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// Why an address is not dialled. The code is `TICKET_ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Too many addresses, or none.
    #[error("a peer announces 1 to {MAX_ADDRESSES} addresses")]
    Count,
    /// It has another form.
    #[error(
        "an address is /ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT or .../udp/PORT/quic-v1, and may end with /p2p/PEER; over a \
         relay it goes on with /p2p/RELAY/p2p-circuit before that"
    )]
    Form,
    /// It is of another peer.
    #[error("the address is of another peer")]
    OtherPeer,
    /// It never leads to a peer: unspecified, link-local, multicast, broadcast or reserved.
    #[error("{0} leads to no peer")]
    Nowhere(String),
    /// It points into this machine or its own network, which the configuration does not allow.
    #[error("{0} points into the local network; allow local addresses in the configuration if that is meant")]
    Local(String),
}

/// Where an address leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The host.
    pub host: Host<'a>,
    /// The port.
    pub port: u16,
    /// Whether it is QUIC; else TCP.
    pub quic: bool,
    /// The node at this place that relays to the peer, by its PeerId; none: the peer itself is there.
    pub relay: Option<&'a str>,
    /// The peer that it names.
    pub peer: Option<&'a str>,
}

/// The host of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// By number.
    Ip(IpAddr),
    /// By name.
    Name(&'a str),
}

/// Reads an address.
///
/// # Errors
/// It has another form than the ones that nodes announce.
pub fn parse(text: &str) -> Result<Address<'_>, AddressError> {
    if text.len() > MAX_ADDRESS_BYTES || !text.is_ascii() {
        return Err(AddressError::Form);
    }
    let parts: Vec<&str> = text.strip_prefix('/').ok_or(AddressError::Form)?.split('/').collect();
    let (kind, host, rest) = match parts.as_slice() {
        [kind, host, rest @ ..] => (*kind, *host, rest),
        _ => return Err(AddressError::Form),
    };
    let host = match kind {
        "ip4" => Host::Ip(host.parse::<Ipv4Addr>().map_err(|_| AddressError::Form)?.into()),
        "ip6" => Host::Ip(host.parse::<Ipv6Addr>().map_err(|_| AddressError::Form)?.into()),
        "dns" | "dns4" | "dns6" if is_host_name(host) => Host::Name(host),
        _ => return Err(AddressError::Form),
    };
    let (port, quic, rest) = match rest {
        ["tcp", port, rest @ ..] => (*port, false, rest),
        ["udp", port, "quic-v1", rest @ ..] => (*port, true, rest),
        _ => return Err(AddressError::Form),
    };
    let (relay, peer) = match rest {
        [] => (None, None),
        ["p2p", peer] => (None, Some(*peer)),
        ["p2p", relay, "p2p-circuit"] => (Some(*relay), None),
        ["p2p", relay, "p2p-circuit", "p2p", peer] => (Some(*relay), Some(*peer)),
        _ => return Err(AddressError::Form),
    };
    if relay.is_some_and(|relay| relay.parse::<PeerId>().is_err()) {
        return Err(AddressError::Form);
    }
    let plain = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    let port = port.parse().ok().filter(|_| plain).ok_or(AddressError::Form)?;
    Ok(Address { host, port, quic, relay, peer })
}

/// Whether a node dials an address that a peer announced (CHK-109).
///
/// # Errors
/// Its form, or that it points inwards while `allow_local` is off.
pub fn check(text: &str, allow_local: bool) -> Result<Address<'_>, AddressError> {
    let address = parse(text)?;
    match &address.host {
        Host::Ip(ip) => check_ip(*ip, allow_local)?,
        Host::Name(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let local = ["localhost", "local", "internal"]
                .iter()
                .any(|end| name == *end || name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')));
            if local && !allow_local {
                return Err(AddressError::Local(name));
            }
        }
    }
    Ok(address)
}

/// Whether a node dials an IP address for a peer (CHK-109), also after a name was resolved to it.
///
/// # Errors
/// It leads to no peer; or it points inwards while `allow_local` is off. Link-local addresses are always refused: on
/// many clouds they answer with credentials.
pub fn check_ip(ip: IpAddr, allow_local: bool) -> Result<(), AddressError> {
    let ip = ip.to_canonical();
    let (nowhere, local) = match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let nowhere = a == 0 || a >= 224 || ip.is_link_local();
            (nowhere, ip.is_loopback() || ip.is_private() || (a == 100 && b & 0xc0 == 64))
        }
        IpAddr::V6(ip) => {
            let nowhere = ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local();
            (nowhere, ip.is_loopback() || ip.is_unique_local())
        }
    };
    if nowhere {
        Err(AddressError::Nowhere(ip.to_string()))
    } else if local && !allow_local {
        Err(AddressError::Local(ip.to_string()))
    } else {
        Ok(())
    }
}

fn is_host_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_that_nodes_announce() {
        let address = parse("/ip4/203.0.113.7/udp/4001/quic-v1").expect("an address");
        assert_eq!((address.port, address.quic), (4001, true));
        assert!(parse("/dns/node.maison.example/tcp/4001/p2p/12D3KooWx").is_ok());
        for text in [
            "",
            "/",
            "/ip4/1.2.3.4",
            "/ip4/1.2.3/tcp/1",
            "/ip4/1.2.3.4/tcp/0",
            "/ip4/1.2.3.4/tcp/+1",
            "/ip4/1.2.3.4/tcp/65536",
            "/ip4/1.2.3.4/tcp/01",
            "/ip4/1.2.3.4/udp/1",
            "/ip4/1.2.3.4/tcp/1/p2p-circuit",
            "/ip4/1.2.3.4/tcp/1/ws",
            "/dns/-a.example/tcp/1",
            "/unix/tmp/x",
            "ip4/1.2.3.4/tcp/1",
        ] {
            assert_eq!(parse(text), Err(AddressError::Form), "{text}");
        }
    }

    #[test]
    fn an_address_over_a_relay_names_the_relay() {
        let relay = "12D3KooWA8EXV3KjBxEU5EnsPfneLx84vMWAtTBQBeyooN82KSuS";
        let open = format!("/ip4/203.0.113.7/tcp/4001/p2p/{relay}/p2p-circuit");
        assert_eq!(parse(&open).expect("an address").relay, Some(relay));
        let whole = format!("{open}/p2p/12D3KooWx");
        assert_eq!(parse(&whole).expect("an address").peer, Some("12D3KooWx"));
        let inward = format!("/ip4/10.0.0.7/tcp/4001/p2p/{relay}/p2p-circuit");
        assert!(matches!(check(&inward, false), Err(AddressError::Local(_))));
        for text in [
            "/ip4/203.0.113.7/tcp/4001/p2p-circuit".to_owned(),
            "/ip4/203.0.113.7/tcp/4001/p2p/nobody/p2p-circuit".to_owned(),
            format!("{open}/p2p/{relay}/p2p-circuit"),
            format!("{open}/p2p"),
        ] {
            assert_eq!(parse(&text), Err(AddressError::Form), "{text}");
        }
    }

    #[test]
    fn never_dials_inwards_unless_allowed_chk_109() {
        for text in [
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/127.9.9.9/tcp/1",
            "/ip6/::1/tcp/1",
            "/ip6/::ffff:127.0.0.1/tcp/1",
            "/ip4/10.1.2.3/tcp/1",
            "/ip4/192.168.0.1/tcp/1",
            "/ip4/172.16.0.1/tcp/1",
            "/ip4/100.64.0.1/tcp/1",
            "/ip6/fd00::1/tcp/1",
            "/dns/localhost/tcp/1",
            "/dns/db.LOCALHOST/tcp/1",
            "/dns4/vault.internal/tcp/1",
        ] {
            assert!(matches!(check(text, false), Err(AddressError::Local(_))), "{text}");
            assert!(check(text, true).is_ok(), "{text}");
        }
        for text in [
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/169.254.169.254/tcp/80",
            "/ip6/::ffff:169.254.169.254/tcp/80",
            "/ip4/224.0.0.1/tcp/1",
            "/ip4/255.255.255.255/tcp/1",
            "/ip6/::/tcp/1",
            "/ip6/fe80::1/tcp/1",
            "/ip6/ff02::1/tcp/1",
        ] {
            assert!(matches!(check(text, true), Err(AddressError::Nowhere(_))), "{text}");
        }
        assert!(check("/ip4/203.0.113.7/tcp/4001", false).is_ok());
        assert!(check("/dns/localhost.example/tcp/4001", false).is_ok());
    }
}
