//! What the log says of messages, and its form in bytes.
//!
//! A record is a kind and a message's id; then, for a message that was sent, when it is visible and how often it was
//! handed out, the lengths of queue, group and body, and these. Numbers are little-endian.

use std::io;

use postrider_application::ports::QueueName;
use postrider_domain::Timestamp;

use super::super::state::{Message, Touch};
use crate::write_log::Frame;

const SENT: u8 = 1;
const TOUCHED: u8 = 2;
const MOVED: u8 = 3;
const REMOVED: u8 = 4;

/// Something to be remembered.
#[derive(Debug, Clone)]
pub(in crate::queue) enum LogEntry {
    /// A message was sent.
    Sent(QueueName, Message),
    /// A message was handed out once more.
    Touched(Touch),
    /// A message went to its dead-letter queue.
    Moved { id: u64, to: QueueName },
    /// A message was dealt with.
    Removed(u64),
}

impl LogEntry {
    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        32 + if let Self::Sent(_, message) = self { message.body.text().len() } else { 0 }
    }

    /// Adds it to what is to be written.
    pub(super) fn write(&self, frame: &mut Frame) {
        match self {
            Self::Sent(queue, message) => write_sent(*queue, message, frame),
            Self::Touched(Touch { id, visible_at, receive_count }) => {
                frame.extend(&[TOUCHED]);
                frame.extend(&id.to_le_bytes());
                frame.extend(&visible_at.as_millis().to_le_bytes());
                frame.extend(&receive_count.to_le_bytes());
            }
            Self::Moved { id, to } => {
                frame.extend(&[MOVED]);
                frame.extend(&id.to_le_bytes());
                write_name(*to, frame);
            }
            Self::Removed(id) => {
                frame.extend(&[REMOVED]);
                frame.extend(&id.to_le_bytes());
            }
        }
    }
}

/// Adds that a message was sent, as it is now.
pub(super) fn write_sent(queue: QueueName, message: &Message, frame: &mut Frame) {
    frame.extend(&[SENT]);
    frame.extend(&message.id.to_le_bytes());
    frame.extend(&message.visible_at.as_millis().to_le_bytes());
    frame.extend(&message.receive_count.to_le_bytes());
    write_name(queue, frame);
    for text in [&*message.group, &*message.body.text()] {
        frame.extend(&(text.len() as u32).to_le_bytes());
        frame.extend(text.as_bytes());
    }
}

fn write_name(queue: QueueName, frame: &mut Frame) {
    let name = queue.to_string();
    frame.extend(&[name.len() as u8]);
    frame.extend(name.as_bytes());
}

/// Reads the records of a frame, one after the other.
pub(super) fn read_all(records: &[u8], mut take: impl FnMut(LogEntry)) -> io::Result<()> {
    let mut rest = Reader(records);
    while !rest.0.is_empty() {
        take(rest.entry()?);
    }
    Ok(())
}

/// What was not read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn entry(&mut self) -> io::Result<LogEntry> {
        let [kind] = self.array()?;
        let id = u64::from_le_bytes(self.array()?);
        Ok(match kind {
            SENT => {
                let (visible_at, receive_count) = self.visibility()?;
                let queue = self.queue()?;
                let (group, body) = (self.text()?, self.text()?);
                LogEntry::Sent(queue, Message::kept(id, body, group, visible_at, receive_count))
            }
            TOUCHED => {
                let (visible_at, receive_count) = self.visibility()?;
                LogEntry::Touched(Touch { id, visible_at, receive_count })
            }
            MOVED => LogEntry::Moved { id, to: self.queue()? },
            REMOVED => LogEntry::Removed(id),
            _ => return Err(damaged()),
        })
    }

    fn bytes(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.bytes(N)?.try_into().map_err(|_| damaged())
    }

    fn visibility(&mut self) -> io::Result<(Timestamp, u32)> {
        let visible_at = Timestamp::from_millis(u64::from_le_bytes(self.array()?));
        Ok((visible_at, u32::from_le_bytes(self.array()?)))
    }

    fn queue(&mut self) -> io::Result<QueueName> {
        let [length] = self.array()?;
        let name = std::str::from_utf8(self.bytes(length.into())?).map_err(|_| damaged())?;
        let unknown = || {
            io::Error::other(format!(
                "there are messages for the queue {name}, which this version does not have; \
                 start the version that wrote them"
            ))
        };
        queue_named(name).ok_or_else(unknown)
    }

    fn text(&mut self) -> io::Result<String> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        String::from_utf8(self.bytes(length)?.to_vec()).map_err(|_| damaged())
    }
}

/// The queue of this name; `None` when this version has none.
pub(super) fn queue_named(name: &str) -> Option<QueueName> {
    QueueName::all().into_iter().find(|queue| queue.to_string() == name)
}

fn damaged() -> io::Error {
    io::Error::other("the log of the queue is damaged")
}
