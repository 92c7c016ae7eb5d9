//! Which node the command line calls: the one that runs in the directory, or one on another machine.

use std::path::{Path, PathBuf};

use clap::Args;
use tacit_protocol::{Code, Failure};
use tacit_sdk::Client;

/// Gives the client, for commands that need one.
pub(super) type Connect<'a> = dyn Fn() -> Result<Client, Failure> + 'a;

/// A node on another machine.
#[derive(Args)]
#[group(skip)]
pub(super) struct Remote {
    /// Call the node at this address instead of the one that runs in the directory: https://HOST:PORT.
    #[arg(long, global = true, value_name = "URL")]
    node: Option<String>,
    /// The file with the token for that node.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The certificate of that node or of its authority, a PEM file. No other authority is trusted.
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Remote {
    /// That no node is named, for commands that work on a directory.
    ///
    /// # Errors
    /// `USAGE_NODE`.
    pub(super) fn is_absent(&self) -> Result<(), Failure> {
        if self.node.is_none() && self.token_file.is_none() && self.ca.is_none() {
            return Ok(());
        }
        let message = "this command works on a directory of this machine";
        Err(Failure::new(Code::new("USAGE_NODE"), message, "leave out --node, --token-file and --ca."))
    }

    /// The client of the node that is named, or else of the one in a directory.
    ///
    /// # Errors
    /// `USAGE_NODE`, `INPUT_FILE`, `API_NO_NODE`.
    pub(super) fn client(&self, dir: &Path) -> Result<Client, Failure> {
        let Some(url) = &self.node else {
            if self.token_file.is_some() || self.ca.is_some() {
                let message = "a token file or certificates are named without a node";
                return Err(Failure::new(Code::new("USAGE_NODE"), message, "name the node with --node."));
            }
            return Ok(Client::of_directory(dir)?);
        };
        let Some(token_file) = &self.token_file else {
            let message = format!("no token for {url}");
            return Err(Failure::new(Code::new("USAGE_NODE"), message, "name its file with --token-file."));
        };
        let token = super::read_file(token_file)?;
        let authority = self.ca.as_deref().map(super::read_file).transpose()?;
        let token = String::from_utf8_lossy(&token);
        Ok(Client::remote(url, &token, authority.as_deref())?)
    }
}
