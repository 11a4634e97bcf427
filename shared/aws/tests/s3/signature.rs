//! AWS's Signature Version 4 for S3 a second time, from its specification ("Authenticating Requests: Using the
//! Authorization Header" and "Using Query Parameters"), and proven on the examples there. It judges what the client
//! sends.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::client::{ACCESS_KEY, REGION, SECRET, TOKEN};
use crate::server::Received;

/// What is signed.
struct Signed<'a> {
    method: &'a str,
    key: &'a str,
    /// Names and values, as they are written.
    query: BTreeMap<&'a str, &'a str>,
    headers: BTreeMap<&'a str, &'a str>,
    /// The digest of what is sent, or what stands for it.
    content: &'a str,
    time: &'a str,
    region: &'a str,
}

fn hash(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// `UriEncode`, with the slashes of a key left as they are.
fn uri_encode(key: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            (byte as char).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    key.bytes().map(encode).collect()
}

impl Signed<'_> {
    fn signature(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names: Vec<_> = self.headers.keys().copied().collect();
        let query: Vec<_> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let canonical = format!(
            "{}\n/{}\n{}\n{headers}\n{}\n{}",
            self.method,
            uri_encode(self.key),
            query.join("&"),
            names.join(";"),
            self.content
        );
        let time = self.time;
        let day = &time[..8];
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
        let keyed = mac(format!("AWS4{SECRET}").as_bytes(), day);
        let key = [self.region, "s3", "aws4_request"].iter().fold(keyed, |key, part| mac(&key, part));
        hex::encode(mac(&key, &text))
    }
}

/// Stops unless S3 would accept the request for this key of a bucket in its path.
pub(crate) fn verify(request: &Received, bucket_and_key: &str) {
    assert_eq!(request.target, format!("/{}", uri_encode(bucket_and_key)));
    assert_eq!(
        request.headers["x-amz-content-sha256"],
        hash(&request.body),
        "the body was changed on its way"
    );
    let authorization = request.headers["authorization"].strip_prefix("AWS4-HMAC-SHA256 ").unwrap();
    let parts: BTreeMap<_, _> = authorization.split(", ").map(|part| part.split_once('=').unwrap()).collect();
    let day = &request.headers["x-amz-date"][..8];
    assert_eq!(parts["Credential"], format!("{ACCESS_KEY}/{day}/{REGION}/s3/aws4_request"));
    let names = parts["SignedHeaders"].split(';');
    let headers: BTreeMap<_, _> = names.map(|name| (name, request.headers[name].as_str())).collect();
    let signed = |name: &str| headers.contains_key(name);
    let amazons = request.headers.keys().filter(|name| name.starts_with("x-amz-"));
    assert!(signed("host") && amazons.clone().all(|name| signed(name)), "{headers:?}");
    let (content, time) = (headers["x-amz-content-sha256"], headers["x-amz-date"]);
    let (method, query) = (&*request.method, BTreeMap::new());
    let signed = Signed { method, key: bucket_and_key, query, headers, content, time, region: REGION };
    assert_eq!(parts["Signature"], signed.signature());
}

/// Stops unless S3 would let anybody who has the link GET this key of a bucket in its path from a time on, in the
/// form of `x-amz-date`, for so many seconds.
pub(crate) fn verify_link(link: &str, host: &str, bucket_and_key: &str, time: &str, seconds: u64) {
    let (path, query) = link.strip_prefix(&format!("http://{host}")).unwrap().split_once('?').unwrap();
    assert_eq!(path, format!("/{}", uri_encode(bucket_and_key)));
    let mut query: BTreeMap<_, _> = query.split('&').map(|part| part.split_once('=').unwrap()).collect();
    let signature = query.remove("X-Amz-Signature").unwrap();
    let credential = format!("{ACCESS_KEY}%2F{}%2F{REGION}%2Fs3%2Faws4_request", &time[..8]);
    let seconds = seconds.to_string();
    let expected = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", time),
        ("X-Amz-Expires", &seconds),
        ("X-Amz-Security-Token", TOKEN),
        ("X-Amz-SignedHeaders", "host"),
        ("response-cache-control", "no-store"),
        ("response-content-type", "application%2Fjson"),
    ];
    assert_eq!(query, expected.into());
    let (headers, content) = ([("host", host)].into(), "UNSIGNED-PAYLOAD");
    let signed = Signed { method: "GET", key: bucket_and_key, query, headers, content, time, region: REGION };
    assert_eq!(signature, signed.signature());
}

#[test]
fn the_examples_of_the_specification_are_reproduced() {
    let common = [("host", "examplebucket.s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z")];
    let (nothing, welcome) = (hash(b""), hash(b"Welcome to Amazon S3."));
    let signed = |method, key, others: &[(&'static str, &'static str)], hash| {
        let headers = common.iter().chain(others).copied().chain([("x-amz-content-sha256", hash)]);
        let (query, headers, time) = (BTreeMap::new(), headers.collect(), "20130524T000000Z");
        Signed { method, key, query, headers, content: hash, time, region: "us-east-1" }.signature()
    };
    assert_eq!(
        signed("GET", "test.txt", &[("range", "bytes=0-9")], &nothing),
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
    let stored = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
    assert_eq!(
        signed("PUT", "test$file.text", &stored, &welcome),
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    );
    let query = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"),
        ("X-Amz-Date", "20130524T000000Z"),
        ("X-Amz-Expires", "86400"),
        ("X-Amz-SignedHeaders", "host"),
    ];
    let link = Signed {
        method: "GET",
        key: "test.txt",
        query: query.into(),
        headers: [common[0]].into(),
        content: "UNSIGNED-PAYLOAD",
        time: "20130524T000000Z",
        region: "us-east-1",
    };
    assert_eq!(link.signature(), "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}
