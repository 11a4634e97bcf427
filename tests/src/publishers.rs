//! Publishers that go on until they are stopped, while the server is killed and started again under them.

use std::future::Future;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Client;

/// What a publisher knows.
pub struct Publisher {
    /// Which one it is, from 0.
    pub number: u64,
    server: watch::Receiver<Client>,
    stop: watch::Receiver<bool>,
}

impl Publisher {
    /// A client of the server that runs now.
    pub fn client(&self) -> Client {
        self.server.borrow().clone()
    }

    /// Whether it is to end.
    pub fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }
}

/// Publishers at work, each of which answers what it published.
pub struct Publishers<T> {
    server: watch::Sender<Client>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<Vec<T>>,
}

impl<T: Send + 'static> Publishers<T> {
    /// Sets so many to work, through a client of the server that runs now.
    pub fn start<F>(client: Client, count: u64, mut work: impl FnMut(Publisher) -> F) -> Self
    where
        F: Future<Output = Vec<T>> + Send + 'static,
    {
        let (server, now) = watch::channel(client);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for number in 0..count {
            tasks.spawn(work(Publisher { number, server: now.clone(), stop: stopped.clone() }));
        }
        Self { server, stop, tasks }
    }

    /// Tells them of another server.
    pub fn go_on_with(&self, client: Client) {
        self.server.send_replace(client);
    }

    /// Lets them finish the event they are at. Answers what each of them published, in its order.
    pub async fn finish(self) -> Vec<Vec<T>> {
        self.stop.send_replace(true);
        self.tasks.join_all().await
    }
}
