//! OIDC providers, whose tokens roles may trust.

use store::{EntityKind, NewOidcProvider, OidcProvider, Tag};

use super::entity::{account, change, directory, found, tags, time, write_tags};
use super::operation;
use crate::query::answer::QueryReply;
use crate::query::error::{QueryCode, QueryError};
use crate::query::form::Form;
use crate::query::operation::Brought;

/// The most audiences of one provider, and the longest of them in characters.
const CLIENT_IDS_MAX: usize = 100;
const CLIENT_ID_CHARS_MAX: usize = 255;
const THUMBPRINTS_MAX: usize = 5;

/// Reads the URL, without its scheme. The scheme must be https, except for loopback addresses.
fn url(form: &Form) -> Result<String, QueryError> {
    let url = form.required("Url")?;
    let invalid = |why: &str| {
        QueryError::with_message(
            QueryCode::InvalidInput,
            format!("Invalid Open ID Connect Provider URL: {why}"),
        )
    };
    let plain = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let plain = plain.ok_or_else(|| invalid("it begins with https://"))?;
    // A trailing slash is part of the URL: the issuer in a token must be the same, character for character.
    let letters = plain.bytes().all(|byte| byte.is_ascii_graphic());
    if plain.is_empty() || plain.len() > 255 || !letters || plain.contains(['?', '#', '@']) {
        return Err(invalid("it is a host and a plain path"));
    }
    Ok(plain.to_owned())
}

/// Reads the ARN of a provider; returns the URL in it.
pub(super) fn url_in_arn(form: &Form) -> Result<String, QueryError> {
    let arn = form.required("OpenIDConnectProviderArn")?;
    let url = arn.split_once(":oidc-provider/").map(|(_, url)| url.to_owned());
    url.ok_or_else(|| {
        QueryError::with_message(QueryCode::InvalidInput, format!("ARN {arn} is not valid."))
    })
}

fn client_ids(form: &Form) -> Result<Vec<String>, QueryError> {
    let ids: Vec<String> = form.list("ClientIDList")?.into_iter().map(str::to_owned).collect();
    check_client_ids(&ids)?;
    Ok(ids)
}

fn check_client_ids(ids: &[String]) -> Result<(), QueryError> {
    let fits = |id: &String| {
        let printable = !id.chars().any(char::is_control);
        printable && (1..=CLIENT_ID_CHARS_MAX).contains(&id.chars().count())
    };
    if !ids.iter().all(fits) {
        return Err(QueryError::validation("A client id has 1 to 255 printable characters."));
    }
    if ids.len() > CLIENT_IDS_MAX {
        return Err(QueryError::with_message(
            QueryCode::LimitExceeded,
            format!("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: {CLIENT_IDS_MAX}"),
        ));
    }
    Ok(())
}

fn thumbprints(form: &Form) -> Result<Vec<String>, QueryError> {
    let prints: Vec<String> = form.list("ThumbprintList")?.into_iter().map(str::to_owned).collect();
    let hex = |print: &String| print.len() == 40 && print.bytes().all(|b| b.is_ascii_hexdigit());
    if prints.len() > THUMBPRINTS_MAX || !prints.iter().all(hex) {
        return Err(QueryError::validation(
            "A provider has at most 5 thumbprints of 40 hexadecimal digits.",
        ));
    }
    Ok(prints)
}

operation! {
    /// `CreateOpenIDConnectProvider`
    CreateOpenIDConnectProvider("iam:CreateOpenIDConnectProvider") {
        url: String = url,
        client_ids: Vec<String> = client_ids,
        thumbprints: Vec<String> = thumbprints,
        tags: Vec<Tag> = tags,
    }
    on |op, at| at.made("oidc-provider", "/", &op.url);
    brings |op| Brought::tags(&op.tags);
    |op, access| {
        let Self { url, client_ids, thumbprints, tags } = op;
        let arn = format!("arn:aws:iam::{}:oidc-provider/{url}", account(&access)?);
        let new = NewOidcProvider { url, client_ids, thumbprints, tags };
        change(&access, move |edit| edit.create_oidc_provider(new)).await?;
        Ok(QueryReply::result(|xml| xml.text("OpenIDConnectProviderArn", &arn)))
    }
}

operation! {
    /// `GetOpenIDConnectProvider`
    GetOpenIDConnectProvider("iam:GetOpenIDConnectProvider") { url: String = url_in_arn }
    on |op, at| at.provider(&op.url);
    |op, access| {
        let directory = directory(&access)?;
        let provider = found(directory.oidc_provider(&op.url), EntityKind::OidcProvider, &op.url)?;
        Ok(QueryReply::result(|xml| {
            xml.text("Url", &provider.url);
            xml.texts("ClientIDList", provider.client_ids.iter().map(String::as_str));
            xml.texts("ThumbprintList", provider.thumbprints.iter().map(String::as_str));
            xml.text("CreateDate", &time(provider.created_at));
            write_tags(xml, &provider.tags);
        }))
    }
}

operation! {
    /// `DeleteOpenIDConnectProvider`
    DeleteOpenIDConnectProvider("iam:DeleteOpenIDConnectProvider") { url: String = url_in_arn }
    on |op, at| at.provider(&op.url);
    |op, access| {
        change(&access, move |edit| edit.delete_oidc_provider(&op.url)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `ListOpenIDConnectProviders`
    ListOpenIDConnectProviders("iam:ListOpenIDConnectProviders") {}
    on |op, at| at.made("oidc-provider", "/", "*");
    |op, access| {
        let account = account(&access)?;
        let directory = directory(&access)?;
        Ok(QueryReply::result(|xml| {
            xml.list("OpenIDConnectProviderList", directory.oidc_providers(), |xml, provider| {
                xml.text("Arn", &format!("arn:aws:iam::{account}:oidc-provider/{}", provider.url));
            });
        }))
    }
}

operation! {
    /// `UpdateOpenIDConnectProviderThumbprint`
    UpdateOpenIDConnectProviderThumbprint("iam:UpdateOpenIDConnectProviderThumbprint") {
        url: String = url_in_arn,
        thumbprints: Vec<String> = thumbprints,
    }
    on |op, at| at.provider(&op.url);
    |op, access| {
        let Self { url, thumbprints } = op;
        let update = move |provider: &mut OidcProvider| {
            provider.thumbprints = thumbprints;
            Ok(())
        };
        change(&access, move |edit| edit.change_oidc_provider(&url, update)).await?;
        Ok(QueryReply::empty())
    }
}

fn client_id(form: &Form) -> Result<String, QueryError> {
    let id = form.required("ClientID")?.to_owned();
    check_client_ids(std::slice::from_ref(&id))?;
    Ok(id)
}

operation! {
    /// `AddClientIDToOpenIDConnectProvider`
    AddClientIDToOpenIDConnectProvider("iam:AddClientIDToOpenIDConnectProvider") {
        url: String = url_in_arn,
        id: String = client_id,
    }
    on |op, at| at.provider(&op.url);
    |op, access| {
        let Self { url, id } = op;
        let add = move |provider: &mut OidcProvider| {
            if !provider.client_ids.contains(&id) && provider.client_ids.len() < CLIENT_IDS_MAX {
                provider.client_ids.push(id);
            }
            Ok(())
        };
        change(&access, move |edit| edit.change_oidc_provider(&url, add)).await?;
        Ok(QueryReply::empty())
    }
}

operation! {
    /// `RemoveClientIDFromOpenIDConnectProvider`
    RemoveClientIDFromOpenIDConnectProvider("iam:RemoveClientIDFromOpenIDConnectProvider") {
        url: String = url_in_arn,
        id: String = client_id,
    }
    on |op, at| at.provider(&op.url);
    |op, access| {
        let Self { url, id } = op;
        let remove = move |provider: &mut OidcProvider| {
            provider.client_ids.retain(|known| *known != id);
            Ok(())
        };
        change(&access, move |edit| edit.change_oidc_provider(&url, remove)).await?;
        Ok(QueryReply::empty())
    }
}
