//! What a node has seen of a peer's budget ledger, so that the peer cannot forget what it has spent (CHK-931).

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::canonical::digest;
use crate::identity::{Identity, PeerId, Signature};
use crate::messages::LogHead;

const LABEL: &str = "tacit/budget/head/1";

/// The head of a budget ledger, signed by its node: nobody else can say how long the ledger was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetHead {
    /// The number and digest of the last entry.
    pub head: LogHead,
    /// The node's signature.
    pub signature: Signature,
}

impl BudgetHead {
    /// Signs the head of a node's own ledger.
    pub fn new(head: LogHead, identity: &Identity) -> Self {
        Self { head, signature: identity.sign(LABEL, &digest(LABEL, &head)) }
    }

    /// Whether this node signed it.
    #[must_use]
    pub fn is_of(&self, node: &PeerId) -> bool {
        node.verify(LABEL, &digest(LABEL, &self.head), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Digest;

    #[test]
    fn a_head_is_of_who_signed_it_chk_931() {
        let [own, other] = [1, 2].map(|seed| Identity::from_seed(&[seed; 32]));
        let head = BudgetHead::new(LogHead { sequence: 3, digest: Digest::from_bytes([4; 32]) }, &own);
        assert!(head.is_of(&own.peer()) && !head.is_of(&other.peer()));
        let longer = BudgetHead { head: LogHead { sequence: 4, ..head.head }, ..head };
        assert!(!longer.is_of(&own.peer()));
    }
}
