//! `valet presign --multipart`: starts an upload in parts and prints its links.

use anyhow::{Context as _, anyhow};
use jiff::{SignedDuration, Timestamp};
use presign::{AmzDate, ExpiresIn};
use reqwest::header::SERVER;
use reqwest::{Client, Response};
use serde::{Deserialize, Serialize};
use server::{PartPlan, PlannedPart, UploadLinks};

use super::limits;
use super::link::borrowed;
use super::{Link, LinkError, Maker, STANDARD_INPUT};
use crate::args::{InParts, Method, Presign};
use crate::failure::Failure;
use crate::presign::expiry::{Expiry, Limit};
use crate::{clock, output, refusal, remote, transfer};

/// The longest life of the links for parts. The holder of the bundle can renew them.
const PART_LIFE_SECONDS_MAX: u64 = 3600;
/// The life of the link that starts the upload, which is used at once.
const BEGIN_LIFE_SECONDS: u64 = 300;
/// The beginning of the header names of a customer's own key.
const CUSTOMER_KEY: &str = "x-amz-server-side-encryption-customer-";
const CHECKSUM_ALGORITHM: &str = "x-amz-checksum-algorithm";

/// What is printed: part of the command's contract.
#[derive(Serialize)]
struct Bundle<'b> {
    upload_id: &'b str,
    size: u64,
    parts: Vec<Part>,
    complete: String,
    abort: String,
    renew: Option<String>,
    parts_expire_at: String,
    requested_expires_at: String,
    effective_expires_at: Option<String>,
    limited_by: &'b [Limit],
}

#[derive(Serialize)]
struct Part {
    number: u16,
    offset: u64,
    size: u64,
    link: String,
}

/// An upload that was started.
struct Begun {
    upload_id: String,
    /// Whether the server can renew links.
    renews: bool,
}

#[derive(Deserialize)]
struct Initiated {
    #[serde(rename = "UploadId")]
    upload_id: String,
}

pub(super) fn run(arguments: &Presign) -> Result<(), Failure> {
    let InParts { multipart: _, size, part_size } = arguments.in_parts;
    let size = size.ok_or_else(|| Failure::usage(anyhow!("--multipart needs --size")))?;
    let plan = part_size
        .map_or_else(|| PartPlan::of_size(size), |part_size| PartPlan::new(size, part_size));
    let plan = plan.map_err(Failure::usage)?;
    if arguments.target == STANDARD_INPUT {
        return Err(Failure::usage(anyhow!("--multipart is for one object, and not for `-`")));
    }
    // The bundle lives as long as a link to upload the whole file would.
    let mut options = arguments.link.clone();
    options.method = Method::Put;
    limits::check_bundle(&options.limits)?;
    let link = Link::new(&arguments.target, &options, clock::now())?;
    let Some(key) = link.uri.key.as_deref() else {
        return Err(LinkError::NeedsObject("multipart").into());
    };
    check_headers(&link.headers)?;
    let mut maker = Maker::new(&arguments.aws, arguments.link.offline)?;
    let now = clock::now();
    let told = maker.ask(link.question(), link.early_death, now)?;
    let (expiry, life) = maker.signer.life(&link, told.as_ref(), now)?;
    if let Some(caution) = expiry.caution() {
        output::note(caution);
    }
    let (endpoint, addressing) =
        maker.signer.service.of(&link.uri.bucket).map_err(LinkError::from)?;
    let headers = borrowed(&link.headers);
    let begin = presign::Presign::new(
        "POST",
        &endpoint,
        &link.uri.bucket,
        key.as_bytes(),
        ExpiresIn::from_seconds(BEGIN_LIFE_SECONDS).map_err(Failure::failed)?,
    )
    .with_addressing(addressing)
    .with_headers(&headers)
    .with_query(&[("uploads", "")]);
    let begin = maker.signer.presigner.presign(&begin, now).map_err(LinkError::from)?;
    let client = remote::client(&arguments.aws)?;
    let begun = transfer::block_on(begin_upload(&client, &begin))?;
    let links = UploadLinks {
        endpoint: &endpoint,
        addressing,
        bucket: &link.uri.bucket,
        key,
        upload_id: &begun.upload_id,
    };
    let mut signing = Signing { maker: &mut maker, links, life, now };
    let bundle = signing.bundle(&begun, &plan, &expiry)?;
    output::result(&output::json(&bundle)?)
}

/// Refuses headers that would have to be sent again with every part or the completion: those links demand no
/// headers.
fn check_headers(headers: &[(String, String)]) -> Result<(), LinkError> {
    let value = |name: &str| {
        let mut named = headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.as_str())
    };
    let refused = |(name, _): &&(String, String)| {
        let name = name.to_ascii_lowercase();
        matches!(name.as_str(), "if-match" | "if-none-match") || name.starts_with(CUSTOMER_KEY)
    };
    if let Some((name, _)) = headers.iter().find(refused) {
        return Err(LinkError::NotOfBundles(name.clone()));
    }
    // Checksums of other types are made of those of the parts, which the completion would have to list.
    let whole = value("x-amz-checksum-type") == Some("FULL_OBJECT")
        || value(CHECKSUM_ALGORITHM) == Some("CRC64NVME");
    match value(CHECKSUM_ALGORITHM) {
        Some(_) if !whole => Err(LinkError::ChecksumOfParts),
        Some(_) | None => Ok(()),
    }
}

/// Starts the upload by a link, with the headers that it demands.
async fn begin_upload(client: &Client, begin: &presign::Presigned) -> Result<Begun, Failure> {
    let mut request = client.post(transfer::link(&begin.url)?);
    for (name, value) in &begin.headers {
        request = request.header(name, value);
    }
    let response = request.body("").send().await.map_err(transfer::unanswered)?;
    if !response.status().is_success() {
        return Err(refusal::read_own(response).await);
    }
    let renews = is_valet(&response);
    let answer = remote::read(response).await?;
    let Initiated { upload_id } =
        quick_xml::de::from_str(&answer).context("the server's answer cannot be read")?;
    Ok(Begun { upload_id, renews })
}

fn is_valet(response: &Response) -> bool {
    response.headers().get(SERVER).is_some_and(|name| name == "Valet")
}

/// What all links of a bundle are signed with.
struct Signing<'s> {
    maker: &'s mut Maker,
    links: UploadLinks<'s>,
    life: ExpiresIn,
    now: Timestamp,
}

impl Signing<'_> {
    fn bundle<'b>(
        &mut self,
        begun: &'b Begun,
        plan: &PartPlan,
        expiry: &'b Expiry,
    ) -> Result<Bundle<'b>, Failure> {
        let Self { maker, links, life, now } = self;
        let (life, now) = (*life, *now);
        let presigner = &mut maker.signer.presigner;
        let part_life = u64::from(life.seconds()).min(PART_LIFE_SECONDS_MAX);
        let part_life = ExpiresIn::from_seconds(part_life).map_err(Failure::failed)?;
        let part = |part: PlannedPart| {
            let link = links.part(part, presigner, part_life, now)?;
            let PlannedPart { number, offset, size } = part;
            Ok(Part { number: number.number(), offset, size, link })
        };
        let parts = plan.parts().map(part).collect::<Result<_, LinkError>>()?;
        let renew = begun.renews.then(|| links.renew(plan, presigner, life, now));
        let signed_at = AmzDate::from_timestamp(now).timestamp();
        let parts_end = SignedDuration::from_secs(part_life.seconds().into());
        let Expiry { requested_end, effective_end, limited_by, works: _ } = expiry;
        let parts_end = signed_at.saturating_add(parts_end).unwrap_or(Timestamp::MAX);
        let parts_end = effective_end.map_or(parts_end, |end| end.min(parts_end));
        Ok(Bundle {
            upload_id: &begun.upload_id,
            size: plan.size(),
            parts,
            complete: links.end("POST", presigner, life, now).map_err(LinkError::from)?,
            abort: links.end("DELETE", presigner, life, now).map_err(LinkError::from)?,
            renew: renew.transpose().map_err(LinkError::from)?,
            parts_expire_at: parts_end.to_string(),
            requested_expires_at: requested_end.to_string(),
            effective_expires_at: effective_end.map(|end| end.to_string()),
            limited_by,
        })
    }
}
