//! `valet policy`: managed policies and inline policies.

use anyhow::anyhow;
use serde_json::{Value, json};

use crate::args::identities::{
    AttachPolicy, CreatePolicy, DeletePolicy, ListPolicies, NamedPolicy, PolicyCommand, PutPolicy,
};
use crate::aws::Api;
use crate::failure::Failure;
use crate::identities::holder::{self, Holder};
use crate::identities::permissions;
use crate::identities::wire::{
    EntityGroups, EntityRoles, EntityUsers, OnePolicy, OneVersion, Policies, Policy, PolicyVersions,
};
use crate::output::{self, Form};
use crate::remote::Remote;
use crate::{grant, query, table};

/// Prints what needs no server. `false`: the command needs one.
pub(crate) fn print_offline(command: &PolicyCommand) -> Result<bool, Failure> {
    let document = match command {
        PolicyCommand::Generate(grants) => {
            let nothing = || Failure::usage(anyhow!("say what to allow with --read and --write"));
            grant::policy(grants)?.ok_or_else(nothing)?
        }
        PolicyCommand::Create(CreatePolicy { document, .. })
        | PolicyCommand::Put(PutPolicy { document, .. })
            if document.run.dry_run =>
        {
            permissions::document(document)?
        }
        PolicyCommand::Create(_)
        | PolicyCommand::Put(_)
        | PolicyCommand::Ls(_)
        | PolicyCommand::Show(_)
        | PolicyCommand::Delete(_)
        | PolicyCommand::Attach(_)
        | PolicyCommand::Detach(_) => return Ok(false),
    };
    output::document(document.trim_end())?;
    Ok(true)
}

pub(crate) async fn run(
    remote: &Remote,
    command: &PolicyCommand,
    form: Form,
) -> Result<(), Failure> {
    match command {
        PolicyCommand::Create(arguments) => create(remote, arguments, form).await,
        PolicyCommand::Ls(arguments) => list(remote, arguments, form).await,
        PolicyCommand::Show(arguments) => show(remote, arguments).await,
        PolicyCommand::Delete(arguments) => delete(remote, arguments).await,
        PolicyCommand::Attach(AttachPolicy { name, holder }) => {
            let holder = Holder::required(holder)?;
            holder.attach(remote, &arn(remote, name).await?).await
        }
        PolicyCommand::Detach(AttachPolicy { name, holder }) => {
            let holder = Holder::required(holder)?;
            holder.detach(remote, &arn(remote, name).await?).await
        }
        PolicyCommand::Put(PutPolicy { name, document, holder }) => {
            let holder = Holder::required(holder)?;
            let document = permissions::document(document)?;
            holder.put(remote, name, &document).await?;
            output::note(format_args!("put in the policy `{name}`: {}", document.trim_end()));
            Ok(())
        }
        // Handled before, without a server.
        PolicyCommand::Generate(_) => Ok(()),
    }
}

async fn create(remote: &Remote, arguments: &CreatePolicy, form: Form) -> Result<(), Failure> {
    let document = permissions::document(&arguments.document)?;
    let mut parameters = vec![
        ("PolicyName", &*arguments.name),
        ("Path", &*arguments.path),
        ("PolicyDocument", &*document),
    ];
    parameters.extend(arguments.description.as_deref().map(|text| ("Description", text)));
    let one: OnePolicy = query::call(remote, Api::Iam, "CreatePolicy", &parameters).await?;
    let policy = one.item;
    output::note(format_args!("the policy: {}", document.trim_end()));
    let whole = serde_json::from_str::<Value>(&document).unwrap_or_default();
    let whole = json!({ "policy": policy, "document": whole });
    output::answer(form, &whole, [policy.arn])
}

async fn list(remote: &Remote, arguments: &ListPolicies, form: Form) -> Result<(), Failure> {
    if let Some(holder) = Holder::named(&arguments.holder) {
        let policies = holder.policies(remote).await?;
        let of_inline = policies.inline.iter().map(|policy| [policy.name.clone(), String::new()]);
        let attached = policies.attached.iter();
        let rows: Vec<_> = attached
            .map(|policy| [policy.name.clone(), policy.arn.clone()])
            .chain(of_inline)
            .collect();
        return output::answer(form, &policies, table::lines(["POLICY", "ARN"], &rows));
    }
    let scope = if arguments.all { "All" } else { "Local" };
    let policies = query::list::<Policies>(remote, "ListPolicies", &[("Scope", scope)]).await?;
    let row = |policy: &Policy| {
        let attachments = policy.attachments.map(|count| count.to_string()).unwrap_or_default();
        [policy.name.clone(), attachments, policy.created_at.clone(), policy.arn.clone()]
    };
    let rows: Vec<_> = policies.iter().map(row).collect();
    let lines = table::lines(["POLICY", "ATTACHED", "CREATED", "ARN"], &rows);
    output::answer(form, &json!({ "policies": policies }), lines)
}

/// Prints the document, which is JSON with or without `--json`.
async fn show(remote: &Remote, arguments: &NamedPolicy) -> Result<(), Failure> {
    let NamedPolicy { name, holder } = arguments;
    if let Some(holder) = Holder::named(holder) {
        return output::document(holder.document(remote, name).await?.text());
    }
    let arn = arn(remote, name).await?;
    let one: OnePolicy = query::call(remote, Api::Iam, "GetPolicy", &[("PolicyArn", &arn)]).await?;
    let parameters = [("PolicyArn", &*arn), ("VersionId", &*one.item.default_version)];
    let version: OneVersion =
        query::call(remote, Api::Iam, "GetPolicyVersion", &parameters).await?;
    let document = version.item.document.as_deref().unwrap_or_default();
    output::document(holder::decoded(document)?.text())
}

async fn delete(remote: &Remote, arguments: &DeletePolicy) -> Result<(), Failure> {
    let NamedPolicy { name, holder } = &arguments.policy;
    if let Some(holder) = Holder::named(holder) {
        return holder.delete_inline(remote, name).await;
    }
    let arn = arn(remote, name).await?;
    if arguments.force {
        detach_everywhere(remote, &arn).await?;
        let of_policy = [("PolicyArn", &*arn)];
        for version in
            query::list::<PolicyVersions>(remote, "ListPolicyVersions", &of_policy).await?
        {
            if !version.is_default_version {
                let parameters = [("PolicyArn", &*arn), ("VersionId", &*version.version_id)];
                query::run(remote, "DeletePolicyVersion", &parameters).await?;
            }
        }
    }
    query::run(remote, "DeletePolicy", &[("PolicyArn", &arn)]).await
}

async fn detach_everywhere(remote: &Remote, arn: &str) -> Result<(), Failure> {
    let action = "ListEntitiesForPolicy";
    let of = |kind| [("PolicyArn", arn), ("EntityFilter", kind)];
    for user in query::list::<EntityUsers>(remote, action, &of("User")).await? {
        Holder::user(&user.name).detach(remote, arn).await?;
    }
    for group in query::list::<EntityGroups>(remote, action, &of("Group")).await? {
        Holder::group(&group.name).detach(remote, arn).await?;
    }
    for role in query::list::<EntityRoles>(remote, action, &of("Role")).await? {
        Holder::role(&role.name).detach(remote, arn).await?;
    }
    Ok(())
}

/// The ARN of a managed policy that is given by name, since IAM wants ARNs.
async fn arn(remote: &Remote, name: &str) -> Result<String, Failure> {
    if name.starts_with("arn:") {
        return Ok(name.to_owned());
    }
    let policies = query::list::<Policies>(remote, "ListPolicies", &[("Scope", "All")]).await?;
    let found = policies.into_iter().find(|policy| policy.name.eq_ignore_ascii_case(name));
    let none = || Failure::failed(anyhow!("there is no managed policy `{name}`"));
    found.map(|policy| policy.arn).ok_or_else(none)
}
