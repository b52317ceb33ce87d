//! The demo's interface: the Node.js guide's, key for key, and after its keys one of ours; and `/metrics` for Prometheus.

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route};
use highwater::Exposition;
use highwater_middleware::LoadShed;

use crate::hoard::{Hoard, Refusal};
use crate::report::{Highwater, MemoryMetrics};

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    memory_metrics: MemoryMetrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_count: Option<usize>,
    highwater: Highwater,
}

/// With `shed`, requests are turned away under memory pressure before they come to a route.
pub(crate) fn configure(service: &mut ServiceConfig, shed: Option<&LoadShed>) {
    match shed {
        Some(shed) => drop(service.service(web::scope("").wrap(shed.clone()).configure(routes))),
        None => routes(service),
    }
}

fn routes(service: &mut ServiceConfig) {
    service
        .service(resource("/allocate", web::get().to(allocate)))
        .service(resource("/buffer", web::get().to(buffer)))
        .service(resource("/status", web::get().to(status)))
        .service(resource("/metrics", web::get().to(metrics)))
        .service(resource("/release", web::get().to(release)))
        .default_service(web::to(not_found));
}

/// A path that answers GET; anything else is not found, whatever the method.
fn resource(path: &str, route: Route) -> Resource {
    web::resource(path).route(route).default_service(web::to(not_found))
}

async fn allocate(hoard: Data<Hoard>) -> HttpResponse {
    match hoard.allocate() {
        Ok(()) => answer(&hoard, StatusCode::OK, Some("Allocated 1MB of memory".to_owned()), true),
        Err(refusal) => refused(&hoard, refusal),
    }
}

async fn buffer(hoard: Data<Hoard>) -> HttpResponse {
    match hoard.buffer() {
        Ok(()) => answer(&hoard, StatusCode::OK, Some("Created 1MB buffer".to_owned()), false),
        Err(refusal) => refused(&hoard, refusal),
    }
}

async fn status(hoard: Data<Hoard>) -> HttpResponse {
    answer(&hoard, StatusCode::OK, None, true)
}

async fn metrics(hoard: Data<Hoard>, request: HttpRequest) -> HttpResponse {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Exposition::from_accept(accept.unwrap_or_default());
    HttpResponse::Ok().content_type(format.content_type()).body(hoard.agent().render_prometheus(format))
}

async fn release(hoard: Data<Hoard>) -> HttpResponse {
    let (objects, buffers) = hoard.release();
    let rss =
        hoard.agent().sample().process.rss.map_or_else(String::new, |rss| format!("; the process holds {rss} now"));
    let message = format!("Released {objects} objects and {buffers} buffers{rss}");
    answer(&hoard, StatusCode::OK, Some(message), true)
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().finish()
}

fn refused(hoard: &Hoard, refusal: Refusal) -> HttpResponse {
    let message = match refusal {
        Refusal::NearLimit { used, limit } => {
            format!(
                "Refused: {used} of {limit} are used, 97 % is where the demo stops; /release frees, DEMO_ALLOW_OOM=1 goes on"
            )
        }
        Refusal::Map(error) => format!("Refused: the kernel maps no more: {error}"),
    };
    answer(hoard, StatusCode::INSUFFICIENT_STORAGE, Some(message), true)
}

fn answer(hoard: &Hoard, status: StatusCode, message: Option<String>, counted: bool) -> HttpResponse {
    let sample = hoard.agent().sample();
    HttpResponse::build(status).json(Answer {
        message,
        memory_metrics: MemoryMetrics::of(&sample),
        object_count: counted.then(|| hoard.objects()),
        highwater: Highwater::of(&sample, &hoard.agent().status()),
    })
}
