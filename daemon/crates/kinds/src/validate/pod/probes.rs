//! How it is found out whether a container lives and is ready, and what is run at its ends.

use serde_json::Value;

use super::container::Context;
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::validate::rules::{all_nonnegative, port, port_number};
use crate::value::{int, is_set, len, list, text};

pub(super) fn lifecycle_and_probes(
    container: &Value,
    context: &Context<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let lifecycle = path.child("lifecycle");
    for moment in ["postStart", "preStop"] {
        let hook = &container["lifecycle"][moment];
        if is_set(hook) {
            handler(hook, context, &lifecycle.child(moment), errors);
        }
    }
    if is_set(&container["lifecycle"]["stopSignal"]) && !is_set(&context.spec["os"]) {
        let message = "may not be set for containers with empty `spec.os.name`";
        errors.forbidden(&lifecycle.child("stopSignal"), message);
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = &container[name];
        if !is_set(probe) {
            continue;
        }
        let path = path.child(name);
        self::probe(probe, context, &path, errors);
        if name == "readinessProbe" {
            if let Some(seconds) = probe["terminationGracePeriodSeconds"].as_i64() {
                let path = path.child("terminationGracePeriodSeconds");
                errors.invalid(&path, seconds, "must not be set for readinessProbes");
            }
        } else if int(&probe["successThreshold"]) != 1 {
            let threshold = int(&probe["successThreshold"]);
            errors.invalid(&path.child("successThreshold"), threshold, "must be 1");
        }
    }
}

fn probe(probe: &Value, context: &Context<'_>, path: &Path<'_>, errors: &mut Errors) {
    handler(probe, context, path, errors);
    let fields = [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ];
    all_nonnegative(probe, &fields, path, errors);
    if let Some(seconds) = probe["terminationGracePeriodSeconds"].as_i64()
        && seconds <= 0
    {
        let path = path.child("terminationGracePeriodSeconds");
        errors.invalid(&path, seconds, "must be greater than 0");
    }
}

/// What a probe or a hook does: exactly one thing.
fn handler(handler: &Value, context: &Context<'_>, path: &Path<'_>, errors: &mut Errors) {
    let kinds = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
    let mut is_first = true;
    for kind in kinds.into_iter().filter(|kind| is_set(&handler[*kind])) {
        let path = path.child(kind);
        if !is_first {
            errors.forbidden(&path, "may not specify more than 1 handler type");
            continue;
        }
        is_first = false;
        let action = &handler[kind];
        match kind {
            "exec" if len(&action["command"]) == 0 => errors.required(&path.child("command"), ""),
            "httpGet" => http_get(action, &path, errors),
            "tcpSocket" => port(&action["port"], &path.child("port"), errors),
            "grpc" => port_number(&action["port"], &path.child("port"), errors),
            "sleep" => {
                let seconds = int(&action["seconds"]);
                if let Some(grace) = context.grace
                    && !(0..=grace).contains(&seconds)
                {
                    let message = format!(
                        "must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                    );
                    errors.invalid(&path, seconds, message);
                }
            }
            _ => {}
        }
    }
    if is_first {
        errors.required(path, "must specify a handler type");
    }
}

fn http_get(action: &Value, path: &Path<'_>, errors: &mut Errors) {
    if text(&action["path"]).is_empty() {
        errors.required(&path.child("path"), "");
    }
    port(&action["port"], &path.child("port"), errors);
    let scheme = text(&action["scheme"]);
    if !matches!(scheme, "HTTP" | "HTTPS") {
        errors.not_supported(&path.child("scheme"), scheme, &["HTTP", "HTTPS"]);
    }
    for header in list(&action["httpHeaders"]) {
        let name = text(&header["name"]);
        errors.each(&path.child("httpHeaders"), name, format::http_header(name));
    }
}
