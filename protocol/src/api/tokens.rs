//! Tokens: who may call the node.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the bearer of a token may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenRole {
    /// Everything.
    Operator,
    /// Sees the catalogue and the names of peers; submits jobs, and sees these and their results, and no others.
    Analyst,
    /// Sees everything but results, and changes nothing.
    Auditor,
}

impl TokenRole {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Analyst => "analyst",
            Self::Auditor => "auditor",
        }
    }
}

/// A token to issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What its bearer may do.
    pub role: TokenRole,
    /// Who its bearer is: 1 to 64 characters. Jobs that an analyst submits carry this name to peers.
    pub subject: String,
    /// How long it holds: an operator's at most a day, others at most 90 days. Default: the day, or 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_seconds: Option<u64>,
}

/// A token that was issued. The node does not keep it and cannot show it again.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// The token, to be sent as `authorization: Bearer TOKEN`.
    pub token: String,
    /// What the node keeps of it.
    #[serde(flatten)]
    pub info: TokenInfo,
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IssuedToken({:?}, <redacted>)", self.info)
    }
}

/// What the node keeps of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenInfo {
    /// Its id, by which it is revoked.
    pub id: String,
    /// What its bearer may do.
    pub role: TokenRole,
    /// Who its bearer is.
    pub subject: String,
    /// When it was issued.
    pub issued: u64,
    /// When it ends, with its key at the latest.
    pub expires: u64,
    /// The key that signed it.
    pub key: String,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<u64>,
}

/// A new key for tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// How long tokens of the old key still hold, at most 7 days. Default: they end at once.
    #[serde(default)]
    pub grace_seconds: u64,
}

/// The new key for tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rotation {
    /// The id of the new key.
    pub key: String,
    /// When the tokens of earlier keys end.
    pub old_end: u64,
}

/// Who calls, as the node knows it by the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhoAmI {
    /// The node's organisation.
    pub organisation: String,
    /// Who the token's bearer is.
    pub subject: String,
    /// What the bearer may do.
    pub role: TokenRole,
    /// The token's id.
    pub token: String,
    /// When the token ends.
    pub expires: u64,
}
