//! Tokens that etcd signed are believed, and what was changed is not.

use std::path::{Path, PathBuf};

use super::*;

/// Signed by etcd 3.5.30, which let them live for ten minutes.
const BY_ETCD: [(&str, &str, &str); 4] = [
    (
        "RS256",
        "rsa",
        "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTUzNjQzMzAsInJldmlzaW9uIjozLCJ1c2VybmFtZSI6InJvb3QifQ.Bi5oVrm7_ntBpa4LqbNlAHn1a5EFbH5Txzw4WxVIXxLYBnn-XCBh-oPC9cS1uo2Se5HfmXllFqiQhz1OEFSE6YLgOCc1ZsDFOxgphkwzCSXFxO4nAUqPyWwWAtDP_LzOsfZNvkoP1FkJbSh9rBubOQGntQKAx1A5B5EjxtFr5bwTDSwaEb48eWS9iLYCG-cT5zxXUJbB3vGJ68jXqu2cVFzl2aBatHUzlVMQuxLFh4WDJFbaBDG7d9WClnxqfRdDZ-gRcc661JVPcZubi0ZE-gZs-AOYYKwrq5XUXo5atlywKMmS5BcGrmEFUx2zu8ZRPCZf7q8ynxvSr0NUIjWDRA",
    ),
    (
        "PS256",
        "rsa",
        "eyJhbGciOiJQUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTUzNjQzMzIsInJldmlzaW9uIjozLCJ1c2VybmFtZSI6InJvb3QifQ.Wq3uga3YbncbAnfdCuZbcpgxDLOjPbHkqLgoeSTqJ3FL3tDCyYoVS-Li6Ppu6o5UQDHok2rMIkEqQ5VikyR_eMkPe-CJ6n-SQq00Y7YjpBBEyAyCsA_3XngzHT6eEKCcNLRJd4yj-6M1tZO5MUS541ZRpMSYorY9SzebgHjX7FDBei4ugYlrPcWVIwgMm17YZrX6y91y6sR5QloRNLhG_C1kWXvlY06ZWpjquS-zwFuoxAU2J4a5xl5xdsjaMBSlH2SMizDPd46n_8TRc6-GyuXLHAcUnKHlHjWtkParB9zD8c4eoJuSDdF0gkT0poGNOeyU_fIFs9swjZZqS25oxA",
    ),
    (
        "ES256",
        "ec",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTUzNjQzMzQsInJldmlzaW9uIjozLCJ1c2VybmFtZSI6InJvb3QifQ.vBExyIUXXgYL7xYx2vAnaoNv4XB2ZwgIMCh_4PY1HwUxk5DWiyCDD-0kLrBXkRCQg4x0V9F5dToq1fD5gBmuyw",
    ),
    (
        "HS256",
        "hmac",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTUzNjQzMzUsInJldmlzaW9uIjozLCJ1c2VybmFtZSI6InJvb3QifQ.qcb0ezCgzplnwemrPi1okT-0KI06OJhaEZW1EE2STYA",
    ),
];

const HMAC_SECRET: &str = "correct horse battery staple";

fn file(name: &str) -> Option<PathBuf> {
    Some(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/auth/jwt/testdata")
            .join(name),
    )
}

fn options(algorithm: &str, private: Option<PathBuf>, public: Option<PathBuf>) -> JwtOptions {
    JwtOptions {
        algorithm: Algorithm::of(algorithm).unwrap(),
        public_key: public,
        private_key: private,
        ttl: Duration::from_secs(600),
    }
}

/// A signer of each family; the file with the secret of HMAC lives as long as the directory.
fn signer(algorithm: &str, secrets: &tempfile::TempDir) -> Jwt {
    let options = match algorithm.as_bytes()[0] {
        b'H' => {
            let path = secrets.path().join("hmac.key");
            std::fs::write(&path, HMAC_SECRET).unwrap();
            options(algorithm, Some(path), None)
        }
        b'E' => options(algorithm, file("ec.pem"), file("ec.pub")),
        _ => options(algorithm, file("rsa.pem"), file("rsa.pub")),
    };
    Jwt::open(&options).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn root() -> Claims {
    Claims {
        user: "root".into(),
        revision: 3,
    }
}

/// While the tokens of etcd were alive.
const THEN: u64 = 1_795_364_000;

#[test]
fn tokens_that_etcd_signed_are_believed_until_they_end() {
    let secrets = tempfile::tempdir().unwrap();
    for (algorithm, _, token) in BY_ETCD {
        let jwt = signer(algorithm, &secrets);
        assert_eq!(jwt.verify(token, at(THEN)), Some(root()), "{algorithm}");
        assert_eq!(jwt.verify(token, at(THEN + 600)), None, "{algorithm}");
    }
}

#[test]
fn a_token_of_ours_is_the_one_that_etcd_would_have_signed() {
    let secrets = tempfile::tempdir().unwrap();
    let jwt = signer("HS256", &secrets);
    let (_, _, by_etcd) = BY_ETCD[3];
    let signed = jwt.sign(&root(), at(1_795_364_335 - 600)).unwrap();
    assert_eq!(signed, by_etcd);
    // The others are random, but for what they say.
    for (algorithm, _, by_etcd) in &BY_ETCD[..3] {
        let jwt = signer(algorithm, &secrets);
        let signed = jwt.sign(&root(), at(THEN)).unwrap();
        assert_eq!(jwt.verify(&signed, at(THEN)), Some(root()), "{algorithm}");
        assert_eq!(signed.split('.').next(), by_etcd.split('.').next());
    }
}

#[test]
fn what_was_changed_is_not_believed() {
    let secrets = tempfile::tempdir().unwrap();
    for (algorithm, _, token) in BY_ETCD {
        let jwt = signer(algorithm, &secrets);
        for place in 0..token.len() {
            let mut changed = token.as_bytes().to_vec();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                jwt.verify(&changed, at(THEN)),
                None,
                "{algorithm} at {place}"
            );
            assert_eq!(jwt.verify(&token[..place], at(THEN)), None);
        }
    }
}

#[test]
fn a_token_under_another_algorithm_is_not_believed() {
    let secrets = tempfile::tempdir().unwrap();
    for (algorithm, _, _) in BY_ETCD {
        let jwt = signer(algorithm, &secrets);
        for (other, _, token) in BY_ETCD.iter().filter(|(name, _, _)| *name != algorithm) {
            assert_eq!(
                jwt.verify(token, at(THEN)),
                None,
                "{other} under {algorithm}"
            );
        }
        // Unsigned, as `{"alg":"none"}` would have it.
        let body = BY_ETCD[0].2.split('.').nth(1).unwrap();
        let unsigned = format!("{}.{body}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        assert_eq!(jwt.verify(&unsigned, at(THEN)), None);
    }
}

#[test]
fn times_of_a_token_are_kept() {
    let secrets = tempfile::tempdir().unwrap();
    let jwt = signer("HS256", &secrets);
    let signed = |claims: &str| {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let body = URL_SAFE_NO_PAD.encode(claims);
        let signature = jwt.key.sign(format!("{header}.{body}").as_bytes()).unwrap();
        format!("{header}.{body}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let user = r#""username":"root","revision":3"#;
    for (claims, believed) in [
        (format!("{{{user}}}"), true),
        (format!("{{{user},\"exp\":101}}"), true),
        (format!("{{{user},\"exp\":100}}"), false),
        (format!("{{{user},\"exp\":\"never\"}}"), false),
        (format!("{{{user},\"nbf\":101}}"), false),
        (format!("{{{user},\"iat\":101}}"), false),
        (format!("{{{user},\"iat\":99.5,\"nbf\":100}}"), true),
        (r#"{"username":"root"}"#.to_owned(), false),
        (r#"{"username":5,"revision":3}"#.to_owned(), false),
        (r#"{"username":"root","revision":"3"}"#.to_owned(), false),
        ("[]".to_owned(), false),
    ] {
        let claimed = jwt.verify(&signed(&claims), at(100));
        assert_eq!(claimed.is_some(), believed, "{claims}");
    }
}

#[test]
fn a_member_with_the_public_key_alone_verifies_and_does_not_sign() {
    for (algorithm, name, token) in &BY_ETCD[..3] {
        let public = file(&format!("{name}.pub"));
        let jwt = Jwt::open(&options(algorithm, None, public)).unwrap();
        assert_eq!(jwt.verify(token, at(THEN)), Some(root()), "{algorithm}");
        assert_eq!(jwt.sign(&root(), at(THEN)), Err(VerifyOnly));
    }
}

#[test]
fn keys_are_read_in_each_form_that_openssl_writes() {
    for private in ["ec.pem", "ec8.pem"] {
        let jwt = Jwt::open(&options("ES256", file(private), None)).unwrap();
        assert_eq!(
            jwt.verify(BY_ETCD[2].2, at(THEN)),
            Some(root()),
            "{private}"
        );
    }
}

#[test]
fn keys_that_do_not_fit_are_refused_with_the_place() {
    let secrets = tempfile::tempdir().unwrap();
    let huge = secrets.path().join("huge");
    std::fs::write(&huge, vec![b'x'; 65 * 1024]).unwrap();
    let not_pem = secrets.path().join("not.pem");
    std::fs::write(
        &not_pem,
        "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    )
    .unwrap();
    let missing = secrets.path().join("missing");
    for (algorithm, private, public, text) in [
        ("HS256", None, None, "HS256 needs priv-key"),
        ("RS256", None, None, "RS256 needs priv-key or pub-key"),
        (
            "RS256",
            Some(missing.clone()),
            None,
            "missing: No such file",
        ),
        ("HS256", Some(huge.clone()), None, "huge: longer than"),
        ("RS256", Some(not_pem.clone()), None, "not.pem: "),
        (
            "RS256",
            file("ec.pem"),
            None,
            "ec.pem: no private key in PEM in it",
        ),
        (
            "ES256",
            file("ec.pub"),
            None,
            "ec.pub: no private key in PEM in it",
        ),
        ("ES384", file("ec8.pem"), None, "ec8.pem: "),
        ("RS256", None, file("rsa.pem"), "rsa.pem: no public key"),
        (
            "RS256",
            file("rsa.pem"),
            file("ec.pub"),
            "do not belong together",
        ),
    ] {
        let refused = Jwt::open(&options(algorithm, private, public))
            .unwrap_err()
            .to_string();
        assert!(refused.contains(text), "{refused:?} does not say {text:?}");
    }
}
