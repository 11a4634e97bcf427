//! What a URL says: ids in its path, and query parameters, each of which is known and readable or refused
//! by name.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use postrider_application::links::FollowError;
use url::form_urlencoded;

use crate::json::clip;
use crate::problem::{Kind, Problem};

/// The id in a route's path. What is not an id names nothing, as an unknown id does.
pub(crate) struct PathId<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(Problem::not_found)
    }
}

/// A link to the data of an event. Whoever has one reads the data, so that nothing of it is repeated anywhere.
pub(crate) struct Link {
    pub(crate) token: String,
    pub(crate) signature: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Link {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(token) = path.map_err(|_| FollowError::Unknown)?;
        let query = parts.uri.query().unwrap_or_default();
        // Programs that show links to people add parameters of their own.
        let signature = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "signature");
        let (_, signature) = signature.ok_or(FollowError::Unknown)?;
        Ok(Self { token, signature: signature.into_owned() })
    }
}

/// Query parameters that were not looked at yet.
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let mut params: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if params.iter().any(|(before, _)| *before == name) {
                return Err(problem(&name, "is given twice"));
            }
            params.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(params))
    }
}

impl Params {
    /// Takes a parameter out, read by `reader`.
    pub(crate) fn take<T, E: Display>(
        &mut self,
        name: &str,
        reader: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let Some(at) = self.0.iter().position(|(given, _)| given == name) else { return Ok(None) };
        let (_, value) = self.0.swap_remove(at);
        reader(&value).map(Some).map_err(|error| problem(name, &error.to_string()))
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(problem(name, "is not a parameter of this list")),
        }
    }
}

fn problem(name: &str, message: &str) -> Problem {
    Problem::new(Kind::BadRequest, format!("the parameter {}: {message}", clip(name))).at(clip(name))
}
