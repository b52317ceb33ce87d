//! A service whose memory can be watched.
//!
//! Its interface is that of the well-known Node.js guide to memory metrics: `/allocate` keeps 1 MiB on the heap a call,
//! `/buffer` keeps 1 MiB outside of it, `/status` says how things stand; `/release`, ours, gives both back, and `/metrics`
//! is for Prometheus.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use highwater::{Agent, Bytes};
use highwater_middleware::LoadShed;

mod healthcheck;
mod hoard;
mod report;
mod routes;

use hoard::Hoard;

highwater::jemalloc!();

#[actix_web::main]
async fn main() -> ExitCode {
    let host = variable("HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = variable("PORT").unwrap_or_else(|| "3000".to_owned());
    let Ok(port) = port.parse::<u16>() else {
        eprintln!("PORT={port:?}: not a port: write a number from 0 to 65535, such as 3000");
        return ExitCode::from(2);
    };
    if std::env::args().nth(1).as_deref() == Some("healthcheck") {
        return healthcheck::run(port);
    }
    // Settings come from the environment; only where nothing gives a limit, neither it nor a container, this one holds.
    let agent = match Agent::builder().fallback_limit(Bytes::mib(512)).start() {
        Ok(agent) => agent,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // Its address is said in the log; HIGHWATER_PAGE names another one, or is off.
    let page = highwater_page::start(&agent);
    let served = serve(&host, port, &agent).await;
    drop(page);
    // An open episode is ended as such, and its spans delivered.
    agent.shutdown(Duration::from_secs(3));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot serve http://{host}:{port} (HOST and PORT choose another address): {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(host: &str, port: u16, agent: &Agent) -> io::Result<()> {
    let hoard = web::Data::new(Hoard::new(agent, variable("DEMO_ALLOW_OOM").as_deref() == Some("1")));

    // One for all workers, so that they shed one share together: half at high, all at critical.
    let shed = (variable("DEMO_SHED").as_deref() == Some("1"))
        .then(|| LoadShed::new(agent.pressure()).exempt("/status").exempt("/metrics").exempt("/release"));

    let server = HttpServer::new({
        let hoard = hoard.clone();
        move || App::new().app_data(hoard.clone()).configure(|service| routes::configure(service, shed.as_ref()))
    })
    // Enough to show, on a machine of any size.
    .workers(4)
    .shutdown_timeout(1)
    .bind((host, port))?;
    for address in server.addrs() {
        println!("Server running on http://{address}");
    }
    io::stdout().flush()?;

    let reporting = actix_web::rt::spawn(report::every(Duration::from_secs(5), hoard));
    let served = server.run().await;
    reporting.abort();
    served
}

#[expect(clippy::disallowed_methods, reason = "the demo's own settings; the agent reads its own")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
