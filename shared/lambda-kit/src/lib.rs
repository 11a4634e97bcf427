//! What the functions share: reading the configuration, logs, and how Lambda hands over HTTP requests and
//! batches of messages.
