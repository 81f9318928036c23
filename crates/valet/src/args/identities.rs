//! The commands for accounts, users, groups, roles, policies and keys, as typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::{Remote, session_seconds};

#[derive(Args, Debug)]
pub(crate) struct User {
    #[command(subcommand)]
    pub(crate) command: UserCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Create a user, with permissions and a key where asked
    Create(CreateUser),
    /// List the users
    Ls,
    /// Show a user: groups, keys and policies
    Show {
        /// Its name
        name: String,
    },
    /// Delete a user
    Delete(Delete),
}

#[derive(Args, Debug)]
pub(crate) struct CreateUser {
    /// Its name
    pub(crate) name: String,
    /// Where the user stands in the account's tree, like /apps/
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) permissions: Permissions,
    /// A group to join; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Vec<String>,
    /// Make an access key, and print it: its secret is never shown again
    #[arg(long)]
    pub(crate) key: bool,
    #[command(flatten)]
    pub(crate) given: GivenKey,
    #[command(flatten)]
    pub(crate) run: DryRun,
}

/// What somebody may do, where a command makes or changes them.
#[derive(Args, Debug, Default)]
pub(crate) struct Permissions {
    #[command(flatten)]
    pub(crate) grants: Grants,
    /// A policy: the ARN of a managed one, which is attached, or a file, which is put in; repeatable
    #[arg(long, value_name = "FILE|ARN")]
    pub(crate) policy: Vec<String>,
}

/// The ready policies.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Grants {
    /// Allow reading and listing what lies there, and nothing else; repeatable
    #[arg(long, value_name = "S3URI")]
    pub(crate) read: Vec<String>,
    /// Allow uploading there, and nothing else; repeatable
    #[arg(long, value_name = "S3URI")]
    pub(crate) write: Vec<String>,
    /// Allow deleting where --write allows uploading
    #[arg(long, requires = "write")]
    pub(crate) delete: bool,
}

/// A key that exists already, taken over from another store.
#[derive(Args, Debug, Default)]
pub(crate) struct GivenKey {
    /// Take this key over instead of making one
    #[arg(long, value_name = "ID", requires = "secret_access_key")]
    pub(crate) access_key_id: Option<String>,
    /// Its secret; `-` reads a line of standard input, where no other user of the machine sees it
    #[arg(long, value_name = "SECRET", requires = "access_key_id")]
    pub(crate) secret_access_key: Option<String>,
}

#[derive(Args, Debug, Default)]
pub(crate) struct DryRun {
    /// Print the policies that would be applied, and ask no server
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Delete {
    /// Its name
    pub(crate) name: String,
    /// Remove what hinders first: policies, keys, memberships, attachments
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Group {
    #[command(subcommand)]
    pub(crate) command: GroupCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Create a group, with permissions where asked
    Create(CreateGroup),
    /// List the groups
    Ls,
    /// Show a group: members and policies
    Show {
        /// Its name
        name: String,
    },
    /// Delete a group
    Delete(Delete),
    /// Let users join a group
    Add(Members),
    /// Let users leave a group
    Remove(Members),
}

#[derive(Args, Debug)]
pub(crate) struct CreateGroup {
    /// Its name
    pub(crate) name: String,
    /// Where the group stands in the account's tree, like /apps/
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    #[command(flatten)]
    pub(crate) permissions: Permissions,
    #[command(flatten)]
    pub(crate) run: DryRun,
}

#[derive(Args, Debug)]
pub(crate) struct Members {
    /// The group's name
    pub(crate) name: String,
    /// Who joins or leaves; repeatable
    #[arg(required = true, value_name = "USER")]
    pub(crate) users: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Role {
    #[command(subcommand)]
    pub(crate) command: RoleCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// Create a role that those whom it trusts may assume
    Create(CreateRole),
    /// List the roles
    Ls,
    /// Show a role: whom it trusts, and its policies
    Show {
        /// Its name
        name: String,
    },
    /// Delete a role; its sessions end with it
    Delete(Delete),
}

#[derive(Args, Debug)]
pub(crate) struct CreateRole {
    /// Its name
    pub(crate) name: String,
    /// Who may assume it: an ARN, 12 digits of an account, `account` for this one,
    /// `oidc:ISSUER,aud=AUDIENCE[,sub=SUBJECT]`, or a file with the whole trust policy; repeatable
    #[arg(long, required = true, value_name = "WHO")]
    pub(crate) trust: Vec<String>,
    /// The longest session that may be asked for: 1h to 12h
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = session_seconds)]
    pub(crate) max_session: u32,
    /// Where the role stands in the account's tree, like /apps/
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    #[command(flatten)]
    pub(crate) permissions: Permissions,
    #[command(flatten)]
    pub(crate) run: DryRun,
}

#[derive(Args, Debug)]
pub(crate) struct Policy {
    #[command(subcommand)]
    pub(crate) command: PolicyCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Create a managed policy, which can be attached to many
    Create(CreatePolicy),
    /// List the managed policies, or all those of one identity
    Ls(ListPolicies),
    /// Print a policy's document
    Show(NamedPolicy),
    /// Delete a managed policy, or one that was put into an identity
    Delete(DeletePolicy),
    /// Attach a managed policy to an identity
    Attach(AttachPolicy),
    /// Detach a managed policy from an identity
    Detach(AttachPolicy),
    /// Put a policy into an identity, in place of the one of that name
    Put(PutPolicy),
    /// Print the least that --read and --write need, and ask no server
    Generate(Grants),
}

/// Whose policy it is.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct Holder {
    /// A user's
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// A group's
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,
    /// A role's
    #[arg(long, value_name = "NAME")]
    pub(crate) role: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Document {
    /// The document; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) grants: Grants,
    #[command(flatten)]
    pub(crate) run: DryRun,
}

#[derive(Args, Debug)]
pub(crate) struct CreatePolicy {
    /// Its name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) document: Document,
    /// Where the policy stands in the account's tree, like /apps/
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ListPolicies {
    #[command(flatten)]
    pub(crate) holder: Holder,
    /// AWS's own managed policies too
    #[arg(long, conflicts_with_all = ["user", "group", "role"])]
    pub(crate) all: bool,
}

#[derive(Args, Debug)]
pub(crate) struct NamedPolicy {
    /// A name or an ARN
    #[arg(value_name = "POLICY")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) holder: Holder,
}

#[derive(Args, Debug)]
pub(crate) struct DeletePolicy {
    #[command(flatten)]
    pub(crate) policy: NamedPolicy,
    /// Detach it everywhere first, and delete its older versions
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct AttachPolicy {
    /// A name or an ARN
    #[arg(value_name = "POLICY")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) holder: Holder,
}

#[derive(Args, Debug)]
pub(crate) struct PutPolicy {
    /// The name of the policy
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) document: Document,
    #[command(flatten)]
    pub(crate) holder: Holder,
}

#[derive(Args, Debug)]
pub(crate) struct Key {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make an access key for a user, and print it: its secret is never shown again
    Create {
        /// Whose key it is
        user: String,
        #[command(flatten)]
        given: GivenKey,
    },
    /// List the keys of a user, or your own
    Ls {
        /// Whose keys; without it your own
        user: Option<String>,
    },
    /// Let a key work again
    Enable {
        /// The id of the key, like AKIA…
        id: String,
    },
    /// Stop a key: what it signed answers as if it did not exist
    Disable {
        /// The id of the key, like AKIA…
        id: String,
    },
    /// Delete a key, and with it every link that it signed
    Delete {
        /// The id of the key, like AKIA…
        id: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Account {
    #[command(subcommand)]
    pub(crate) command: AccountCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Create an account, and print its root key: the secret is never shown again
    Create {
        /// Its name
        name: String,
        /// Its number; without it one is made
        #[arg(long, value_name = "12DIGITS")]
        id: Option<String>,
        /// Whom to write to
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        #[command(flatten)]
        given: GivenKey,
    },
    /// List the accounts
    Ls,
    /// Show an account
    Show {
        /// Its number
        id: String,
    },
    /// Give the root of an account another key, and print it: what the old one signed and opened ends
    RenewKey {
        /// Its number
        id: String,
    },
    /// Delete an account that is empty
    Delete {
        /// Its number
        id: String,
    },
}
