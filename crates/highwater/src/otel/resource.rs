//! Who sends all this: the resource, after OpenTelemetry's order of precedence.

use std::path::Path;

use opentelemetry::{KeyValue, Value};

use highwater_sources::{PerProcess, container_id, process_start_time};

use crate::config::Config;
use crate::identity::uuid;

/// The resource of this process, as key-value pairs in OpenTelemetry's types.
///
/// A host that has its own providers builds them with this, so that its metrics and the agent's carry the same
/// `service.instance.id` and join in Prometheus: `Resource::builder().with_attributes(highwater::resource())`. It reads
/// the environment; the id is made once a process. Never the command line.
pub fn resource() -> Vec<KeyValue> {
    attributes(&Config::from_environment().0)
}

/// The resource under the given settings.
pub(crate) fn attributes(config: &Config) -> Vec<KeyValue> {
    let given = |key: &str| config.resource.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let executable =
        std::env::current_exe().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let root = Path::new("/");

    let mut attributes = Vec::new();
    let mut set = |key: &'static str, value: Option<Value>| {
        attributes.extend(value.map(|value| KeyValue::new(key, value)));
    };
    // The specification gives OTEL_SERVICE_NAME the last word.
    let unknown = || format!("unknown_service:{}", executable.as_deref().unwrap_or("rust"));
    let service = config.service_name.clone().or_else(|| given("service.name")).unwrap_or_else(unknown);
    set("service.name", Some(service.into()));
    set("service.instance.id", Some(given("service.instance.id").unwrap_or_else(|| instance(&given)).into()));
    set("process.pid", Some(i64::from(std::process::id()).into()));
    let created = process_start_time(root).map(|at| humantime::format_rfc3339_millis(at).to_string().into());
    set("process.creation.time", created);
    set("process.executable.name", executable.map(Value::from));
    set("container.id", container_id(root).map(Value::from));

    let ours: Vec<_> = attributes.iter().map(|attribute| attribute.key.clone()).collect();
    let replaced = |key: &str| matches!(key, "service.name" | "service.instance.id");
    for (key, value) in &config.resource {
        if replaced(key) {
            continue;
        }
        if ours.iter().any(|known| known.as_str() == key) {
            attributes.retain(|attribute| attribute.key.as_str() != key);
        }
        attributes.push(KeyValue::new(key.clone(), value.clone()));
    }
    attributes
}

/// Which of a service's instances this is: as Kubernetes names it where the environment says so, else a random id.
fn instance(given: &impl Fn(&str) -> Option<String>) -> String {
    static RANDOM: PerProcess<String> = PerProcess::new();
    let names = ["k8s.namespace.name", "k8s.pod.name", "k8s.container.name"].map(given);
    match names {
        [Some(namespace), Some(pod), Some(container)] => format!("{namespace}.{pod}.{container}"),
        _ => RANDOM.get_or_make(uuid).clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)], service_name: Option<&str>) -> Vec<(String, String)> {
        let mut config = Config::default();
        config.service_name = service_name.map(str::to_owned);
        config.resource = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        attributes(&config).iter().map(|pair| (pair.key.to_string(), pair.value.to_string())).collect()
    }

    fn value(attributes: &[(String, String)], key: &str) -> String {
        let values: Vec<_> = attributes.iter().filter(|(name, _)| name == key).collect();
        assert_eq!(values.len(), 1, "{key} in {attributes:?}");
        values[0].1.clone()
    }

    #[test]
    fn the_service_name_has_the_specified_precedence() {
        assert!(value(&of(&[], None), "service.name").starts_with("unknown_service:highwater-"));
        assert_eq!(value(&of(&[("service.name", "attribute")], None), "service.name"), "attribute");
        assert_eq!(value(&of(&[("service.name", "attribute")], Some("variable")), "service.name"), "variable");
    }

    #[test]
    fn the_instance_is_given_or_of_kubernetes_or_one_random_id_a_process() {
        let random = value(&of(&[], None), "service.instance.id");
        assert_eq!(random.len(), 36);
        assert_eq!(value(&of(&[], None), "service.instance.id"), random);
        assert_eq!(value(&of(&[("service.instance.id", "a")], None), "service.instance.id"), "a");
        let pod = [("k8s.namespace.name", "shop"), ("k8s.pod.name", "cart-7"), ("k8s.container.name", "app")];
        assert_eq!(value(&of(&pod, None), "service.instance.id"), "shop.cart-7.app");
    }

    #[test]
    fn attributes_that_are_given_replace_those_that_are_found() {
        let attributes = of(&[("process.pid", "7"), ("team", "memory")], None);
        assert_eq!(value(&attributes, "process.pid"), "7");
        assert_eq!(value(&attributes, "team"), "memory");
        assert!(!attributes.iter().any(|(key, _)| key.starts_with("process.command")));
    }
}
