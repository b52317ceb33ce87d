//! An authority of a test's own, and the certificates that it signs.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::folder::Folder;

/// An authority.
#[derive(Debug)]
pub struct Authority {
    folder: Folder,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one, whom nobody trusts who was not told to.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        let key = KeyPair::generate().unwrap();
        let folder = Folder::temporary();
        fs::write(folder.path().join("authority.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// The file to trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// A certificate for `name`, a host's or an address.
    pub fn certify(&self, name: &str) -> Certified {
        self.sign(name, CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// One that was good once.
    pub fn certify_until_2020(&self, name: &str) -> Certified {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(&format!("old-{name}"), params)
    }

    fn sign(&self, file: &str, params: CertificateParams) -> Certified {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let write = |name: String, text: String| {
            let path = self.folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        Certified {
            certificate: write(format!("{file}.pem"), certificate.pem()),
            key: write(format!("{file}.key"), key.serialize_pem()),
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Certified {
    /// The settings of a receiver of the collector that shows this.
    pub fn of_receiver(&self) -> String {
        format!("tls:\n  cert_file: {}\n  key_file: {}\n", self.certificate.display(), self.key.display())
    }

    /// The same, of one that wants certificates of its clients, signed by the authority in this file.
    pub fn of_receiver_for(&self, clients: &Path) -> String {
        format!("{}  client_ca_file: {}\n", self.of_receiver(), clients.display())
    }
}
