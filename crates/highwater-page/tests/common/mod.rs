//! One agent for all tests of a binary, and a client that speaks HTTP/1 by hand, to see what a browser would not show.
#![allow(dead_code, reason = "each test target uses a part of it")]

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use highwater::Agent;
use highwater_page::Page;

/// For what is due within a second or two, on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The agent of this process, which sends nothing and says nothing.
pub(crate) fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| Agent::builder().set("OTEL_SDK_DISABLED", "true").events("none").start().unwrap())
}

/// A page on a free port.
pub(crate) fn page() -> Page {
    Page::builder(agent()).address((Ipv4Addr::LOCALHOST, 0)).start().unwrap()
}

/// The formats of `metrics` are those that are asked for, by one line of a list or by several.
#[track_caller]
pub(crate) fn metrics_have_both_formats(connection: &mut Connection, path: &str) {
    let plain = "text/plain; version=0.0.4; charset=utf-8";
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    for (lines, content_type) in [
        (&["Host: localhost"][..], plain),
        (&["Host: localhost", accept], open),
        (&["Host: localhost", "Accept: text/plain;q=0.5", accept], open),
    ] {
        let answer = connection.ask("GET", path, lines);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{lines:?}");
        assert_eq!(answer.text().ends_with("# EOF\n"), content_type == open);
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// One connection that is kept open.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.0.get_mut().write_all(bytes)
    }

    /// Asks by GET.
    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &["Host: localhost"])
    }

    pub(crate) fn ask(&mut self, method: &str, target: &str, headers: &[&str]) -> Answer {
        let head: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        self.write(format!("{method} {target} HTTP/1.1\r\n{head}\r\n").as_bytes()).unwrap();
        let mut answer = self.head().unwrap();
        if method != "HEAD" {
            let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
            answer.body.resize(length, 0);
            self.0.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    /// What stands before a body.
    pub(crate) fn head(&mut self) -> Result<Answer, Error> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let pair = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Answer { status, headers: lines[1..].iter().filter_map(pair).collect(), body: Vec::new() })
    }

    /// Begins a stream; the messages follow.
    pub(crate) fn live(address: SocketAddr, target: &str, headers: &[&str]) -> Self {
        let mut connection = Self::open(address);
        let head: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        connection.write(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n").as_bytes()).unwrap();
        let head = connection.head().unwrap();
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "{head:?}");
        connection
    }

    /// The next message of a stream: its fields, by name.
    pub(crate) fn message(&mut self) -> Result<Message, Error> {
        let mut message = Message::default();
        loop {
            let mut line = String::new();
            // The last chunk is an empty one.
            if self.0.read_line(&mut line)? == 0 || line == "0\r\n" {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => message.id = Some(id.parse().unwrap()),
                Some(("event", event)) => message.event = event.to_owned(),
                Some(("data", data)) => message.data = serde_json::from_str(data).unwrap(),
                // A message ends with an empty line; what is between the chunks has no colon, and an end of its own.
                None if line == "\n" && !message.event.is_empty() => return Ok(message),
                _ => {}
            }
        }
    }

    /// What has become of the connection meanwhile, without reading from it.
    pub(crate) fn error(&self) -> Option<Error> {
        self.0.get_ref().take_error().unwrap()
    }

    /// Whether the server ends the connection, waited for.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        }
    }
}

/// One message of a stream.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) id: Option<u64>,
    pub(crate) event: String,
    pub(crate) data: serde_json::Value,
}

/// Asks until the answer is good.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    const INTERVAL: Duration = Duration::from_millis(25);
    for _ in 0..PATIENCE.as_millis().div_ceil(INTERVAL.as_millis()) {
        if let Some(answer) = ask() {
            return answer;
        }
        thread::sleep(INTERVAL);
    }
    panic!("not in time: {what}")
}
