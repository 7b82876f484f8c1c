//! What a conversion webhook is asked, and what may be taken from its answer.
//!
//! Pure. Knows nothing about connections. Invariant: a converted object is the one that was sent,
//! in the version that was asked for: its metadata is kept but for labels and annotations.

use serde_json::{Map, Value, json};

use crate::object;

/// The versions of `ConversionReview` that are spoken.
const KNOWN: [&str; 2] = ["v1", "v1beta1"];

/// A question, and what its answer has to fit.
pub(crate) struct Review {
    pub(crate) uid: String,
    version: &'static str,
    wanted: String,
}

impl Review {
    /// In the first version that both sides speak.
    pub(crate) fn new(versions: &Value, wanted: &str) -> Result<Review, String> {
        let versions = versions.as_array().into_iter().flatten();
        let mut spoken = versions.filter_map(|version| {
            let mut known = KNOWN.into_iter();
            known.find(|known| version.as_str() == Some(known))
        });
        let version = spoken.next();
        Ok(Review {
            uid: object::new_uid(),
            version: version.ok_or("no supported conversion review versions")?,
            wanted: wanted.to_owned(),
        })
    }

    fn api_version(&self) -> String {
        format!("apiextensions.k8s.io/{}", self.version)
    }

    pub(crate) fn question(&self, objects: &[Value]) -> Value {
        json!({
            "kind": "ConversionReview",
            "apiVersion": self.api_version(),
            "request": {
                "uid": self.uid,
                "desiredAPIVersion": self.wanted,
                "objects": objects,
            },
        })
    }

    /// What became of the objects that were sent, in their order. An error says what is wrong with
    /// the answer, from `failed` or `returned` on.
    pub(crate) fn answer(&self, sent: &[Value], answer: Value) -> Result<Vec<Value>, String> {
        let converted = self
            .converted(answer)
            .map_err(|why| format!("failed: {why}"))?;
        if converted.len() != sent.len() {
            return Err(format!(
                "returned {} objects, expected {}",
                converted.len(),
                sent.len()
            ));
        }
        let pairs = sent.iter().zip(converted).enumerate();
        pairs
            .map(|(index, (before, after))| {
                self.judge(before, after).map_err(|(what, why)| {
                    format!("returned invalid {what} at index {index}: {why}")
                })
            })
            .collect()
    }

    fn converted(&self, mut answer: Value) -> Result<Vec<Value>, String> {
        let text = |value: &Value, field: &str| {
            let text = value.get(field).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let strict = self.version == "v1";
        let (api_version, kind) = (text(&answer, "apiVersion"), text(&answer, "kind"));
        if strict && (api_version != self.api_version() || kind != "ConversionReview") {
            return Err(format!(
                "expected webhook response of {}, Kind=ConversionReview, got {api_version}, Kind={kind}",
                self.api_version()
            ));
        }
        // The older version was never looked at so closely: it may be no object at all.
        let response = answer.get_mut("response").map(Value::take);
        let mut response = response.unwrap_or_default();
        if !response.is_object() {
            return Err("no response provided".to_owned());
        }
        let uid = text(&response, "uid");
        if strict && uid != self.uid {
            return Err(format!("expected response.uid={:?}, got {uid:?}", self.uid));
        }
        let result = &response["result"];
        let status = text(result, "status");
        if status != "Success" {
            let message = text(result, "message");
            return Err(match message.as_str() {
                "" => format!("response.result.status was '{status}', not 'Success'"),
                message => message.to_owned(),
            });
        }
        match response["convertedObjects"].take() {
            Value::Array(objects) => Ok(objects),
            _ => Ok(Vec::new()),
        }
    }

    fn judge(&self, before: &Value, mut after: Value) -> Result<Value, (&'static str, String)> {
        let wrong = |why: String| ("converted object", why);
        let text = |value: &Value, field: &str| {
            let text = value.get(field).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let got = text(&after, "apiVersion");
        if got != self.wanted {
            return Err(wrong(format!(
                "invalid groupVersion (expected {}, received {got})",
                self.wanted
            )));
        }
        let (expected, got) = (text(before, "kind"), text(&after, "kind"));
        if got != expected {
            return Err(wrong(format!(
                "invalid kind (expected {expected}, received {got})"
            )));
        }
        let about = |field: &str| {
            let of = |value: &Value| {
                let found = value
                    .get("metadata")
                    .and_then(|metadata| metadata.get(field));
                found.and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            (of(before), of(&after))
        };
        for (field, name) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
            let (expected, got) = about(field);
            if expected != got {
                return Err(wrong(format!(
                    "must have the same {name}: {expected} != {got}"
                )));
            }
        }
        let metadata = restored(before, &after).map_err(|why| ("metadata in object", why))?;
        after["metadata"] = metadata.into();
        Ok(after)
    }
}

/// The metadata that was sent, with the labels and annotations that came back.
fn restored(before: &Value, after: &Value) -> Result<Map<String, Value>, String> {
    let Some(Value::Object(said)) = after.get("metadata") else {
        return Err("missing metadata in converted object".to_owned());
    };
    let mut metadata = object::metadata(before).clone();
    for field in ["labels", "annotations"] {
        match said.get(field) {
            None | Some(Value::Null) => _ = metadata.remove(field),
            Some(Value::Object(texts)) => {
                if let Some((key, _)) = texts.iter().find(|(_, value)| !value.is_string()) {
                    return Err(format!(
                        "metadata.{field}[{key}] must be a string in converted object"
                    ));
                }
                metadata.insert(field.into(), texts.clone().into());
            }
            Some(_) => return Err(format!("invalid metadata.{field} in converted object")),
        }
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widget(version: &str, labels: Value) -> Value {
        json!({
            "apiVersion": format!("example.com/{version}"), "kind": "Widget",
            "metadata": {"name": "a", "uid": "u", "generation": 3, "labels": labels},
        })
    }

    fn review() -> Review {
        Review::new(&json!(["v7", "v1", "v1beta1"]), "example.com/v2").unwrap()
    }

    fn answer(review: &Review, objects: Value) -> Value {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
            "response": {
                "uid": review.uid, "result": {"status": "Success"}, "convertedObjects": objects,
            },
        })
    }

    #[test]
    fn what_is_converted_keeps_its_metadata_but_for_labels_and_annotations() {
        let review = review();
        let sent = [widget("v1", json!({"a": "b"}))];
        let question = review.question(&sent);
        assert_eq!(question["apiVersion"], "apiextensions.k8s.io/v1");
        assert_eq!(question["request"]["desiredAPIVersion"], "example.com/v2");
        let mut back = widget("v2", json!({"c": "d"}));
        back["metadata"]["generation"] = json!(9);
        let converted = review
            .answer(&sent, answer(&review, json!([back])))
            .unwrap();
        assert_eq!(converted[0]["metadata"]["generation"], 3);
        assert_eq!(converted[0]["metadata"]["labels"], json!({"c": "d"}));
        assert_eq!(converted[0]["apiVersion"], "example.com/v2");
    }

    #[test]
    fn answers_that_do_not_fit_are_refused_with_what_is_wrong() {
        let review = review();
        let sent = [widget("v1", json!({}))];
        let says = |change: &dyn Fn(&mut Value)| {
            let mut said = answer(&review, json!([widget("v2", json!({}))]));
            change(&mut said);
            review.answer(&sent, said).unwrap_err()
        };
        for (change, expected) in [
            (&|said: &mut Value| said["response"]["uid"] = json!("x")) as &dyn Fn(&mut Value),
            &|said: &mut Value| said["kind"] = json!("Pod"),
            &|said: &mut Value| said["response"] = json!(3),
            &|said: &mut Value| said["response"]["result"] = json!({"message": "no way"}),
            &|said: &mut Value| said["response"]["convertedObjects"] = json!([]),
            &|said: &mut Value| said["response"]["convertedObjects"] = json!([7]),
            &|said: &mut Value| {
                said["response"]["convertedObjects"][0]["metadata"]["name"] = json!("b")
            },
            &|said: &mut Value| {
                said["response"]["convertedObjects"][0]["metadata"]["labels"] = json!({"a": 1})
            },
        ]
        .into_iter()
        .zip([
            "failed: expected response.uid=",
            "failed: expected webhook response of",
            "failed: no response provided",
            "failed: no way",
            "returned 0 objects, expected 1",
            "returned invalid converted object at index 0: invalid groupVersion",
            "returned invalid converted object at index 0: must have the same name: a != b",
            "returned invalid metadata in object at index 0: metadata.labels[a] must be a string",
        ]) {
            let said = says(change);
            assert!(said.starts_with(expected), "{said}");
        }
        assert!(Review::new(&json!(["v7"]), "x/v1").is_err());
    }

    /// Any JSON, made of the words that an answer has.
    fn nonsense(below: &mut dyn FnMut(usize) -> usize, uid: &str, depth: usize) -> Value {
        const WORDS: [&str; 14] = [
            "apiVersion",
            "apiextensions.k8s.io/v1",
            "kind",
            "ConversionReview",
            "response",
            "uid",
            "result",
            "status",
            "Success",
            "convertedObjects",
            "metadata",
            "labels",
            "example.com/v2",
            "Widget",
        ];
        match below(if depth == 0 { 4 } else { 7 }) {
            0 => Value::Null,
            1 => json!(below(1000)),
            2 => json!(uid),
            3 => json!(WORDS[below(WORDS.len())]),
            4 => (0..below(3))
                .map(|_| nonsense(below, uid, depth - 1))
                .collect(),
            _ => (0..below(5))
                .map(|_| {
                    let name = WORDS[below(WORDS.len())].to_owned();
                    (name, nonsense(below, uid, depth - 1))
                })
                .collect::<Map<String, Value>>()
                .into(),
        }
    }

    #[test]
    fn whatever_a_converter_answers_nothing_panics_and_what_is_taken_fits() {
        let mut state: u64 = 36;
        let mut below = |bound: usize| {
            // Knuth's MMIX generator: the sequence is the same every time.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % bound
        };
        let sent = [widget("v1", json!({"a": "b"}))];
        let mut taken = 0;
        for round in 0..20_000 {
            let version = if round % 2 == 0 { "v1" } else { "v1beta1" };
            let review = Review::new(&json!([version]), "example.com/v2").unwrap();
            let odd = nonsense(&mut below, &review.uid, 4);
            let mut said = answer(&review, json!([widget("v2", json!({}))]));
            said["apiVersion"] = review.api_version().into();
            // One place of a good answer, or all of it, is something else.
            let places = [
                "",
                "/response",
                "/response/result",
                "/response/convertedObjects",
                "/response/convertedObjects/0",
                "/response/convertedObjects/0/metadata",
                "/response/convertedObjects/0/metadata/labels",
                "/response/convertedObjects/0/metadata/generation",
            ];
            if let Some(place) = said.pointer_mut(places[below(places.len())]) {
                *place = odd;
            }
            if let Ok(converted) = review.answer(&sent, said) {
                taken += 1;
                assert_eq!(converted.len(), 1);
                assert_eq!(converted[0]["apiVersion"], "example.com/v2");
                assert_eq!(converted[0]["metadata"]["generation"], 3);
            }
        }
        assert!(taken > 100, "{taken}");
    }
}
