//! `valet group`.

use serde_json::json;

use crate::args::identities::{CreateGroup, Delete, Members};
use crate::aws::Api;
use crate::failure::Failure;
use crate::identities::holder::Holder;
use crate::identities::permissions::Applied;
use crate::identities::wire::{Group, Groups, OneGroup, Users};
use crate::output::{self, Form};
use crate::remote::Remote;
use crate::{query, table};

pub(crate) async fn create(
    remote: &Remote,
    arguments: &CreateGroup,
    form: Form,
) -> Result<(), Failure> {
    let applied = Applied::read(&arguments.permissions)?;
    let parameters = [("GroupName", &*arguments.name), ("Path", &*arguments.path)];
    let one: OneGroup = query::call(remote, Api::Iam, "CreateGroup", &parameters).await?;
    let group = one.item;
    let applying = applied.apply(remote, Holder::group(&arguments.name)).await;
    applying.map_err(|failure| {
        failure.after(format!("the group `{}` was made, and then this failed", group.name))
    })?;
    let whole = json!({ "group": group, "policies": applied.json(), "attached": applied.attached });
    output::answer(form, &whole, [group.arn])
}

pub(crate) async fn list(remote: &Remote, form: Form) -> Result<(), Failure> {
    let groups = query::list::<Groups>(remote, "ListGroups", &[]).await?;
    let row = |group: &Group| {
        [group.name.clone(), group.path.clone(), group.id.clone(), group.created_at.clone()]
    };
    let rows: Vec<_> = groups.iter().map(row).collect();
    let lines = table::lines(["GROUP", "PATH", "ID", "CREATED"], &rows);
    output::answer(form, &json!({ "groups": groups }), lines)
}

pub(crate) async fn show(remote: &Remote, name: &str, form: Form) -> Result<(), Failure> {
    let parameters = [("GroupName", name)];
    let one: OneGroup = query::call(remote, Api::Iam, "GetGroup", &parameters).await?;
    let group = one.item;
    let users = members(remote, name).await?;
    let policies = Holder::group(name).policies(remote).await?;
    let mut lines = vec![
        format!("group    {}", group.name),
        format!("arn      {}", group.arn),
        format!("id       {}", group.id),
        format!("created  {}", group.created_at),
    ];
    lines.extend(users.iter().map(|user| format!("user     {user}")));
    lines.extend(policies.lines());
    let whole = json!({ "group": group, "users": users, "policies": policies });
    output::answer(form, &whole, lines)
}

pub(crate) async fn delete(remote: &Remote, arguments: &Delete) -> Result<(), Failure> {
    let Delete { name, force } = arguments;
    if *force {
        let users = members(remote, name).await?;
        remove(remote, &Members { name: name.clone(), users }).await?;
        Holder::group(name).strip(remote).await?;
    }
    query::run(remote, "DeleteGroup", &[("GroupName", name)]).await
}

pub(crate) async fn add(remote: &Remote, arguments: &Members) -> Result<(), Failure> {
    one_by_one(remote, "AddUserToGroup", "added", arguments).await
}

pub(crate) async fn remove(remote: &Remote, arguments: &Members) -> Result<(), Failure> {
    one_by_one(remote, "RemoveUserFromGroup", "removed", arguments).await
}

/// Calls the action for each user. A failure says for whom it was done before.
async fn one_by_one(
    remote: &Remote,
    action: &str,
    done: &str,
    arguments: &Members,
) -> Result<(), Failure> {
    for (at, user) in arguments.users.iter().enumerate() {
        let parameters = [("GroupName", &*arguments.name), ("UserName", &**user)];
        query::run(remote, action, &parameters).await.map_err(|failure| {
            let before: Vec<_> =
                arguments.users.iter().take(at).map(|name| format!("`{name}`")).collect();
            let were = match before.len() {
                0 => return failure,
                1 => "was",
                _ => "were",
            };
            failure.after(format!("{} {were} {done}, and then this failed", before.join(", ")))
        })?;
    }
    Ok(())
}

async fn members(remote: &Remote, group: &str) -> Result<Vec<String>, Failure> {
    let users = query::list::<Users>(remote, "GetGroup", &[("GroupName", group)]).await?;
    Ok(users.into_iter().map(|user| user.name).collect())
}
