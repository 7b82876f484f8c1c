//! The paths that belong to no version of a group: discovery, `/version`, the keys of tokens.

use std::error::Error;

use crate::paths::{OBJECTS, Operation, PathItem};
use crate::schemas::meta;
use crate::words::{group_name, small};

const JSON: &[&str] = &["application/json"];
const KEY_SET: &[&str] = &["application/jwk-set+json"];

/// The path of `/api`, `/apis` and `/apis/G`, and of what belongs to no group.
pub(crate) fn outside(path: &str) -> Result<PathItem, Box<dyn Error>> {
    let (id, description, tag, consumes, produces, answer) = match path {
        "/api/" => (
            "getCoreAPIVersions".to_owned(),
            "get available API versions",
            "core".to_owned(),
            OBJECTS,
            OBJECTS,
            Some(meta("APIVersions")),
        ),
        "/apis/" => (
            "getAPIVersions".to_owned(),
            "get available API versions",
            "apis".to_owned(),
            OBJECTS,
            OBJECTS,
            Some(meta("APIGroupList")),
        ),
        "/version/" => (
            "getCodeVersion".to_owned(),
            "get the version information for this server",
            "version".to_owned(),
            JSON,
            JSON,
            Some("io.k8s.apimachinery.pkg.version.Info".to_owned()),
        ),
        "/.well-known/openid-configuration/" => (
            "getServiceAccountIssuerOpenIDConfiguration".to_owned(),
            "get the OpenID configuration of the issuer of service account tokens",
            "WellKnown".to_owned(),
            &[][..],
            JSON,
            None,
        ),
        "/openid/v1/jwks/" => (
            "getServiceAccountIssuerOpenIDKeyset".to_owned(),
            "get the JSON Web Key Set of the issuer of service account tokens",
            "openid".to_owned(),
            &[][..],
            KEY_SET,
            None,
        ),
        _ => {
            let group = path
                .strip_prefix("/apis/")
                .and_then(|rest| rest.strip_suffix('/'));
            let name = group_name(group.ok_or_else(|| format!("what is {path}?"))?);
            (
                format!("get{name}APIGroup"),
                "get information of a group",
                small(&name),
                OBJECTS,
                OBJECTS,
                Some(meta("APIGroup")),
            )
        }
    };
    Ok(PathItem {
        path: path.to_owned(),
        parameters: Vec::new(),
        operations: vec![Operation {
            method: "get",
            id,
            description: description.to_owned(),
            tag,
            action: None,
            consumes,
            body: None,
            parameters: Vec::new(),
            produces,
            answers: vec![200],
            answer,
        }],
    })
}
