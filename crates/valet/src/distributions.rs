//! `valet distribution`, `public-key`, `key-group` and `invalidation`, through CloudFront's API.

mod api;
mod distribution;
mod invalidation;
mod key;

use crate::args::distributions as args;
use crate::failure::Failure;
use crate::remote::Remote;
use crate::transfer;

pub(crate) fn distribution(arguments: &args::Distribution) -> Result<(), Failure> {
    let form = arguments.remote.form();
    transfer::block_on(async {
        let remote = &Remote::connect(&arguments.remote.aws).await?;
        match &arguments.command {
            args::DistributionCommand::Create(create) => {
                distribution::create(remote, create, form).await
            }
            args::DistributionCommand::Ls => distribution::list(remote, form).await,
            args::DistributionCommand::Show { id } => distribution::show(remote, id, form).await,
            args::DistributionCommand::Invalidate { id, paths } => {
                invalidation::invalidate(remote, id, paths, form).await
            }
            args::DistributionCommand::Rm { id } => distribution::remove(remote, id).await,
        }
    })
}

pub(crate) fn public_key(arguments: &args::PublicKey) -> Result<(), Failure> {
    let form = arguments.remote.form();
    transfer::block_on(async {
        let remote = &Remote::connect(&arguments.remote.aws).await?;
        match &arguments.command {
            args::PublicKeyCommand::Add { name, file } => key::add(remote, name, file, form).await,
            args::PublicKeyCommand::Ls => key::list_keys(remote, form).await,
            args::PublicKeyCommand::Rm { key } => key::remove_key(remote, key).await,
        }
    })
}

pub(crate) fn key_group(arguments: &args::KeyGroup) -> Result<(), Failure> {
    let form = arguments.remote.form();
    transfer::block_on(async {
        let remote = &Remote::connect(&arguments.remote.aws).await?;
        match &arguments.command {
            args::KeyGroupCommand::Create { name, keys } => {
                key::create_group(remote, name, keys, form).await
            }
            args::KeyGroupCommand::Update { group, keys } => {
                key::update_group(remote, group, keys, form).await
            }
            args::KeyGroupCommand::Ls => key::list_groups(remote, form).await,
            args::KeyGroupCommand::Rm { group } => key::remove_group(remote, group).await,
        }
    })
}

pub(crate) fn invalidation(arguments: &args::Invalidation) -> Result<(), Failure> {
    let form = arguments.remote.form();
    transfer::block_on(async {
        let remote = &Remote::connect(&arguments.remote.aws).await?;
        match &arguments.command {
            args::InvalidationCommand::Ls { distribution } => {
                invalidation::list_invalidations(remote, distribution, form).await
            }
            args::InvalidationCommand::Show { distribution, id } => {
                invalidation::show_invalidation(remote, (distribution, id), form).await
            }
        }
    })
}
