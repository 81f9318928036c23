//! The commands for distributions, their keys and their invalidations, as typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::Remote;

#[derive(Args, Debug)]
pub(crate) struct Distribution {
    #[command(subcommand)]
    pub(crate) command: DistributionCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DistributionCommand {
    /// Serve a bucket by a distribution, and let the distribution read the bucket
    Create(CreateDistribution),
    /// List the distributions
    Ls,
    /// Show a distribution: its address, origin and key groups
    Show {
        /// Its id, like E2QWRUHAPOMQZL
        id: String,
    },
    /// Forget what is cached below paths
    Invalidate {
        /// The id of the distribution
        id: String,
        /// What to forget: `/a.jpg`, `/videos/*`; `/*` is everything
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<String>,
    },
    /// Disable a distribution and delete it, with what let it read the bucket
    Rm {
        /// Its id
        id: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct CreateDistribution {
    /// The bucket that is served
    #[arg(long)]
    pub(crate) bucket: String,
    /// Serve only what lies below this prefix; the prefix is no part of the address
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub(crate) prefix: String,
    /// A host of the distribution's own; repeatable
    #[arg(long, value_name = "HOST")]
    pub(crate) alias: Vec<String>,
    /// Whose signatures open the distribution: a key group, by name or id; repeatable. Without one
    /// everybody may read
    #[arg(long, value_name = "NAME")]
    pub(crate) key_group: Vec<String>,
    /// The object that answers for `/`
    #[arg(long, value_name = "KEY", default_value = "")]
    pub(crate) default_root_object: String,
    /// Let pages of any site read what the distribution serves, as players of films do
    #[arg(long)]
    pub(crate) cors: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PublicKey {
    #[command(subcommand)]
    pub(crate) command: PublicKeyCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PublicKeyCommand {
    /// Make a signer's public key known, and print its id
    Add {
        /// Its name
        name: String,
        /// The public key in PEM, RSA 2048 or ECDSA P-256; `-` is standard input
        #[arg(value_name = "FILE.pem")]
        file: PathBuf,
    },
    /// List the public keys
    Ls,
    /// Delete a public key that is in no group
    Rm {
        /// Its name or id
        #[arg(value_name = "KEY")]
        key: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct KeyGroup {
    #[command(subcommand)]
    pub(crate) command: KeyGroupCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyGroupCommand {
    /// Put public keys into a group, which distributions can trust
    Create {
        /// Its name
        name: String,
        /// A public key, by name or id; repeatable
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Say anew which public keys are in a group: what is left out opens nothing from the next request on
    Update {
        /// Its name or id
        #[arg(value_name = "GROUP")]
        group: String,
        /// A public key, by name or id; repeatable
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
    /// List the key groups
    Ls,
    /// Delete a key group that no distribution trusts
    Rm {
        /// Its name or id
        #[arg(value_name = "GROUP")]
        group: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Invalidation {
    #[command(subcommand)]
    pub(crate) command: InvalidationCommand,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

#[derive(Debug, Subcommand)]
pub(crate) enum InvalidationCommand {
    /// List the invalidations of a distribution
    Ls {
        /// The id of the distribution
        distribution: String,
    },
    /// Show what an invalidation was about
    Show {
        /// The id of the distribution
        distribution: String,
        /// The id of the invalidation
        id: String,
    },
}
