//! One connection to a collector: made when a request needs it, kept for the next one, and made anew when it is lost.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use h2::Reason;
use h2::client::{self, SendRequest};
use http::uri::Scheme;
use http::{HeaderMap, Request, StatusCode, Uri};
use opentelemetry_http::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::super::tls::Trust;
use super::super::{ANSWER, CONNECT, Doubt};
use crate::config::Tls;

const WRONG_PORT: &str = "; perhaps it is a port for http/protobuf: gRPC's is as a rule 4317";
/// For the headers of an answer, which are few.
const HEADERS: u32 = 64 * 1024;

#[derive(Debug)]
pub(super) struct Connection {
    host: String,
    port: u16,
    /// For https.
    trust: Option<Trust>,
    doubt: Doubt,
    /// Held by who connects: the others wait for that and use it.
    connecting: tokio::sync::Mutex<()>,
    warm: Mutex<Option<Arc<Warm>>>,
}

/// A connection that was made. It is closed when nobody has it any more.
#[derive(Debug)]
struct Warm {
    requests: SendRequest<Bytes>,
    driver: AbortHandle,
    /// Why it is closed, where something broke: a request on it hears of its end alone.
    broken: Arc<OnceLock<h2::Error>>,
}

/// What a collector has answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) http: StatusCode,
    /// What came before the message and after it.
    pub(super) headers: HeaderMap,
    pub(super) message: Vec<u8>,
}

impl Connection {
    pub(super) fn to(uri: &Uri, tls: &Tls) -> Self {
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        // An IPv6 address stands in brackets.
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            trust: secure.then(|| Trust::of(tls)),
            doubt: Doubt::of(secure.then_some(tls), WRONG_PORT),
            connecting: tokio::sync::Mutex::default(),
            warm: Mutex::default(),
        }
    }

    /// Sends one request, and once more where the connection was closed in the very moment of its use.
    pub(super) async fn call(&self, request: &Request<()>, message: &Bytes) -> Result<Reply, String> {
        let (warm, fresh) = self.warm().await?;
        match self.exchange(warm, request, message).await {
            Err(_) if !fresh => {
                let (warm, _) = self.warm().await?;
                self.exchange(warm, request, message).await
            }
            answer => answer,
        }
    }

    /// The connection, and whether it was made now. What connecting may take includes waiting for another that connects.
    async fn warm(&self) -> Result<(Arc<Warm>, bool), String> {
        let connect = async {
            let _turn = self.connecting.lock().await;
            if let Some(warm) = self.current()
                && !warm.driver.is_finished()
            {
                return Ok((warm, false));
            }
            let warm = Arc::new(self.connect().await?);
            *self.warm.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&warm));
            Ok((warm, true))
        };
        timeout(CONNECT, connect).await.map_err(|_| format!("no connection within {CONNECT:?}"))?
    }

    fn current(&self) -> Option<Arc<Warm>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn connect(&self) -> Result<Warm, String> {
        let stream = tcp(&self.host, self.port).await.map_err(|error| error.to_string())?;
        match &self.trust {
            Some(trust) => handshake(trust.credentials()?.secure(stream, &self.host).await?).await,
            None => handshake(stream).await,
        }
        .map_err(|error| self.explain(&error))
    }

    async fn exchange(&self, warm: Arc<Warm>, request: &Request<()>, message: &Bytes) -> Result<Reply, String> {
        let broken = Arc::clone(&warm.broken);
        let answer = self.ask(warm, request, message).await;
        answer.map_err(|error| self.explain(broken.get().unwrap_or(&error)))
    }

    /// Says what broke, and what as a rule is the reason.
    fn explain(&self, error: &h2::Error) -> String {
        let reason = match (error.reason(), error.get_io()) {
            // What came is no HTTP/2.
            (Some(Reason::FRAME_SIZE_ERROR | Reason::PROTOCOL_ERROR), _) if error.is_library() => WRONG_PORT,
            (_, Some(error)) => self.doubt.about(error),
            _ => "",
        };
        format!("{error}{reason}")
    }

    async fn ask(&self, warm: Arc<Warm>, request: &Request<()>, message: &Bytes) -> Result<Reply, h2::Error> {
        let mut requests = warm.requests.clone();
        let mut sent = Sent { connection: self, warm, answered: false };
        requests = requests.ready().await?;
        let (response, mut stream) = requests.send_request(request.clone(), false)?;
        stream.send_data(message.clone(), true)?;
        let (head, mut body) = response.await?.into_parts();
        let mut message = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            if message.len().saturating_add(chunk.len()) > ANSWER {
                return Err(Reason::ENHANCE_YOUR_CALM.into());
            }
            message.extend_from_slice(&chunk);
        }
        let mut headers = head.headers;
        headers.extend(body.trailers().await?.unwrap_or_default());
        sent.answered = true;
        self.doubt.clear();
        Ok(Reply { http: head.status, headers, message })
    }
}

/// A request on its way. Where no answer comes, be it that who waited has left, the connection is not used again: whatever is
/// wrong with it would be so for the next request, too.
struct Sent<'a> {
    connection: &'a Connection,
    warm: Arc<Warm>,
    answered: bool,
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        let mut current = self.connection.warm.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.answered
            && let Some(warm) = &*current
            && Arc::ptr_eq(&self.warm, warm)
        {
            *current = None;
        }
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Tries all addresses of the host, each with its share of the time.
async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = resolve(host, port).await?;
    let share = CONNECT.checked_div(u32::try_from(addresses.len()).unwrap_or(u32::MAX)).unwrap_or(CONNECT);
    let mut last = io::Error::other("the host's name has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A request is one write, and who waits for it waits for nothing else.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::other(format!("no connection within {share:?}")),
        }
    }
    Err(last)
}

/// On a thread of its own, since the system's resolver blocks; not tokio's, which panics where no thread can be had.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (tell, told) = oneshot::channel();
    let host = host.to_owned();
    let look_up = move || drop(tell.send((host.as_str(), port).to_socket_addrs()));
    thread::Builder::new().name("highwater-name".to_owned()).spawn(look_up)?;
    Ok(told.await.map_err(io::Error::other)??.collect())
}

async fn handshake<S>(stream: S) -> Result<Warm, h2::Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = client::Builder::new();
    builder.enable_push(false).max_header_list_size(HEADERS);
    let (requests, connection) = builder.handshake(stream).await?;
    let broken = Arc::new(OnceLock::new());
    let why = Arc::clone(&broken);
    let drive = async move {
        if let Err(error) = connection.await {
            let _ = why.set(error);
        }
    };
    Ok(Warm { requests, driver: tokio::spawn(drive).abort_handle(), broken })
}
