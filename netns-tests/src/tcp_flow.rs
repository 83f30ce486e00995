//! A TCP flow beside a push, as a file transfer to the same machine would be.

use linecast_lab::Node;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

/// Of the calling thread's network namespace.
const CONGESTION_CONTROL: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// One flow that sends as much as it can. It ends when it is dropped.
#[derive(Debug)]
pub struct TcpFlow {
    received: Arc<AtomicU64>,
    stream: TcpStream,
    threads: Vec<JoinHandle<()>>,
}

impl TcpFlow {
    /// Starts it from one node to another, with the congestion control of RFC 5681,
    /// whatever the machine's own is: every kernel has it.
    ///
    /// # Panics
    /// If the two cannot reach each other.
    pub fn start(from: &Node, to: &Node) -> TcpFlow {
        let reno = from.enter(|| fs::write(CONGESTION_CONTROL, "reno"));
        reno.expect("a namespace").expect("a setting of its own");
        let listener = to.enter(|| TcpListener::bind((to.address_v4, 0)));
        let listener = listener.expect("a namespace").expect("a free port");
        let address: SocketAddr = listener.local_addr().expect("it is bound");
        let stream = from.enter(|| TcpStream::connect(address));
        let stream = stream.expect("a namespace").expect("a connection");
        let (incoming, _) = listener.accept().expect("it is connected");
        let received = Arc::new(AtomicU64::new(0));
        let (count, writer) = (received.clone(), stream.try_clone().expect("a descriptor"));
        TcpFlow {
            received,
            stream,
            threads: vec![
                thread::spawn(move || write(writer)),
                thread::spawn(move || read(incoming, &count)),
            ],
        }
    }

    /// Bytes that have arrived.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }
}

impl Drop for TcpFlow {
    fn drop(&mut self) {
        // Both threads see the end of the connection.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn write(mut stream: TcpStream) {
    let bytes = vec![0x5a; 64 << 10];
    while stream.write_all(&bytes).is_ok() {}
}

fn read(mut stream: TcpStream, count: &AtomicU64) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(read) => _ = count.fetch_add(read as u64, Relaxed),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
