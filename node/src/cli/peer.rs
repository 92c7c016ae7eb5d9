//! `tacit peer`.

use clap::Subcommand;
use tacit_protocol::api::{AcceptRequest, InviteRequest, Peer};
use tacit_protocol::{Code, Failure};
use tacit_sdk::Client;

use super::output::{self, Output};
use super::qr;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a ticket for one organisation.
    Invite {
        /// Pair whoever redeems it at once. Without this, confirm name and words with `tacit peer confirm`.
        #[arg(long)]
        auto: bool,
        /// How many hours it holds, at most 168.
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=168))]
        valid: u64,
        /// Draw the ticket as a QR code as well, for a camera.
        #[arg(long)]
        qr: bool,
    },
    /// Redeem another organisation's ticket.
    Accept {
        /// The ticket.
        ticket: String,
    },
    /// Confirm a peer that redeemed a ticket of this node, after comparing its words.
    Confirm {
        /// Its name or PeerId.
        peer: String,
    },
    /// End the pairing: its sessions close, its jobs abort, its tickets are void.
    Revoke {
        /// Its name or PeerId.
        peer: String,
    },
    /// Accept that a peer's log went back because its node was restored from a backup: it is refused with LOG_FORK until
    /// then. Ask its operator first. It is logged on both sides.
    AcceptRestore {
        /// Its name or PeerId.
        peer: String,
    },
    /// The peers, and how each is reached: direct, hole-punched or relayed.
    List,
    /// One peer: its state, how it is reached and since when, and its addresses.
    Show {
        /// Its name or PeerId.
        peer: String,
    },
}

pub(super) fn run(client: &Client, command: Command, output: &Output) -> Result<(), Failure> {
    let one = |peer: &_| output::peer_table(std::slice::from_ref(peer));
    match command {
        Command::Invite { auto, valid, qr } => {
            let request = InviteRequest { valid_seconds: Some(valid * 3600), auto_confirm: auto };
            let invitation = client.invite(&request)?;
            let drawn = if qr { qr::draw(&invitation.ticket)? } else { String::new() };
            output.one(&invitation, |invitation| drawn + &output::invitation(invitation, auto));
        }
        Command::Accept { ticket } => output.one(&client.accept(&AcceptRequest { ticket })?, output::accepted),
        Command::Confirm { peer } => output.one(&client.confirm_peer(&find(client, &peer, "pending")?.peer_id)?, one),
        Command::Revoke { peer } => output.one(&client.revoke_peer(&peer_id(client, &peer)?)?, one),
        Command::AcceptRestore { peer } => output.one(&client.accept_restore(&peer_id(client, &peer)?)?, one),
        Command::List => output.list(&client.peers()?, output::peer_table),
        Command::Show { peer } => output.one(&find(client, &peer, "paired")?, output::peer),
    }
    Ok(())
}

/// The PeerId of a peer by its name or PeerId.
pub(super) fn peer_id(client: &Client, text: &str) -> Result<String, Failure> {
    Ok(find(client, text, "paired")?.peer_id)
}

/// A peer by its name or PeerId. An organisation may have several keys (CHK-116): its name means the one in the state that
/// is asked about, then one that is not revoked.
fn find(client: &Client, text: &str, state: &str) -> Result<Peer, Failure> {
    let mut found = client.peers()?;
    found.retain(|peer| peer.name == text || peer.peer_id == text);
    let rank = |peer: &Peer| (peer.state != state, peer.state == "revoked");
    found.into_iter().min_by_key(rank).ok_or_else(|| {
        Failure::new(Code::new("USAGE_PEER"), format!("there is no peer {text:?}"), "see `tacit peer list`.")
    })
}
