//! Signatures, computed a second time: by code of the tests' own and by the `standardwebhooks` crate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Recorded;

/// HMAC-SHA256.
pub fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// The value of `webhook-signature` that the Standard Webhooks specification asks for.
pub fn standard(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    format!("v1,{}", BASE64.encode(hmac(&key, &signed)))
}

/// Whether a request carries the signature of this secret, as this code and the crate agree.
#[track_caller]
pub fn is_valid(request: &Recorded, secret: &str) -> bool {
    let header = |name| request.header(name);
    let expected = standard(secret, header("webhook-id"), header("webhook-timestamp"), &request.body);
    let ours = header("webhook-signature").split(' ').any(|signature| signature == expected);
    let theirs =
        standardwebhooks::Webhook::new(secret).unwrap().verify(&request.body, &request.headers).is_ok();
    assert_eq!(ours, theirs, "the tests and the crate disagree on {request:?}");
    ours
}
