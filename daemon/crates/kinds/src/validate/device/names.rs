//! What attributes, pools and shares of devices are called.

use super::super::pod;
use super::super::rules::subdomain;
use crate::error::Errors;
use crate::format;
use crate::path::Path;

const ID_BYTES_MAX: usize = 32;
const POOL_NAME_BYTES_MAX: usize = 253;

/// `name` or `domain/name`.
pub(super) fn qualified(name: &str, path: &Path<'_>, errors: &mut Errors) {
    let Some((domain, rest)) = name.split_once('/') else {
        return identifier(name, path, errors);
    };
    if rest.contains('/') {
        return errors.invalid(path, name, "must not contain more than one slash");
    }
    match domain {
        "" => errors.invalid(path, "", "the domain must not be empty"),
        domain => pod::driver_name(domain, path, errors),
    }
    match rest {
        "" => errors.invalid(path, "", "the name must not be empty"),
        rest => identifier(rest, path, errors),
    }
}

/// `domain/name`.
pub(super) fn fully_qualified(name: &str, path: &Path<'_>, errors: &mut Errors) {
    qualified(name, path, errors);
    if !name.contains('/') {
        let message = "a fully qualified name must be a domain and a name separated by a slash";
        errors.invalid(path, name, message);
    }
}

fn identifier(id: &str, path: &Path<'_>, errors: &mut Errors) {
    if id.len() > ID_BYTES_MAX {
        errors.too_long(path, ID_BYTES_MAX);
    }
    errors.each(path, id, format::c_identifier(id));
}

pub(super) fn pool(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        return errors.required(path, "");
    }
    if name.len() > POOL_NAME_BYTES_MAX {
        errors.too_long(path, POOL_NAME_BYTES_MAX);
    }
    for part in name.split('/') {
        subdomain(part, path, errors);
    }
}

/// The uid of one of several shares of a device.
pub(super) fn share(uid: &str, path: &Path<'_>, errors: &mut Errors) {
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<usize> = uid.split('-').map(str::len).collect();
    let is_normal = parts == [8, 4, 4, 4, 12] && uid.split('-').all(is_hex);
    let message = match uid.len() {
        36 if !is_normal => "error validating uid: invalid UUID format".to_owned(),
        36 if uid.bytes().all(|byte| !byte.is_ascii_uppercase()) => return,
        32 if !is_hex(uid) => "error validating uid: invalid UUID format".to_owned(),
        32 | 36 => "uid must be in RFC 4122 normalized form, \
                    `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters"
            .to_owned(),
        length => format!("error validating uid: invalid UUID length: {length}"),
    };
    errors.invalid(path, uid, message);
}

/// Versions of semver.org, 2.0.0.
pub(super) fn is_version(text: &str) -> bool {
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let is_word = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, build) = match text.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (text, None),
    };
    let (core, before) = match rest.split_once('-') {
        Some((core, before)) => (core, Some(before)),
        None => (rest, None),
    };
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && before.is_none_or(|before| {
            let mut parts = before.split('.');
            parts.all(|part| is_word(part) && (!is_digits(part) || is_number(part)))
        })
        && build.is_none_or(|build| build.split('.').all(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_semver() {
        for good in [
            "1.2.3",
            "0.0.0",
            "1.0.0-alpha.1",
            "1.0.0-0a+b-1.007",
            "1.0.0+x",
        ] {
            assert!(is_version(good), "{good}");
        }
        for bad in [
            "1.2",
            "01.2.3",
            "1.2.3-",
            "1.2.3-01",
            "1.2.3+",
            "1.2.3-a..b",
            "v1.2.3",
        ] {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn a_share_is_named_by_a_uid_in_its_normal_form() {
        let says = |uid: &str| {
            let mut errors = Errors::default();
            share(uid, &Path::root("shareID"), &mut errors);
            errors.0.first().map(|error| error.detail.clone())
        };
        assert_eq!(says("6a1ee9d5-1b3a-4a1c-8f5e-0123456789ab"), None);
        let wrong = says("6a1ee9d5-1b3a-4a1c-8f5e-0123456789ax").unwrap();
        assert_eq!(wrong, "error validating uid: invalid UUID format");
        let upper = says("6A1EE9D5-1b3a-4a1c-8f5e-0123456789ab").unwrap();
        assert!(upper.starts_with("uid must be in RFC 4122 normalized form"));
        let short = says("x").unwrap();
        assert_eq!(short, "error validating uid: invalid UUID length: 1");
    }
}
