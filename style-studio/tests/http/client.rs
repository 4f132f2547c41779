//! A server on a port of its own, and a client that can also misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use style_studio::{Options, Sample, Server};
use style_transfer::Image;
use style_transfer::pictures::{Format, Picture};
use tempfile::TempDir;

/// Painting in the dev profile, beside other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// A studio for a test.
pub(crate) struct Studio {
    server: Option<Server>,
    folder: TempDir,
    pub(crate) host: String,
    pub(crate) token: String,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Studio {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(set: impl FnOnce(&mut Options)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (server, host, token) = serve(folder.path(), set);
        Self { server: Some(server), folder, host, token }
    }

    /// Stops the server in order, and starts it again on the same folder.
    pub(crate) fn restart(&mut self) {
        self.server.take().expect("runs").stop();
        let token = self.token.clone();
        let (server, host, token_now) = serve(self.folder.path(), |_| ());
        assert_eq!(token, token_now, "the address keeps its token");
        (self.server, self.host) = (Some(server), host);
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A request as the page sends it; the path is relative to the page.
    pub(crate) fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let path = format!("/{}/{path}", self.token);
        self.raw(method, &path, &[("Host", &self.host), ("X-Studio", "1"), ("Content-Type", kind)], body)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", b"")
    }

    pub(crate) fn send(&self, method: &str, path: &str, json: &Value) -> Answer {
        self.ask(method, path, "application/json", json.to_string().as_bytes())
    }

    /// Any request.
    pub(crate) fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        headers.iter().filter(|(_, value)| !value.is_empty()).for_each(|(n, v)| head += &format!("{n}: {v}\r\n"));
        head += "\r\n";
        let mut stream = TcpStream::connect(&self.host).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(head.as_bytes()).expect("sends");
        // A server that refuses a body may close before it has all of it.
        let _ = stream.write_all(body);
        read(stream)
    }

    /// Uploads a picture.
    pub(crate) fn upload(&self, picture: &Picture) -> String {
        let answer = self.ask("POST", "api/pictures", "image/png", &picture.encode(Format::Png).expect("encodes"));
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Makes a job of two small pictures.
    pub(crate) fn job(&self, settings: &Value) -> String {
        let (photo, painting) = (self.upload(&photo()), self.upload(&painting()));
        let answer =
            self.send("POST", "api/jobs", &json!({"photo": photo, "painting": painting, "settings": settings}));
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) fn jobs(&self) -> Vec<Value> {
        self.get("api/jobs").json()["data"]["jobs"].as_array().expect("jobs").clone()
    }

    pub(crate) fn look(&self, id: &str) -> Value {
        self.jobs().into_iter().find(|job| job["id"] == id).expect("the job is there")
    }

    /// Waits until a job is as wanted.
    pub(crate) fn until(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let job = self.look(id);
            if wanted(&job) {
                return job;
            }
            assert!(begun.elapsed() < PATIENCE, "not {what}: {job}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn until_state(&self, id: &str, state: &str) -> Value {
        self.until(id, state, |job| job["state"] == state)
    }

    pub(crate) fn act(&self, id: &str, action: &str) {
        let answer = self.ask("POST", &format!("api/jobs/{id}/{action}"), "", b"");
        assert_eq!(answer.status, 204, "{action}: {}", answer.text());
    }

    /// The picture of a job.
    pub(crate) fn picture(&self, id: &str, name: &str) -> Picture {
        let answer = self.get(&format!("api/jobs/{id}/files/{name}"));
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        Picture::from_bytes(&answer.body).expect("a picture")
    }

    /// The first `n` server-sent events.
    pub(crate) fn events(&self, n: usize) -> Vec<Value> {
        let mut stream = TcpStream::connect(&self.host).expect("connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!("GET /{}/api/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.token, self.host);
        stream.write_all(request.as_bytes()).expect("sends");
        let lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
        let data = lines.filter_map(|line| line.strip_prefix("data: ").map(|data| data.to_owned()));
        data.take(n).map(|data| serde_json::from_str(&data).expect("JSON")).collect()
    }
}

fn serve(folder: &Path, set: impl FnOnce(&mut Options)) -> (Server, String, String) {
    let mut options = Options::new(folder);
    options.port = Some(0);
    set(&mut options);
    let server = Server::start(options).expect("starts");
    let address = server.address();
    let (host, token) = address.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address");
    (server, host.to_owned(), token.trim_end_matches('/').to_owned())
}

fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = vec![];
    // The connection may be reset once the answer is there.
    let _ = stream.read_to_end(&mut bytes);
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Answer { status: status.expect("a status"), headers, body: bytes[split + 4..].to_vec() }
}

pub(crate) fn photo() -> Picture {
    let pixel = |i: usize| [(i % 96 * 2) as u8, (i / 96 * 3) as u8, 120];
    Picture::from(Image::from_rgb8(96, 72, &(0..96 * 72).flat_map(pixel).collect::<Vec<_>>()).expect("an image"))
}

pub(crate) fn painting() -> Picture {
    let pixel = |i: usize| if (i % 80 / 8 + i / 80 / 8).is_multiple_of(2) { [220, 60, 20] } else { [20, 60, 200] };
    Picture::from(Image::from_rgb8(80, 80, &(0..80 * 80).flat_map(pixel).collect::<Vec<_>>()).expect("an image"))
}

/// A sample as `stylize` gives it.
pub(crate) fn sample() -> Sample {
    let file = include_bytes!("../../../stylize/samples/starry_night.jpg");
    Sample { name: "Night".into(), title: "The Starry Night".into(), painting: true, file }
}
