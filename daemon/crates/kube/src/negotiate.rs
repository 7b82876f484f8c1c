//! What an answer is to look like, from the `Accept` header.
//!
//! Pure. Upstream's rules: the clauses in order of preference, the first that can be served; `as`
//! asks for a Table or for metadata only, and only `meta.k8s.io` has those.

use crate::error::ApiError;
use crate::query::Query;

/// Bytes of encoded answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Yaml,
    /// Only of kinds that have that form: see [`Form::of_kind`].
    Protobuf,
}

/// Which shape the objects of an answer have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Plain,
    /// `as=Table`
    Table(Include),
    /// `as=PartialObjectMetadata` or `as=PartialObjectMetadataList`
    Partial,
}

/// How much of its object a row carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    None,
    Metadata,
    Object,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) encoding: Encoding,
    pub(crate) shape: Shape,
    /// `v1` or `v1beta1` of `meta.k8s.io`
    pub(crate) meta_version: &'static str,
    pub(crate) pretty: bool,
}

impl Form {
    /// Compact JSON.
    pub(crate) const PLAIN: Form = Form {
        encoding: Encoding::Json,
        shape: Shape::Plain,
        meta_version: "v1",
        pretty: false,
    };

    pub(crate) fn content_type(self) -> &'static str {
        match self.encoding {
            Encoding::Json => "application/json",
            Encoding::Yaml => "application/yaml",
            Encoding::Protobuf => skerry_wire::MEDIA_TYPE,
        }
    }

    /// The form of objects of this kind: JSON where they have no protobuf.
    pub(crate) fn of_kind(self, api_version: &str, kind: &str) -> Form {
        let is_known = self.shape != Shape::Plain || skerry_wire::knows(api_version, kind);
        match self.encoding {
            Encoding::Protobuf if !is_known => Form {
                encoding: Encoding::Json,
                ..self
            },
            _ => self,
        }
    }
}

/// What is served, for the message of a 406.
pub(crate) const ACCEPTED: &str =
    "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// What watches are served as, for the message of a 406.
pub(crate) const ACCEPTED_STREAMS: &str =
    "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

/// What can be asked of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// One object or a list: all shapes.
    Objects,
    /// The same of kinds that have no protobuf but that of their metadata.
    CustomObjects,
    /// Documents, statuses and reviews: as they are.
    Plain,
}

impl Asked {
    /// What the resources of a group are: reviews are not kept and have no table.
    pub(crate) fn of(group: &str) -> Asked {
        match group {
            "authentication.k8s.io" | "authorization.k8s.io" => Asked::Plain,
            _ => Asked::Objects,
        }
    }
}

/// One clause of an `Accept` header.
struct Clause<'a> {
    kind: &'a str,
    sub: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Clause<'a> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let (kind, sub) = media.split_once('/').unwrap_or((media, "*"));
        let mut quality = 1.0;
        let mut parameters = Vec::new();
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim(), value.trim().trim_matches('"'));
            match name {
                "q" => quality = value.parse().unwrap_or(1.0),
                _ => parameters.push((name, value)),
            }
        }
        Clause {
            kind: kind.trim(),
            sub: sub.trim(),
            parameters,
            quality,
        }
    }

    /// Whether what it asks for beyond the media type can be given.
    fn is_served(&self, encoding: Encoding) -> bool {
        let stream = match self.parameter("stream") {
            "" => true,
            "watch" => encoding != Encoding::Yaml,
            _ => false,
        };
        stream && matches!(self.parameter("sv"), "" | "v1")
    }

    fn parameter(&self, name: &str) -> &'a str {
        self.parameters
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value)
    }
}

/// Clauses by preference: the quality first, then the order in which they stand.
fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = accept.split(',').map(Clause::parse).collect();
    clauses.sort_by(|one, other| other.quality.total_cmp(&one.quality));
    clauses
}

/// Whether the header asks for this very media type before JSON.
pub(crate) fn prefers(accept: &str, media_type: &str) -> bool {
    for clause in clauses(accept) {
        let named = format!("{}/{}", clause.kind, clause.sub);
        if named == media_type {
            return true;
        }
        if matches!(named.as_str(), "application/json" | "*/*" | "application/*") {
            return false;
        }
    }
    false
}

/// The `g`, `v` and `as` of the first clause of JSON that has them, for documents that come in
/// several kinds.
pub(crate) fn json_profiles(accept: &str) -> Vec<(String, String, String)> {
    let json = clauses(accept)
        .into_iter()
        .filter(|clause| clause.sub == "json" || clause.sub == "*");
    json.map(|clause| {
        let text = |name| clause.parameter(name).to_owned();
        (text("g"), text("v"), text("as"))
    })
    .collect()
}

/// Chooses the form of an answer.
pub(crate) fn negotiate(
    accept: Option<&str>,
    query: &Query,
    user_agent: &str,
    asked: Asked,
) -> Result<Form, ApiError> {
    let pretty = match query.get("pretty") {
        "" if !query.has("pretty") => ["curl", "Wget", "Mozilla/5.0"]
            .iter()
            .any(|agent| user_agent.starts_with(agent)),
        _ => query.switch("pretty"),
    };
    let accept = accept.map(str::trim).filter(|accept| !accept.is_empty());
    let Some(accept) = accept else {
        return Ok(Form {
            pretty,
            ..Form::PLAIN
        });
    };
    for clause in clauses(accept) {
        let encoding = match (clause.kind, clause.sub) {
            ("*", "*") | ("application", "json" | "*") => Encoding::Json,
            ("application", "yaml") => Encoding::Yaml,
            ("application", "vnd.kubernetes.protobuf") => Encoding::Protobuf,
            _ => continue,
        };
        if !clause.is_served(encoding) {
            continue;
        }
        let pretty = pretty || clause.parameter("pretty") == "1";
        let Some((shape, meta_version)) = shape(&clause, query, asked) else {
            continue;
        };
        let has_protobuf = match shape {
            Shape::Plain => asked != Asked::CustomObjects,
            Shape::Partial => meta_version == "v1",
            Shape::Table(_) => false,
        };
        if encoding == Encoding::Protobuf && !has_protobuf {
            continue;
        }
        return Ok(Form {
            encoding,
            shape,
            meta_version,
            pretty,
        });
    }
    Err(ApiError::not_acceptable(ACCEPTED))
}

fn shape(clause: &Clause<'_>, query: &Query, asked: Asked) -> Option<(Shape, &'static str)> {
    let wanted = clause.parameter("as");
    let is_plain = ["as", "g", "v"].map(|name| clause.parameter(name)) == [""; 3];
    if is_plain || asked == Asked::Plain {
        return wanted.is_empty().then_some((Shape::Plain, "v1"));
    }
    let version = match (clause.parameter("g"), clause.parameter("v")) {
        ("meta.k8s.io", "v1") => "v1",
        ("meta.k8s.io", "v1beta1") => "v1beta1",
        _ => return None,
    };
    match wanted {
        "Table" => {
            let include = match query.get("includeObject") {
                "None" => Include::None,
                "Object" => Include::Object,
                _ => Include::Metadata,
            };
            Some((Shape::Table(include), version))
        }
        "PartialObjectMetadata" | "PartialObjectMetadataList" => Some((Shape::Partial, version)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &str, query: &str) -> Result<Form, ApiError> {
        negotiate(
            Some(accept),
            &Query::parse(query),
            "kubectl",
            Asked::Objects,
        )
    }

    #[test]
    fn kubectl_gets_the_table_that_it_asks_for_first() {
        let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let found = form(accept, "").unwrap();
        assert_eq!(found.shape, Shape::Table(Include::Metadata));
        assert_eq!(found.meta_version, "v1");
        let object = form(accept, "includeObject=Object").unwrap();
        assert_eq!(object.shape, Shape::Table(Include::Object));
    }

    #[test]
    fn protobuf_is_given_where_there_is_one_and_else_what_comes_next() {
        let found = form("application/vnd.kubernetes.protobuf,application/json", "").unwrap();
        assert_eq!(
            (found.encoding, found.shape),
            (Encoding::Protobuf, Shape::Plain)
        );
        assert_eq!(found.of_kind("v1", "Pod"), found);
        let custom = found.of_kind("example.com/v1", "Foo");
        assert_eq!(custom.encoding, Encoding::Json);
        let table = "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1,application/json;as=Table;g=meta.k8s.io;v=v1";
        assert_eq!(form(table, "").unwrap().encoding, Encoding::Json);
        let wish = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
        let partial = form(wish, "").unwrap();
        assert_eq!(
            (partial.encoding, partial.shape),
            (Encoding::Protobuf, Shape::Partial)
        );
    }

    #[test]
    fn custom_objects_have_no_protobuf_but_that_of_their_metadata() {
        let form = |accept| negotiate(Some(accept), &Query::parse(""), "", Asked::CustomObjects);
        let found = form("application/vnd.kubernetes.protobuf,application/json;q=0.9").unwrap();
        assert_eq!(found.encoding, Encoding::Json);
        let refused = form("application/vnd.kubernetes.protobuf").unwrap_err();
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (
                406,
                "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf"
            )
        );
        let partial =
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        assert_eq!(form(partial).unwrap().encoding, Encoding::Protobuf);
    }

    #[test]
    fn quality_comes_before_order_and_what_nobody_serves_is_refused() {
        let found = form("application/json;q=0.5, application/yaml", "").unwrap();
        assert_eq!(found.encoding, Encoding::Yaml);
        assert_eq!(form("image/png", "").unwrap_err().code, 406);
        assert_eq!(
            form("application/json;as=Table;g=foo;v=v1", "")
                .unwrap_err()
                .code,
            406
        );
        assert_eq!(form("*/*", "").unwrap().encoding, Encoding::Json);
        let stream = "application/vnd.kubernetes.protobuf;stream=watch;q=0.8,application/json;stream=watch;q=0.7,application/json;stream=tail";
        assert_eq!(form(stream, "").unwrap().encoding, Encoding::Protobuf);
        for refused in [
            "application/yaml;stream=watch",
            "application/json;sv=v2",
            "application/json;v=v1",
        ] {
            assert_eq!(form(refused, "").unwrap_err().code, 406, "{refused}");
        }
        assert!(form("application/json;pretty=1", "").unwrap().pretty);
    }
}
