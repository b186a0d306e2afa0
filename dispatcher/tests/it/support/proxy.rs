//! A bad network between two programs: connections through it are dropped, delayed, half closed or cut off.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

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
}

impl Proxy {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, current) = watch::channel(Fault::None);
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let current = current.clone();
                tokio::spawn(async move {
                    let Ok(onward) = TcpStream::connect(target).await else { return };
                    let ((asked, answer), (answered, ask)) = (from.into_split(), onward.into_split());
                    // The first to end takes the other with it: both halves are closed.
                    tokio::select! {
                        () = pass(asked, ask, Side::Question, current.clone()) => {}
                        () = pass(answered, answer, Side::Answer, current) => {}
                    }
                });
            }
        });
        Self { address, fault }
    }

    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Question,
    Answer,
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, side: Side, fault: watch::Receiver<Fault>) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        let now = *fault.borrow();
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
