//! A TCP proxy in front of a real server: the network's faults on demand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Everything passes.
    None,
    /// What the server sends is swallowed; the connection stays.
    Stall,
    /// The connection is closed, new ones pass.
    Close,
    /// The server's bytes are replaced.
    Garbage,
}

pub struct Proxy {
    pub address: SocketAddr,
    pub accepted: Arc<AtomicUsize>,
    fault: watch::Sender<Fault>,
}

impl Proxy {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, faults) = watch::channel(Fault::None);
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut faults = faults.clone();
                faults.mark_unchanged();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
                        forward(client, server, faults).await;
                    }
                });
            }
        });
        Self { address, accepted, fault }
    }

    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    pub fn url(&self, path: &str) -> String {
        format!("rtsp://{}{path}", self.address)
    }
}

async fn forward(client: TcpStream, server: TcpStream, mut faults: watch::Receiver<Fault>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            changed = faults.changed() => match changed {
                Ok(()) if *faults.borrow() != Fault::Close => continue,
                _ => break,
            },
            read = from_server.read(&mut bytes) => read.unwrap_or(0),
        };
        let fault = *faults.borrow();
        match fault {
            _ if read == 0 => break,
            Fault::Stall => continue,
            Fault::Garbage => {
                bytes[..read].iter_mut().enumerate().for_each(|(i, b)| *b = (i * 37 % 251) as u8)
            }
            Fault::None | Fault::Close => {}
        }
        if to_client.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    up.abort();
}
