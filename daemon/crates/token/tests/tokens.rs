//! What holders and verifiers of tokens may rely on.

#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use skerry_token::bound::{Found, identify};
use skerry_token::discovery::{configuration, key_set};
use skerry_token::limits::{AUDIENCES_BYTES_MAX, TOKEN_BYTES_MAX};
use skerry_token::request::{Issuer, Request};
use skerry_token::verify::{Expected, verify};
use skerry_token::{Claims, Keys, SigningKey, VerifyError};

const NOW: i64 = 1_700_000_000;

fn keys() -> Keys {
    Keys::new(
        SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap(),
        Vec::new(),
    )
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn account() -> Value {
    json!({"metadata": {"namespace": "ns", "name": "sa", "uid": "u1"}})
}

fn pod() -> Value {
    json!({"metadata": {"namespace": "ns", "name": "p", "uid": "u2"},
           "spec": {"serviceAccountName": "sa", "nodeName": "n"}})
}

fn mint(request: &Value, bound: Option<&Value>) -> Claims {
    let request = Request::read(request).unwrap();
    let audiences = strings(&["https://kubernetes.default.svc"]);
    let issuer = Issuer {
        name: "https://iss",
        audiences: &audiences,
        id: "id-1",
        now: NOW,
    };
    let node = json!({"metadata": {"name": "n", "uid": "u3"}});
    request
        .claims(
            issuer,
            "system:serviceaccount:ns:sa",
            &account(),
            bound,
            Some(&node),
        )
        .unwrap()
}

fn check(keys: &Keys, token: &str, audiences: &[&str], now: i64) -> Result<Claims, VerifyError> {
    let own = strings(&["https://kubernetes.default.svc"]);
    let expected = Expected {
        issuers: &strings(&["https://iss"]),
        own_audiences: &own,
        audiences: &strings(audiences),
        now,
    };
    verify(keys, token, expected).map(|verified| verified.claims)
}

#[test]
fn a_token_says_in_upstreams_layout_whose_it_is() {
    let claims = mint(
        &json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}}),
        Some(&pod()),
    );
    assert_eq!(
        claims.to_value(),
        json!({
            "iss": "https://iss",
            "sub": "system:serviceaccount:ns:sa",
            "aud": ["https://kubernetes.default.svc"],
            "jti": "id-1",
            "iat": NOW, "nbf": NOW, "exp": NOW + 3600,
            "kubernetes.io": {
                "namespace": "ns",
                "serviceaccount": {"name": "sa", "uid": "u1"},
                "pod": {"name": "p", "uid": "u2"},
                "node": {"name": "n", "uid": "u3"},
            },
        })
    );
    assert_eq!(Claims::read(&claims.to_value()), Some(claims));
}

#[test]
fn a_token_is_good_until_it_expires_give_or_take_a_minute() {
    let keys = keys();
    let claims = mint(&json!({}), None);
    let token = keys.sign(&claims.to_value()).unwrap();
    for (now, result) in [
        (NOW, Ok(())),
        (NOW - 60, Ok(())),
        (NOW + 3660, Ok(())),
        (NOW - 61, Err(VerifyError::NotYet)),
        (NOW + 3661, Err(VerifyError::Expired)),
        (i64::MAX, Err(VerifyError::Expired)),
        (i64::MIN, Err(VerifyError::NotYet)),
    ] {
        assert_eq!(check(&keys, &token, &[], now).map(drop), result, "{now}");
    }
    assert_eq!(
        VerifyError::Expired.to_string(),
        "service account token has expired"
    );
}

#[test]
fn a_token_is_good_for_its_audiences_only() {
    let keys = keys();
    let token = keys
        .sign(&mint(&json!({"spec": {"audiences": ["a", "b"]}}), None).to_value())
        .unwrap();
    assert!(check(&keys, &token, &["b", "c"], NOW).is_ok());
    assert_eq!(
        check(&keys, &token, &[], NOW).unwrap_err().to_string(),
        "token audiences [\"a\" \"b\"] is invalid for the target audiences \
                [\"https://kubernetes.default.svc\"]"
    );
    let mut old = mint(&json!({}), None).to_value();
    old.as_object_mut().unwrap().remove("aud");
    assert!(check(&keys, &keys.sign(&old).unwrap(), &[], NOW).is_ok());
}

#[test]
fn a_token_that_was_touched_is_not_good() {
    let keys = keys();
    let token = keys.sign(&mint(&json!({}), None).to_value()).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let mut root = mint(&json!({}), None);
    root.subject = "system:serviceaccount:kube-system:root".to_owned();
    let payload = URL_SAFE_NO_PAD.encode(root.to_value().to_string());
    let header = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let id = keys.verifying()[0].id();
    for (forged, error) in [
        (
            format!("{}.{payload}.{}", parts[0], parts[2]),
            VerifyError::Signature,
        ),
        (
            format!("{}.{payload}.", header(json!({"alg": "none"}))),
            VerifyError::Signature,
        ),
        (
            format!(
                "{}.{payload}.{}",
                header(json!({"alg": "HS256", "kid": id})),
                parts[2]
            ),
            VerifyError::Signature,
        ),
        (
            format!(
                "{}.{}.{}",
                header(json!({"alg": "ES256", "kid": "x"})),
                parts[1],
                parts[2]
            ),
            VerifyError::NoKey,
        ),
        (
            format!(
                "{}.{}.{}",
                header(json!({"alg": "ES256", "crit": ["x"]})),
                parts[1],
                parts[2]
            ),
            VerifyError::NotOurs,
        ),
        (format!("{token}x"), VerifyError::NotOurs),
        (format!("{token}."), VerifyError::NotOurs),
        (String::new(), VerifyError::NotOurs),
        ("..".to_owned(), VerifyError::NotOurs),
        ("a".repeat(TOKEN_BYTES_MAX + 1), VerifyError::NotOurs),
    ] {
        assert_eq!(
            check(&keys, &forged, &[], NOW).unwrap_err(),
            error,
            "{forged:.80}"
        );
    }
    let other = keys_of_another(&token);
    assert_eq!(other, Err(VerifyError::NoKey));
}

fn keys_of_another(token: &str) -> Result<Claims, VerifyError> {
    check(&keys(), token, &[], NOW)
}

#[test]
fn tokens_of_other_issuers_are_left_to_others() {
    let keys = keys();
    let mut claims = mint(&json!({}), None);
    claims.issuer = "https://other".to_owned();
    let token = keys.sign(&claims.to_value()).unwrap();
    assert_eq!(check(&keys, &token, &[], NOW), Err(VerifyError::NotOurs));
}

#[test]
fn claims_of_the_wrong_type_are_refused() {
    let keys = keys();
    for (path, odd) in [
        ("/exp", json!("soon")),
        ("/aud", json!(1)),
        ("/aud", json!([1])),
        ("/kubernetes.io/pod", json!("x")),
        ("/sub", json!([])),
        ("/exp", json!(1e300)),
    ] {
        let mut payload = mint(
            &json!({"spec": {"boundObjectRef": {"kind": "Pod", "name": "p"}}}),
            Some(&pod()),
        )
        .to_value();
        *payload.pointer_mut(path).unwrap() = odd;
        let token = keys.sign(&payload).unwrap();
        assert_eq!(
            check(&keys, &token, &[], NOW),
            Err(VerifyError::Claims),
            "{path}"
        );
    }
}

#[test]
fn an_earlier_key_still_verifies() {
    let old = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
    let public = old.public().clone();
    let old = Keys::new(old, Vec::new());
    let token = old.sign(&mint(&json!({}), None).to_value()).unwrap();
    let new = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
    let new = Keys::new(new, vec![public]);
    assert!(check(&new, &token, &[], NOW).is_ok());
    assert_eq!(key_set(&new)["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn a_token_dies_with_what_it_is_bound_to() {
    let claims = mint(
        &json!({"spec": {"boundObjectRef": {"kind": "Pod", "name": "p"}}}),
        Some(&pod()),
    );
    let (account, pod) = (account(), pod());
    let all = Found {
        account: Some(&account),
        pod: Some(&pod),
        ..Found::default()
    };
    let identity = identify(&claims, all, NOW).unwrap();
    assert_eq!(
        (identity.namespace.as_str(), identity.name.as_str()),
        ("ns", "sa")
    );
    let extra: Vec<_> = identity
        .extra
        .iter()
        .map(|(k, v)| format!("{k}={}", v[0]))
        .collect();
    assert_eq!(
        extra,
        [
            "authentication.kubernetes.io/credential-id=JTI=id-1",
            "authentication.kubernetes.io/node-name=n",
            "authentication.kubernetes.io/node-uid=u3",
            "authentication.kubernetes.io/pod-name=p",
            "authentication.kubernetes.io/pod-uid=u2"
        ]
    );
    let mut gone = pod.clone();
    gone["metadata"]["deletionTimestamp"] = json!("2023-11-14T22:13:20Z");
    let mut other = pod.clone();
    other["metadata"]["uid"] = json!("u9");
    let mut namesake = account.clone();
    namesake["metadata"]["uid"] = json!("u8");
    for (found, now, error) in [
        (
            Found { pod: None, ..all },
            NOW,
            "service account token has been invalidated",
        ),
        (
            Found {
                pod: Some(&gone),
                ..all
            },
            NOW + 61,
            "service account token has been invalidated",
        ),
        (
            Found {
                pod: Some(&other),
                ..all
            },
            NOW,
            "pod UID (u9) does not match service account pod ref claim (u2)",
        ),
        (
            Found {
                account: None,
                ..all
            },
            NOW,
            "serviceaccounts \"sa\" not found",
        ),
        (
            Found {
                account: Some(&namesake),
                ..all
            },
            NOW,
            "service account UID (u8) does not match claim (u1)",
        ),
    ] {
        assert_eq!(
            identify(&claims, found, now).unwrap_err().to_string(),
            error
        );
    }
    assert!(
        identify(
            &claims,
            Found {
                pod: Some(&gone),
                ..all
            },
            NOW + 60
        )
        .is_ok()
    );
}

#[test]
fn a_request_is_checked_before_a_token_is_given() {
    for (spec, error) in [
        (
            json!({"expirationSeconds": 599}),
            "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes",
        ),
        (
            json!({"expirationSeconds": 4_294_967_297_i64}),
            "spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than \
          2^32 seconds",
        ),
        (
            json!({"boundObjectRef": {"kind": "Deployment", "apiVersion": "apps/v1"}}),
            "cannot bind token to object of type apps/v1, Kind=Deployment",
        ),
        (
            json!({"audiences": ["a".repeat(AUDIENCES_BYTES_MAX)]}),
            "spec.audiences: Invalid value: 1: may not be longer than 8192 bytes together",
        ),
    ] {
        assert_eq!(
            Request::read(&json!({"spec": spec}))
                .unwrap_err()
                .to_string(),
            error
        );
    }
    let bind = |uid: &str, pod: &Value| {
        let request = json!({"spec": {"boundObjectRef": {"kind": "Pod", "name": "p", "uid": uid}}});
        let issuer = Issuer {
            name: "i",
            audiences: &[],
            id: "",
            now: NOW,
        };
        let request = Request::read(&request).unwrap();
        request
            .claims(issuer, "s", &account(), Some(pod), None)
            .unwrap_err()
            .to_string()
    };
    assert!(bind("u9", &pod()).starts_with(
        "the UID in the bound object reference (u9) does not match the UID in record (u2)."
    ));
    let request = json!({"spec": {"boundObjectRef": {"kind": "Secret", "name": "gone"}}});
    let issuer = Issuer {
        name: "i",
        audiences: &[],
        id: "",
        now: NOW,
    };
    let unbound = Request::read(&request)
        .unwrap()
        .claims(issuer, "s", &account(), None, None);
    assert_eq!(
        unbound.unwrap_err().to_string(),
        "bound object \"gone\" not found"
    );
    let mut other = pod();
    other["spec"]["serviceAccountName"] = json!("else");
    assert_eq!(
        bind("", &other),
        "cannot bind token for serviceaccount \"sa\" to pod running with \
                                  serviceaccount \"else\""
    );
}

#[test]
fn the_answer_carries_the_token_and_when_it_ends() {
    let object = json!({"kind": "TokenRequest", "spec": {"audiences": ["a"]}});
    let claims = mint(&object, None);
    let answer = Request::read(&object)
        .unwrap()
        .answer(&object, &claims, "t");
    assert_eq!(
        answer,
        json!({"kind": "TokenRequest",
        "spec": {"audiences": ["a"], "expirationSeconds": 3600, "boundObjectRef": null},
        "status": {"token": "t", "expirationTimestamp": "2023-11-14T23:13:20Z"}})
    );
}

#[test]
fn a_pods_hour_is_stretched_to_a_year_and_warned_about() {
    let request = json!({"spec": {"expirationSeconds": 3607, "boundObjectRef": {"kind": "Pod", "name": "p"}}});
    let claims = mint(&request, Some(&pod()));
    assert_eq!(claims.warn_after, Some(NOW + 3607));
    assert_eq!(claims.expires_at, Some(NOW + 31_536_000));
    let answer = Request::read(&request)
        .unwrap()
        .answer(&request, &claims, "t");
    assert_eq!(
        answer["status"]["expirationTimestamp"],
        "2023-11-14T23:13:27Z"
    );
}

#[test]
fn the_keys_are_published_for_others_to_verify_with() {
    let keys = keys();
    let set = key_set(&keys);
    let key = &set["keys"][0];
    assert_eq!(
        (
            key["kty"].as_str(),
            key["crv"].as_str(),
            key["alg"].as_str(),
            key["use"].as_str()
        ),
        (Some("EC"), Some("P-256"), Some("ES256"), Some("sig"))
    );
    let part = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], part("x"), part("y")].concat();
    assert_eq!(point.len(), 65);
    let token = keys.sign(&json!({"a": 1})).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED;
    ring::signature::UnparsedPublicKey::new(algorithm, point)
        .verify(
            signed.as_bytes(),
            &URL_SAFE_NO_PAD.decode(signature).unwrap(),
        )
        .unwrap();
    assert_eq!(
        configuration(&keys, "https://iss", "https://x/openid/v1/jwks"),
        json!({
        "issuer": "https://iss",
        "jwks_uri": "https://x/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"]})
    );
}
