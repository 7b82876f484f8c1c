//! May the user do this.
//!
//! Invariant: what is not allowed is refused with upstream's words.

use crate::error::{About, ApiError};
use crate::route::RequestInfo;
use crate::user::{MASTERS, User};

/// Refuses what the user may not do.
pub(crate) fn authorize(user: &User, info: &RequestInfo) -> Result<(), ApiError> {
    if user.groups.iter().any(|group| group == MASTERS) {
        return Ok(());
    }
    if user.is_anonymous() {
        return Err(ApiError::unauthorized());
    }
    Err(forbidden(user, info))
}

/// As upstream says it.
pub(crate) fn forbidden(user: &User, info: &RequestInfo) -> ApiError {
    let name = &user.name;
    if !info.is_resource {
        let (verb, path) = (info.verb, &info.path);
        let why = format!("User {name:?} cannot {verb} path {path:?}");
        let mut error = ApiError::forbidden(
            About {
                group: "",
                resource: "",
                name: "",
            },
            &why,
        );
        error.message = format!("forbidden: {why}");
        return error;
    }
    let resource = match info.subresource.as_str() {
        "" => info.resource.clone(),
        sub => format!("{}/{sub}", info.resource),
    };
    let place = match info.namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let why = format!(
        "User {name:?} cannot {} resource {resource:?} in API group {:?} {place}",
        info.verb, info.group
    );
    ApiError::forbidden(
        About {
            group: &info.group,
            resource: &info.resource,
            name: &info.name,
        },
        &why,
    )
}
