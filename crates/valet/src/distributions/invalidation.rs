//! `valet distribution invalidate` and `valet invalidation`.

use serde::Deserialize;
use serde_json::json;

use super::api::{self, Asked, Items, checked, document, element, elements};
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::remote::Remote;
use crate::table;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InvalidationSummary {
    id: String,
    create_time: String,
    status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Invalidation {
    id: String,
    create_time: String,
    status: String,
    #[serde(rename = "InvalidationBatch")]
    batch: Batch,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch {
    paths: Paths,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Paths {
    #[serde(default)]
    items: Items<String>,
}

fn print_invalidation(invalidation: &Invalidation, form: Form, whole: bool) -> Result<(), Failure> {
    let Invalidation { id, create_time, status, batch } = invalidation;
    let paths = &batch.paths.items.all;
    let json = json!({ "id": id, "created_at": create_time, "status": status, "paths": paths });
    if !whole {
        return output::answer(form, &json, [id.clone()]);
    }
    let mut lines = vec![
        format!("invalidation  {id}"),
        format!("status        {status}"),
        format!("created       {create_time}"),
    ];
    lines.extend(paths.iter().map(|path| format!("path          {path}")));
    output::answer(form, &json, lines)
}

pub(super) async fn invalidate(
    remote: &Remote,
    id: &str,
    paths: &[String],
    form: Form,
) -> Result<(), Failure> {
    let path = format!("distribution/{}/invalidation", checked(id, "a distribution")?);
    let content = elements("Paths", "Path", paths) + &element("CallerReference", &api::reference());
    let body = document("InvalidationBatch", &content);
    let made: Invalidation = Asked::post(&path, &body).send(remote).await?.read()?;
    print_invalidation(&made, form, false)
}

pub(super) async fn list_invalidations(
    remote: &Remote,
    id: &str,
    form: Form,
) -> Result<(), Failure> {
    let path = format!("distribution/{}/invalidation", checked(id, "a distribution")?);
    let all: Vec<InvalidationSummary> = api::list(remote, &path).await?;
    let row =
        |one: &InvalidationSummary| [one.id.clone(), one.status.clone(), one.create_time.clone()];
    let rows: Vec<_> = all.iter().map(row).collect();
    let json = |one: &InvalidationSummary| json!({ "id": one.id, "status": one.status, "created_at": one.create_time });
    let whole: Vec<_> = all.iter().map(json).collect();
    let lines = table::lines(["ID", "STATUS", "CREATED"], &rows);
    output::answer(form, &json!({ "invalidations": whole }), lines)
}

pub(super) async fn show_invalidation(
    remote: &Remote,
    (distribution, id): (&str, &str),
    form: Form,
) -> Result<(), Failure> {
    let (distribution, id) =
        (checked(distribution, "a distribution")?, checked(id, "an invalidation")?);
    let path = format!("distribution/{distribution}/invalidation/{id}");
    let found: Invalidation = Asked::get(&path).send(remote).await?.read()?;
    print_invalidation(&found, form, true)
}
