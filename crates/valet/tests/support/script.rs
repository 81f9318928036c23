//! A server that answers from a script, and the built binary beside it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

/// Answers one request a connection, in the order of the script, and ends with it.
pub(crate) struct Script {
    pub(crate) address: String,
    requests: JoinHandle<Vec<String>>,
}

impl Script {
    pub(crate) fn play(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = std::thread::spawn(move || {
            let answer = |answer: String| exchange(&listener, &answer);
            answers.into_iter().map(answer).collect()
        });
        Self { address, requests }
    }

    /// The requests, header names in lower case, bodies behind their heads.
    pub(crate) fn requests(self) -> Vec<String> {
        self.requests.join().unwrap()
    }
}

fn exchange(listener: &TcpListener, answer: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let head = String::from_utf8(request).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    finish(&stream);
    head + &String::from_utf8(body).unwrap()
}

fn finish(stream: &TcpStream) {
    stream.shutdown(std::net::Shutdown::Write).unwrap();
}

pub(crate) fn answer(status: &str, headers: &[&str], body: &str) -> String {
    let mut lines = vec![format!("HTTP/1.1 {status}"), "Connection: close".to_owned()];
    lines.extend(headers.iter().map(|&line| line.to_owned()));
    if !headers.iter().any(|line| line.starts_with("Content-Length")) {
        lines.push(format!("Content-Length: {}", body.len()));
    }
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

pub(crate) fn refusal(status: &str, code: &str, message: &str, more: &str) -> String {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>");
    answer(status, &["Content-Type: application/xml"], &body)
}

pub(crate) fn valet(folder: &Path, arguments: &[&str], input: &str) -> Output {
    valet_with(folder, arguments, input, &[])
}

/// With these variables and no other.
pub(crate) fn valet_with(
    folder: &Path,
    arguments: &[&str],
    input: &str,
    variables: &[(&str, &str)],
) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_valet"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

/// Status, standard output and standard error.
pub(crate) type Told<'a> = (i32, &'a str, &'a str);

pub(crate) fn assert_told(output: &Output, expected: Told<'_>) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code().unwrap(), &*stdout, &*stderr), expected);
    assert!(!stderr.contains("s3cr3t"), "the link is a secret: {stderr}");
}
