//! Files in PEM format, with certificates and keys: what can be read of them, and what is wrong with the others.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// Whether the file has certificates. What is wrong would else be found out with the first request only.
pub(super) fn check_certificates(path: &Path) -> Result<(), String> {
    certificates(&read(path)?).map(drop)
}

/// Whether the file has the key of the certificate in the other, whose own trouble is told elsewhere.
pub(super) fn check_key(path: &Path, certificate: &Path) -> Result<(), String> {
    let key = key(&read(path)?)?;
    let Ok(chain) = read(certificate).and_then(|pem| certificates(&pem)) else { return Ok(()) };
    match CertifiedKey::from_der(chain, key, &ring::default_provider()) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("not the key of {}, or of no kind that is known: {error}", certificate.display())),
    }
}

/// One file, unread. A certificate is some thousand bytes: what is larger than a whole bundle is something else.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    const MOST: u64 = 4 << 20;
    let read = || {
        // Opening something else, such as a pipe, can wait for ever.
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("not a file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| format!("cannot be read ({error}): name a file in PEM format"))
}

/// All certificates of a file, at least one.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("not in PEM format ({error}): name a file that is"))?;
    if certificates.is_empty() {
        return Err("has no certificate: name a file in PEM format that has one".to_owned());
    }
    Ok(certificates)
}

/// The key of a file.
pub(crate) fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        format!("has no key that can be read ({error}): name a file in PEM format that is not encrypted")
    })
}
