//! The configuration of a webhook endpoint.

pub(super) mod auth;
pub(super) mod headers;
pub(super) mod payload;
pub(super) mod signature;
pub(super) mod success;

use std::net::IpAddr;

use http::{HeaderMap, Method, Uri};
use ipnet::IpNet;
use postrider_application::ports::outbound::Refusal;
use postrider_domain::FieldProblem;
use serde_json::Value;
use url::Url;

use self::auth::Auth;
use self::payload::Payload;
use self::signature::Signature;
use self::success::SuccessCodes;
use crate::fields::Fields;

/// The longest URL.
const MAX_URL_BYTES: usize = 2048;

/// The most entries of `ip_allowlist`.
const MAX_NETWORKS: usize = 50;

const FIELDS: [&str; 9] = [
    "url",
    "method",
    "headers",
    "auth",
    "signature",
    "success_codes",
    "ip_allowlist",
    "payload",
    "link_ttl_seconds",
];

/// Says whether a URL may be called, by an endpoint that is restricted to these networks.
pub(super) type CheckUrl<'a> = &'a dyn Fn(&Url, &[IpNet]) -> Result<(), Refusal>;

/// A configuration that was checked. `Debug` shows no credential.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) auth: Auth,
    pub(super) signature: Signature,
    pub(super) success_codes: SuccessCodes,
    pub(super) ip_allowlist: Vec<IpNet>,
    pub(super) payload: Payload,
}

impl Config {
    /// Reads and checks a configuration as a user wrote it, its URL by `check_url`.
    ///
    /// # Errors
    /// One problem for each field that is unknown, missing or wrong.
    pub(super) fn read(config: &Value, check_url: CheckUrl<'_>) -> Result<Self, Vec<FieldProblem>> {
        let mut found = Vec::new();
        let problems = &mut found;
        let Some(fields) = Fields::of(config, "", problems) else { return Err(found) };
        fields.only(&FIELDS, problems);
        let ip_allowlist = read_networks(&fields, problems);
        let url = read_url(&fields, &ip_allowlist, check_url, problems);
        let methods = [("POST", Method::POST), ("PUT", Method::PUT), ("PATCH", Method::PATCH)];
        let method = fields.choice("method", &methods, problems).unwrap_or(Method::POST);
        let headers = headers::read(&fields, problems);
        let auth = Auth::read(&fields, &headers, problems);
        let signature = Signature::read(&fields, &headers, problems);
        let success_codes = SuccessCodes::read(&fields, problems);
        let payload = Payload::read(&fields, problems);
        match url {
            Some(url) if problems.is_empty() => {
                Ok(Self { url, method, headers, auth, signature, success_codes, ip_allowlist, payload })
            }
            _ => Err(found),
        }
    }
}

fn read_url(
    fields: &Fields<'_>,
    networks: &[IpNet],
    check_url: CheckUrl<'_>,
    problems: &mut Vec<FieldProblem>,
) -> Option<Url> {
    let text = fields.required_text("url", problems)?;
    parse_url(text, networks, check_url).map_err(|message| problems.push(fields.problem("url", message))).ok()
}

fn parse_url(text: &str, networks: &[IpNet], check_url: CheckUrl<'_>) -> Result<Url, String> {
    if text.len() > MAX_URL_BYTES {
        return Err(format!("is longer than {MAX_URL_BYTES} bytes"));
    }
    // The parser would leave these out silently.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must not contain spaces or control characters".to_owned());
    }
    let url = Url::parse(text)
        .map_err(|error| format!("is not a URL such as https://example.com/hook: {error}"))?;
    if url.fragment().is_some() {
        return Err("must not have a fragment (#...), which is never sent".to_owned());
    }
    check_url(&url, networks).map_err(|refusal| refusal.to_string())?;
    // The HTTP client takes fewer hosts than browsers do: no `{host}`, for one.
    url.as_str().parse::<Uri>().map_err(|error| format!("cannot be called: {error}"))?;
    Ok(url)
}

fn read_networks(fields: &Fields<'_>, problems: &mut Vec<FieldProblem>) -> Vec<IpNet> {
    let entries = fields.list("ip_allowlist", MAX_NETWORKS, problems).unwrap_or_default();
    let mut networks = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        match entry.as_str().and_then(parse_network) {
            Some(network) => networks.push(network),
            None => problems.push(fields.problem(
                &format!("ip_allowlist[{index}]"),
                "must be an address such as 203.0.113.7 or a network such as 203.0.113.0/24",
            )),
        }
    }
    networks
}

/// A network whose address has no bits beyond its prefix, or a single address.
fn parse_network(text: &str) -> Option<IpNet> {
    let single = text.parse::<IpAddr>().map(IpNet::from);
    let network = single.or_else(|_| text.parse()).ok()?;
    (network.trunc() == network).then_some(network)
}

#[cfg(test)]
mod tests;
