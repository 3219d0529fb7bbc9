use super::*;
use serde_json::json;
use std::time::Duration;

const NOW: u64 = 1_800_000_000;

fn secret() -> Secret {
    Secret("0123456789abcdef0123456789abcdef".to_owned())
}

fn verify(token: &str) -> Result<Identity, AuthError> {
    Verifier::new(&secret(), &Auth::default()).verify(token, NOW)
}

fn part(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Signs with our secret, whatever the header says.
fn signed(header: &Value, claims: &Value) -> String {
    install_crypto();
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret().as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn token(claims: &Value) -> String {
    signed(&json!({"alg": "HS256", "typ": "JWT"}), claims)
}

#[test]
fn a_good_token_says_who_and_where() {
    let claims = json!({
        "sub": "alice", "rooms": ["lobby", "ops"], "exp": NOW + 60, "nbf": NOW, "role": "admin"
    });
    let identity = verify(&token(&claims)).unwrap();
    assert_eq!(identity.user, "alice");
    assert_eq!(identity.rooms, ["lobby", "ops"]);
    assert_eq!(identity.expires_at, Some(NOW + 60));
    let rest = json!({"nbf": NOW, "role": "admin"});
    assert_eq!(Value::Object(identity.claims), rest);
}

#[test]
fn expiry_and_rooms_are_optional() {
    let identity = verify(&token(&json!({"sub": "alice"}))).unwrap();
    assert_eq!((identity.rooms.len(), identity.expires_at), (0, None));
}

#[test]
fn an_expired_token_says_since_when() {
    let error = verify(&token(&json!({"sub": "alice", "exp": NOW - 30}))).unwrap_err();
    assert_eq!(error.to_string(), "the token expired 30 s ago");
    let error = verify(&token(&json!({"sub": "alice", "exp": NOW}))).unwrap_err();
    assert_eq!(error, AuthError::Expired { seconds_ago: 0 });
    assert!(verify(&token(&json!({"sub": "alice", "exp": NOW as f64 + 1.5}))).is_ok());
}

#[test]
fn a_token_for_later_says_how_long() {
    let error = verify(&token(&json!({"sub": "alice", "nbf": NOW + 5}))).unwrap_err();
    assert_eq!(error.to_string(), "the token is not valid for another 5 s");
}

#[test]
fn leeway_bridges_clocks_that_differ() {
    let auth = Auth { leeway: Duration::from_secs(10), ..Auth::default() };
    let verifier = Verifier::new(&secret(), &auth);
    let at = |claims: Value| verifier.verify(&token(&claims), NOW);
    assert!(at(json!({"sub": "alice", "exp": NOW - 9, "nbf": NOW + 10})).is_ok());
    assert!(at(json!({"sub": "alice", "exp": NOW - 10})).is_err());
    assert!(at(json!({"sub": "alice", "nbf": NOW + 11})).is_err());
}

#[test]
fn only_hs256_is_accepted_whatever_the_header_asks_for() {
    let claims = json!({"sub": "alice"});
    for algorithm in ["none", "None", "RS256", "HS384", "ES256", "hs256"] {
        let header = json!({"alg": algorithm, "typ": "JWT"});
        assert_eq!(verify(&signed(&header, &claims)), Err(AuthError::WrongAlgorithm));
        let unsigned = format!("{}.{}.", part(&header), part(&claims));
        assert_eq!(verify(&unsigned), Err(AuthError::WrongAlgorithm), "{algorithm}");
    }
    let unsigned = format!("{}.{}.", part(&json!({"alg": "HS256"})), part(&claims));
    assert_eq!(verify(&unsigned), Err(AuthError::BadSignature));
    let critical = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    assert!(matches!(verify(&signed(&critical, &claims)), Err(AuthError::Malformed(_))));
}

#[test]
fn another_secret_or_a_changed_payload_breaks_the_signature() {
    let good = token(&json!({"sub": "alice"}));
    let other =
        Verifier::new(&Secret("another secret, also 32 bytes long".into()), &Auth::default());
    assert_eq!(other.verify(&good, NOW), Err(AuthError::BadSignature));

    let parts: Vec<_> = good.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], part(&json!({"sub": "mallory"})), parts[2]);
    assert_eq!(verify(&forged), Err(AuthError::BadSignature));
}

#[test]
fn a_token_must_name_its_user() {
    assert_eq!(verify(&token(&json!({"exp": NOW + 60}))), Err(AuthError::NoSubject));
    for sub in [json!(""), json!("a\nb"), json!("x".repeat(129)), json!(7.5), json!(null)] {
        let error = verify(&token(&json!({"sub": sub}))).unwrap_err();
        assert!(matches!(error, AuthError::BadClaim { claim: "sub", .. }), "{error}");
    }
    assert!(verify(&token(&json!({"sub": "x".repeat(128)}))).is_ok());
    for (sub, user) in
        [(json!(42), "42"), (json!(u64::MAX), "18446744073709551615"), (json!(-7), "-7")]
    {
        assert_eq!(verify(&token(&json!({"sub": sub}))).unwrap().user, user);
    }
}

#[test]
fn claims_of_the_wrong_type_are_refused() {
    for (claim, value) in [
        ("rooms", json!("lobby")),
        ("rooms", json!([1])),
        ("rooms", json!([""])),
        ("exp", json!("soon")),
        ("exp", json!(null)),
        ("nbf", json!([])),
    ] {
        let error = verify(&token(&json!({"sub": "alice", claim: value}))).unwrap_err();
        assert!(error.to_string().starts_with(&format!("claim `{claim}` must be ")), "{error}");
    }
}

#[test]
fn issuer_and_audience_are_required_once_configured() {
    let auth = Auth {
        issuer: Some("https://id.example".into()),
        audience: Some("chat".into()),
        ..Auth::default()
    };
    let verifier = Verifier::new(&secret(), &auth);
    let at = |iss: &str, aud: Value| {
        verifier.verify(&token(&json!({"sub": "alice", "iss": iss, "aud": aud})), NOW)
    };
    assert!(at("https://id.example", json!("chat")).is_ok());
    assert!(at("https://id.example", json!(["mail", "chat"])).is_ok());
    assert_eq!(at("https://id.example", json!("mail")), Err(AuthError::WrongAudience));
    assert_eq!(at("https://evil.example", json!("chat")), Err(AuthError::WrongIssuer));
    let bare = token(&json!({"sub": "alice"}));
    assert!(verifier.verify(&bare, NOW).is_err());
    let foreign = token(&json!({"sub": "alice", "aud": "mail"}));
    assert_eq!(verify(&foreign), Err(AuthError::UnexpectedAudience));
}

#[test]
fn what_is_no_token_is_refused_without_being_repeated() {
    assert_eq!(verify(""), Err(AuthError::Missing));
    let broken = format!("{}.!!!.sig", part(&json!({"alg": "HS256"})));
    let array = format!("{}.{}.sig", part(&json!([1])), part(&json!({})));
    for token in ["hunter2", "a.b", "hunter2.hunter2.hunter2", "a.b.c.d", &broken, &array] {
        let text = verify(token).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn an_issued_token_is_accepted() {
    let auth = Auth { issuer: Some("us".into()), audience: Some("chat".into()), ..Auth::default() };
    let grant = Grant {
        user: "alice".into(),
        rooms: vec!["lobby".into()],
        issued_at: NOW,
        expires_at: Some(NOW + 60),
    };
    let token = issue(&secret(), &auth, &grant).unwrap();
    let identity = Verifier::new(&secret(), &auth).verify(&token, NOW).unwrap();
    assert_eq!((identity.user, identity.rooms), (grant.user, grant.rooms));
    assert_eq!(identity.expires_at, Some(NOW + 60));

    let nobody = Grant::default();
    assert!(matches!(
        issue(&secret(), &auth, &nobody),
        Err(AuthError::BadClaim { claim: "sub", .. })
    ));
}
