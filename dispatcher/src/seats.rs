//! Seats for streams of events: so many in all, and so many for one person, so that nobody's forgotten tabs shut others out.
//!
//! A stream costs a connection and a place in the queue of changes, which all streams share: some tens of kilobytes, and
//! no more for one that nobody reads; it falls behind and is told so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Streams in all: every officer of a city with a few browsers, and what that takes stays below 100 MB.
pub const MAX_STREAMS: usize = 1_024;
/// Streams of one signed-in person or token; a browser takes one for all its tabs.
pub const MAX_STREAMS_EACH: usize = 64;

/// How many seats each person has who has any.
type Taken = Arc<Mutex<HashMap<String, usize>>>;

/// All seats.
#[derive(Debug, Clone)]
pub(crate) struct Seats {
    all: Arc<Semaphore>,
    taken: Taken,
}

/// One seat, held until it is dropped.
#[derive(Debug)]
pub struct Seat {
    _one: OwnedSemaphorePermit,
    of: Option<(Taken, String)>,
}

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSeat {
    /// The city has given all.
    #[error("all {max} streams of events are taken: close pages, or ask for what has changed", max = MAX_STREAMS)]
    All,
    /// The person has too many.
    #[error(
        "{MAX_STREAMS_EACH} streams of events are open in your name: close pages, or ask for what has changed"
    )]
    Yours,
}

impl Seats {
    pub(crate) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(MAX_STREAMS)), taken: Arc::default() }
    }

    /// A seat for a person; for nobody in particular where `person` is empty, as where nobody signs in.
    ///
    /// # Errors
    /// [`NoSeat`] when all are taken, or all that one person may have.
    pub(crate) fn take(&self, person: &str) -> Result<Seat, NoSeat> {
        let one = Arc::clone(&self.all).try_acquire_owned().map_err(|_| NoSeat::All)?;
        if person.is_empty() {
            return Ok(Seat { _one: one, of: None });
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.entry(person.to_owned()).or_default();
        if *own >= MAX_STREAMS_EACH {
            return Err(NoSeat::Yours);
        }
        *own += 1;
        Ok(Seat { _one: one, of: Some((Arc::clone(&self.taken), person.to_owned())) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((taken, person)) = self.of.take() else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&person) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&person);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_shuts_nobody_else_out_and_gets_a_seat_again_for_each_that_is_left() {
        let seats = Seats::new();
        let mut li: Vec<Seat> = (0..MAX_STREAMS_EACH).map(|_| seats.take("li").unwrap()).collect();
        assert_eq!(seats.take("li").unwrap_err(), NoSeat::Yours);
        assert!(seats.take("wang").is_ok());
        li.pop();
        assert!(seats.take("li").is_ok());
        drop(li);
        assert!(seats.taken.lock().unwrap().is_empty(), "who has left is forgotten");
    }

    #[test]
    fn there_is_an_end_to_seats_for_everybody() {
        let seats = Seats::new();
        let all: Vec<Seat> = (0..MAX_STREAMS).map(|_| seats.take("").unwrap()).collect();
        assert_eq!(seats.take("").unwrap_err(), NoSeat::All);
        assert_eq!(seats.take("li").unwrap_err(), NoSeat::All);
        drop(all);
        assert!(seats.take("li").is_ok());
    }
}
