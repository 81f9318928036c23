//! Pages for people, made by the server: what they have in common. A page loads nothing from elsewhere, and what others
//! wrote is never markup: `maud` escapes it.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::respond::{Reply, ReplyBody};

/// What a page may do in a browser.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PagePowers {
    /// It runs nothing and sends nothing.
    Reads,
    /// It sends its form to this server, which sends on to the file.
    Submits,
}

impl PagePowers {
    fn policy(self) -> &'static str {
        match self {
            Self::Reads => {
                "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            }
            Self::Submits => {
                "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            }
        }
    }
}

/// A whole page.
pub(crate) fn document(title: &str, content: &Markup) -> String {
    framed(title, content, (None, ""))
}

/// A whole page with a list, which takes all the width there is.
pub(crate) fn list_document(title: &str, content: &Markup) -> String {
    framed(title, content, (Some("list"), LIST_STYLE))
}

fn framed(title: &str, content: &Markup, (class, style): (Option<&str>, &str)) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                style { (PreEscaped(STYLE)) (PreEscaped(style)) }
            }
            body class=[class] { main { (content) } }
        }
    };
    page.into_string()
}

/// Makes a page the body of an answer. Nobody keeps it, and it tells no other site where the reader came from.
pub(crate) fn put(reply: &mut Reply, page: String, powers: PagePowers) {
    reply.set(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    reply.set(CONTENT_SECURITY_POLICY, HeaderValue::from_static(powers.policy()));
    reply.set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply.set(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    reply.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply.headers.append(VARY, HeaderValue::from_static("Accept, Sec-Fetch-Mode"));
    reply.body = ReplyBody::Full(Bytes::from(page));
}

/// The same for a page with one script of its own, which may send what it is given to this server.
pub(crate) fn put_with_script(reply: &mut Reply, page: String, nonce: &str) {
    put(reply, page, PagePowers::Submits);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    reply.set_text(CONTENT_SECURITY_POLICY, &policy);
}

/// Whether a browser opens the link in a window of its own, rather than a page or a program reading it.
pub(crate) fn navigates(headers: &HeaderMap) -> bool {
    match headers.get("sec-fetch-mode").map(HeaderValue::as_bytes) {
        Some(mode) => mode == b"navigate",
        None => prefers_html(headers),
    }
}

/// Whether `Accept` names HTML, and nothing else before it.
fn prefers_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut html, mut other) = (0, 0);
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let quality =
            parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        // In thousandths, as far as a quality can say.
        let quality = match quality {
            Ok(quality) if quality >= 1.0 => 1000,
            Ok(quality) if quality >= 0.5 => 500,
            Ok(quality) if quality > 0.0 => 1,
            Ok(_) | Err(_) => 0,
        };
        if kind.eq_ignore_ascii_case("text/html") {
            html = html.max(quality);
        } else if !kind.eq_ignore_ascii_case("application/xhtml+xml") {
            other = other.max(quality);
        }
    }
    html > 0 && html >= other
}

/// A time for people, in UTC.
pub(crate) fn in_words(time: Timestamp) -> String {
    time.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

/// How all pages look: light or dark as the reader prefers, from 320 pixels up.
const STYLE: &str = ":root{color-scheme:light dark;--ground:#f6f5f2;--card:#fff;--ink:#1d1d1b;--soft:#5c5b57;--line:#e3e1db;--accent:#1f5fbf;--focus:#f0a500}\
@media (prefers-color-scheme:dark){:root{--ground:#161614;--card:#212120;--ink:#f1f0ec;--soft:#a9a7a0;--line:#34332f;--accent:#2f6fd0;--focus:#ffc247}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:1rem;\
background:var(--ground);color:var(--ink);font:1rem/1.55 system-ui,sans-serif}\
main{width:100%;max-width:34rem;padding:clamp(1.25rem,5vw,2.5rem);background:var(--card);border:1px solid var(--line);border-radius:.75rem}\
h1{margin:0 0 1rem;font-size:clamp(1.3rem,5vw,1.7rem);line-height:1.25}\
p{margin:0 0 .9rem;overflow-wrap:anywhere}\
footer{margin-top:1.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}\
button,.button{display:inline-block;padding:.7rem 1.3rem;border:0;border-radius:.5rem;background:var(--accent);color:#fff;\
font:inherit;font-weight:600;text-decoration:none;cursor:pointer}\
button:focus-visible,.button:focus-visible,input:focus-visible,textarea:focus-visible,a:focus-visible{outline:3px solid var(--focus);outline-offset:2px}\
label{display:block;margin:0 0 .3rem;font-weight:600}\
input,textarea{width:100%;margin:0 0 1rem;padding:.6rem .75rem;border:1px solid var(--line);border-radius:.5rem;background:var(--ground);color:inherit;font:inherit}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:0 0 1.5rem}\
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\
.wrong{padding:.6rem .9rem;border-left:.25rem solid #c0392b;background:var(--ground)}";

/// How a list looks besides: a row a line, and where there is little room, what is told of it below its name.
const LIST_STYLE: &str = ".list{align-items:flex-start}\
.list main{max-width:58rem;margin:clamp(0rem,4vh,3rem) 0}\
.list header{display:flex;flex-wrap:wrap;gap:1rem 2rem;align-items:center;justify-content:space-between;margin-bottom:1.25rem}\
.list header div{flex:1 1 18rem;min-width:0}\
.list h1{margin:0 0 .35rem;overflow-wrap:anywhere}.list header p{margin:0}.soft{color:var(--soft);font-size:.9rem}\
.crumbs{display:flex;flex-wrap:wrap;gap:.35rem;margin-bottom:.6rem;color:var(--soft);font-size:.9rem}\
.crumbs a{color:inherit;overflow-wrap:anywhere}\
.rows{list-style:none;margin:0 -.75rem;padding:0;border-top:1px solid var(--line)}\
.rows li+li{border-top:1px solid var(--line)}.sprite{position:absolute}\
.rows a{display:grid;grid-template-columns:1.5rem minmax(0,1fr) 6rem 9rem;gap:0 .75rem;align-items:center;padding:.7rem .75rem;\
color:inherit;text-decoration:none;border-radius:.35rem}\
.rows a:hover{background:var(--ground)}.rows a:hover .name,.rows a:focus-visible .name{text-decoration:underline}\
.rows svg{width:1.5rem;height:1.5rem;color:var(--soft);fill:#e0a526}\
.name{overflow-wrap:anywhere}\
.size,.rows time,.kind{color:var(--soft);font-size:.9rem;text-align:right;font-variant-numeric:tabular-nums}.kind{grid-column:4}\
.empty{padding:2.5rem 1rem;border:1px dashed var(--line);border-radius:.5rem;color:var(--soft);text-align:center}\
.pages{display:flex;flex-wrap:wrap;gap:.75rem;align-items:center;justify-content:flex-end;margin:1.25rem 0}.pages .soft{margin-right:auto}\
.plain{background:none;color:inherit;border:1px solid var(--line);padding:.55rem 1.1rem}.plain:hover{background:var(--ground)}\
@media (max-width:40rem){.pages{gap:.5rem}.pages .soft{flex:1 1 100%}.pages .button{padding:.5rem .65rem}.list header form,.list header button{width:100%}\
.rows a{grid-template-columns:1.5rem auto minmax(0,1fr)}.rows svg{grid-row:1/3}.name{grid-column:2/4}\
.size,.rows time,.kind{grid-column:auto;font-size:.85rem;text-align:left}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_prefer_html_and_clients_do_not() {
        let check = |accept: Option<&'static str>, mode: Option<&'static str>, expected: bool| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            if let Some(mode) = mode {
                headers.insert("sec-fetch-mode", HeaderValue::from_static(mode));
            }
            assert_eq!(navigates(&headers), expected, "{accept:?} {mode:?}");
        };
        let browser =
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        check(Some(browser), None, true);
        check(Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), None, true);
        check(Some("*/*"), Some("navigate"), true);
        check(Some(browser), Some("cors"), false);
        check(Some(browser), Some("no-cors"), false);
        check(None, None, false);
        check(Some("*/*"), None, false);
        check(Some("application/xml"), None, false);
        check(Some("application/xml, text/html;q=0.5"), None, false);
        check(Some("text/html;q=0"), None, false);
        check(Some("text/html;q=x"), None, false);
    }
}
