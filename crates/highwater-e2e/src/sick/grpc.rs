//! The same for gRPC, over h2's side of the server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Response};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::{Ailment, Request, contains};
use crate::ports;
use crate::wait::Stopwatch;

/// What ails a collector that speaks gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcAilment {
    /// Nothing: it answers OK.
    None,
    /// It takes requests, and never answers.
    Hangs,
    /// It answers with this code and, where there are any, a `RetryInfo` of so many seconds.
    Answers(u16, Option<u8>),
    /// It resets the stream of each request.
    Resets,
}

/// A collector that speaks gRPC and is sick.
#[derive(Debug)]
pub struct SickGrpc {
    address: SocketAddr,
    state: Arc<State>,
    _end: oneshot::Sender<()>,
}

#[derive(Debug)]
struct State {
    ailment: Mutex<GrpcAilment>,
    requests: Mutex<Vec<Request>>,
    clock: Stopwatch,
}

impl SickGrpc {
    /// Starts one.
    pub fn with(ailment: GrpcAilment) -> Self {
        let listener = ports::listener();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state =
            Arc::new(State { ailment: Mutex::new(ailment), requests: Mutex::default(), clock: Stopwatch::start() });
        let (end, ended) = oneshot::channel();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_io().build().unwrap();
            runtime.block_on(async {
                tokio::spawn(accept(TcpListener::from_std(listener).unwrap(), shared));
                let _ = ended.await;
            });
        });
        Self { address, state, _end: end }
    }

    /// Where it receives.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on something else ails it.
    pub fn becomes(&self, ailment: GrpcAilment) {
        *self.state.ailment.lock().unwrap() = ailment;
    }

    /// The requests for the service of `signal`, such as `logs`, whose message has `text` in it. That it was sick at the time
    /// shows as an [`Ailment`] other than none.
    pub fn requests(&self, signal: &str, text: &str) -> Vec<Request> {
        let requests = self.state.requests.lock().unwrap();
        let service = format!(".{signal}.v1.");
        let fits = |request: &&Request| request.path.contains(&service) && contains(&request.body, text);
        requests.iter().filter(fits).cloned().collect()
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(serve(request, respond, peer.port(), Arc::clone(&state)));
            }
        });
    }
}

async fn serve(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    from: u16,
    state: Arc<State>,
) -> Result<(), h2::Error> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    let ailment = *state.ailment.lock().unwrap();
    let headers: Vec<_> =
        head.headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
    state.requests.lock().unwrap().push(Request {
        path: head.uri.path().to_owned(),
        at: state.clock.elapsed(),
        from,
        ailment: if ailment == GrpcAilment::None { Ailment::None } else { Ailment::Hangs },
        headers: headers.concat(),
        body,
    });
    let mut response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    match ailment {
        GrpcAilment::None => {
            let mut stream = respond.send_response(response, false)?;
            stream.send_data(Bytes::from_static(&[0; 5]), false)?;
            stream.send_trailers(status(0, None))?;
        }
        GrpcAilment::Hangs => std::future::pending().await,
        GrpcAilment::Answers(code, seconds) => {
            response.headers_mut().extend(status(code, seconds));
            respond.send_response(response, true)?;
        }
        GrpcAilment::Resets => respond.send_reset(Reason::INTERNAL_ERROR),
    }
    Ok(())
}

fn status(code: u16, seconds: Option<u8>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", HeaderValue::from(code));
    headers.insert("grpc-message", HeaderValue::from_static("as%20wanted"));
    if let Some(seconds) = seconds {
        let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat();
        // google.rpc.RetryInfo { retry_delay: { seconds } } in an Any, in the details of a google.rpc.Status.
        let retry = field(1, &[1 << 3, seconds]);
        let any = [field(1, b"type.googleapis.com/google.rpc.RetryInfo"), field(2, &retry)].concat();
        let details = BASE64_STANDARD_NO_PAD.encode(field(3, &any));
        headers.insert("grpc-status-details-bin", HeaderValue::from_str(&details).unwrap());
    }
    headers
}
