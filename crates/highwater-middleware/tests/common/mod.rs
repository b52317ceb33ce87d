//! A process under pressure, and a client that speaks HTTP/1 by hand, to see what a connection is like after an answer.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use highwater::{Agent, Bytes, Level, Pressure, Threshold};

const PATIENCE: Duration = Duration::from_secs(60);

/// The pressure of a process that is at level high for as long as it runs.
pub(crate) fn high() -> Pressure {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    let agent = AGENT.get_or_init(|| {
        Agent::builder()
            .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
            .level(Level::High, Threshold::Amount(Bytes::kib(2)))
            .level(Level::Critical, Threshold::Amount(Bytes::gib(1 << 20)))
            .hold(Level::High, Duration::ZERO)
            .start()
            .unwrap()
    });
    let pressure = agent.pressure();
    while pressure.level() != Level::High {
        pressure.wait(pressure.level(), PATIENCE).unwrap();
    }
    pressure
}

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn is_turned_away(&self, retry_after: &str) {
        assert_eq!((self.status, self.header("retry-after")), (503, Some(retry_after)), "{self:?}");
        assert_eq!(self.body, "short of memory: try again later\n");
        assert_eq!(self.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

/// One connection that is kept open.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        self.answer().unwrap_or_else(|| panic!("the connection was closed before GET {path} was answered"))
    }

    /// Sends a request with a body of `size` bytes, all of it before the answer is read.
    pub(crate) fn post(&mut self, path: &str, size: usize) -> Answer {
        self.send(&format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"));
        self.send(&"x".repeat(size));
        self.answer().unwrap_or_else(|| panic!("the connection was closed before POST {path} was answered"))
    }

    /// Asks for `/status`, which answers `fine`. Returns whether it was answered, or the connection is closed; in neither
    /// case is what was sent before taken for a request.
    #[track_caller]
    pub(crate) fn goes_on(&mut self) -> bool {
        self.send("GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = self.answer();
        assert!(answer.as_ref().is_none_or(|answer| answer.body == "fine"), "{answer:?}");
        answer.is_some()
    }

    /// To a connection that is closed nothing can be sent; what was answered before can be read still.
    fn send(&mut self, text: &str) {
        let sent = self.0.get_mut().write_all(text.as_bytes());
        assert!(sent.as_ref().err().is_none_or(is_closed), "{sent:?}");
    }

    /// The next answer; `None` where the connection is closed.
    fn answer(&mut self) -> Option<Answer> {
        let status = self.line()?;
        let status = status.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("{status:?} begins no answer"));
        let status = status.split(' ').next().unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line().unwrap();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        Some(Answer { status, headers, body: String::from_utf8(body).unwrap() })
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
            Err(error) if is_closed(&error) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

fn is_closed(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
