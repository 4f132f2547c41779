//! Who may ask: the checks before any request is looked at, and the headers of every answer.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tower_service::Service;

use crate::id::Id;

/// The header of every request that changes anything. A page of another site cannot send it: the browser would ask first.
const OWN: &str = "x-studio";

/// All that the page may load and do.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// What stands before the routes.
#[derive(Clone)]
pub(super) struct Gate {
    at: SocketAddr,
    token: Id,
    inner: Router,
}

impl Gate {
    pub(super) fn new(at: SocketAddr, token: Id, inner: Router) -> Self {
        Self { at, token, inner }
    }

    /// Whether this host is the address that is served, rather than a name that leads to it.
    fn is_own(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
            _ => (host, Some(80)),
        };
        if port != Some(self.at.port()) {
            return false;
        }
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let ip: Option<IpAddr> = bare.parse().ok();
        let here = self.at.ip();
        match ip {
            Some(ip) if here.is_unspecified() => !ip.is_unspecified(),
            Some(ip) => ip == here,
            None => name.eq_ignore_ascii_case("localhost") && (here.is_loopback() || here.is_unspecified()),
        }
    }

    /// The reason to refuse a request, if there is one.
    fn refusal(&self, method: &Method, headers: &HeaderMap) -> Option<&'static str> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
        let Some(host) = text("host").filter(|host| self.is_own(host)) else {
            return Some("open the address that the studio printed; a host name in place of the IP address is refused");
        };
        if text("origin").is_some_and(|origin| origin.strip_prefix("http://") != Some(host)) {
            return Some("another site asked for this");
        }
        if text("sec-fetch-site").is_some_and(|site| !["same-origin", "none"].contains(&site))
            && text("sec-fetch-mode") != Some("navigate")
        {
            return Some("another site asked for this");
        }
        if ![Method::GET, Method::HEAD].contains(method) && text(OWN).is_none() {
            return Some("a request that changes something needs the header X-Studio");
        }
        None
    }

    /// The path behind the token, if the token is right.
    fn behind(&self, uri: &Uri) -> Option<Uri> {
        let (token, _) = uri.path().strip_prefix('/')?.split_once('/')?;
        if !token.parse::<Id>().ok()?.is(&self.token) {
            return None;
        }
        // The rest begins with the slash behind the token.
        let rest: PathAndQuery = uri.path_and_query()?.as_str().get(1 + token.len()..)?.parse().ok()?;
        Some(Uri::from(rest))
    }
}

/// Answers a request, or refuses it.
pub(super) async fn pass(State(mut gate): State<Gate>, mut request: Request) -> Response {
    let mut response = match gate.refusal(request.method(), request.headers()) {
        Some(why) => refused(StatusCode::FORBIDDEN, why),
        None => match gate.behind(request.uri()) {
            None => {
                refused(StatusCode::NOT_FOUND, "there is nothing here; open the whole address that the studio printed")
            }
            Some(uri) => {
                *request.uri_mut() = uri;
                match gate.inner.call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
        },
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refused(status: StatusCode, why: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from(why)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(at: &str) -> Gate {
        Gate::new(at.parse().expect("an address"), Id::of(b"token"), Router::new())
    }

    #[test]
    fn hosts() {
        let here = gate("127.0.0.1:7478");
        for own in ["127.0.0.1:7478", "localhost:7478", "LOCALHOST:7478"] {
            assert!(here.is_own(own), "{own}");
        }
        for other in
            ["evil.example:7478", "127.0.0.1", "127.0.0.1:80", "localhost.evil.example:7478", "[::1]:7478", "", ":7478"]
        {
            assert!(!here.is_own(other), "{other}");
        }
        assert!(gate("[::1]:1").is_own("[::1]:1"));
        assert!(gate("0.0.0.0:1").is_own("192.168.1.7:1") && !gate("0.0.0.0:1").is_own("evil.example:1"));
        assert!(gate("127.0.0.1:80").is_own("127.0.0.1") && gate("[::1]:80").is_own("[::1]"));
    }

    #[test]
    fn paths_behind_the_token() {
        let (gate, token) = (gate("127.0.0.1:1"), Id::of(b"token"));
        let behind = |path: String| gate.behind(&path.parse().expect("a path")).map(|uri| uri.to_string());
        assert_eq!(behind(format!("/{token}/")), Some("/".into()));
        assert_eq!(behind(format!("/{token}/api/jobs?x=1")), Some("/api/jobs?x=1".into()));
        for wrong in [format!("/{token}"), "/".into(), format!("/{}/", Id::of(b"other")), format!("//{token}/")] {
            assert_eq!(behind(wrong.clone()), None, "{wrong}");
        }
    }
}
