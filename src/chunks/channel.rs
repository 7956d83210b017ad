//! From one thread to one other. (In `std::sync::mpsc` a sender that wakes and a receiver that is about to sleep get in
//! each other's way: with it a load of many small files switches threads 13,000 times instead of 9,000.)

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct Channel<T> {
    state: Mutex<State<T>>,
    came: Condvar,
}

#[derive(Debug)]
struct State<T> {
    queue: VecDeque<T>,
    /// The receiver waits until this is false.
    sleeps: bool,
    /// Nothing more comes.
    ended: bool,
    /// Nobody receives any more.
    closed: bool,
}

/// Where things go in. Sending never waits: whoever takes what it sends from a [`Pool`](super::Pool) is bounded by that.
#[derive(Debug)]
pub struct Sender<T>(Arc<Channel<T>>);

/// Where they come out, in their order.
#[derive(Debug)]
pub struct Receiver<T>(Arc<Channel<T>>);

/// The receiver is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// A way from one thread to another.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { queue: VecDeque::new(), sleeps: false, ended: false, closed: false };
    let channel = Arc::new(Channel { state: Mutex::new(state), came: Condvar::new() });
    (Sender(Arc::clone(&channel)), Receiver(channel))
}

impl<T> Channel<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State<T>>) {
        if std::mem::take(&mut state.sleeps) {
            drop(state);
            self.came.notify_one();
        }
    }
}

impl<T> Sender<T> {
    /// Sends one.
    pub fn send(&self, item: T) -> Result<(), Closed> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(Closed);
        }
        state.queue.push_back(item);
        self.0.wake(state);
        Ok(())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ended = true;
        self.0.wake(state);
    }
}

impl<T> Iterator for Receiver<T> {
    type Item = T;

    /// Waits for the next one; `None` when the sender is gone.
    fn next(&mut self) -> Option<T> {
        let mut state = self.0.lock();
        loop {
            if let Some(item) = state.queue.pop_front() {
                return Some(item);
            }
            if state.ended {
                return None;
            }
            state.sleeps = true;
            while state.sleeps {
                state = self.0.came.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        // What is dropped may wake others.
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        drop(queue);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn all_come_in_order_and_then_the_end() {
        let (sender, receiver) = channel();
        let received = thread::spawn(move || receiver.collect::<Vec<_>>());
        for number in 0..1000 {
            sender.send(number).unwrap();
        }
        drop(sender);
        assert_eq!(received.join().unwrap(), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn each_comes_at_once() {
        let (sender, receiver) = channel();
        let (back, mut answers) = channel();
        let echo = thread::spawn(move || receiver.for_each(|number| back.send(number).unwrap()));
        for number in 0..1000 {
            sender.send(number).unwrap();
            assert_eq!(answers.next(), Some(number));
        }
        drop(sender);
        echo.join().unwrap();
        assert_eq!(answers.next(), None);
    }

    #[test]
    fn whoever_is_gone_gets_nothing() {
        let (sender, receiver) = channel();
        let shared = Arc::new(());
        sender.send(Arc::clone(&shared)).unwrap();
        drop(receiver);
        assert_eq!((sender.send(Arc::clone(&shared)), Arc::strong_count(&shared)), (Err(Closed), 1));
        let (sender, mut receiver) = channel::<()>();
        drop(sender);
        assert_eq!(receiver.next(), None);
    }
}
