//! How OpenAPI v2 and v3 write definitions, paths and operations.
//!
//! Knows nothing about which of them go into which document.

use serde_json::{Map, Value, json};

use crate::paths::{Operation, PathItem};
use crate::schemas::each;
use crate::tables::Parameter;

/// Which OpenAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    V2,
    V3,
}

impl Form {
    fn reference(self, name: &str) -> Value {
        let place = match self {
            Self::V2 => "#/definitions/",
            Self::V3 => "#/components/schemas/",
        };
        json!({"$ref": format!("{place}{name}")})
    }

    /// The parts of a document that are always the same.
    pub(crate) fn frame(self) -> Value {
        let version = crate::version::KUBERNETES_VERSION;
        let info = json!({"title": "Kubernetes", "version": version});
        let token = json!({
            "description": "Bearer Token authentication",
            "in": "header",
            "name": "authorization",
            "type": "apiKey",
        });
        let tokens = json!({"BearerToken": token});
        let security = json!([{"BearerToken": []}]);
        match self {
            Self::V2 => json!({
                "swagger": "2.0",
                "info": info,
                "security": security,
                "securityDefinitions": tokens,
            }),
            Self::V3 => json!({
                "openapi": "3.0.0",
                "info": info,
                "security": security,
                "components": {"securitySchemes": tokens},
            }),
        }
    }

    /// A definition.
    pub(crate) fn schema(self, name: &str, schema: &Value) -> Value {
        let mut schema = schema.clone();
        each(&mut schema, &mut |object| self.rewrite(object));
        if self == Self::V3
            && let Some(object) = schema.as_object_mut()
        {
            let either = match name.rsplit('.').next() {
                Some("Quantity") => ["string", "number"],
                Some("IntOrString") => ["integer", "string"],
                _ => return schema,
            };
            object.remove("type");
            object.insert(
                "oneOf".to_owned(),
                json!(either.map(|one| json!({"type": one}))),
            );
        }
        schema
    }

    fn rewrite(self, object: &mut Map<String, Value>) {
        if self == Self::V2 {
            // Upstream's published document of v2 says neither.
            object.remove("default");
            object.remove("enum");
        }
        let Some(name) = object.get("$ref").and_then(Value::as_str) else {
            return;
        };
        let reference = self.reference(name);
        if self == Self::V3 && object.len() > 1 {
            // There, nothing may stand beside a reference.
            object.remove("$ref");
            object.insert("allOf".to_owned(), json!([reference]));
        } else if let Value::Object(reference) = reference {
            object.extend(reference);
        }
    }

    /// A path. Parameters that v2 refers to are put into `shared`.
    pub(crate) fn path(self, item: &PathItem, shared: &mut Map<String, Value>) -> Value {
        let mut path = Map::new();
        if !item.parameters.is_empty() {
            let all = item
                .parameters
                .iter()
                .map(|one| self.parameter(one, shared));
            path.insert("parameters".to_owned(), all.collect());
        }
        for operation in &item.operations {
            let method = operation.method.to_owned();
            path.insert(method, self.operation(operation, shared));
        }
        Value::Object(path)
    }

    fn parameter(self, one: &Parameter, shared: &mut Map<String, Value>) -> Value {
        let mut written = json!({
            "name": one.name,
            "in": one.place,
            "description": one.description,
        });
        if one.place == "path" {
            written["required"] = json!(true);
        }
        if self == Self::V3 {
            written["schema"] = json!({"type": one.kind, "uniqueItems": true});
            return written;
        }
        written["type"] = json!(one.kind);
        written["uniqueItems"] = json!(true);
        if !one.shared {
            return written;
        }
        shared.insert(one.name.clone(), written);
        json!({"$ref": format!("#/parameters/{}", one.name)})
    }

    fn operation(self, of: &Operation, shared: &mut Map<String, Value>) -> Value {
        let mut written = json!({
            "description": of.description,
            "operationId": of.id,
            "tags": [of.tag],
        });
        if let Some((action, [group, version, kind])) = &of.action {
            written["x-kubernetes-action"] = json!(action);
            written["x-kubernetes-group-version-kind"] =
                json!({"group": group, "version": version, "kind": kind});
        }
        let mut parameters = Vec::new();
        match (self, &of.body) {
            (Self::V2, body) => {
                if !of.consumes.is_empty() {
                    written["consumes"] = json!(of.consumes);
                }
                written["produces"] = json!(of.produces);
                written["schemes"] = json!(["https"]);
                if let Some((name, required)) = body {
                    let schema = self.reference(name);
                    let mut body = json!({"name": "body", "in": "body", "schema": schema});
                    if *required {
                        body["required"] = json!(true);
                    }
                    parameters.push(body);
                }
            }
            (Self::V3, Some((name, required))) => {
                let mut body = json!({"content": self.content(of.consumes, Some(name))});
                if *required {
                    body["required"] = json!(true);
                }
                written["requestBody"] = body;
            }
            (Self::V3, None) => {}
        }
        parameters.extend(of.parameters.iter().map(|one| self.parameter(one, shared)));
        if !parameters.is_empty() {
            written["parameters"] = Value::Array(parameters);
        }
        written["responses"] = self.responses(of);
        written
    }

    fn responses(self, of: &Operation) -> Value {
        let mut responses = json!({"401": {"description": "Unauthorized"}});
        for code in &of.answers {
            let description = match code {
                200 => "OK",
                201 => "Created",
                _ => "Accepted",
            };
            let mut response = json!({"description": description});
            match self {
                Self::V2 => response["schema"] = self.answer(of.answer.as_deref()),
                Self::V3 => {
                    response["content"] = self.content(of.produces, of.answer.as_deref());
                }
            }
            responses[code.to_string()] = response;
        }
        responses
    }

    fn content(self, kinds: &[&str], name: Option<&str>) -> Value {
        let kind = |kind: &&str| ((*kind).to_owned(), json!({"schema": self.answer(name)}));
        Value::Object(kinds.iter().map(kind).collect())
    }

    fn answer(self, name: Option<&str>) -> Value {
        name.map_or_else(|| json!({"type": "string"}), |name| self.reference(name))
    }
}
