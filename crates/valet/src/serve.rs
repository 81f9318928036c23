//! `valet serve`: runs the server.

use crate::args::Serve;
use crate::config::ServeConfig;
use crate::failure::Failure;

pub(crate) fn run(arguments: Serve) -> Result<(), Failure> {
    start(&ServeConfig::read(arguments)?)
}

/// The seam: opens the store, and hands it to `server::serve`.
fn start(config: &ServeConfig) -> Result<(), Failure> {
    Err(Failure::failed(anyhow::anyhow!("cannot serve {} yet", config.data_dir.display())))
}
