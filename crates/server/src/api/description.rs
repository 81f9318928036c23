//! Describes the API as OpenAPI 3.1, from the table that routes it and the types of its documents.

use std::sync::LazyLock;

use bytes::Bytes;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::RefusalDocument;
use super::operation::SignedBy;
use super::path::parameter;
use super::table::{ApiRow, DocumentSchemas, ROUTES};

/// Where schemas stand in the document.
const SCHEMAS: &str = "/components/schemas";

/// The description, as JSON.
pub(crate) fn document() -> Bytes {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(describe().to_string()));
    DOCUMENT.clone()
}

fn describe() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = SCHEMAS.into());
    let mut generator = settings.into_generator();
    let refusal = json!(generator.subschema_for::<RefusalDocument<'_>>());
    let mut paths: Map<String, Value> = Map::new();
    for row in &ROUTES {
        let operation = operation(row, &mut generator, &refusal);
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(row.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    let schemas: Map<String, Value> = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Valet",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the APIs of AWS do not have. Calls are signed as those of S3 are: SigV4, service `s3`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/_valet/api/v1" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "header": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4 in the header, service `s3`.",
                },
                "link": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "X-Amz-Signature",
                    "description": "A presigned URL of AWS Signature Version 4: the `renew` link of a bundle.",
                },
            },
        },
    })
}

fn operation(row: &ApiRow, generator: &mut SchemaGenerator, refusal: &Value) -> Value {
    let DocumentSchemas { request, answer } = (row.documents)(generator);
    let content = |schema: &Value| json!({ "application/json": { "schema": schema } });
    let mut answered = json!({ "description": "Done." });
    if let (Some(schema), Some(answered)) = (answer, answered.as_object_mut()) {
        answered.insert("content".to_owned(), content(&json!(schema)));
    }
    let mut responses = Map::new();
    responses.insert(row.status.as_str().to_owned(), answered);
    let refused = json!({ "description": "A refusal.", "content": content(refusal) });
    responses.insert("default".to_owned(), refused);
    let in_path = row.path.split('/').filter_map(parameter);
    let in_path = in_path.map(|name| named(name, "path", true));
    // The query of a link is the link.
    let in_query = row.parameters.iter().filter(|_| row.signed == SignedBy::Header);
    let in_query = in_query.map(|name| named(name, "query", false));
    let scheme = match row.signed {
        SignedBy::Header => "header",
        SignedBy::Link => "link",
    };
    let mut described = json!({
        "operationId": row.operation,
        "summary": row.summary,
        "security": [{ scheme: [] }],
        "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
        "responses": responses,
    });
    if let (Some((schema, required)), Some(described)) = (request, described.as_object_mut()) {
        let body = json!({ "required": required, "content": content(&json!(schema)) });
        described.insert("requestBody".to_owned(), body);
    }
    described
}

fn named(name: &str, place: &str, required: bool) -> Value {
    json!({ "name": name, "in": place, "required": required, "schema": { "type": "string" } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_to_a_schema() {
        let text = describe();
        let schemas = text["components"]["schemas"].as_object().unwrap();
        let shown = text.to_string();
        let references: Vec<&str> = shown.split("\"$ref\":\"").skip(1).collect();
        assert!(references.len() > ROUTES.len());
        for reference in references {
            let reference = reference.split('"').next().unwrap();
            let name = reference.strip_prefix("#/components/schemas/").unwrap();
            assert!(schemas.contains_key(name), "{reference}");
        }
    }

    #[test]
    fn every_operation_is_described() {
        let text = describe();
        for row in &ROUTES {
            let method = row.method.as_str().to_ascii_lowercase();
            let described = &text["paths"][row.path][&method];
            assert_eq!(described["operationId"], row.operation);
            assert!(described["responses"][row.status.as_str()].is_object(), "{described}");
        }
    }

    /// What is named alike in the description and in code is the same type.
    #[test]
    fn documents_say_what_they_do_not_take() {
        let text = describe();
        let wanted = &text["components"]["schemas"]["WantedRevocation"];
        assert_eq!(wanted["additionalProperties"], false);
        assert!(wanted["properties"]["access_key_id"]["description"].is_string(), "{wanted}");
    }
}
