//! With feature `actix-web`: [`Mounted`] as what `App::service` and `Scope::service` take.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method};

use crate::body::Body;
use crate::mounted::Mounted;
use crate::routes::Ask;

impl HttpServiceFactory for Mounted {
    fn register(self, config: &mut AppService) {
        let path = self.path();
        // Without a slash at its end it is another place, unless it is the root.
        let patterns = if path.is_empty() {
            vec!["/{below:.*}".to_owned()]
        } else {
            vec![path.to_owned(), format!("{path}/{{below:.*}}")]
        };
        let answer = move |request: HttpRequest| {
            let answer = respond(&self, &request);
            async move { answer }
        };
        web::resource(patterns).to(answer).register(config);
    }
}

/// The two frameworks have each their own version of the types of HTTP.
fn respond(page: &Mounted, request: &HttpRequest) -> HttpResponse {
    let mut headers = HeaderMap::new();
    for (name, value) in request.headers() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            // A list may have several lines. An error is that there are too many.
            let _ = headers.try_append(name, value);
        }
    }
    let method = request.method().as_str().parse().unwrap_or(Method::OPTIONS);
    // What stands before the mount point is a scope's.
    let below = request.match_info().get("below").map(|below| format!("/{below}"));
    let path = below.as_deref().unwrap_or_default();
    let query = Some(request.query_string()).filter(|query| !query.is_empty());
    let (parts, body) = page.answer_below(Ask { method: &method, path, query, headers: &headers }).into_parts();
    let mut response = HttpResponseBuilder::new(
        StatusCode::from_u16(parts.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    );
    for (name, value) in &parts.headers {
        response.insert_header((name.as_str(), value.as_bytes()));
    }
    response.body(body)
}

impl MessageBody for Body {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        match self.length() {
            Some(0) => BodySize::None,
            Some(length) => BodySize::Sized(length),
            None => BodySize::Stream,
        }
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.poll_piece(context).map(|piece| piece.map(Ok))
    }
}
