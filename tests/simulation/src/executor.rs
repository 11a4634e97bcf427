//! Time and tasks of a simulated world, on one thread: which task goes on next is drawn by lot, and the time
//! passes only when nobody can go on.
//!
//! Every wait is a timer, so that the same seed gives the same run, step by step.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::random::Random;

/// The number of a task.
pub(crate) type TaskId = u64;

/// A task.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The world's time, lots and trace. Everything that waits or draws has one.
#[derive(Clone)]
pub(crate) struct Simulation(Arc<Mutex<State>>);

struct State {
    now: u64,
    random: Random,
    timers: BinaryHeap<Reverse<(u64, u64)>>,
    wakers: BTreeMap<u64, Waker>,
    last_timer: u64,
    /// The task that is polled.
    current: TaskId,
    /// Tasks that die at their next wait.
    doomed: BTreeSet<TaskId>,
    started: Vec<(TaskId, Work)>,
    last_task: TaskId,
    digest: u64,
    trace: Option<Vec<String>>,
}

impl Simulation {
    /// A world at `now` milliseconds since the Unix epoch. With `traced`, it keeps what happens as text.
    pub(crate) fn new(seed: u64, now: u64, traced: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            now,
            random: Random::seeded(seed),
            timers: BinaryHeap::new(),
            wakers: BTreeMap::new(),
            last_timer: 0,
            current: 0,
            doomed: BTreeSet::new(),
            started: Vec::new(),
            last_task: 0,
            digest: seed,
            trace: traced.then(Vec::new),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present moment in milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        self.lock().now
    }

    /// Draws a lot.
    pub(crate) fn draw<T>(&self, lot: impl FnOnce(&mut Random) -> T) -> T {
        lot(&mut self.lock().random)
    }

    /// Whether it happens, with a probability in thousandths.
    pub(crate) fn chance(&self, thousandths: u64) -> bool {
        self.draw(|random| random.below(1000) < thousandths)
    }

    /// The task that is at work.
    pub(crate) fn current(&self) -> TaskId {
        self.lock().current
    }

    /// Says what happens.
    pub(crate) fn note(&self, text: impl FnOnce() -> String) {
        let mut state = self.lock();
        let (now, task) = (state.now, state.current);
        if state.trace.is_none() {
            return;
        }
        let text = text();
        for byte in text.bytes() {
            state.digest = (state.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(trace) = &mut state.trace {
            trace.push(format!("{:>10} ms  task {task:<4} {text}", now.saturating_sub(crate::world::EPOCH)));
        }
    }

    /// A number that follows from everything that was noted, if that was kept: two runs of one seed have the same.
    pub(crate) fn digest(&self) -> u64 {
        self.lock().digest
    }

    /// What was noted, if it was kept.
    pub(crate) fn take_trace(&self) -> Vec<String> {
        self.lock().trace.take().unwrap_or_default()
    }

    /// Begins a task.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> TaskId {
        let mut state = self.lock();
        state.last_task += 1;
        let id = state.last_task;
        state.started.push((id, Box::pin(work)));
        id
    }

    /// Ends a task where it is now, or at the latest where it waits next: what it held in memory is gone.
    pub(crate) fn kill(&self, task: TaskId) {
        self.lock().doomed.insert(task);
    }

    /// Ends the world: what was begun and never got a turn holds it, and is held by it.
    pub(crate) fn end(&self) {
        let (started, wakers) = {
            let mut state = self.lock();
            state.timers.clear();
            (std::mem::take(&mut state.started), std::mem::take(&mut state.wakers))
        };
        drop((started, wakers));
    }

    /// Waits.
    pub(crate) fn sleep(&self, milliseconds: u64) -> Sleep {
        let at = self.now().saturating_add(milliseconds);
        Sleep { simulation: self.clone(), at, timer: None }
    }

    fn timer(&self, at: u64, waker: Waker) -> u64 {
        let mut state = self.lock();
        state.last_timer += 1;
        let number = state.last_timer;
        state.timers.push(Reverse((at, number)));
        state.wakers.insert(number, waker);
        number
    }

    /// Lets the time pass to the next timer and wakes who waits for it. Answers whether there was one.
    fn pass(&self, until: u64) -> bool {
        loop {
            let (at, waker) = {
                let mut state = self.lock();
                let Some(Reverse((at, number))) = state.timers.peek().copied() else { return false };
                if at > until {
                    return false;
                }
                state.timers.pop();
                (at, state.wakers.remove(&number))
            };
            // A timer whose task is gone, or was woken by something else, wakes nobody.
            if let Some(waker) = waker {
                let mut state = self.lock();
                state.now = state.now.max(at);
                drop(state);
                waker.wake();
                return true;
            }
        }
    }
}

/// A wait.
pub(crate) struct Sleep {
    simulation: Simulation,
    at: u64,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.timer.is_some() && self.simulation.now() >= self.at {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        if let Some(timer) = self.timer {
            self.simulation.lock().wakers.entry(timer).and_modify(|old| *old = waker);
        } else {
            let timer = self.simulation.timer(self.at, waker);
            self.timer = Some(timer);
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.simulation.lock().wakers.remove(&timer);
        }
    }
}

/// The tasks that were woken.
#[derive(Default)]
struct Ready(Mutex<BTreeSet<TaskId>>);

struct TaskWaker {
    id: TaskId,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.0.lock().unwrap_or_else(PoisonError::into_inner).insert(self.id);
    }
}

/// Runs the tasks of a world.
pub(crate) struct Executor {
    simulation: Simulation,
    tasks: BTreeMap<TaskId, Work>,
    ready: Arc<Ready>,
}

impl Executor {
    pub(crate) fn new(simulation: Simulation) -> Self {
        Self { simulation, tasks: BTreeMap::new(), ready: Arc::default() }
    }

    /// Runs until nothing is left to do, or the time is `until`.
    pub(crate) fn run_until(&mut self, until: u64) {
        loop {
            self.take_in();
            while let Some(id) = self.next_ready() {
                self.poll(id);
                self.take_in();
            }
            if !self.simulation.pass(until) {
                let mut state = self.simulation.lock();
                state.now = state.now.max(until);
                return;
            }
        }
    }

    fn take_in(&mut self) {
        let started = std::mem::take(&mut self.simulation.lock().started);
        let mut ready = self.ready.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, work) in started {
            self.tasks.insert(id, work);
            ready.insert(id);
        }
    }

    /// Draws one of the tasks that can go on.
    fn next_ready(&self) -> Option<TaskId> {
        let mut ready = self.ready.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = ready.len() as u64;
        if count == 0 {
            return None;
        }
        let lot = self.simulation.draw(|random| random.below(count)) as usize;
        let id = ready.iter().nth(lot).copied()?;
        ready.remove(&id);
        Some(id)
    }

    fn poll(&mut self, id: TaskId) {
        let Some(work) = self.tasks.get_mut(&id) else { return };
        let is_doomed = |simulation: &Simulation| simulation.lock().doomed.remove(&id);
        if is_doomed(&self.simulation) {
            self.tasks.remove(&id);
            return;
        }
        let waker = Waker::from(Arc::new(TaskWaker { id, ready: self.ready.clone() }));
        let before = std::mem::replace(&mut self.simulation.lock().current, id);
        let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
        self.simulation.lock().current = before;
        if polled.is_ready() || is_doomed(&self.simulation) {
            self.tasks.remove(&id);
        }
    }
}
