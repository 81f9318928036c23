//! The part of `cargo metadata` that the checks read.

use std::collections::{BTreeSet, HashMap};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::sources;

/// Packages and how they depend on each other, as resolved by `Cargo.lock`.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// None for a package of this workspace.
    pub(crate) source: Option<String>,
    /// Of every kind: normal, for building, for tests.
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// None for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
}

impl Metadata {
    /// Asks cargo, without the network. Every feature is on: what the checks say holds with any of them.
    pub(crate) fn read() -> Result<Self> {
        let output = Command::new("cargo")
            .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
            .current_dir(sources::root())
            .output()
            .context("cargo does not start")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).context("cargo metadata")
    }

    /// The packages of this workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }

    /// The names of all that is linked into `member`, near and far, without itself.
    pub(crate) fn linked_into(&self, member: &Package) -> BTreeSet<&str> {
        let names: HashMap<&str, &str> =
            self.packages.iter().map(|package| (&*package.id, &*package.name)).collect();
        let edges: HashMap<&str, &[Edge]> =
            self.resolve.nodes.iter().map(|node| (&*node.id, &*node.deps)).collect();
        let mut seen = BTreeSet::new();
        let mut open = vec![&*member.id];
        while let Some(id) = open.pop() {
            let linked =
                edges.get(id).into_iter().copied().flatten().filter(|edge| edge.is_linked());
            open.extend(linked.map(|edge| &*edge.pkg).filter(|id| seen.insert(*id)));
        }
        seen.iter().filter_map(|id| names.get(id).copied()).collect()
    }
}

impl Edge {
    fn is_linked(&self) -> bool {
        self.dep_kinds.iter().any(|kind| kind.kind.is_none())
    }
}
