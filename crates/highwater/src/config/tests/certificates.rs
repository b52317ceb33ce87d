//! Files that say whom an exporter trusts, and what it shows of itself.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const HTTPS: (&str, &str) = (ENDPOINT, "https://collector:4318");
const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CLIENT_CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
const CLIENT_KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";

/// A folder with a certificate, its key, another's key, and what is neither; removed at the end.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("highwater-{}-{test}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let [one, other] = [(); 2].map(|()| rcgen::generate_simple_self_signed(["collector".to_owned()]).unwrap());
        fs::write(folder.join("certificate"), one.cert.pem()).unwrap();
        fs::write(folder.join("key"), one.signing_key.serialize_pem()).unwrap();
        fs::write(folder.join("other"), other.signing_key.serialize_pem()).unwrap();
        fs::write(folder.join("text"), "no PEM").unwrap();
        fs::write(folder.join("half"), one.cert.pem().split_at(100).0).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn certificates_and_keys_come_from_files() {
    let files = Files::new("good");
    let [certificate, key] = ["certificate", "key"].map(|name| files.path(name));
    let config = good(&[HTTPS, (CERTIFICATE, &certificate), (CLIENT_CERTIFICATE, &certificate), (CLIENT_KEY, &key)]);
    let tls = &config.routes.traces.tls;
    for (path, expected) in
        [(&tls.certificate, &certificate), (&tls.client_certificate, &certificate), (&tls.client_key, &key)]
    {
        assert_eq!(path.as_deref(), Some(Path::new(expected)));
    }
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_and_nothing_else_is_trusted() {
    let files = Files::new("bad");
    for (name, why) in [("none", "No such file"), ("", "not a file"), ("text", "no certificate"), ("half", "PEM")] {
        for key in [CERTIFICATE, "OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE"] {
            let path = files.path(name);
            let (config, errors) = read(&[HTTPS, (key, &path)]);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].key == key && errors[0].value == path && errors[0].remedy.contains(why), "{errors:?}");
            assert_eq!(config.routes.logs.tls.certificate.as_deref(), Some(Path::new(&path)));
        }
    }
}

#[test]
fn a_client_s_certificate_and_its_key_go_together() {
    let files = Files::new("client");
    let [certificate, key, other, text] = ["certificate", "key", "other", "text"].map(|name| files.path(name));
    for alone in [(CLIENT_CERTIFICATE, &certificate), (CLIENT_KEY, &key)] {
        let (_, errors) = read(&[HTTPS, (alone.0, alone.1)]);
        assert!(errors[0].key == alone.0 && errors[0].remedy.contains("go together"), "{errors:?}");
        assert_eq!(errors[0].consequence(), "nothing is sent that way until it can be used");
    }
    for (path, why) in [(&other, "not the key of"), (&text, "no key"), (&certificate, "no key")] {
        let (_, errors) = read(&[HTTPS, (CLIENT_CERTIFICATE, &certificate), (CLIENT_KEY, path)]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].key == CLIENT_KEY && errors[0].remedy.contains(why), "{errors:?}");
    }
}
