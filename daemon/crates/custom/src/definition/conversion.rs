//! `spec.conversion`: by nobody, or by a webhook that is well described.

use serde_json::Value;
use skerry_kinds::Path;

use super::read::{list, text};
use super::validate::is_established;
use crate::error::Errors;
use crate::names::dns1035_label;

static SPEC: Path<'static> = Path::root("spec");

/// Whether a bundle of certificates that cannot be read may stay: it was so before, or the kind
/// has not been established yet.
pub(super) fn may_keep_bad_bundle(old: &Value) -> bool {
    let bundle = text(&old["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"]);
    !is_established(old) || (!bundle.is_empty() && !is_bundle(bundle))
}

/// Whether review versions name one that servers know, or none at all.
pub(super) fn knows_review_version(spec: &Value) -> bool {
    let versions = list(&spec["conversion"]["webhook"]["conversionReviewVersions"]);
    versions.is_empty() || versions.iter().any(is_known)
}

fn is_known(version: &Value) -> bool {
    matches!(text(version), "v1" | "v1beta1")
}

/// Whether base64 holds a PEM certificate, as far as can be told without reading it.
fn is_bundle(bundle: &str) -> bool {
    // "-----BEGIN CERTIFICATE-----" in base64, in any of the three ways that it may be aligned.
    const BEGINS: [&str; 3] = [
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
        "tLS0tQkVHSU4gQ0VSVElGSUNBVEUtLS0tL",
        "0tLS0tQkVHSU4gQ0VSVElGSUNBVEUtLS0t",
    ];
    BEGINS.iter().any(|begin| bundle.contains(begin))
}

pub(super) fn validate(
    spec: &Value,
    wants_known_version: bool,
    allows_bad_bundle: bool,
    errors: &mut Errors,
) {
    let conversion = &spec["conversion"];
    if conversion.is_null() {
        return;
    }
    let path = SPEC.child("conversion");
    let strategy = text(&conversion["strategy"]);
    if strategy != "None" && spec["preserveUnknownFields"] == true {
        let detail = "must be None if spec.preserveUnknownFields is true";
        errors.invalid(&path.child("strategy"), strategy, detail);
    }
    match strategy {
        "" => errors.required(&path.child("strategy"), ""),
        "None" | "Webhook" => {}
        other => errors.not_supported(&path.child("strategy"), other, &["None", "Webhook"]),
    }
    let webhook = &conversion["webhook"];
    let client = path.child("webhookClientConfig");
    let versions = path.child("conversionReviewVersions");
    if strategy == "Webhook" {
        client_config(&webhook["clientConfig"], allows_bad_bundle, &client, errors);
        let known = &webhook["conversionReviewVersions"];
        review_versions(known, wants_known_version, &versions, errors);
        return;
    }
    let detail = "should not be set when strategy is not set to Webhook";
    if !webhook["clientConfig"].is_null() {
        errors.forbidden(&client, detail);
    }
    if !list(&webhook["conversionReviewVersions"]).is_empty() {
        errors.forbidden(&versions, detail);
    }
}

fn client_config(config: &Value, allows_bad_bundle: bool, path: &Path<'_>, errors: &mut Errors) {
    if config.is_null() {
        return errors.required(path, "required when strategy is set to Webhook");
    }
    match (config["url"].as_str(), config["service"].is_object()) {
        (Some(_), true) | (None, false) => {
            errors.required(path, "exactly one of url or service is required");
        }
        (Some(address), false) => url(address, &path.child("url"), errors),
        (None, true) => service(&config["service"], &path.child("service"), errors),
    }
    let bundle = text(&config["caBundle"]);
    if !bundle.is_empty() && !allows_bad_bundle && !is_bundle(bundle) {
        errors.invalid(
            &path.child("caBundle"),
            bundle,
            "unable to load root certificates: unable to parse bytes as PEM block",
        );
    }
}

fn url(address: &str, path: &Path<'_>, errors: &mut Errors) {
    const FORM: &str = "; desired format: https://host[/path]";
    let Some((scheme, rest)) = address.split_once("://") else {
        let form = format!("'https' is the only allowed URL scheme{FORM}");
        return errors.invalid(path, address, form);
    };
    if scheme != "https" {
        let detail = format!("'https' is the only allowed URL scheme{FORM}");
        errors.invalid(path, scheme, detail);
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if host.is_empty() {
        errors.invalid(path, host, format!("host must be specified{FORM}"));
    }
    for (part, what) in [
        (user, "user information is"),
        (fragment, "fragments are"),
        (query, "query parameters are"),
    ] {
        if !part.is_empty() {
            errors.invalid(path, part, format!("{what} not permitted in the URL"));
        }
    }
}

fn service(service: &Value, path: &Path<'_>, errors: &mut Errors) {
    if text(&service["name"]).is_empty() {
        errors.required(&path.child("name"), "service name is required");
    }
    if text(&service["namespace"]).is_empty() {
        errors.required(&path.child("namespace"), "service namespace is required");
    }
    let port = service["port"].as_i64().unwrap_or(443);
    if !(1..=65535).contains(&port) {
        let detail = "port is not valid: must be between 1 and 65535, inclusive";
        errors.invalid(&path.child("port"), port, detail);
    }
    let Some(url_path) = service["path"].as_str() else {
        return;
    };
    let path = path.child("path");
    if url_path.is_empty() || url_path == "/" {
        return;
    }
    if url_path == "//" {
        return errors.invalid(&path, url_path, "segment[0] may not be empty");
    }
    if !url_path.starts_with('/') {
        errors.invalid(&path, url_path, "must start with a '/'");
    }
    let inner = url_path.trim_start_matches('/');
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    for (i, segment) in inner.split('/').enumerate() {
        if segment.is_empty() {
            let detail = format!("segment[{i}] may not be empty");
            return errors.invalid(&path, url_path, detail);
        }
        for wrong in skerry_kinds::format::dns_subdomain(segment) {
            let detail = format!("segment[{i}]: {wrong}");
            errors.invalid(&path, url_path, detail);
        }
    }
}

fn review_versions(known: &Value, wants_known: bool, path: &Path<'_>, errors: &mut Errors) {
    let versions = list(known);
    if versions.is_empty() {
        return errors.required(path, "");
    }
    for (i, version) in versions.iter().enumerate() {
        if versions[..i].contains(version) {
            errors.invalid(&path.index(i), version.clone(), "duplicate version");
            continue;
        }
        for wrong in dns1035_label(text(version)) {
            errors.invalid(&path.index(i), version.clone(), wrong);
        }
    }
    if wants_known && !versions.iter().any(is_known) {
        let detail = "must include at least one of v1, v1beta1";
        errors.invalid(path, known.clone(), detail);
    }
}
