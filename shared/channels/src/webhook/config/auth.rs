//! How the receiver is told who is calling, beyond the signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use postrider_application::ports::channel::MASK;
use postrider_domain::FieldProblem;
use secrecy::{ExposeSecret as _, SecretString};

use crate::fields::Fields;

/// The longest token, user name or password.
const MAX_BYTES: usize = 4096;

/// The field `auth`. `Debug` shows no credential.
#[derive(Debug, Clone)]
pub(in crate::webhook) enum Auth {
    /// Nothing but the signature.
    None,
    /// RFC 6750.
    Bearer(SecretString),
    /// RFC 7617.
    Basic {
        /// Without a colon.
        username: String,
        /// May be empty.
        password: SecretString,
    },
}

#[derive(Clone, Copy)]
enum Kind {
    None,
    Bearer,
    Basic,
}

impl Auth {
    pub(super) fn read(fields: &Fields<'_>, headers: &HeaderMap, problems: &mut Vec<FieldProblem>) -> Self {
        let auth = fields.get("auth").and_then(|value| Fields::of(value, "auth", problems));
        let kinds = [("none", Kind::None), ("bearer", Kind::Bearer), ("basic", Kind::Basic)];
        let kind = auth.as_ref().and_then(|auth| auth.required_choice("type", &kinds, problems));
        let (Some(auth), Some(kind)) = (auth, kind) else { return Self::None };
        let read = match kind {
            Kind::None => {
                auth.only(&["type"], problems);
                return Self::None;
            }
            Kind::Bearer => read_bearer(&auth, problems),
            Kind::Basic => read_basic(&auth, problems),
        };
        if headers.contains_key(AUTHORIZATION) {
            problems.push(fields.problem("headers", "must not hold Authorization, because auth sets it"));
        }
        read.unwrap_or(Self::None)
    }

    /// The value of the header `Authorization`, marked as sensitive.
    pub(in crate::webhook) fn header(&self) -> Option<HeaderValue> {
        let text = match self {
            Self::None => return None,
            Self::Bearer(token) => format!("Bearer {}", token.expose_secret()),
            Self::Basic { .. } => format!("Basic {}", self.basic_credentials().unwrap_or_default()),
        };
        // Checked when the configuration was read.
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The value of the header `Authorization` as it is put on record.
    pub(in crate::webhook) fn shown(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Bearer(_) => Some(format!("Bearer {MASK}")),
            Self::Basic { .. } => Some(format!("Basic {MASK}")),
        }
    }

    /// Every text that gives the credential away.
    pub(in crate::webhook) fn credentials(&self) -> Vec<SecretString> {
        match self {
            Self::None => vec![],
            Self::Bearer(token) => vec![token.clone()],
            Self::Basic { password, .. } => {
                let encoded = self.basic_credentials().map(SecretString::from);
                encoded.into_iter().chain([password.clone()]).collect()
            }
        }
    }

    fn basic_credentials(&self) -> Option<String> {
        let Self::Basic { username, password } = self else { return None };
        Some(BASE64.encode(format!("{username}:{}", password.expose_secret())))
    }
}

fn read_bearer(auth: &Fields<'_>, problems: &mut Vec<FieldProblem>) -> Option<Auth> {
    auth.only(&["type", "token"], problems);
    let token = auth.credential("token", MAX_BYTES, problems)?;
    if !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.push(auth.problem("token", "must be printable ASCII characters without spaces"));
    }
    Some(Auth::Bearer(token))
}

fn read_basic(auth: &Fields<'_>, problems: &mut Vec<FieldProblem>) -> Option<Auth> {
    auth.only(&["type", "username", "password"], problems);
    let username = auth.required_text("username", problems);
    let password = auth.required_text("password", problems);
    // RFC 7617, section 2: the first colon ends the user name.
    if username.is_some_and(|name| name.contains(':')) {
        problems.push(auth.problem("username", "must not contain a colon"));
    }
    for (name, text) in [("username", username), ("password", password)] {
        let text = text.unwrap_or_default();
        auth.refuse_mask(name, text, problems);
        if text.len() > MAX_BYTES || text.chars().any(char::is_control) {
            let bounds = format!("must be at most {MAX_BYTES} bytes without control characters");
            problems.push(auth.problem(name, bounds));
        }
    }
    Some(Auth::Basic { username: username?.to_owned(), password: password?.into() })
}
