//! `valet public-key` and `valet key-group`.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::api::{self, Asked, Items, document, element};
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::remote::Remote;
use crate::table;

/// The longest file of a public key, in bytes.
const FILE_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub(super) struct PublicKey {
    pub(super) id: String,
    name: String,
    #[serde(rename(deserialize = "CreatedTime"))]
    created_at: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyGroupSummary {
    key_group: KeyGroupDocument,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyGroupDocument {
    id: String,
    key_group_config: KeyGroupConfig,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyGroupConfig {
    name: String,
    #[serde(default)]
    items: Items<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct KeyGroup {
    pub(super) id: String,
    name: String,
    keys: Vec<String>,
}

impl From<KeyGroupDocument> for KeyGroup {
    fn from(group: KeyGroupDocument) -> Self {
        let KeyGroupConfig { name, items } = group.key_group_config;
        Self { id: group.id, name, keys: items.all }
    }
}

#[derive(Deserialize)]
struct Made {
    #[serde(rename = "Id")]
    id: String,
}

pub(super) async fn public_keys(remote: &Remote) -> Result<Vec<PublicKey>, Failure> {
    api::list(remote, "public-key").await
}

pub(super) async fn key_groups(remote: &Remote) -> Result<Vec<KeyGroup>, Failure> {
    let found: Vec<KeyGroupSummary> = api::list(remote, "key-group").await?;
    Ok(found.into_iter().map(|summary| summary.key_group.into()).collect())
}

/// The ids of things that are named by name or by id.
fn ids<'a>(
    named: &[String],
    known: &(impl Iterator<Item = (&'a str, &'a str)> + Clone),
    (thing, command): (&str, &str),
) -> Result<Vec<String>, Failure> {
    let one = |name: &String| {
        let mut known = known.clone();
        let found = known.find(|(id, known)| known == name || id == name).map(|(id, _)| id);
        found.map(str::to_owned).ok_or_else(|| {
            Failure::failed(anyhow!("there is no {thing} `{name}`: `{command}` lists them"))
        })
    };
    named.iter().map(one).collect()
}

/// The ids of key groups that are named by name or by id.
pub(super) fn group_ids(named: &[String], groups: &[KeyGroup]) -> Result<Vec<String>, Failure> {
    let known = groups.iter().map(|group| (group.id.as_str(), group.name.as_str()));
    ids(named, &known, ("key group", "valet key-group ls"))
}

fn key_ids(named: &[String], keys: &[PublicKey]) -> Result<Vec<String>, Failure> {
    let known = keys.iter().map(|key| (key.id.as_str(), key.name.as_str()));
    ids(named, &known, ("public key", "valet public-key ls"))
}

/// Reads a public key. A private one must not leave the machine of its signer.
fn read(file: &Path) -> Result<String, Failure> {
    let pem = if file == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).context("standard input")
    } else {
        std::fs::read_to_string(file).with_context(|| file.display().to_string())
    };
    let pem = pem.map_err(Failure::usage)?;
    if pem.contains("PRIVATE KEY") {
        return Err(Failure::usage(anyhow!(
            "{} holds a private key, which nobody else should see. Its public key is printed by: \
             openssl pkey -in {} -pubout",
            file.display(),
            output::quoted(&file.display().to_string()),
        )));
    }
    if !pem.contains("-----BEGIN PUBLIC KEY-----") || pem.len() > FILE_BYTES_MAX {
        return Err(Failure::usage(anyhow!("{} holds no public key in PEM", file.display())));
    }
    Ok(pem)
}

pub(super) async fn add(
    remote: &Remote,
    name: &str,
    file: &Path,
    form: Form,
) -> Result<(), Failure> {
    let pem = read(file)?;
    let content = [
        element("CallerReference", &api::reference()),
        element("Name", name),
        element("EncodedKey", &pem),
    ];
    let body = document("PublicKeyConfig", &content.concat());
    let made: Made = Asked::post("public-key", &body).send(remote).await?.read()?;
    output::answer(form, &json!({ "id": made.id, "name": name }), [made.id.clone()])
}

pub(super) async fn list_keys(remote: &Remote, form: Form) -> Result<(), Failure> {
    let keys = public_keys(remote).await?;
    let row = |key: &PublicKey| [key.id.clone(), key.name.clone(), key.created_at.clone()];
    let rows: Vec<_> = keys.iter().map(row).collect();
    let lines = table::lines(["ID", "NAME", "CREATED"], &rows);
    output::answer(form, &json!({ "public_keys": keys }), lines)
}

pub(super) async fn remove_key(remote: &Remote, key: &str) -> Result<(), Failure> {
    let ids = key_ids(&[key.to_owned()], &public_keys(remote).await?)?;
    remove(remote, "public-key", &ids).await
}

pub(super) async fn create_group(
    remote: &Remote,
    name: &str,
    keys: &[String],
    form: Form,
) -> Result<(), Failure> {
    let ids = key_ids(keys, &public_keys(remote).await?)?;
    let body = group_document(name, &ids);
    let made: Made = Asked::post("key-group", &body).send(remote).await?.read()?;
    let whole = json!({ "id": made.id, "name": name, "keys": ids });
    output::answer(form, &whole, [made.id.clone()])
}

fn group_document(name: &str, keys: &[String]) -> String {
    let items: String = keys.iter().map(|id| element("PublicKey", id)).collect();
    let content = format!("{}<Items>{items}</Items>", element("Name", name));
    document("KeyGroupConfig", &content)
}

pub(super) async fn update_group(
    remote: &Remote,
    group: &str,
    keys: &[String],
    form: Form,
) -> Result<(), Failure> {
    let ids = key_ids(keys, &public_keys(remote).await?)?;
    let groups = key_groups(remote).await?;
    let [id] = group_ids(&[group.to_owned()], &groups)?
        .try_into()
        .map_err(|_| anyhow!("`{group}` is not one key group"))?;
    let path = format!("key-group/{id}");
    let now = Asked::get(&path).send(remote).await?;
    let before: KeyGroupDocument = now.read()?;
    let name = before.key_group_config.name;
    Asked::put(&path, &now.etag, &group_document(&name, &ids)).send(remote).await?;
    let whole = json!({ "id": id, "name": name, "keys": ids });
    output::answer(form, &whole, [format!("{id}  {}", ids.join(" "))])
}

pub(super) async fn list_groups(remote: &Remote, form: Form) -> Result<(), Failure> {
    let groups = key_groups(remote).await?;
    let row = |group: &KeyGroup| [group.id.clone(), group.name.clone(), group.keys.join(" ")];
    let rows: Vec<_> = groups.iter().map(row).collect();
    let lines = table::lines(["ID", "NAME", "KEYS"], &rows);
    output::answer(form, &json!({ "key_groups": groups }), lines)
}

pub(super) async fn remove_group(remote: &Remote, group: &str) -> Result<(), Failure> {
    let ids = group_ids(&[group.to_owned()], &key_groups(remote).await?)?;
    remove(remote, "key-group", &ids).await
}

/// Deletes resources as they are now.
async fn remove(remote: &Remote, place: &str, ids: &[String]) -> Result<(), Failure> {
    for id in ids {
        let path = format!("{place}/{id}");
        let now = Asked::get(&path).send(remote).await?;
        Asked::delete(&path, &now.etag).send(remote).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_not_sent() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("key.pem");
        let check = |text: &str, expected: Option<&str>| {
            std::fs::write(&file, text).unwrap();
            let said = read(&file).err().map(|failure| failure.to_string());
            let begins = expected.map(|expected| format!("{} {expected}", file.display()));
            match (said, begins) {
                (Some(said), Some(begins)) => assert!(said.starts_with(&begins), "{said}"),
                (said, begins) => assert_eq!(said, begins),
            }
        };
        check("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n", None);
        check("-----BEGIN PRIVATE KEY-----\nMIIB\n", Some("holds a private key"));
        check("-----BEGIN RSA PRIVATE KEY-----\nMIIB\n", Some("holds a private key"));
        check("ssh-rsa AAAA", Some("holds no public key in PEM"));
    }
}
