//! `tacit console`.

use std::path::Path;

use serde::Serialize;
use tacit_protocol::{Code, Failure};
use tacit_sdk::client::{ADDRESS_FILE, TOKEN_FILE};

/// Where the console is, and where its token.
#[derive(Serialize)]
pub(super) struct Console {
    address: String,
    token_file: String,
}

/// The console of the node that runs in a directory.
///
/// # Errors
/// `API_NO_NODE` if none runs there.
pub(super) fn of(dir: &Path) -> Result<Console, Failure> {
    let path = dir.join(ADDRESS_FILE);
    let address = std::fs::read_to_string(&path).map_err(|cause| {
        let message = format!("no node runs here: cannot read {}: {cause}", path.display());
        Failure::new(Code::new("API_NO_NODE"), message, "start it with `tacit node`, or name its directory with --dir.")
    })?;
    let token_file = dir.join(TOKEN_FILE).display().to_string();
    Ok(Console { address: format!("http://{}/", address.trim()), token_file })
}

/// The token itself is not printed: screens are shared.
pub(super) fn text(console: &Console) -> String {
    let port = console.address.trim_end_matches('/').rsplit(':').next().unwrap_or_default();
    format!(
        "Console  {}\nToken    the line in {} (it is over when the node stops, or after a day)\n\n\
         From another machine: `ssh -L {port}:127.0.0.1:{port} THIS-MACHINE`, then the same address there.",
        console.address, console.token_file
    )
}
