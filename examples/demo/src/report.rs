//! Memory as the demo shows it: rounded as in the Node.js guide, and exact.

use std::io::{self, Write};
use std::time::Duration;

use actix_web::web::Data;
use highwater::{Bytes, Sample, Status};

use crate::hoard::Hoard;

/// The guide's three numbers. Where one is unknown its key is absent.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemoryMetrics {
    #[serde(skip_serializing_if = "Option::is_none")]
    heap_total: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heap_used: Option<String>,
    external: String,
}

/// The same and more, exact: bytes.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Highwater {
    #[serde(skip_serializing_if = "Option::is_none")]
    heap_total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heap_used: Option<u64>,
    external: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rss: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unattributed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_source: Option<&'static str>,
    level: &'static str,
    /// `null` while no episode is open.
    episode: Option<Episode>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Episode {
    trace_id: String,
}

impl MemoryMetrics {
    pub(crate) fn of(sample: &Sample) -> Self {
        Self {
            heap_total: sample.allocator.map(|allocator| megabytes(allocator.resident)),
            heap_used: sample.allocator.map(|allocator| megabytes(allocator.allocated)),
            external: megabytes(sample.external),
        }
    }
}

impl Highwater {
    pub(crate) fn of(sample: &Sample, status: &Status) -> Self {
        let id = status.episode.and_then(|episode| episode.id);
        Self {
            heap_total: sample.allocator.map(|allocator| allocator.resident.get()),
            heap_used: sample.allocator.map(|allocator| allocator.allocated.get()),
            external: sample.external.get(),
            rss: sample.process.rss.map(Bytes::get),
            used: sample.used.map(Bytes::get),
            unattributed: sample.unattributed().map(Bytes::get),
            limit: sample.limit.map(|limit| limit.bytes.get()),
            limit_source: sample.limit.map(|limit| limit.source.as_str()),
            level: status.level.as_str(),
            episode: id.map(|id| Episode { trace_id: id.to_string() }),
        }
    }
}

/// Prints the guide's console report for ever.
pub(crate) async fn every(period: Duration, hoard: Data<Hoard>) {
    loop {
        actix_web::rt::time::sleep(period).await;
        let MemoryMetrics { heap_total, heap_used, external } = MemoryMetrics::of(&hoard.agent().sample());
        let unknown = || "unknown".to_owned();
        let (total, used) = (heap_total.unwrap_or_else(unknown), heap_used.unwrap_or_else(unknown));
        // A console that went away is no reason to stop serving.
        let _ = writeln!(
            io::stdout(),
            "\nMemory Metrics: {{ heapTotal: '{total}', heapUsed: '{used}', external: '{external}' }}\nObject count: {}",
            hoard.objects(),
        );
    }
}

/// Rounded mebibytes under the guide's name for them.
fn megabytes(bytes: Bytes) -> String {
    format!("{:.0}MB", bytes.get() as f64 / f64::from(1 << 20))
}
