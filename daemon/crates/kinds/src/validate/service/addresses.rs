//! Which addresses a Service has, of which families, and that they stay.

use std::net::IpAddr;

use serde_json::Value;

use super::super::rules::choice_if_set;
use super::{FAMILIES, is_headless, kind};
use crate::error::Errors;
use crate::format;
use crate::path::Path;
use crate::value::{list, text};

pub(super) fn addresses(spec: &Value, old: Option<&Value>, path: &Path<'_>, errors: &mut Errors) {
    let all: Vec<&str> = list(&spec["clusterIPs"]).iter().map(text).collect();
    let ips = path.child("clusterIPs");
    let shown = || spec["clusterIPs"].clone();
    match text(&spec["clusterIP"]) {
        "" if !all.is_empty() => {
            errors.invalid(
                &ips,
                shown(),
                "must be empty when `clusterIP` is not specified",
            );
        }
        "" => {}
        _ if all.is_empty() => errors.required(&ips, ""),
        first if first != all[0] => {
            errors.invalid(&ips, shown(), "first value must match `clusterIP`");
        }
        _ => {}
    }
    let families_path = path.child("ipFamilies");
    let families = list(&spec["ipFamilies"]);
    for (i, family) in families.iter().enumerate() {
        choice_if_set(family, FAMILIES, &families_path.index(i), errors);
        if families[..i].contains(family) {
            errors.duplicate(&families_path.index(i), text(family));
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    let policy = path.child("ipFamilyPolicy");
    choice_if_set(&spec["ipFamilyPolicy"], &policies, &policy, errors);
    let before = errors.0.len();
    for (i, ip) in all.iter().enumerate() {
        if i == 0 && *ip == "None" {
            if all.len() > 1 {
                errors.invalid(&ips, shown(), "'None' must be the first and only value");
            }
            continue;
        }
        let was_good = old.is_some_and(|old| list(&old["clusterIPs"]).iter().any(|o| o == ip));
        if !was_good {
            errors.each(&ips.index(i), ip, format::ip(ip));
        }
    }
    let is_wrong = errors.0.len() > before;
    if all.len() > 2 {
        errors.invalid(&ips, shown(), "may only hold up to 2 values");
    }
    if is_wrong {
        return;
    }
    let is_v6 = |ip: &&str| matches!(format::parse_ip(ip), Some(IpAddr::V6(_)));
    if let [a, b, ..] = all.as_slice()
        && is_v6(a) == is_v6(b)
    {
        let message = "may specify no more than one IP for each IP family";
        errors.invalid(&ips, shown(), message);
    }
    if is_headless(spec) {
        return;
    }
    for (i, (ip, family)) in all.iter().zip(families).enumerate() {
        let expected = match (text(family), is_v6(ip)) {
            ("IPv4", true) => "IPv4",
            ("IPv6", false) => "IPv6",
            _ => continue,
        };
        let message = format!("expected an {expected} value as indicated by `ipFamilies[{i}]`");
        errors.invalid(&ips.index(i), *ip, message);
    }
}

pub(super) fn external_ips(
    spec: &Value,
    old: Option<&Value>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    for (i, ip) in list(&spec["externalIPs"]).iter().enumerate() {
        let was_good = old.is_some_and(|old| list(&old["externalIPs"]).contains(ip));
        let ip = text(ip);
        let wrong = match was_good {
            true => Vec::new(),
            false => format::ip(ip),
        };
        if wrong.is_empty() {
            errors.each(&path.index(i), ip, format::endpoint_ip(ip));
        } else {
            errors.each(&path.index(i), ip, wrong);
        }
    }
}

pub(super) fn addresses_stay(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    let is_name = |spec: &Value| kind(spec) == "ExternalName";
    if is_name(new) || is_name(old) || (is_headless(new) && is_headless(old)) {
        return;
    }
    let path_of = path.child("clusterIPs");
    let (after, before) = (list(&new["clusterIPs"]), list(&old["clusterIPs"]));
    let shown = || new["clusterIPs"].clone();
    for (i, (after, before)) in after.iter().zip(before).enumerate() {
        let counts = i == 0 || list(&new["clusterIPs"]).len() == list(&old["clusterIPs"]).len();
        if counts && after != before {
            errors.invalid(&path_of.index(i), shown(), "may not change once set");
        }
    }
    if after.len() < before.len() {
        if after.is_empty() {
            errors.invalid(
                &path_of.index(0),
                shown(),
                "primary clusterIP can not be unset",
            );
        }
        if after.len() == 1 && new["ipFamilyPolicy"] != "SingleStack" {
            let value = new["ipFamilyPolicy"].clone();
            let message = "must be set to 'SingleStack' when releasing the secondary clusterIP";
            errors.invalid(&path.child("ipFamilyPolicy"), value, message);
        }
    }
}

pub(super) fn families_stay(new: &Value, old: &Value, path: &Path<'_>, errors: &mut Errors) {
    let is_name = |spec: &Value| kind(spec) == "ExternalName";
    if is_name(new) || is_name(old) || is_headless(new) || is_headless(old) {
        return;
    }
    let families = path.child("ipFamilies");
    let at = families.index(0);
    let (after, before) = (list(&new["ipFamilies"]), list(&old["ipFamilies"]));
    let shown = || new["ipFamilies"].clone();
    let differs = match after.len() == before.len() {
        true => after != before,
        false => matches!((after, before), ([a, ..], [b, ..]) if a != b),
    };
    if differs {
        errors.invalid(&at, shown(), "may not change once set");
    }
    if after.len() < before.len() {
        if list(&new["clusterIPs"]).is_empty() {
            errors.invalid(&at, shown(), "primary ipFamily can not be unset");
        }
        if after.len() == 1 && new["ipFamilyPolicy"] != "SingleStack" {
            let value = new["ipFamilyPolicy"].clone();
            let message = "must be set to 'SingleStack' when releasing the secondary ipFamily";
            errors.invalid(&path.child("ipFamilyPolicy"), value, message);
        }
    }
}
