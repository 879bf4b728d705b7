//! A TCP proxy that stands before a server and holds back, cuts or refuses what passes: each direction by itself, as a broken
//! network would.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// A direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From whoever connected.
    ToServer,
    /// What the server says.
    ToClient,
}

/// A port before a server's port.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    rules: Mutex<Rules>,
    changed: Condvar,
}

#[derive(Default)]
struct Rules {
    server: u16,
    is_over: bool,
    refuses: bool,
    /// By [`Way`]: nothing passes, on no connection.
    stalled: [bool; 2],
    /// By [`Way`]: what holds back this way from itself on.
    traps: [Option<&'static str>; 2],
    connections: Vec<Connection>,
    next_id: u64,
}

struct Connection {
    id: u64,
    /// By [`Way`]: nothing passes on this one.
    held: [bool; 2],
    streams: [TcpStream; 2],
}

impl Proxy {
    /// Listens on a free port; [`Proxy::lead_to`] says for whom.
    pub fn new() -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Proxy { port, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends what comes to this port on loopback.
    pub fn lead_to(&self, port: u16) {
        self.shared.lock().server = port;
    }

    /// Holds back what is sent this way, on every connection that there is or will be.
    pub fn stall(&self, way: Way) {
        self.shared.lock().stalled[way as usize] = true;
    }

    /// Holds back what is sent this way from the first message on that holds these words.
    pub fn stall_at(&self, way: Way, words: &'static str) {
        self.shared.lock().traps[way as usize] = Some(words);
    }

    /// Whether something is to be held back this way.
    pub fn is_stalled(&self, way: Way) -> bool {
        self.shared.lock().stalled[way as usize]
    }

    /// What is held back stays so on the connections that there are; later ones are free.
    pub fn let_later_ones_pass(&self) {
        let mut rules = self.shared.lock();
        let stalled = std::mem::take(&mut rules.stalled);
        for connection in &mut rules.connections {
            for (held, stalled) in connection.held.iter_mut().zip(stalled) {
                *held |= stalled;
            }
        }
        self.shared.changed.notify_all();
    }

    /// Everything goes on, what was held back first, and connections are taken again.
    pub fn let_pass(&self) {
        let mut rules = self.shared.lock();
        rules.refuses = false;
        rules.stalled = [false; 2];
        rules.traps = [None; 2];
        for connection in &mut rules.connections {
            connection.held = [false; 2];
        }
        self.shared.changed.notify_all();
    }

    /// Ends every connection; what was held back is lost. Later ones are free.
    pub fn cut(&self) {
        let mut rules = self.shared.lock();
        rules.stalled = [false; 2];
        rules.end_all();
        self.shared.changed.notify_all();
    }

    /// Ends every connection, and later ones at once, until [`Proxy::let_pass`].
    pub fn cut_for_good(&self) {
        self.shared.lock().refuses = true;
        self.cut();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().expect("no thread of the proxy panics")
    }

    /// Waits until bytes may pass this way; false when the connection is no more.
    fn may_pass(&self, id: u64, way: Way, bytes: &[u8]) -> bool {
        let mut rules = self.lock();
        // A message of these is short and comes in one piece.
        let springs = |words: &&str| {
            bytes
                .windows(words.len())
                .any(|part| part == words.as_bytes())
        };
        if rules.traps[way as usize]
            .take_if(|words| springs(words))
            .is_some()
        {
            rules.stalled[way as usize] = true;
        }
        loop {
            let Some(connection) = rules.connections.iter().find(|known| known.id == id) else {
                return false;
            };
            if !connection.held[way as usize] && !rules.stalled[way as usize] {
                return true;
            }
            rules = self.changed.wait(rules).expect("no thread panics");
        }
    }

    /// Takes in two streams that belong together; `None` when connections are refused.
    fn open(self: &Arc<Shared>, client: TcpStream, server: TcpStream) -> Option<()> {
        let (from_client, from_server) = (client.try_clone().ok()?, server.try_clone().ok()?);
        let (to_client, to_server) = (client.try_clone().ok()?, server.try_clone().ok()?);
        let mut rules = self.lock();
        if rules.refuses || rules.is_over {
            return None;
        }
        rules.next_id += 1;
        let id = rules.next_id;
        rules.connections.push(Connection {
            id,
            held: [false; 2],
            streams: [client, server],
        });
        let (there, back) = (Arc::clone(self), Arc::clone(self));
        std::thread::spawn(move || there.pump(id, Way::ToServer, from_client, to_server));
        std::thread::spawn(move || back.pump(id, Way::ToClient, from_server, to_client));
        Some(())
    }

    fn pump(&self, id: u64, way: Way, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if !self.may_pass(id, way, &buffer[..count]) || to.write_all(&buffer[..count]).is_err()
            {
                break;
            }
        }
        // The end waits its turn like bytes.
        self.may_pass(id, way, &[]);
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    }
}

impl Rules {
    fn end_all(&mut self) {
        for connection in self.connections.drain(..) {
            for stream in connection.streams {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let (is_over, port) = {
            let rules = shared.lock();
            (rules.is_over, rules.server)
        };
        if is_over {
            return;
        }
        // A server that is not there closes the connection, as its own port would.
        if let Ok(client) = client
            && let Ok(server) = TcpStream::connect(("127.0.0.1", port))
        {
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            shared.open(client, server);
        }
    }
}
