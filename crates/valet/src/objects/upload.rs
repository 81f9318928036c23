//! Uploads a file: in one request, or in parts where it is large.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, anyhow};
use indicatif::ProgressBar;
use reqwest::header::ETAG;
use reqwest::{Method, Response};
use serde::Deserialize;
use server::{PartPlan, PlannedPart};

use super::wire::{Operation, S3, Target, parse};
use crate::checksum::md5_of_etag;
use crate::failure::Failure;
use crate::put::{self, Piece, Sent, Tries};
use crate::refusal::{self, Refusal};
use crate::transfer::Silent;
use crate::{output, transfer};

/// The target of an upload, and its headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct UploadTarget<'g> {
    pub(super) bucket: &'g str,
    pub(super) key: &'g str,
    pub(super) content_type: Option<&'g str>,
}

impl UploadTarget<'_> {
    fn target(&self) -> Target<'_> {
        Target::object(self.bucket, self.key)
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        self.content_type.iter().map(|content_type| ("content-type", *content_type)).collect()
    }
}

/// The outcome of an upload.
pub(super) struct Stored {
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) version_id: Option<String>,
    /// What was verified, in words and as a list.
    pub(super) words: &'static str,
    pub(super) verified: &'static [&'static str],
}

/// An answer that contains an entity tag.
#[derive(Deserialize)]
pub(super) struct Tagged {
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Initiated {
    upload_id: String,
}

/// Uploads a file, or standard input if there is none.
pub(super) async fn run(
    s3: &S3,
    path: Option<&Path>,
    goal: UploadTarget<'_>,
    quiet: bool,
) -> Result<Stored, Failure> {
    let (file, size) = put::open(path.unwrap_or(Path::new(put::STANDARD_INPUT)))?;
    let plan = PartPlan::of_size(size).map_err(Failure::usage)?;
    let bar = transfer::progress(quiet, Some(size));
    let upload = Upload { s3, goal, file: Arc::new(file), bar };
    let stored = if size > plan.part_size() {
        upload.in_parts(&plan).await
    } else {
        upload.at_once(size).await
    };
    upload.bar.finish_and_clear();
    stored
}

struct Upload<'u> {
    s3: &'u S3,
    goal: UploadTarget<'u>,
    file: Arc<File>,
    bar: ProgressBar,
}

/// The entity tag of an answer, and whether it proves that the sent bytes were stored.
struct Proof {
    etag: String,
    version_id: Option<String>,
    verified: bool,
}

impl Upload<'_> {
    async fn at_once(&self, size: u64) -> Result<Stored, Failure> {
        let piece = Piece { file: Arc::clone(&self.file), offset: 0, size };
        let proof = self.put(&piece, &[], &self.goal.headers()).await?;
        let Proof { etag, version_id, verified } = proof;
        let (words, verified): (_, &[_]) = if verified {
            ("MD5 verified", &["MD5"])
        } else {
            ("not verified: no MD5 was answered", &[])
        };
        Ok(Stored {
            size,
            etag: transfer::bare_etag(&etag).to_owned(),
            version_id,
            words,
            verified,
        })
    }

    async fn in_parts(&self, plan: &PartPlan) -> Result<Stored, Failure> {
        let headers = self.goal.headers();
        let begin = Operation::new(&Method::POST, self.goal.target());
        let answer = self.s3.ask(begin.query(&[("uploads", "")]).headers(&headers), "").await?;
        let Initiated { upload_id } = parse(&answer)?;
        let done = tokio::select! {
            done = self.put_parts(plan, &upload_id) => done,
            interrupt = tokio::signal::ctrl_c() => {
                interrupt.context("cannot wait for Ctrl-C")?;
                Err(Failure::failed(anyhow!("interrupted")))
            }
        };
        if done.is_err() {
            // The parts that were stored are of no use any more.
            let query = [("uploadId", &*upload_id)];
            let abort = Operation::new(&Method::DELETE, self.goal.target()).query(&query);
            let aborted = self.s3.ask(abort, "").await;
            if let Err(failure) = aborted {
                output::note(format_args!("the parts that were stored stay there: {failure}"));
            }
        }
        done
    }

    async fn put_parts(&self, plan: &PartPlan, upload_id: &str) -> Result<Stored, Failure> {
        let waiting: Mutex<VecDeque<PlannedPart>> = Mutex::new(plan.parts().collect());
        let stored = Mutex::new(BTreeMap::new());
        let work = || async {
            loop {
                let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(part) = next else { return Ok::<(), Failure>(()) };
                let proof = self.put_part(part, upload_id).await?;
                let mut stored = stored.lock().unwrap_or_else(PoisonError::into_inner);
                stored.insert(part.number.number(), proof);
            }
        };
        // Four parts at once, as by the links of a bundle.
        tokio::try_join!(work(), work(), work(), work())?;
        let stored = stored.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (etag, version_id) = self.complete(&stored, upload_id).await?;
        let (words, verified): (_, &[_]) = if stored.values().all(|proof| proof.verified) {
            ("MD5 of every part verified", &["MD5 of every part"])
        } else {
            ("not all verified: not every part was answered with its MD5", &[])
        };
        Ok(Stored { size: plan.size(), etag, version_id, words, verified })
    }

    async fn put_part(&self, part: PlannedPart, upload_id: &str) -> Result<Proof, Failure> {
        let PlannedPart { number, offset, size } = part;
        let piece = Piece { file: Arc::clone(&self.file), offset, size };
        let number = number.number().to_string();
        self.put(&piece, &[("partNumber", &number), ("uploadId", upload_id)], &[]).await
    }

    /// Sends one piece of the file, with as many tries as it takes.
    async fn put(
        &self,
        piece: &Piece,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Proof, Failure> {
        let mut tries = Tries::default();
        loop {
            let put =
                Operation::new(&Method::PUT, self.goal.target()).query(query).headers(headers);
            let request = self.s3.moving(put).await?;
            let passing = match piece.send(request, &self.bar).await {
                Ok(Sent { response, md5 }) => match judge(response, &md5).await {
                    Ok(proof) => return Ok(proof),
                    Err(Setback::Final(failure)) => return Err(failure),
                    Err(Setback::Passing(error)) => error,
                },
                // A server that never answered is not asked again. If a part is being sent, it has answered
                // before.
                Err(error) if error.is::<Silent>() && query.is_empty() => {
                    return Err(error.into());
                }
                Err(error) => error,
            };
            tries.pause(passing, &self.bar).await?;
        }
    }

    async fn complete(
        &self,
        stored: &BTreeMap<u16, Proof>,
        upload_id: &str,
    ) -> Result<(String, Option<String>), Failure> {
        let body = put::completion(stored.iter().map(|(number, proof)| (*number, &*proof.etag)));
        let query = [("uploadId", upload_id)];
        let complete = Operation::new(&Method::POST, self.goal.target()).query(&query);
        let (answer, version_id) = self.s3.ask_of_version(complete, &body).await?;
        // S3 may report an error in the body of an answer that began with 200.
        let Tagged { etag } = parse(&answer)?;
        Ok((transfer::bare_etag(&etag).to_owned(), version_id))
    }
}

/// Why a request did not succeed.
enum Setback {
    Passing(anyhow::Error),
    Final(Failure),
}

async fn judge(response: Response, sent: &[u8]) -> Result<Proof, Setback> {
    let status = response.status();
    if !status.is_success() {
        let Refusal { code, failure, .. } = refusal::look_at_own(response).await;
        if refusal::passes(status, &code) {
            return Err(Setback::Passing(anyhow!("{failure}")));
        }
        return Err(Setback::Final(failure));
    }
    let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
    let missing = || Setback::Final(anyhow!("the answer has no ETag").into());
    let etag = etag.ok_or_else(missing)?.to_owned();
    let version_id = transfer::version_id(response.headers());
    match md5_of_etag(response.headers()) {
        Some(stored) if stored != sent => {
            let error = anyhow!("what is stored is not what was sent: its MD5 differs");
            Err(Setback::Passing(error))
        }
        stored => Ok(Proof { etag, version_id, verified: stored.is_some() }),
    }
}
