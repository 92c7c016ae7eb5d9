//! `tacit token`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use tacit_protocol::Failure;
use tacit_protocol::api::{IssuedToken, RotateRequest, TokenInfo, TokenRequest, TokenRole, WhoAmI};
use tacit_sdk::Client;

use super::output::{self, Output};
use crate::private_file;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Issue a token and print it, once: the node does not keep it.
    Create {
        /// What its bearer may do. Operators may do everything; analysts see the catalogue, submit jobs, and see these and
        /// their results; auditors see everything but results, and change nothing.
        #[arg(long)]
        role: RoleName,
        /// Who its bearer is. Contracts and receipts of an analyst's jobs carry this name to peers.
        #[arg(long, value_name = "NAME")]
        subject: String,
        /// How many days it holds, with the hours: an operator's at most 1 (the default), others at most 90 (default 30).
        #[arg(long)]
        days: Option<u32>,
        /// How many hours it holds, with the days.
        #[arg(long)]
        hours: Option<u32>,
        /// Write it into this new file, which only its owner may read, and do not print it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// The tokens that were issued and are not over.
    List,
    /// End a token at once.
    Revoke {
        /// Its id, or the start of it.
        id: String,
    },
    /// Make a new key for tokens; all tokens of the old ones end.
    Rotate {
        /// How many hours they still hold, at most 168. Default: they end at once.
        #[arg(long, value_name = "HOURS", default_value_t = 0)]
        grace: u32,
    },
    /// Who calls, by the token that this command line uses.
    Whoami,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum RoleName {
    Operator,
    Analyst,
    Auditor,
}

impl From<RoleName> for TokenRole {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Operator => Self::Operator,
            RoleName::Analyst => Self::Analyst,
            RoleName::Auditor => Self::Auditor,
        }
    }
}

pub(super) fn run(client: &Client, command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Create { role, subject, days, hours, out } => {
            let hours_in_all = |days: u32, hours: u32| u64::from(days) * 24 + u64::from(hours);
            let asked =
                (days.is_some() || hours.is_some()).then(|| hours_in_all(days.unwrap_or(0), hours.unwrap_or(0)) * 3600);
            let issued = client.create_token(&TokenRequest { role: role.into(), subject, valid_seconds: asked })?;
            match out {
                Some(file) => {
                    if let Err(failure) = private_file::create(&file, &issued.token) {
                        // Nobody has it, so nobody may use it.
                        drop(client.revoke_token(&issued.info.id));
                        return Err(failure);
                    }
                    let place = file.display().to_string();
                    output.one(&issued.info, |info| format!("{}\nWrote it to {place}.", about(info)));
                }
                None => output.one(&issued, shown),
            }
        }
        Command::List => output.list(&client.tokens()?, output::token_table),
        Command::Revoke { id } => output.one(&client.revoke_token(&id)?, |info| format!("Revoked: {}", about(info))),
        Command::Rotate { grace } => {
            let rotation = client.rotate_tokens(&RotateRequest { grace_seconds: u64::from(grace) * 3600 })?;
            output.one(&rotation, |rotation| {
                format!("New key {}. Tokens of earlier keys end at {}.", rotation.key, output::time(rotation.old_end))
            });
        }
        Command::Whoami => output.one(&client.whoami()?, whoami),
    }
    Ok(())
}

fn about(info: &TokenInfo) -> String {
    let (role, ends) = (info.role.name(), output::time(info.expires));
    format!("token {} of {}, role {role}, ends {ends}", info.id, info.subject)
}

fn shown(issued: &IssuedToken) -> String {
    format!("{}\n\n{}\n\nIt is not shown again. Hand it over on a private way.", about(&issued.info), issued.token)
}

fn whoami(me: &WhoAmI) -> String {
    let ends = output::time(me.expires);
    format!("{} at {}, role {}\ntoken {}, ends {ends}", me.subject, me.organisation, me.role.name(), me.token)
}
