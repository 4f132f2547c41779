//! `stylize studio`: it serves its page at the address that it prints, and ends in order.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::{Bench, said};

#[test]
#[cfg(unix)]
fn the_studio_serves_its_page_until_it_is_interrupted() {
    let bench = Bench::new();
    let mut command = bench.command("studio --no-open --port 0 --threads 1 --dir kept");
    let mut studio = command.stderr(Stdio::piped()).spawn().expect("runs");
    let mut lines = BufReader::new(studio.stderr.take().expect("a pipe")).lines();
    let address = lines.find_map(|line| Some(line.ok()?.strip_prefix("studio   http://")?.to_owned()));
    let address = address.expect("prints its address");
    let (host, path) = address.split_once('/').expect("a path");
    let get = |path: &str| {
        let mut stream = TcpStream::connect(host).expect("connects");
        let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        answer
    };
    assert!(get(path).contains("<title>Studio</title>"));
    let jobs = get(&format!("{path}api/jobs"));
    assert!(jobs.contains("The Starry Night") && jobs.contains("CC BY 3.0"), "{jobs}");
    assert!(get("").starts_with("HTTP/1.1 404"), "without the token");
    let interrupted = Command::new("kill").args(["-INT", &studio.id().to_string()]).status().expect("runs");
    assert!(interrupted.success());
    assert!(studio.wait().expect("ends").success());
    assert!(bench.path("kept/token").is_file());
}

#[test]
fn the_studio_explains_itself_and_its_errors() {
    let bench = Bench::new();
    let help = String::from_utf8(bench.run("studio --help").stdout).expect("text");
    assert!(["--port", "--bind", "--dir", "--no-open", "--threads"].iter().all(|o| help.contains(o)), "{help}");
    bench.fail("studio --no-open --dir photo.png", &["photo.png", "folder"]);
    bench.fail("studio --no-open --bind 192.0.2.1", &["192.0.2.1", "--bind"]);
    bench.fail("studio --prot 1", &["--prot"]);
    let output = bench.run("--help");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\n  studio "), "{}", said(&output));
}
