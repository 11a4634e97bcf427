//! The routes of the HTTP API: those that the code has, and how API Gateway chooses between those of the template.

use std::fs;

use crate::root;

/// A route of a router in `shared/http-api`.
pub(crate) struct CodeRoute {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The function whose router has it; `None` when all have it.
    pub(crate) function: Option<&'static str>,
}

/// The functions that make the parts of the routers, and the Lambda function that serves each.
const PARTS: [(&str, Option<&str>); 4] = [
    ("fn publishing()", Some("ingest")),
    ("fn reading()", Some("query")),
    ("fn managing()", Some("manage")),
    ("fn routes()", None),
];

/// Every route in the sources: routers cannot be asked for theirs.
pub(crate) fn code_routes() -> Vec<CodeRoute> {
    let mut routes = Vec::new();
    for entry in fs::read_dir(root().join("shared/http-api/src")).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let source = fs::read_to_string(path).unwrap();
        for (part, function) in PARTS {
            let Some(begin) = source.find(part) else { continue };
            let body = source[begin..].split("\n}").next().unwrap();
            for call in body.split(".route(").skip(1) {
                let path = call.split('"').nth(1).unwrap();
                let handlers = call.rsplit_once('"').unwrap().1;
                for method in ["get", "head", "post", "put", "patch", "delete"] {
                    let call = format!("{method}(");
                    let is_word =
                        |at: usize| !handlers[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
                    if handlers.match_indices(&call).any(|(at, _)| is_word(at)) {
                        routes.push(CodeRoute {
                            method: method.to_uppercase(),
                            path: path.to_owned(),
                            function,
                        });
                    }
                }
            }
        }
    }
    routes
}

/// A route of the template.
pub(crate) struct Rule {
    /// Such as `GET /{proxy+}` or `$default`.
    pub(crate) key: String,
    /// The function that it leads to.
    pub(crate) function: String,
}

impl Rule {
    pub(crate) fn new(key: &str, function: &str) -> Self {
        Self { key: key.to_owned(), function: function.to_owned() }
    }

    /// How well this route fits a request; `None` when it does not. API Gateway takes a full match before a
    /// greedy one, a literal segment before a variable, and `$default` last.
    pub(crate) fn fits(&self, method: &str, path: &str) -> Option<usize> {
        let Some((own_method, own_path)) = self.key.split_once(' ') else { return Some(0) };
        if own_method != method {
            return None;
        }
        if own_path == "/{proxy+}" {
            return Some(1);
        }
        let (own, given): (Vec<_>, Vec<_>) = (own_path.split('/').collect(), path.split('/').collect());
        let is_variable = |segment: &str| segment.starts_with('{');
        let fits = |(own, given): (&&str, &&str)| own == given || is_variable(own);
        let all = own.len() == given.len() && own.iter().zip(&given).all(fits);
        all.then(|| 2 + own.iter().filter(|segment| !is_variable(segment)).count())
    }
}

#[test]
fn a_full_match_goes_before_a_greedy_one_and_that_before_the_default() {
    let rules =
        ["$default", "GET /{proxy+}", "GET /v1/keys/{id}", "GET /v1/keys/mine"].map(|key| Rule::new(key, ""));
    let chosen = |method: &str, path: &str| {
        rules.iter().max_by_key(|rule| rule.fits(method, path)).unwrap().key.as_str().to_owned()
    };
    assert_eq!(chosen("GET", "/v1/keys/mine"), "GET /v1/keys/mine");
    assert_eq!(chosen("GET", "/v1/keys/{id}"), "GET /v1/keys/{id}");
    assert_eq!(chosen("GET", "/v1/keys"), "GET /{proxy+}");
    assert_eq!(chosen("POST", "/v1/keys/mine"), "$default");
}
