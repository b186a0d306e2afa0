//! A bad network between two programs: connections through it are dropped, delayed, half closed or cut off.

use super::PATIENCE;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

/// What happens to the bytes that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// They pass.
    None,
    /// The connection is closed when some come.
    Drop,
    /// They pass later.
    Delay(Duration),
    /// What is asked passes; the answer's side is closed before it, and the connection stays open for more questions.
    HalfClose,
    /// What is asked passes; then the connection is closed in place of the answer.
    LoseAnswers,
    /// Nothing passes and nothing is closed.
    Silence,
}

impl Fault {
    /// Every fault, with a delay that is noticed.
    pub const ALL: [Self; 5] = [
        Self::Drop,
        Self::Delay(Duration::from_millis(40)),
        Self::HalfClose,
        Self::LoseAnswers,
        Self::Silence,
    ];
}

/// Passes connections on, as well as it is told to.
pub struct Proxy {
    pub address: SocketAddr,
    fault: watch::Sender<Fault>,
    met: watch::Sender<u64>,
}

/// What happens on a connection, and how often anything has.
#[derive(Clone)]
struct Weather {
    fault: watch::Receiver<Fault>,
    met: watch::Sender<u64>,
}

impl Proxy {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, current) = watch::channel(Fault::None);
        let met = watch::Sender::new(0);
        let weather = Weather { fault: current, met: met.clone() };
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let weather = weather.clone();
                tokio::spawn(async move {
                    let Ok(onward) = TcpStream::connect(target).await else { return };
                    let ((asked, answer), (answered, ask)) = (from.into_split(), onward.into_split());
                    // The first to end takes the other with it: both halves are closed.
                    tokio::select! {
                        () = pass(asked, ask, Side::Question, &weather) => {}
                        () = pass(answered, answer, Side::Answer, &weather) => {}
                    }
                });
            }
        });
        Self { address, fault, met }
    }

    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Has a fault happen until it has changed what passed at least once; it goes on until another is set.
    pub async fn suffer(&self, fault: Fault) {
        let before = *self.met.borrow();
        self.set(fault);
        let deadline = Instant::now() + 3 * PATIENCE;
        while *self.met.borrow() == before {
            assert!(Instant::now() < deadline, "nothing came that {fault:?} could happen to");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Question,
    Answer,
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, side: Side, weather: &Weather) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        let now = *weather.fault.borrow();
        let is_met = match now {
            Fault::None => false,
            Fault::HalfClose | Fault::LoseAnswers => side == Side::Answer,
            Fault::Drop | Fault::Delay(_) | Fault::Silence => true,
        };
        if is_met {
            weather.met.send_modify(|met| *met += 1);
        }
        match (now, side) {
            (Fault::Drop, _) | (Fault::LoseAnswers, Side::Answer) => return,
            (Fault::Silence, _) => continue,
            (Fault::HalfClose, Side::Answer) => {
                // Fails when the other side has gone already.
                let _ = to.shutdown().await;
                continue;
            }
            (Fault::Delay(time), _) => tokio::time::sleep(time).await,
            _ => {}
        }
        if to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}
