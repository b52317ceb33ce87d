//! TLS: whom the agent trusts, and what it shows of itself, from files in PEM format.
//!
//! The files are read before each request by HTTP and before each connection by gRPC: a certificate that was renewed is
//! taken without a restart, and one that is missing or half written is told as any failure of the wire is, until it is
//! there. Nothing is sent meanwhile. Where the new content cannot be used, what was in use stays.
//!
//! Without a file that says whom to trust, it is those whom the system trusts, as in OpenTelemetry's other SDKs. Not roots
//! that are built in: they would not know a company's own authority, and grow old with the binary. The system's are read
//! once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};
use ureq::typestate::AgentScope;

use crate::config::{Tls, pem};

/// Whom one route trusts.
#[derive(Debug)]
pub(super) struct Trust {
    files: Tls,
    current: Mutex<Option<Arc<Credentials>>>,
}

/// What was read from the files, as the protocols need it.
#[derive(Debug)]
pub(super) struct Credentials {
    contents: Contents,
    #[cfg_attr(
        not(feature = "grpc"),
        allow(dead_code, reason = "for gRPC; made for both, since making it tells whether the files fit together")
    )]
    config: Arc<ClientConfig>,
    http: TlsConfig,
}

/// The files, unread.
#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Option<Vec<u8>>,
    /// A certificate and its key.
    client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Trust {
    pub(super) fn of(files: &Tls) -> Self {
        Self { files: files.clone(), current: Mutex::default() }
    }

    /// What the files hold now: the same as before, unless one has changed.
    pub(super) fn credentials(&self) -> Result<Arc<Credentials>, String> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let read = Contents::read(&self.files);
        if let (Some(current), Ok(contents)) = (&*current, &read)
            && current.contents == *contents
        {
            return Ok(Arc::clone(current));
        }
        match (read.and_then(|contents| Credentials::parse(&self.files, contents)), &*current) {
            (Ok(credentials), _) => Ok(Arc::clone(current.insert(Arc::new(credentials)))),
            (Err(_), Some(current)) => Ok(Arc::clone(current)),
            (Err(why), None) => Err(why),
        }
    }
}

impl Contents {
    fn read(files: &Tls) -> Result<Self, String> {
        let read = |path: &Option<PathBuf>| match path {
            Some(path) => pem::read(path).map(Some).map_err(|why| format!("{}: {why}", path.display())),
            None => Ok(None),
        };
        let client = match (read(&files.client_certificate)?, read(&files.client_key)?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("a client's certificate and its key go together, and one of them is missing".to_owned()),
        };
        Ok(Self { certificate: read(&files.certificate)?, client })
    }
}

impl Credentials {
    fn parse(files: &Tls, contents: Contents) -> Result<Self, String> {
        let of =
            |path: &Option<PathBuf>, why| format!("{}: {why}", path.as_deref().unwrap_or(Path::new(SYSTEM)).display());
        let trusted = match &contents.certificate {
            Some(pem) => pem::certificates(pem).map_err(|why| of(&files.certificate, why))?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        let mut roots = RootCertStore::empty();
        let (_, unusable) = roots.add_parsable_certificates(trusted.iter().cloned());
        if roots.is_empty() || contents.certificate.is_some() && unusable > 0 {
            let why = "no authority to trust: OTEL_EXPORTER_OTLP_CERTIFICATE names a file in PEM format with one";
            return Err(of(&files.certificate, why.to_owned()));
        }
        let client = match &contents.client {
            Some((chain, key)) => {
                let chain = pem::certificates(chain).map_err(|why| of(&files.client_certificate, why))?;
                let of_key = |why| of(&files.client_key, why);
                let for_http = PrivateKey::from_pem(key).map_err(|error| of_key(error.to_string()))?;
                let key = pem::key(key).map_err(of_key)?;
                Some((ClientCert::new_with_certs(&of_client(&chain), for_http), chain, key))
            }
            None => None,
        };

        let provider = Arc::new(ring::default_provider());
        let http = for_http(&trusted, client.as_ref().map(|(client, ..)| client.clone()), &provider);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let mut config = match client {
            Some((_, chain, key)) => {
                let refused =
                    |error| of(&files.client_key, format!("not the key of the client's certificate: {error}"));
                config.with_client_auth_cert(chain, key).map_err(refused)?
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP_2.to_vec()];
        Ok(Self { contents, config: Arc::new(config), http })
    }

    /// A blocking client for HTTP.
    pub(super) fn for_http(&self, settings: ConfigBuilder<AgentScope>) -> Agent {
        settings.tls_config(self.http.clone()).build().into()
    }

    /// For gRPC: a connection to `host` over `stream`, on which both speak HTTP/2.
    #[cfg(feature = "grpc")]
    pub(super) async fn secure<S>(&self, stream: S, host: &str) -> Result<tokio_rustls::client::TlsStream<S>, String>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let name = host.to_owned().try_into().map_err(|_| format!("{host:?} is no name of a host"))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
        match stream.get_ref().1.alpn_protocol() {
            Some(HTTP_2) => Ok(stream),
            _ => Err("the collector does not offer HTTP/2 there, which gRPC needs".to_owned()),
        }
    }
}

const HTTP_2: &[u8] = b"h2";
const SYSTEM: &str = "the system's certificates";

/// All is given, since what is not would depend on what the host's other crates have turned on.
fn for_http(trusted: &[CertificateDer<'_>], client: Option<ClientCert>, provider: &Arc<CryptoProvider>) -> TlsConfig {
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::new_with_certs(&of_client(trusted)))
        .client_cert(client)
        .unversioned_rustls_crypto_provider(Arc::clone(provider))
        .build()
}

/// Certificates as the blocking client takes them.
fn of_client(certificates: &[CertificateDer<'_>]) -> Vec<Certificate<'static>> {
    certificates.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}

/// Of a key, nothing is shown.
impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}
