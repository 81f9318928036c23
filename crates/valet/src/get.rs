//! `valet get URL [FILE]`: downloads from a link.

mod short;
mod sink;
mod unfinished;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use indicatif::{HumanBytes, ProgressBar};
use reqwest::header::{
    CONTENT_DISPOSITION, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_MATCH, RANGE,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use server::disposition;

use crate::args::Get;
use crate::checksum::{CHECKSUM_MODE, Promises};
use crate::failure::Failure;
use crate::objects::SignedObject;
use crate::output::Form;
use crate::transfer::Moved;
use crate::{output, passphrase, refusal, transfer};

use self::short::Entry;
pub(crate) use self::sink::Destination;
use self::sink::{Origin, Sink};

/// The argument that stands for standard output.
const STANDARD_OUTPUT: &str = "-";
/// The most tries in a row that bring no new bytes.
const FRUITLESS_TRIES_MAX: u32 = 5;
/// How often a request is repeated in another way, such as from the first byte on. Otherwise a server that
/// accepts none of them would be asked for ever.
const OTHER_WAYS_MAX: u32 = 4;
/// The longest pause before another try.
const PAUSE_MAX: Duration = Duration::from_secs(30);

pub(crate) fn run(arguments: &Get) -> Result<(), Failure> {
    let is_link = |path: &PathBuf| path.to_str().is_some_and(transfer::is_link);
    if arguments.file.as_ref().is_some_and(is_link) && !transfer::is_link(&arguments.url) {
        let words = "the link comes first, and then the file: valet get LINK FILE";
        return Err(Failure::usage(anyhow!(words)));
    }
    let url = transfer::link(&arguments.url)?;
    let bare = transfer::short_link(&url);
    if bare.is_none() && arguments.passphrase.is_given() {
        return Err(Failure::usage(anyhow!(
            "a passphrase is for a short link, and this is another"
        )));
    }
    let mut headers = transfer::headers(&arguments.connection)?;
    if let Some(passphrase) = passphrase::given(&arguments.passphrase)? {
        headers.insert(passphrase::HEADER, passphrase::header_value(&passphrase)?);
    }
    let mut destination = match &arguments.file {
        Some(path) if path.as_os_str() == STANDARD_OUTPUT => Destination::StandardOutput,
        Some(path) => Destination::named(path, &name_in_url(&url))?,
        None => Destination::File { path: name_in_url(&url), chosen_by_server: true },
    };
    if arguments.json && matches!(destination, Destination::StandardOutput) {
        return Err(Failure::usage(anyhow!("--json and `-` are both for standard output")));
    }
    let client = transfer::client(&arguments.connection, headers.clone())?;
    let (mut entry, mut target) = (Entry::Opens(url.clone()), None);
    if let Some(bare) = bare {
        let scout = transfer::scout(&arguments.connection, headers.clone())?;
        let given = headers.get(passphrase::HEADER).map(HeaderValue::as_bytes);
        let given = given.map(String::from_utf8_lossy);
        let way = short::find_way(&scout, (&url, &bare), given.as_deref());
        if let Some(way) = transfer::block_on(way)? {
            destination.take_name(way.name)?;
            (entry, target) = (way.entry, way.target);
        }
    }
    let source = DownloadSource::Link(Box::new(LinkSource { client, url, headers, entry, target }));
    let fetched = transfer::block_on(fetch(source, destination, arguments.connection.quiet))?;
    let Some(file) = fetched.path.as_ref().map(|path| path.display().to_string()) else {
        return Ok(());
    };
    output::answer(Form::of(arguments.json), &fetched.told(&file), [file.clone()])
}

/// Downloads from a source to a destination; returns what was saved and verified.
pub(crate) async fn fetch(
    source: DownloadSource<'_>,
    destination: Destination,
    quiet: bool,
) -> Result<Fetched, Failure> {
    let sink = Sink::open(destination, Origin::of(&source.url()?))?;
    let mut download = Download {
        source,
        quiet,
        sink,
        promises: None,
        begun: false,
        etag: None,
        version_id: None,
        bar: ProgressBar::hidden(),
    };
    let verified = download.run().await?;
    download.bar.finish_and_clear();
    let size = download.sink.offset();
    let words = match verified.as_slice() {
        [] => format!("not verified: {}", download.source.why_unpromised()),
        names => format!("{} verified", names.join(", ")),
    };
    if !quiet {
        output::note(format!("{}; {words}", HumanBytes(size)));
    }
    let path = download.sink.publish()?;
    let Download { etag, version_id, .. } = download;
    Ok(Fetched { path, size, etag, version_id, verified })
}

/// What was downloaded and where it was saved; standard output has no file.
pub(crate) struct Fetched {
    path: Option<PathBuf>,
    size: u64,
    etag: Option<String>,
    version_id: Option<String>,
    verified: Vec<&'static str>,
}

impl Fetched {
    /// The same, as it is reported.
    pub(crate) fn told(&self, file: &str) -> Moved<'_> {
        Moved {
            file: Some(file.to_owned()),
            size: self.size,
            etag: self.etag.as_deref().map(transfer::bare_etag),
            version_id: self.version_id.as_deref(),
            verified: &self.verified,
        }
    }
}

/// Where a download comes from.
pub(crate) enum DownloadSource<'s> {
    Link(Box<LinkSource>),
    /// An object that the user's own credentials open.
    Own(SignedObject<'s>),
}

/// A link that is downloaded from.
pub(crate) struct LinkSource {
    client: Client,
    url: Url,
    /// The headers that are sent with every request.
    headers: HeaderMap,
    entry: Entry,
    /// Where the link has just been found to send on to.
    target: Option<Url>,
}

impl DownloadSource<'_> {
    async fn request(&mut self) -> Result<RequestBuilder, Failure> {
        match self {
            Self::Link(link) => Ok(match link.target.take() {
                Some(target) => link.client.get(target),
                None => link.entry.request(&link.client),
            }),
            Self::Own(object) => object.get().await,
        }
    }

    fn url(&self) -> Result<Url, Failure> {
        match self {
            Self::Link(link) => Ok(link.url.clone()),
            Self::Own(object) => object.url(),
        }
    }

    /// The reason to report if an answer promises no checksum.
    fn why_unpromised(&self) -> &'static str {
        match self {
            Self::Link(link) if !asks_for_checksum(&link.url) => {
                "the link does not ask for the checksum"
            }
            Self::Link(_) | Self::Own(_) => "the server promised no checksum of the whole",
        }
    }

    async fn refusal(&self, response: Response) -> Failure {
        match self {
            Self::Link(link) => {
                transfer::refused(&link.url, &link.headers, refusal::look_at(response).await)
            }
            Self::Own(_) => refusal::read_own(response).await,
        }
    }
}

/// One download, which may need several requests.
struct Download<'a> {
    source: DownloadSource<'a>,
    quiet: bool,
    sink: Sink,
    /// Set by the first answer.
    promises: Option<Promises>,
    /// Whether the first byte of a body has arrived. Until then, a failure is final.
    begun: bool,
    /// The `ETag` and version of the last answer.
    etag: Option<String>,
    version_id: Option<String>,
    bar: ProgressBar,
}

/// Which bytes a request asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    Rest,
}

/// The outcome of one request.
enum Step {
    Done,
    /// The request must be repeated in another way.
    Again,
    /// The connection or the server failed. The bytes so far are kept.
    Interrupted {
        error: anyhow::Error,
        pause: Option<Duration>,
    },
}

impl Download<'_> {
    /// Downloads to the end; returns the checksums that hold.
    async fn run(&mut self) -> Result<Vec<&'static str>, Failure> {
        let mut fruitless = 0;
        let mut other_ways = 0;
        // A server that sends the beginning again and again brings no new bytes.
        let mut furthest = self.sink.offset();
        loop {
            match self.step().await? {
                Step::Done => break,
                Step::Again => {
                    other_ways += 1;
                    if other_ways > OTHER_WAYS_MAX {
                        return Err(
                            anyhow!("the server answers every request in another way").into()
                        );
                    }
                }
                Step::Interrupted { error, pause } => {
                    let further = self.sink.offset() > furthest;
                    fruitless = if further { 1 } else { fruitless + 1 };
                    furthest = furthest.max(self.sink.offset());
                    if fruitless > FRUITLESS_TRIES_MAX {
                        return Err(error.context("given up").into());
                    }
                    let pause = pause.unwrap_or(Duration::from_secs(1 << (fruitless - 1)));
                    self.bar.suspend(|| output::note(format!("{error:#}; trying again")));
                    tokio::time::sleep(pause.min(PAUSE_MAX)).await;
                }
            }
        }
        let promises = self.promises.take().unwrap_or_default();
        promises.keep().map_err(|mismatch| {
            self.sink.discard();
            Failure::failed(mismatch)
        })
    }

    async fn step(&mut self) -> Result<Step, Failure> {
        let mut request = self.source.request().await?;
        let offset = self.sink.offset();
        let rest_of = self.sink.etag().filter(|_| offset > 0);
        let asked = if rest_of.is_some() { Extent::Rest } else { Extent::Whole };
        if let Some(etag) = rest_of {
            request = request.header(RANGE, format!("bytes={offset}-")).header(IF_MATCH, etag);
        }
        let response = match transfer::answer(request).await {
            Ok(response) => response,
            Err(error) if self.begun => return Ok(Step::Interrupted { error, pause: None }),
            Err(error) => return Err(error.into()),
        };
        match response.status() {
            StatusCode::OK => self.whole(response, asked).await,
            StatusCode::PARTIAL_CONTENT if offset > 0 => self.rest(response).await,
            StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => self.at_the_end(response.headers()),
            StatusCode::PRECONDITION_FAILED if offset > 0 => {
                self.start_over("the object has changed: starting over")?;
                Ok(Step::Again)
            }
            StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                let pause = transfer::retry_after(response.headers());
                let error = anyhow!("{}", self.source.refusal(response).await);
                Ok(Step::Interrupted { error, pause })
            }
            _ => Err(self.source.refusal(response).await),
        }
    }

    /// Handles an answer with the whole object. Its headers may suggest a file name for which there is an
    /// unfinished download of the same object. Then that download is continued by another request, unless this
    /// request had already asked for the rest.
    async fn whole(&mut self, response: Response, asked: Extent) -> Result<Step, Failure> {
        let headers = response.headers();
        if !self.begun
            && let Some(name) = name_in_headers(headers)
        {
            self.sink.rename(name)?;
            let same = self.sink.offset() > 0 && self.sink.etag() == strong_etag(headers);
            if same && asked == Extent::Whole {
                return Ok(Step::Again);
            }
        }
        self.sink.refuse_to_overwrite()?;
        if self.sink.came_from_elsewhere() {
            self.start_over("what was begun came from elsewhere: starting over")?;
        }
        if self.sink.offset() > 0 {
            self.start_over("the server sends no part of it: starting over")?;
        }
        self.sink.begin(strong_etag(headers), &Promises::lines(headers))?;
        self.promises = Some(Promises::read(headers));
        self.note_object(headers);
        self.begin_bar(response.content_length());
        self.receive(response).await
    }

    /// Handles an answer with the rest of the object.
    async fn rest(&mut self, response: Response) -> Result<Step, Failure> {
        let offset = self.sink.offset();
        let headers = response.headers();
        if first_byte(headers) != Some(offset) || strong_etag(headers) != self.sink.etag() {
            return Err(
                anyhow!("the server answered with another part than the one asked for").into()
            );
        }
        self.sink.refuse_to_overwrite()?;
        if !self.promises_go_on(headers)? {
            self.start_over("what is promised of the object has changed: starting over")?;
            return Ok(Step::Again);
        }
        self.note_object(headers);
        self.begin_bar(response.content_length().map(|rest| offset.saturating_add(rest)));
        self.receive(response).await
    }

    /// Handles "range not satisfiable": the download is complete if the object has no more bytes than were
    /// received.
    fn at_the_end(&mut self, headers: &HeaderMap) -> Result<Step, Failure> {
        let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let size = range.and_then(|range| range.strip_prefix("bytes */")?.parse::<u64>().ok());
        if size == Some(self.sink.offset()) && self.promises.is_some() {
            return Ok(Step::Done);
        }
        self.start_over("what was begun does not fit the object: starting over")?;
        Ok(Step::Again)
    }

    /// Whether the promises of this answer agree with earlier ones. Bytes of an earlier run have not been
    /// hashed yet; that is done here.
    fn promises_go_on(&mut self, headers: &HeaderMap) -> Result<bool, Failure> {
        let offered = Promises::read(headers);
        if let Some(promises) = &self.promises {
            return Ok(!promises.contradicts(&offered));
        }
        // An answer with a part need not promise anything about the whole. What the first answer promised was
        // noted beside the bytes.
        let kept = Promises::of_lines(self.sink.kept());
        let Some(mut promises) = kept.with(offered) else { return Ok(false) };
        self.sink.reread(|bytes| promises.update(bytes))?;
        self.promises = Some(promises);
        if !self.quiet {
            output::note(format!("going on after {}", HumanBytes(self.sink.offset())));
        }
        Ok(true)
    }

    async fn receive(&mut self, mut response: Response) -> Result<Step, Failure> {
        self.begun = true;
        loop {
            match response.chunk().await {
                Ok(None) => return Ok(Step::Done),
                Ok(Some(bytes)) => {
                    self.sink.write(&bytes)?;
                    self.promises.iter_mut().for_each(|promises| promises.update(&bytes));
                    self.bar.set_position(self.sink.offset());
                }
                Err(error) => {
                    let error = transfer::unanswered(error);
                    return Ok(Step::Interrupted { error, pause: None });
                }
            }
        }
    }

    fn note_object(&mut self, headers: &HeaderMap) {
        self.etag = headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        self.version_id = transfer::version_id(headers);
    }

    fn start_over(&mut self, why: &str) -> Result<(), Failure> {
        self.promises = None;
        self.sink.start_over().context(why.to_owned())?;
        self.bar.suspend(|| output::note(why));
        Ok(())
    }

    fn begin_bar(&mut self, total: Option<u64>) {
        self.bar.finish_and_clear();
        self.bar = transfer::progress(self.quiet, total);
        self.bar.set_position(self.sink.offset());
        self.bar.reset_eta();
    }
}

/// The file name that the link itself suggests: in its disposition, otherwise the end of its path.
fn name_in_url(url: &Url) -> PathBuf {
    let mut query = url.query_pairs();
    let disposition = query.find(|(name, _)| name == "response-content-disposition");
    let name = disposition.and_then(|(_, value)| disposition::file_name(&value)).or_else(|| {
        let segment = url.path().rsplit('/').find(|segment| !segment.is_empty())?;
        let bytes = presign::decode_component(segment);
        disposition::safe_name(&String::from_utf8_lossy(&bytes))
    });
    PathBuf::from(name.as_deref().unwrap_or("object"))
}

/// Whether the link asks for the checksum, by a parameter or by a header that was signed.
fn asks_for_checksum(url: &Url) -> bool {
    url.query_pairs().any(|(name, value)| {
        let signed =
            name == "X-Amz-SignedHeaders" && value.split(';').any(|header| header == CHECKSUM_MODE);
        signed || name.eq_ignore_ascii_case(CHECKSUM_MODE)
    })
}

fn name_in_headers(headers: &HeaderMap) -> Option<PathBuf> {
    let header = String::from_utf8_lossy(headers.get(CONTENT_DISPOSITION)?.as_bytes()).into_owned();
    disposition::file_name(&header).map(PathBuf::from)
}

/// The `ETag`, if it is a strong one. Only a strong one proves that bytes before and after an interruption
/// belong to the same object.
fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    etag.starts_with('"').then(|| etag.to_owned())
}

/// The first position in `Content-Range`: 5 in `bytes 5-9/10`.
fn first_byte(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    range.split_once('-')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn names_in_urls() {
        let check = |url: &str, expected: &str| {
            assert_eq!(name_in_url(&Url::parse(url).unwrap()), Path::new(expected), "{url}");
        };
        check("http://h/b/report.pdf?X-Amz-Date=1", "report.pdf");
        check("http://h/b/a%20b%2Fc.txt", "c.txt");
        check("http://h/b/dir/", "dir");
        check("http://h/", "object");
        let disposition = "response-content-disposition=attachment%3B%20filename%3D%22x%20y.txt%22";
        check(&format!("http://h/b/k?{disposition}"), "x y.txt");
        check("http://h/b/k?response-content-disposition=inline", "k");
    }

    #[test]
    fn links_that_ask_for_the_checksum() {
        let check = |query: &str, expected: bool| {
            let url = Url::parse(&format!("http://h/b/k?{query}")).unwrap();
            assert_eq!(asks_for_checksum(&url), expected, "{query}");
        };
        check("X-Amz-Date=1", false);
        check("X-Amz-Date=1&x-amz-checksum-mode=ENABLED", true);
        check("X-Amz-Checksum-Mode=ENABLED", true);
        check("X-Amz-SignedHeaders=host%3Bx-amz-checksum-mode", true);
        check("X-Amz-SignedHeaders=host", false);
        check("response-content-type=x-amz-checksum-mode", false);
    }

    #[test]
    fn ranges_and_etags() {
        let headers = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            headers
        };
        let check = |value: &str, expected| {
            assert_eq!(first_byte(&headers("content-range", value)), expected, "{value}");
        };
        check("bytes 5-9/10", Some(5));
        check("bytes */10", None);
        check("lines 5-9/10", None);
        assert_eq!(strong_etag(&headers("etag", "\"a\"")).as_deref(), Some("\"a\""));
        assert_eq!(strong_etag(&headers("etag", "W/\"a\"")), None);
        let retry_after = |text: &str| transfer::retry_after(&headers("retry-after", text));
        assert_eq!(retry_after("3"), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("soon"), None);
    }
}
