//! Who gets nothing, and what cannot be reached.

use serde_json::json;
use style_transfer::pictures::Format;

use crate::client::{Studio, photo, sample};

/// The status of a request with these headers.
fn status(studio: &Studio, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    studio.raw(method, path, headers, b"").status
}

#[test]
fn without_the_token_there_is_nothing() {
    let studio = Studio::new();
    let host = ("Host", &*studio.host);
    let (token, mut wrong) = (&studio.token, studio.token.clone());
    wrong.replace_range(..1, if token.starts_with('0') { "1" } else { "0" });
    for path in ["/", "/api/jobs", "/index.html", "//", "/%2e%2e/", &format!("/{wrong}/"), &format!("/{token}")] {
        let answer = studio.raw("GET", path, &[host], b"");
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains(token.as_str()), "{path}");
    }
    assert_eq!(status(&studio, "GET", &format!("/{}/", token.to_uppercase()), &[host]), 404);
    assert_eq!(status(&studio, "GET", &format!("/{token}/"), &[host]), 200);
}

#[test]
fn other_hosts_and_sites_are_refused() {
    let studio = Studio::new();
    let path = format!("/{}/api/jobs", studio.token);
    let port = studio.host.rsplit_once(':').map(|(_, port)| port).expect("a port");
    let (named, rebound) = (format!("localhost:{port}"), format!("evil.example:{port}"));
    let own = ("Host", &*studio.host);
    assert_eq!(status(&studio, "GET", &path, &[own]), 200);
    assert_eq!(status(&studio, "GET", &path, &[("Host", &named)]), 200);
    for host in [&*rebound, "evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]:1"] {
        assert_eq!(status(&studio, "GET", &path, &[("Host", host)]), 403, "{host}");
    }
    assert!([400, 403].contains(&status(&studio, "GET", &path, &[])), "without a host");

    let origin = format!("http://{}", studio.host);
    for (origin, expected) in
        [(&*origin, 200), ("http://evil.example", 403), ("null", 403), ("https://evil.example", 403)]
    {
        assert_eq!(status(&studio, "GET", &path, &[own, ("Origin", origin)]), expected, "{origin}");
    }
    assert_eq!(
        status(&studio, "GET", &path, &[own, ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors")]),
        403
    );
    assert_eq!(status(&studio, "GET", &path, &[own, ("Sec-Fetch-Site", "same-origin")]), 200);
}

#[test]
fn another_site_cannot_change_anything() {
    let studio = Studio::new();
    let path = format!("/{}/api/pictures", studio.token);
    let file = photo().encode(Format::Png).expect("encodes");
    let own = ("Host", &*studio.host);
    // What a form or a simple request of another site could send.
    for more in [("Content-Type", "text/plain"), ("Origin", "http://evil.example")] {
        assert_eq!(studio.raw("POST", &path, &[own, more], &file).status, 403);
    }
    // A preflight is not answered with permission.
    let asks = [own, ("Origin", "http://evil.example"), ("Access-Control-Request-Method", "POST")];
    let answer = studio.raw("OPTIONS", &path, &asks, b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None));
    assert_eq!(studio.raw("POST", &path, &[own, ("X-Studio", "1")], &file).status, 201);
    let form = studio.ask("POST", "api/jobs", "application/x-www-form-urlencoded", b"photo=1");
    assert_eq!(form.status, 400);
}

#[test]
fn no_path_leads_out() {
    let studio = Studio::new();
    let secret = tempfile::NamedTempFile::new().expect("a file beside the studio's folder");
    std::fs::write(secret.path(), "secret").expect("writes");
    assert_eq!(studio.folder().parent(), secret.path().parent());
    let name = secret.path().file_name().and_then(|name| name.to_str()).expect("a name");
    let out = format!("..%2f..%2f..%2f..%2f{name}");
    for path in [
        "../../etc/passwd".to_owned(),
        "%2e%2e/%2e%2e/etc/passwd".into(),
        "..%2f..%2fetc%2fpasswd".into(),
        "token".into(),
        "web/main.js".into(),
        "ui/../token".into(),
        "ui/..%2ftoken".into(),
        format!("api/pictures/{out}/100"),
        format!("api/jobs/{out}/files/preview.jpg"),
        "api/jobs/00000000000000000000000000000000/files/..%2fjob.json".into(),
        "api/jobs/00000000000000000000000000000000/files/job.json".into(),
        "api/jobs/00000000000000000000000000000000/snapshots/..%2f..%2fjob".into(),
        "api/pictures/00000000000000000000000000000000/100".into(),
        "api/pictures/%00/100".into(),
    ] {
        let answer = studio.get(&path);
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
        let text = answer.text();
        assert!(!text.contains("root:") && !text.contains("secret") && !text.contains(&studio.token), "{path}: {text}");
    }
    for id in ["../../../../tmp/x", "..", "/etc/passwd", "", "C:\\x", "00000000000000000000000000000000"] {
        let answer = studio.send("POST", "api/jobs", &json!({"photo": id, "painting": id}));
        assert!([400, 404].contains(&answer.status), "{id}: {}", answer.text());
    }
    let folder = studio.folder().display().to_string();
    let answer = studio.send("POST", "api/jobs", &json!({"photo": 1}));
    assert!(!answer.text().contains(&folder));
}

#[test]
fn bodies_are_limited() {
    let studio = Studio::with(|options| options.most_upload = 100_000);
    let large = vec![0; 100_001];
    let answer = studio.ask("POST", "api/pictures", "image/png", &large);
    assert_eq!(answer.status, 413);
    assert!(answer.json()["error"].as_str().is_some_and(|e| e.contains("100000 bytes")), "{}", answer.text());
    assert_eq!(studio.ask("POST", "api/jobs", "application/json", &vec![b' '; 20_000]).status, 413);
    let id = studio.job(&json!({"side": 64, "iterations": 1}));
    assert_eq!(studio.ask("PUT", &format!("api/jobs/{id}/mask"), "image/png", &vec![0; 9 << 20]).status, 413);
    // A body whose length is not said ends at the limit too.
    let path = format!("/{}/api/pictures", studio.token);
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", 200_000, "x".repeat(200_000));
    let mut stream = std::net::TcpStream::connect(&studio.host).expect("connects");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nX-Studio: 1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        studio.host
    );
    std::io::Write::write_all(&mut stream, head.as_bytes()).expect("sends");
    let _ = std::io::Write::write_all(&mut stream, chunk.as_bytes());
    let mut first = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 413");
}

#[test]
fn garbage_is_refused_with_a_reason() {
    let studio = Studio::new();
    let whole = photo().encode(Format::Png).expect("encodes");
    let mut bomb = whole.clone();
    // Dimensions of 30,000 x 30,000, far above the limit, which the checksum does not excuse.
    bomb[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let garbage: [(&str, &[u8]); 6] = [
        ("nothing", b""),
        ("text", b"<html><script>alert(1)</script>"),
        ("half", &whole[..whole.len() / 2]),
        ("bomb", &bomb),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("zeros", &[0; 4096]),
    ];
    for (name, bytes) in garbage {
        let answer = studio.ask("POST", "api/pictures", "image/png", bytes);
        assert_eq!(answer.status, 422, "{name}: {}", answer.text());
        assert!(answer.json()["error"].as_str().is_some_and(|e| e.len() > 20), "{name}");
    }
    for json in ["", "[]", "{", "{\"photo\":", "null", &"[".repeat(10_000)] {
        assert_eq!(studio.ask("POST", "api/jobs", "application/json", json.as_bytes()).status, 400, "{json:.20}");
    }
    let id = studio.job(&json!({"side": 64, "iterations": 1}));
    let settings = [
        json!({"strength": -1}),
        json!({"strength": "1"}),
        json!({"side": 1_000_000}),
        json!({"seed": 1.5}),
        json!({"folder": "/"}),
    ];
    for change in settings {
        assert_eq!(studio.send("PATCH", &format!("api/jobs/{id}"), &change).status, 400, "{change}");
    }
    assert_eq!(studio.ask("PUT", &format!("api/jobs/{id}/mask"), "image/png", b"no mask").status, 422);
    assert_eq!(studio.ask("POST", &format!("api/jobs/{id}/explode"), "", b"").status, 404);
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let studio = Studio::with(|options| options.samples = vec![sample()]);
    let page = studio.get("");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value));
    }
    let html = page.text();
    // Every file that the page and its modules name is there.
    let mut names: Vec<String> =
        html.split(['"', '\'']).filter(|s| s.ends_with(".js") || s.ends_with(".css")).map(Into::into).collect();
    let (mut seen, mut i) = (vec![], 0);
    while let Some(name) = names.get(i).cloned() {
        i += 1;
        let name = name.trim_start_matches("./").to_owned();
        if seen.contains(&name) {
            continue;
        }
        let file = studio.get(&name);
        assert_eq!(file.status, 200, "{name}");
        let text = file.text();
        assert!(!text.contains("http://") || text.contains("www.w3.org"), "{name} names another address");
        assert!(!text.contains("https://") && !text.contains("innerHTML") && !text.contains("eval("), "{name}");
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        for import in text.split("from \"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let path = match import.strip_prefix("../") {
                Some(rest) => rest.to_owned(),
                None => format!("{folder}/{}", import.trim_start_matches("./")).trim_start_matches('/').to_owned(),
            };
            names.push(path);
        }
        seen.push(name);
    }
    assert!(seen.len() >= 13, "{seen:?}");
    let list = studio.get("api/jobs");
    let offered = &list.json()["data"]["samples"][0];
    assert_eq!(offered["title"], "The Starry Night");
    let thumbnail = studio.get(&format!("api/pictures/{}/64", offered["id"].as_str().expect("an id")));
    assert_eq!((thumbnail.status, thumbnail.header("content-type")), (200, Some("image/jpeg")));
}
