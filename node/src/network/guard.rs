//! The last place before a dial: a transport that refuses addresses which this node does not dial (CHK-109).
//!
//! *Security*: most addresses are checked where they come in. A peer that helps to punch a hole names addresses too, in
//! the protocol for that, and they go from there to the swarm; so the question is asked here, of every dial.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, Transport,
    core::transport::{DialOpts, ListenerId, TransportError, TransportEvent},
};

use super::address::AddressPolicy;

/// A transport that dials what `policy` permits.
pub(crate) struct Guarded<T> {
    inner: T,
    policy: AddressPolicy,
}

impl<T> Guarded<T> {
    pub(crate) fn new(inner: T, policy: AddressPolicy) -> Self {
        Self { inner, policy }
    }
}

impl<T: Transport + Unpin> Transport for Guarded<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<Self::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<Self::Error>> {
        if !self.policy.permits(&address) {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use libp2p::core::{
        Endpoint,
        transport::{MemoryTransport, PortUse},
    };

    use super::*;

    #[test]
    fn chk_109_no_dial_passes_that_is_not_permitted() {
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
        let dial = |allow_local| {
            let mut transport = Guarded::new(MemoryTransport::default(), AddressPolicy { allow_local });
            transport.dial("/memory/7".parse().expect("an address"), options).map(drop)
        };
        assert!(matches!(dial(false), Err(TransportError::MultiaddrNotSupported(_))));
        // Nobody listens there, which the transport itself says.
        assert!(matches!(dial(true), Ok(()) | Err(TransportError::Other(_))));
    }
}
