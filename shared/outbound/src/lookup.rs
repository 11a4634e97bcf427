//! Looking names up. A trait, so that tests can make names resolve to anything.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::sync::Semaphore;

/// How many look-ups run at once. Each keeps one of the runtime's threads for blocking work busy, of which
/// there are 512 by default, and other work needs them too.
const RUNNING_LOOKUPS: usize = 64;

/// Looks names up.
pub trait Lookup: Send + Sync {
    /// Every address of a name.
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

type Resolver = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;
type Running = Shared<BoxFuture<'static, Result<Vec<IpAddr>, io::ErrorKind>>>;

/// The system's own resolver, with its hosts file and search rules.
///
/// Requests for a name that is being looked up wait for that look-up: a name that resolves slowly takes up
/// one thread however many deliveries are for it. Nothing is kept once a look-up has ended.
#[derive(Clone)]
pub struct SystemLookup {
    resolver: Arc<Resolver>,
    slots: Arc<Semaphore>,
    running: Arc<Mutex<HashMap<String, Running>>>,
}

impl SystemLookup {
    /// The system's resolver.
    pub fn new() -> Self {
        Self::with_resolver(|host| Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
    }

    fn with_resolver(resolver: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self {
            resolver: Arc::new(resolver),
            slots: Arc::new(Semaphore::new(RUNNING_LOOKUPS)),
            running: Arc::default(),
        }
    }

    /// Starts a look-up that goes on when nobody waits for it any longer.
    fn start(&self, host: &str) -> Running {
        let (this, host) = (self.clone(), host.to_owned());
        let task = tokio::spawn(async move {
            let slot = this.slots.clone().acquire_owned().await;
            let (resolver, name) = (this.resolver.clone(), host.clone());
            let answer = tokio::task::spawn_blocking(move || {
                let answer = resolver(&name);
                drop(slot);
                answer
            });
            let answer = answer.await.unwrap_or_else(|error| Err(error.into()));
            this.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&host);
            answer.map_err(|error| error.kind())
        });
        task.map(|ended| ended.unwrap_or(Err(io::ErrorKind::Other))).boxed().shared()
    }
}

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = running.get(host).cloned().unwrap_or_else(|| {
            let answer = self.start(host);
            running.insert(host.to_owned(), answer.clone());
            answer
        });
        answer.map(|answer| answer.map_err(io::Error::from)).boxed()
    }
}

impl Default for SystemLookup {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_system_knows_this_machine() {
        let addresses = SystemLookup::new().lookup("localhost").await.unwrap();
        assert!(addresses.iter().all(IpAddr::is_loopback) && !addresses.is_empty(), "{addresses:?}");
    }

    #[tokio::test]
    async fn a_slow_name_takes_up_one_thread_and_is_looked_up_anew_afterwards() {
        let (count, (release, gate)) = (Arc::new(AtomicUsize::new(0)), mpsc::channel::<()>());
        let (counter, gate) = (count.clone(), Mutex::new(gate));
        let lookup = SystemLookup::with_resolver(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            gate.lock().unwrap().recv().map_err(|_| io::ErrorKind::Other)?;
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        });
        let waiting: Vec<_> = (0..100).map(|_| lookup.lookup("slow.example")).collect();
        release.send(()).unwrap();
        for answer in futures::future::join_all(waiting).await {
            assert_eq!(answer.unwrap(), [Ipv4Addr::LOCALHOST]);
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
        release.send(()).unwrap();
        lookup.lookup("slow.example").await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn one_slow_name_does_not_hold_up_another() {
        let (hold, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let lookup = SystemLookup::with_resolver(move |host| {
            if host == "slow.example" {
                gate.lock().unwrap().recv().map_err(|_| io::ErrorKind::TimedOut)?;
            }
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        });
        let slow: Vec<_> = (0..2 * RUNNING_LOOKUPS).map(|_| lookup.lookup("slow.example")).collect();
        lookup.lookup("quick.example").await.unwrap();
        drop(hold);
        for answer in futures::future::join_all(slow).await {
            assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
    }
}
