//! `valet role`.

use serde_json::{Value, json};

use crate::args::identities::{CreateRole, Delete};
use crate::aws::Api;
use crate::failure::Failure;
use crate::identities::holder::{self, Holder};
use crate::identities::permissions::Applied;
use crate::identities::trust;
use crate::identities::wire::{InstanceProfiles, OneRole, Role, Roles};
use crate::output::{self, Form};
use crate::remote::Remote;
use crate::{query, sts, table};

/// Prints the policies that would be given, beginning with the trust policy.
pub(crate) fn print(arguments: &CreateRole) -> Result<(), Failure> {
    let trust = trust::document(&arguments.trust, None)?;
    output::document(trust.trim_end())?;
    Applied::read(&arguments.permissions)?.print()
}

pub(crate) async fn create(
    remote: &Remote,
    arguments: &CreateRole,
    form: Form,
) -> Result<(), Failure> {
    let applied = Applied::read(&arguments.permissions)?;
    let account = if trust::needs_account(&arguments.trust) {
        Some(sts::caller(remote).await?.account)
    } else {
        None
    };
    let trust = trust::document(&arguments.trust, account.as_deref())?;
    let max_session = arguments.max_session.to_string();
    let mut parameters = vec![
        ("RoleName", &*arguments.name),
        ("Path", &*arguments.path),
        ("AssumeRolePolicyDocument", &*trust),
        ("MaxSessionDuration", &*max_session),
    ];
    parameters.extend(arguments.description.as_deref().map(|text| ("Description", text)));
    let one: OneRole = query::call(remote, Api::Iam, "CreateRole", &parameters).await?;
    let role = one.item;
    output::note(format_args!("the trust policy: {}", trust.trim_end()));
    let applying = applied.apply(remote, Holder::role(&arguments.name)).await;
    applying.map_err(|failure| {
        failure.after(format!("the role `{}` was made, and then this failed", role.name))
    })?;
    let whole = json!({
        "role": role,
        "trust": serde_json::from_str::<Value>(&trust).unwrap_or_default(),
        "policies": applied.json(),
        "attached": applied.attached,
    });
    output::answer(form, &whole, [role.arn])
}

pub(crate) async fn list(remote: &Remote, form: Form) -> Result<(), Failure> {
    let roles = query::list::<Roles>(remote, "ListRoles", &[]).await?;
    let row = |role: &Role| {
        [role.name.clone(), role.path.clone(), role.id.clone(), role.created_at.clone()]
    };
    let rows: Vec<_> = roles.iter().map(row).collect();
    let lines = table::lines(["ROLE", "PATH", "ID", "CREATED"], &rows);
    output::answer(form, &json!({ "roles": roles }), lines)
}

pub(crate) async fn show(remote: &Remote, name: &str, form: Form) -> Result<(), Failure> {
    let one: OneRole = query::call(remote, Api::Iam, "GetRole", &[("RoleName", name)]).await?;
    let role = one.item;
    let trust = holder::decoded(role.trust.as_deref().unwrap_or_default())?;
    let policies = Holder::role(name).policies(remote).await?;
    let mut lines = vec![
        format!("role     {}", role.name),
        format!("arn      {}", role.arn),
        format!("id       {}", role.id),
        format!("created  {}", role.created_at),
    ];
    lines.extend(role.max_session_seconds.map(|seconds| format!("session  {seconds} s at most")));
    lines.push(format!("trust    {}", trust.text()));
    lines.extend(policies.lines());
    let whole = json!({ "role": role, "trust": trust, "policies": policies });
    output::answer(form, &whole, lines)
}

pub(crate) async fn delete(remote: &Remote, arguments: &Delete) -> Result<(), Failure> {
    let Delete { name, force } = arguments;
    if *force {
        let of_role = [("RoleName", &**name)];
        let action = "ListInstanceProfilesForRole";
        for profile in query::list::<InstanceProfiles>(remote, action, &of_role).await? {
            let name_of_profile = ("InstanceProfileName", &*profile.instance_profile_name);
            let parameters = [("RoleName", &**name), name_of_profile];
            query::run(remote, "RemoveRoleFromInstanceProfile", &parameters).await?;
        }
        Holder::role(name).strip(remote).await?;
    }
    query::run(remote, "DeleteRole", &[("RoleName", name)]).await
}
