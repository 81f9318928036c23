//! `valet user`.

use serde_json::json;

use crate::args::identities::{CreateUser, Delete};
use crate::aws::Api;
use crate::failure::Failure;
use crate::identities::holder::Holder;
use crate::identities::key::{self, Given};
use crate::identities::permissions::Applied;
use crate::identities::wire::{Groups, NewKey, OneUser, User, Users};
use crate::output::{self, Form};
use crate::remote::Remote;
use crate::{query, table};

pub(crate) async fn create(
    remote: &Remote,
    arguments: &CreateUser,
    form: Form,
) -> Result<(), Failure> {
    let applied = Applied::read(&arguments.permissions)?;
    let given = Given::read(&arguments.given)?;
    let parameters = [("UserName", &*arguments.name), ("Path", &*arguments.path)];
    let one: OneUser = query::call(remote, Api::Iam, "CreateUser", &parameters).await?;
    let user = one.item;
    let key = equip(remote, arguments, &applied, &given).await.map_err(|failure| {
        failure.after(format!("the user `{}` was made, and then this failed", user.name))
    })?;
    let whole = json!({
        "user": user,
        "groups": arguments.group,
        "policies": applied.json(),
        "attached": applied.attached,
        "key": key,
    });
    // A caller who brought the key knows it already.
    let lines = match key.filter(|_| given.pair().is_none()) {
        Some(key) => key.exports().to_vec(),
        None => vec![user.arn],
    };
    output::answer(form, &whole, lines)
}

/// Gives a new user its groups, policies and key.
async fn equip(
    remote: &Remote,
    arguments: &CreateUser,
    applied: &Applied,
    given: &Given,
) -> Result<Option<NewKey>, Failure> {
    applied.apply(remote, Holder::user(&arguments.name)).await?;
    for group in &arguments.group {
        let parameters = [("GroupName", &**group), ("UserName", &*arguments.name)];
        query::run(remote, "AddUserToGroup", &parameters).await?;
    }
    if arguments.key || given.pair().is_some() {
        return key::create(remote, &arguments.name, given).await.map(Some);
    }
    Ok(None)
}

pub(crate) async fn list(remote: &Remote, form: Form) -> Result<(), Failure> {
    let users = query::list::<Users>(remote, "ListUsers", &[]).await?;
    let row = |user: &User| {
        [user.name.clone(), user.path.clone(), user.id.clone(), user.created_at.clone()]
    };
    let rows: Vec<_> = users.iter().map(row).collect();
    let lines = table::lines(["USER", "PATH", "ID", "CREATED"], &rows);
    output::answer(form, &json!({ "users": users }), lines)
}

pub(crate) async fn show(remote: &Remote, name: &str, form: Form) -> Result<(), Failure> {
    let parameters = [("UserName", name)];
    let one: OneUser = query::call(remote, Api::Iam, "GetUser", &parameters).await?;
    let user = one.item;
    let groups: Vec<_> = groups(remote, name).await?;
    let keys = key::of_user(remote, Some(name)).await?;
    let policies = Holder::user(name).policies(remote).await?;
    let mut lines = vec![
        format!("user     {}", user.name),
        format!("arn      {}", user.arn),
        format!("id       {}", user.id),
        format!("created  {}", user.created_at),
    ];
    lines.extend(groups.iter().map(|group| format!("group    {group}")));
    lines.extend(keys.iter().map(|key| format!("key      {} {}", key.id, key.status)));
    lines.extend(policies.lines());
    let whole = json!({ "user": user, "groups": groups, "keys": keys, "policies": policies });
    output::answer(form, &whole, lines)
}

pub(crate) async fn delete(remote: &Remote, arguments: &Delete) -> Result<(), Failure> {
    let Delete { name, force } = arguments;
    if *force {
        for key in key::of_user(remote, Some(name)).await? {
            let parameters = [("UserName", &**name), ("AccessKeyId", &*key.id)];
            query::run(remote, "DeleteAccessKey", &parameters).await?;
        }
        for group in groups(remote, name).await? {
            let parameters = [("GroupName", &*group), ("UserName", &**name)];
            query::run(remote, "RemoveUserFromGroup", &parameters).await?;
        }
        Holder::user(name).strip(remote).await?;
    }
    query::run(remote, "DeleteUser", &[("UserName", name)]).await
}

async fn groups(remote: &Remote, user: &str) -> Result<Vec<String>, Failure> {
    let groups = query::list::<Groups>(remote, "ListGroupsForUser", &[("UserName", user)]).await?;
    Ok(groups.into_iter().map(|group| group.name).collect())
}
