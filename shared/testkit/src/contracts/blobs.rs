//! The contract of the Blobs port.

use bytes::Bytes;
use postrider_application::ports::Blobs;

use crate::unique::unique;

/// Runs every case.
pub async fn blobs_contract(blobs: &dyn Blobs) {
    what_was_never_put_is_not_there(blobs).await;
    what_was_put_last_is_read(blobs).await;
    keys_are_whole(blobs).await;
    large_content_comes_back_as_it_went(blobs).await;
}

/// The largest content that there is: an event's data.
pub fn largest_content() -> Bytes {
    (0..5_000_000_u32).map(|number| (number % 251) as u8).collect()
}

/// Nothing is no error.
pub async fn what_was_never_put_is_not_there(blobs: &dyn Blobs) {
    assert_eq!(blobs.get(&unique("payloads/acme/none")).await.unwrap(), None);
}

/// Putting a key again replaces what was there.
pub async fn what_was_put_last_is_read(blobs: &dyn Blobs) {
    let key = unique("payloads/acme/e:1/abc");
    for content in ["first", "", "third"] {
        blobs.put(&key, content.into()).await.unwrap();
        assert_eq!(blobs.get(&key).await.unwrap().unwrap(), content);
    }
}

/// A key that begins like another is another, with the characters that event ids have.
pub async fn keys_are_whole(blobs: &dyn Blobs) {
    let folder = unique("payloads/acme");
    let keys = ["a", "a:b", "A_b-c", "b/a", "b/aa"].map(|name| format!("{folder}/{name}"));
    for key in &keys {
        blobs.put(key, Bytes::from(key.clone())).await.unwrap();
    }
    for key in &keys {
        assert_eq!(blobs.get(key).await.unwrap().unwrap(), key);
    }
    for beside in ["A", "a:", "b/aaa"] {
        assert_eq!(blobs.get(&format!("{folder}/{beside}")).await.unwrap(), None, "{beside}");
    }
}

/// The largest content that there is, every byte.
pub async fn large_content_comes_back_as_it_went(blobs: &dyn Blobs) {
    let key = unique("payloads/acme/large");
    let content = largest_content();
    blobs.put(&key, content.clone()).await.unwrap();
    assert!(blobs.get(&key).await.unwrap().unwrap() == content);
}
