//! The console: pages for the operator in a browser, served by the node on the API's loopback address.
//!
//! The pages are files without a secret, built into the binary; everything that they show comes from the API, with the
//! token that the operator gives them. They load nothing from elsewhere.
//!
//! *Security*: the content security policy lets scripts and styles come from this node only, none written into a page,
//! and (`require-trusted-types-for`) no text become HTML, so that names and purposes that peers chose stay text. The
//! pages are served under the same Host and Origin check as the API (CHK-903), and may not be framed.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

/// What the pages may do.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// A file of the console.
struct Asset {
    path: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($file:literal, $media_type:expr) => {
        Asset {
            path: concat!("/console/", $file),
            media_type: $media_type,
            bytes: include_bytes!(concat!("assets/", $file)),
        }
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 19] = [
    Asset { path: "/", media_type: "text/html; charset=utf-8", bytes: include_bytes!("assets/index.html") },
    asset!("style.css", "text/css; charset=utf-8"),
    asset!("icon.svg", "image/svg+xml"),
    asset!("api.js", SCRIPT),
    asset!("app.js", SCRIPT),
    asset!("approvals.js", SCRIPT),
    asset!("budget.js", SCRIPT),
    asset!("datasets.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("home.js", SCRIPT),
    asset!("job.js", SCRIPT),
    asset!("jobs.js", SCRIPT),
    asset!("learned.js", SCRIPT),
    asset!("log.js", SCRIPT),
    asset!("peers.js", SCRIPT),
    asset!("program.js", SCRIPT),
    asset!("result.js", SCRIPT),
    asset!("settings.js", SCRIPT),
    asset!("timeline.js", SCRIPT),
];

/// The console's files at their addresses; its first page is at `/`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS.iter().fold(Router::new(), |router, asset| {
        let tag = etag(asset.bytes);
        router.route(asset.path, get(async move |headers: HeaderMap| serve(asset, &tag, &headers)))
    })
}

fn serve(asset: &'static Asset, tag: &HeaderValue, headers: &HeaderMap) -> Response {
    let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known == tag);
    let (status, body) = if known { (StatusCode::NOT_MODIFIED, &[][..]) } else { (StatusCode::OK, asset.bytes) };
    let fixed = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let headers = [
        fixed(CONTENT_TYPE, asset.media_type),
        // Kept, and asked for again each time: a node that was updated serves other files.
        fixed(CACHE_CONTROL, "no-cache"),
        (ETAG, tag.clone()),
        fixed(CONTENT_SECURITY_POLICY, POLICY),
        fixed(X_CONTENT_TYPE_OPTIONS, "nosniff"),
        fixed(X_FRAME_OPTIONS, "DENY"),
        fixed(REFERRER_POLICY, "no-referrer"),
        fixed(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        fixed(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    (status, headers, body).into_response()
}

/// The beginning of the digest of a file, in quotation marks.
fn etag(bytes: &[u8]) -> HeaderValue {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)[..12]);
    HeaderValue::try_from(format!("\"{digest}\"")).expect("hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file that one of them names is one of them, so that nothing is missing and nothing comes from elsewhere.
    #[test]
    fn the_files_name_each_other_and_nothing_elsewhere() {
        let mut named = vec!["/".to_owned()];
        for asset in &ASSETS {
            let text = std::str::from_utf8(asset.bytes).expect("text");
            assert!(!text.contains("https:") && !text.contains("data:text"), "{}", asset.path);
            let elsewhere =
                text.match_indices("http:").filter(|(at, _)| !text[*at..].starts_with("http://www.w3.org/"));
            assert_eq!(elsewhere.count(), 0, "{} names another origin", asset.path);
            for part in text.split('"').filter(|part| part.starts_with("/console/")) {
                assert!(ASSETS.iter().any(|known| known.path == part), "{} names {part}", asset.path);
                named.push(part.to_owned());
            }
        }
        for asset in &ASSETS {
            assert!(named.iter().any(|name| name == asset.path), "nothing names {}", asset.path);
        }
    }

    /// The scripts make elements and text, never HTML, and the pages have no script or style of their own.
    #[test]
    fn no_file_makes_html_of_text_or_has_inline_scripts() {
        for asset in &ASSETS {
            let text = std::str::from_utf8(asset.bytes).expect("text");
            for wrong in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "<style",
                " style=",
                " onclick",
            ] {
                assert!(!text.contains(wrong), "{} has {wrong}", asset.path);
            }
        }
    }

    #[test]
    fn a_file_that_is_known_is_not_sent_again() {
        let tag = etag(ASSETS[0].bytes);
        let whole = serve(&ASSETS[0], &tag, &HeaderMap::new());
        assert_eq!(whole.status(), StatusCode::OK);
        let known = HeaderMap::from_iter([(IF_NONE_MATCH, tag.clone())]);
        let answer = serve(&ASSETS[0], &tag, &known);
        assert_eq!((answer.status(), answer.headers().get(ETAG)), (StatusCode::NOT_MODIFIED, Some(&tag)));
    }
}
