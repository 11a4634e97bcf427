//! How the receiver can tell that a request is genuine.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName};
use postrider_domain::FieldProblem;
use postrider_domain::signature::{BodySignatureEncoding, KeyKind};
use secrecy::SecretString;

use super::headers::{is_reserved, printable};
use crate::fields::Fields;

/// Headers that hold something else.
const OURS: [HeaderName; 4] = [ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT];

/// The longest prefix.
const MAX_PREFIX_BYTES: usize = 64;

/// The longest secret of the endpoint's own.
const MAX_SECRET_BYTES: usize = 512;

/// What the field `scheme` names.
#[derive(Clone, Copy)]
enum Scheme {
    Standard(&'static [KeyKind]),
    Body,
}

const SCHEMES: [(&str, Scheme); 4] = [
    ("standard", Scheme::Standard(&[KeyKind::Hmac])),
    ("ed25519", Scheme::Standard(&[KeyKind::Ed25519])),
    // For the time in which receivers change from one to the other.
    ("standard+ed25519", Scheme::Standard(&KeyKind::ALL)),
    ("body", Scheme::Body),
];

/// The field `signature`. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub(in crate::webhook) enum Signature {
    /// Standard Webhooks, with keys of these kinds.
    Standard(&'static [KeyKind]),
    /// The HMAC of the body, for receivers that exist.
    Body(BodySignature),
}

/// The HMAC of the body in a header of the endpoint's choice.
#[derive(Debug, Clone)]
pub(in crate::webhook) struct BodySignature {
    pub(in crate::webhook) header: HeaderName,
    pub(in crate::webhook) encoding: BodySignatureEncoding,
    /// Before the signature, such as `sha256=`.
    pub(in crate::webhook) prefix: String,
    /// Instead of the endpoint's newest secret.
    pub(in crate::webhook) secret: Option<SecretString>,
}

impl Signature {
    pub(super) fn read(fields: &Fields<'_>, headers: &HeaderMap, problems: &mut Vec<FieldProblem>) -> Self {
        let signature = fields.get("signature").and_then(|value| Fields::of(value, "signature", problems));
        let scheme =
            signature.as_ref().and_then(|fields| fields.required_choice("scheme", &SCHEMES, problems));
        let hmac = || Self::Standard(&[KeyKind::Hmac]);
        match (signature, scheme) {
            (Some(signature), Some(Scheme::Body)) => {
                read_body(&signature, headers, problems).map_or_else(hmac, Self::Body)
            }
            (Some(signature), Some(Scheme::Standard(kinds))) => {
                signature.only(&["scheme"], problems);
                Self::Standard(kinds)
            }
            _ => hmac(),
        }
    }

    /// The kinds of keys that it takes from the endpoint.
    pub(in crate::webhook) const fn kinds(&self) -> &'static [KeyKind] {
        match self {
            Self::Standard(kinds) => kinds,
            Self::Body(_) => &[KeyKind::Hmac],
        }
    }
}

fn read_body(
    signature: &Fields<'_>,
    headers: &HeaderMap,
    problems: &mut Vec<FieldProblem>,
) -> Option<BodySignature> {
    signature.only(&["scheme", "header", "encoding", "prefix", "secret"], problems);
    let header = signature.required_text("header", problems).and_then(|name| {
        let header = read_header(name, headers).map_err(|message| signature.problem("header", message));
        header.map_err(|problem| problems.push(problem)).ok()
    });
    let encodings = [("hex", BodySignatureEncoding::Hex), ("base64", BodySignatureEncoding::Base64)];
    let encoding = signature.choice("encoding", &encodings, problems).unwrap_or(BodySignatureEncoding::Hex);
    let prefix = signature.text("prefix", problems).unwrap_or_default();
    if prefix.len() > MAX_PREFIX_BYTES || prefix.starts_with(' ') || printable(prefix).is_none() {
        let bounds = format!("must be at most {MAX_PREFIX_BYTES} printable ASCII characters");
        problems.push(signature.problem("prefix", bounds));
    }
    let own = signature.get("secret").is_some();
    let secret = if own { signature.credential("secret", MAX_SECRET_BYTES, problems) } else { None };
    Some(BodySignature { header: header?, encoding, prefix: prefix.to_owned(), secret })
}

fn read_header(name: &str, headers: &HeaderMap) -> Result<HeaderName, &'static str> {
    let header: HeaderName = name.parse().map_err(|_| "is not the name of a header")?;
    // The one header of the standard scheme that is not sent with this scheme.
    if is_reserved(&header) && header != "webhook-signature" {
        return Err("is set by Postrider and cannot be changed");
    }
    if headers.contains_key(&header) || OURS.contains(&header) {
        return Err("is set to something else already");
    }
    Ok(header)
}
