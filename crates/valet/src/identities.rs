//! `valet user`, `group`, `role`, `policy` and `key`: identities, through the IAM API.

mod group;
mod holder;
mod key;
mod permissions;
mod policy;
mod role;
mod trust;
mod user;
mod wire;

pub(crate) use self::key::Given as GivenKey;

use crate::args::identities as args;
use crate::failure::Failure;
use crate::remote::Remote;
use crate::transfer;

pub(crate) fn user(arguments: &args::User) -> Result<(), Failure> {
    let form = arguments.remote.form();
    if let args::UserCommand::Create(create) = &arguments.command
        && create.run.dry_run
    {
        return permissions::Applied::read(&create.permissions)?.print();
    }
    transfer::block_on(async {
        let remote = Remote::connect(&arguments.remote.aws).await?;
        match &arguments.command {
            args::UserCommand::Create(create) => user::create(&remote, create, form).await,
            args::UserCommand::Ls => user::list(&remote, form).await,
            args::UserCommand::Show { name } => user::show(&remote, name, form).await,
            args::UserCommand::Delete(delete) => user::delete(&remote, delete).await,
        }
    })
}

pub(crate) fn group(arguments: &args::Group) -> Result<(), Failure> {
    let form = arguments.remote.form();
    if let args::GroupCommand::Create(create) = &arguments.command
        && create.run.dry_run
    {
        return permissions::Applied::read(&create.permissions)?.print();
    }
    transfer::block_on(async {
        let remote = Remote::connect(&arguments.remote.aws).await?;
        match &arguments.command {
            args::GroupCommand::Create(create) => group::create(&remote, create, form).await,
            args::GroupCommand::Ls => group::list(&remote, form).await,
            args::GroupCommand::Show { name } => group::show(&remote, name, form).await,
            args::GroupCommand::Delete(delete) => group::delete(&remote, delete).await,
            args::GroupCommand::Add(members) => group::add(&remote, members).await,
            args::GroupCommand::Remove(members) => group::remove(&remote, members).await,
        }
    })
}

pub(crate) fn role(arguments: &args::Role) -> Result<(), Failure> {
    let form = arguments.remote.form();
    if let args::RoleCommand::Create(create) = &arguments.command
        && create.run.dry_run
    {
        return role::print(create);
    }
    transfer::block_on(async {
        let remote = Remote::connect(&arguments.remote.aws).await?;
        match &arguments.command {
            args::RoleCommand::Create(create) => role::create(&remote, create, form).await,
            args::RoleCommand::Ls => role::list(&remote, form).await,
            args::RoleCommand::Show { name } => role::show(&remote, name, form).await,
            args::RoleCommand::Delete(delete) => role::delete(&remote, delete).await,
        }
    })
}

pub(crate) fn policy(arguments: &args::Policy) -> Result<(), Failure> {
    let form = arguments.remote.form();
    if policy::print_offline(&arguments.command)? {
        return Ok(());
    }
    transfer::block_on(async {
        let remote = Remote::connect(&arguments.remote.aws).await?;
        policy::run(&remote, &arguments.command, form).await
    })
}

pub(crate) fn key(arguments: &args::Key) -> Result<(), Failure> {
    let form = arguments.remote.form();
    transfer::block_on(async {
        let remote = Remote::connect(&arguments.remote.aws).await?;
        match &arguments.command {
            args::KeyCommand::Create { user, given } => {
                let key = key::create(&remote, user, &key::Given::read(given)?).await?;
                key.print(form)
            }
            args::KeyCommand::Ls { user } => key::list(&remote, user.as_deref(), form).await,
            args::KeyCommand::Enable { id } => key::set_status(&remote, id, "Active").await,
            args::KeyCommand::Disable { id } => key::set_status(&remote, id, "Inactive").await,
            args::KeyCommand::Delete { id } => key::delete(&remote, id).await,
        }
    })
}
