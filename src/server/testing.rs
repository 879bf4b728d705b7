//! A bench for the unit tests of the server: a whole one over a simulated disk, whose helpers do their work between two turns.

use std::rc::Rc;

use super::Server;
use super::simulated::SimServer;
use crate::clock::{SimClock, Turn};
use crate::config::Config;
use crate::reactor::simulated::{SimDialer, SimDoor, Wire};
use crate::storage::rocks::simulated::Mounted;

/// Turns until a condition must have come about.
const TURNS_MAX: usize = 1000;

/// A server, and what it stands on.
pub(super) struct Bench {
    pub(super) sim: SimServer,
    pub(super) clock: Rc<SimClock>,
    door: SimDoor,
    pub(super) mounted: Mounted,
}

impl Bench {
    /// Starts one with an empty disk, and default settings. `name` is the test's own.
    pub(super) fn start(name: &str) -> Bench {
        let config = Config {
            dir: std::path::Path::new("/simulated").join(name),
            ..Config::default()
        };
        let mounted = Mounted::new(&config.dir);
        let clock = Rc::new(SimClock::new(Turn {
            mono_us: 1_000_000,
            unix_us: 1_700_000_000_000_000,
        }));
        let door = SimDoor::default();
        let addr = "10.0.0.1:6379";
        let sim = SimServer::start(
            config,
            Rc::clone(&clock),
            1,
            &door,
            &SimDialer::default(),
            addr,
        );
        Bench {
            sim: sim.map_err(|error| error.text).expect("it starts"),
            clock,
            door,
            mounted,
        }
    }

    /// The server, to do things to between two turns.
    pub(super) fn server(&mut self) -> &mut Server {
        self.sim.server()
    }

    /// Connects a client.
    pub(super) fn connect(&mut self) -> Wire {
        let (wire, stream) = Wire::new();
        let addr = "10.0.0.2:50000".to_owned();
        self.door.connect(stream, addr, 100).expect("it listens");
        wire
    }

    /// Steps until the server has answered.
    pub(super) fn answer(&mut self, wire: &Wire) -> String {
        for _ in 0..TURNS_MAX {
            let bytes = wire.take_written();
            if !bytes.is_empty() {
                return String::from_utf8_lossy(&bytes).into_owned();
            }
            self.step();
        }
        panic!("no answer comes");
    }

    /// The helpers do everything that waits for them, the loop hears of it, and a millisecond passes.
    pub(super) fn step(&mut self) {
        while self.sim.job_count() > 0 {
            self.sim.run_job(0);
        }
        self.sim.step_flusher();
        self.sim.step_writer();
        while self.sim.messages_under_way() > 0 {
            self.sim.deliver_message();
        }
        self.clock.advance_us(1000);
        self.sim.turn();
    }

    /// Steps until something is the case.
    pub(super) fn until(&mut self, what: &str, mut is_so: impl FnMut(&Server) -> bool) {
        for _ in 0..TURNS_MAX {
            if is_so(self.server()) {
                return;
            }
            self.step();
        }
        panic!("it does not come about that {what}");
    }
}
